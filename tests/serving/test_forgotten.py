"""Forgotten users: the record of them, which only the publisher reads, and stored versions without them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from psycopg import errors as pg

from pipeline.errors import PublisherBusy
from pipeline.serving import About, migrate, publish, refuse
from pipeline.serving.forgotten import (
    NOBODY,
    Forgotten,
    erase_stored,
    forget_in_version,
    read_forgotten,
    remember,
)
from pipeline.serving.session import session
from tests.serving.nights import ABOUT, LOCK, Shop

KEPT = Forgotten(b"k" * 32, frozenset())
HOLDERS = ("user_lists", "user_purchases", "user_categories")
ELENA, OTTO = 900_000_000_017, 900_000_000_029
LISTS = {ELENA: [11, 12, 13], OTTO: [12, 14]}
MORE = {"purchases": {ELENA: [15], OTTO: [16]}, "categories": {ELENA: ["tea"], OTTO: ["tea"]}}


def forgetting(*users: int | str) -> Forgotten:
    return Forgotten(KEPT.key, frozenset(map(KEPT.hash_of, users)))


def everything(shop: Shop) -> str:
    """Every row of every table of the storage schema, and what the planner knows of them, as text."""
    tables = (
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'serving_storage'::regnamespace"
    )
    texts = []
    with shop.connect("publisher") as db:
        for (name,) in db.execute(tables.encode()).fetchall():
            texts += db.execute(f"SELECT t::text FROM serving_storage.{name} AS t".encode()).fetchall()
        texts += db.execute(
            "SELECT s::text FROM pg_stats AS s WHERE schemaname = 'serving_storage'"
        ).fetchall()
    return "\n".join(row[0] for row in texts)


def test_an_id_is_hashed_under_the_shop_s_own_key(shop: Shop, new_shop: Callable[..., Shop]) -> None:
    """Without the key nobody can try all ids, and two shops' records cannot be compared."""
    hashes = []
    for either in (shop, new_shop()):
        migrate(either.url, either.settings, say=either.said.append)
        assert remember(either.url, either.settings, ELENA)
        [(key,)] = either.read("SELECT key FROM serving_storage.forget_key", "publisher")
        [(user_hash,)] = either.read("SELECT user_hash FROM serving_storage.forgotten", "publisher")
        assert user_hash == hashlib.blake2b(str(ELENA).encode(), key=key, digest_size=32).digest()
        assert str(ELENA) not in everything(either)
        hashes.append(user_hash)
    assert hashes[0] != hashes[1]
    assert "key" not in repr(read_forgotten(shop.url, shop.settings))


def test_the_record_is_the_publisher_s_alone(shop: Shop) -> None:
    migrate(shop.url, shop.settings, say=shop.said.append)
    for role in ("reader", "operator", "owner"):
        for table in ("forget_key", "forgotten"):
            for statement in ("SELECT * FROM", "DELETE FROM"):
                with shop.connect(role) as db, pytest.raises(pg.InsufficientPrivilege):
                    db.execute(f"{statement} serving_storage.{table}".encode())


def test_a_second_time_changes_nothing(shop: Shop) -> None:
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert [remember(shop.url, shop.settings, user) for user in (ELENA, ELENA, OTTO)] == [True, False, True]
    assert len(read_forgotten(shop.url, shop.settings).hashes) == 2


@pytest.mark.parametrize(
    ("users", "forgotten", "left"),
    [
        (pa.array([1, 2, None, 1, 3]), forgetting(1, 9), [2, None, 3]),
        (pa.array([1, 2]), forgetting(3), [1, 2]),
        (pa.array([1, 2]), KEPT, [1, 2]),
        (pa.array(["b", "a", None, "a"]), forgetting("a"), ["b", None]),
        (pa.array([], pa.int64()), forgetting(1), []),
        (pa.nulls(2, pa.int64()), forgetting(1), [None, None]),
    ],
)
def test_rows_of_forgotten_users_are_left_out(users: pa.Array, forgotten: Forgotten, left: list[Any]) -> None:
    rows = pa.record_batch({"user_id": users, "item_id": pa.array(range(len(users)))})
    assert forgotten.without(rows)["user_id"].to_pylist() == left


def test_rows_without_users_are_handed_on() -> None:
    rows = pa.record_batch({"item_id": [1]})
    assert forgetting(1).without(rows) is rows


def test_nobody_is_forgotten_where_nothing_was_published(shop: Shop) -> None:
    assert read_forgotten(shop.url, shop.settings) == NOBODY


def test_a_user_goes_from_every_version_and_nothing_else_does(shop: Shop) -> None:
    for day in (1, 2, 3):
        shop.publish(shop.night(day, LISTS, **MORE))
    before = shop.lists()
    assert str(ELENA) in everything(shop)
    erased = erase_stored(shop.url, shop.settings, ELENA)
    assert (erased.n_versions, erased.n_rows) == (3, 3 * len(HOLDERS))
    assert str(ELENA) not in everything(shop)
    assert shop.lists() == [row for row in before if row[0] == OTTO]
    for table in HOLDERS:
        rows = shop.read(f"SELECT version, user_id FROM serving_storage.{table} ORDER BY 1", "publisher")
        assert rows == [(1, OTTO), (2, OTTO), (3, OTTO)]
    counts = shop.read("SELECT n_users, n_recommendations FROM serving_storage.publication", "publisher")
    assert counts == [(1, 2)] * 3
    again = erase_stored(shop.url, shop.settings, ELENA)
    assert (again.n_versions, again.n_rows) == (0, 0)


def test_a_version_that_was_loaded_and_never_went_live_is_cleaned_too(shop: Shop) -> None:
    """What a killed publisher left behind lies there until the next one."""
    shop.publish(shop.night(1, LISTS))
    with shop.connect("publisher") as db:
        db.execute("INSERT INTO serving_storage.attempt (version, run_id) VALUES (9, 'killed')")
        db.execute(
            "INSERT INTO serving_storage.user_lists SELECT 9, user_id, item_ids, scores, reasons,"
            " because_item_ids FROM serving_storage.user_lists"
        )
    assert erase_stored(shop.url, shop.settings, ELENA).n_versions == 2
    assert str(ELENA) not in everything(shop)


def test_a_reader_keeps_its_snapshot_and_waits_for_nothing(shop: Shop) -> None:
    shop.publish(shop.night(1, LISTS))
    with shop.connect("reader", options="-c lock_timeout=1") as db, db.transaction():
        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        query = "SELECT count(*) FROM serving.recommendations WHERE user_id = %s"
        assert db.execute(query, [ELENA]).fetchone() == (3,)
        erase_stored(shop.url, shop.settings, ELENA)
        assert db.execute(query, [ELENA]).fetchone() == (3,)
    assert shop.read("SELECT DISTINCT user_id FROM serving.recommendations") == [(OTTO,)]


def test_what_is_erased_is_served_like_anybody_unknown(shop: Shop) -> None:
    shop.publish(shop.night(1, LISTS, **MORE))
    erase_stored(shop.url, shop.settings, ELENA)
    query = f"SELECT rank, item_id, source FROM serving.recommend({ELENA}, 10)"
    assert shop.read(query) == shop.read("SELECT rank, item_id, source FROM serving.recommend(-1, 10)")


def test_a_decision_s_examples_of_the_user_go(shop: Shop) -> None:
    """The gate shows rows that failed an expectation, and its decision is published with the lists."""

    def example(user: int) -> dict[str, str]:
        return {"user_id": str(user), "rank": "2", "item_id": "12"}

    failed = [{"expectation": "ranks rise", "n_rows": 2, "examples": [example(ELENA), example(OTTO)]}]
    decision = {
        "publish": False,
        "reasons": ["ranks rise (2 rows)"],
        "suites": {"recommendations": {"failed": failed}},
    }
    about = About(None, ABOUT.params, decision)
    refuse(shop.url, shop.settings, shop.night(1, LISTS), about, say=shop.said.append)
    publish(shop.url, shop.settings, shop.night(2, LISTS), about, say=shop.said.append)
    erase_stored(shop.url, shop.settings, ELENA)
    assert str(ELENA) not in everything(shop)
    for (stored,) in shop.read("SELECT decision FROM serving.publications"):
        assert stored["suites"]["recommendations"]["failed"] == [{**failed[0], "examples": [example(OTTO)]}]
        assert stored["reasons"] == decision["reasons"]


def test_a_publisher_at_work_is_not_disturbed(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(lock_timeout_ms=50)
    shop.publish(shop.night(1, LISTS))
    with shop.connect("publisher") as other, other.transaction():
        other.execute("SET application_name = 'nightshelf publish late'")
        other.execute(LOCK)
        with pytest.raises(PublisherBusy) as caught:
            erase_stored(shop.url, shop.settings, ELENA)
    assert "nightshelf publish late" in caught.value.found
    assert str(ELENA) not in str(caught.value)
    assert shop.read(f"SELECT count(*) FROM serving.recommendations WHERE user_id = {ELENA}") == [(3,)]
    assert erase_stored(shop.url, shop.settings, ELENA).n_versions == 1


@pytest.mark.parametrize(
    ("kind", "users"),
    [
        ("integer", (ELENA, OTTO)),
        ("text", ("elena.müller@example.com", "otto")),
        ("uuid", ("7d2f0b6e-9a51-4c0e-8f27-3f5f0d1c2b3a", "00000000-0000-4000-8000-000000000001")),
    ],
)
def test_lists_of_a_run_that_still_knows_the_user_are_cleaned_as_they_are_loaded(
    new_shop: Callable[..., Shop], kind: str, users: tuple[Any, Any]
) -> None:
    shop = new_shop(ids={"user": kind})
    elena, otto = users
    published = shop.publish(
        shop.night(1, {elena: [11, 12], otto: [12]}, purchases={elena: [15]}, categories={otto: ["tea"]})
    )
    assert published.version
    remember(shop.url, shop.settings, elena)
    with session(shop.url, shop.settings, "a publisher") as db, db.transaction():
        db.lock(wait=True)
        assert forget_in_version(db, published.version) == 1
        assert forget_in_version(db, published.version) == 0
    for table in HOLDERS:
        query = f"SELECT user_id::text FROM serving_storage.{table}"
        assert (str(elena),) not in shop.read(query, "publisher")
    lists = shop.read("SELECT user_id::text, rank, item_id FROM serving.recommendations")
    assert lists == [(str(otto), 1, 12)]


def test_nothing_is_read_for_nobody(shop: Shop) -> None:
    published = shop.publish(shop.night(1, LISTS))
    with session(shop.url, shop.settings, "a publisher") as db, db.transaction():
        assert forget_in_version(db, published.version or 0) == 0
    assert len(shop.lists()) == 5


def test_the_record_outlives_a_reset(shop: Shop) -> None:
    """Other id types drop the storage schema; who asked to be forgotten has still asked."""
    migrate(shop.url, shop.settings, say=shop.said.append)
    remember(shop.url, shop.settings, ELENA)
    before = read_forgotten(shop.url, shop.settings)
    migrate(shop.url, shop.settings, say=shop.said.append, reset=True)
    assert read_forgotten(shop.url, shop.settings) == before
    assert before.hash_of(str(ELENA)) in before.hashes
