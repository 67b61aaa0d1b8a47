"""Publications: all or nothing, once, newest wins, nobody waits."""

from __future__ import annotations

import random
import string
from collections.abc import Callable

import psycopg
import pytest
from psycopg import errors as pg

from pipeline.databases.embedded import Server
from pipeline.errors import PublisherBusy, ServingError, Unreachable
from pipeline.serving import About, migrate, publish, refuse
from pipeline.serving.copy_lines import KINDS
from tests.encodings import database_in
from tests.serving.nights import ABOUT, LOCK, Shop, as_of

REFUSED = About(0.1, {}, {"publish": False, "forced": False, "reasons": ["`recommendations` is empty"]})


def publications(shop: Shop) -> list[tuple[object, ...]]:
    """`version, run_id, status, is_live` of every record, in order."""
    return shop.read(
        "SELECT version, run_id, status, is_live FROM serving.publications ORDER BY published_at, version"
    )


def test_a_night_goes_live(shop: Shop) -> None:
    published = shop.publish(shop.night(1))
    assert (published.version, published.status, published.is_live) == (1, "published", True)
    assert (published.n_users, published.n_items, published.n_recommendations, published.precision_at_3) == (
        2,
        4,
        5,
        0.25,
    )
    assert shop.lists() == [(1, 1, 11), (1, 2, 12), (1, 3, 13), (2, 1, 12), (2, 2, 14)]
    assert shop.read("SELECT * FROM serving.recommendations WHERE user_id = 2 ORDER BY rank") == [
        (2, 1, 12, 1.0, "bought_again", 12, 1),
        (2, 2, 14, 0.5, None, None, 1),
    ]
    assert shop.read("SELECT * FROM serving.popular_items WHERE category = 'tea'") == [
        ("tea", 1, 15, 1.0, 1),
        ("tea", 2, 16, 0.5, 1),
    ]
    assert shop.read("SELECT * FROM serving.similar_items ORDER BY item_id, rank") == [
        (11, 1, 12, 1.0, 1),
        (11, 2, 13, 0.5, 1),
        (12, 1, 11, 1.0, 1),
    ]
    [row] = shop.read("SELECT * FROM serving.publications")
    assert row[:6] == (1, "night-1", "published", as_of(1), published.published_at, True)
    assert row[6:] == (2, 4, 0.25, ABOUT.params, ABOUT.decision, True, False)


def test_a_text_that_the_encoding_lacks_is_refused_in_words(
    server: Server, new_shop: Callable[..., Shop]
) -> None:
    with database_in(server, "LATIN1") as url:
        shop = new_shop(ids={"item": "text"}, url=url)
        shop.publish(shop.night(1, {1: ["caf\u00e9"]}, popular={"all": ["caf\u00e9"]}, similar={}))
        with pytest.raises(ServingError, match="cannot hold a text") as refused:
            shop.publish(shop.night(2, {1: ["5\u20ac"]}, popular={"all": ["5\u20ac"]}, similar={}))
        assert "LATIN1" in refused.value.found
        assert "ENCODING 'UTF8'" in refused.value.then
        assert shop.lists() == [(1, 1, "caf\u00e9")]


def test_a_category_that_no_index_holds_is_refused_in_words(shop: Shop) -> None:
    long = "".join(random.Random(1).choices(string.ascii_letters, k=5_000))
    with pytest.raises(ServingError, match="cannot index a value") as refused:
        shop.publish(shop.night(1, popular={"all": [11], long: [11]}))
    assert "migrate" not in refused.value.then


def test_the_next_night_replaces_it_whole(shop: Shop) -> None:
    shop.publish(shop.night(1))
    published = shop.publish(shop.night(2, {3: [21]}, popular={"all": [22]}, similar={}))
    assert published.version == 2
    assert shop.lists() == [(3, 1, 21)]
    assert shop.read("SELECT item_id, version FROM serving.popular_items") == [(22, 2)]
    assert shop.read("SELECT * FROM serving.similar_items") == []
    assert publications(shop) == [(1, "night-1", "published", False), (2, "night-2", "published", True)]


def test_the_same_run_twice_is_one_publication(shop: Shop) -> None:
    folder = shop.night(1)
    first = shop.publish(folder)
    assert shop.publish(folder) == first
    assert shop.publish(folder, force=True) == first
    assert publications(shop) == [(1, "night-1", "published", True)]
    assert shop.versions() == [1]


def test_a_run_with_other_lists_than_before_is_a_new_publication(shop: Shop) -> None:
    shop.publish(shop.night(1))
    published = shop.publish(shop.night(1, {1: [19]}))
    assert (published.version, published.is_live) == (2, True)
    assert shop.lists() == [(1, 1, 19)]


def test_an_older_run_is_stored_but_never_replaces_a_newer_one(shop: Shop) -> None:
    shop.publish(shop.night(5))
    published = shop.publish(shop.night(4, {1: [19]}))
    assert (published.version, published.status, published.is_live) == (2, "published", False)
    assert len(shop.lists()) == 5
    assert any("version 2 is stored, not live" in line for line in shop.said)
    assert publications(shop) == [(1, "night-5", "published", True), (2, "night-4", "published", False)]


def test_a_late_retry_of_a_replaced_run_changes_nothing(shop: Shop) -> None:
    shop.publish(shop.night(1))
    shop.publish(shop.night(2))
    published = shop.publish(shop.night(1))
    assert (published.version, published.is_live) == (1, False)
    assert publications(shop)[-1] == (2, "night-2", "published", True)


def test_force_puts_an_older_run_live(shop: Shop) -> None:
    shop.publish(shop.night(2))
    assert shop.publish(shop.night(1, {1: [19]}), force=True).is_live
    assert shop.lists() == [(1, 1, 19)]


def test_force_brings_back_a_run_whose_lists_were_dropped(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(keep_versions=1)
    for day in (1, 2, 3):
        shop.publish(shop.night(day, {1: [10 + day]}))
    assert shop.versions() == [2, 3]
    published = shop.publish(shop.night(1, {1: [11]}), force=True)
    assert (published.version, published.is_live) == (1, True)
    assert shop.lists() == [(1, 1, 11)]
    assert shop.versions() == [1, 3]
    published = shop.publish(shop.night(3, {1: [13]}), force=True)
    assert (published.version, published.is_live) == (3, True)
    assert len(publications(shop)) == 3


def test_old_versions_go_and_their_records_stay(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(keep_versions=2)
    for day in range(1, 6):
        shop.publish(shop.night(day))
    assert shop.versions() == [3, 4, 5]
    assert [row[0] for row in publications(shop)] == [1, 2, 3, 4, 5]


def test_a_refusal_is_recorded_and_changes_nothing_else(shop: Shop) -> None:
    shop.publish(shop.night(1))
    published = refuse(shop.url, shop.settings, shop.night(2, {}), REFUSED, say=shop.said.append)
    assert (published.version, published.status, published.is_live, published.n_users) == (
        None,
        "refused",
        False,
        0,
    )
    assert publications(shop) == [(1, "night-1", "published", True), (None, "night-2", "refused", False)]
    assert shop.read("SELECT decision->'reasons'->>0 FROM serving.publications WHERE status = 'refused'") == [
        ("`recommendations` is empty",)
    ]
    assert len(shop.lists()) == 5
    refuse(shop.url, shop.settings, shop.night(2, {}), REFUSED, say=shop.said.append)
    assert len(publications(shop)) == 2


def test_a_first_night_may_be_refused(shop: Shop) -> None:
    refuse(shop.url, shop.settings, shop.night(1), REFUSED, say=shop.said.append)
    assert publications(shop) == [(None, "night-1", "refused", False)]
    assert shop.publish(shop.night(1)).version == 1


def test_a_reader_keeps_its_snapshot_though_its_version_is_deleted(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(keep_versions=1)
    shop.publish(shop.night(1))
    with shop.connect("reader") as db:
        db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with db.transaction():
            db.execute("SELECT 1")
            for day in (2, 3, 4):
                shop.publish(shop.night(day, {1: [90 + day]}, popular={"all": [99]}))
            with shop.connect("publisher") as publisher:
                publisher.execute("VACUUM serving_storage.user_lists, serving_storage.popular_lists")
            assert shop.versions() == [3, 4]
            own = db.execute("SELECT item_id FROM serving.recommendations WHERE user_id = 1").fetchall()
            more = db.execute("SELECT item_id, version FROM serving.recommend(1, 4)").fetchall()
        assert own == [(11,), (12,), (13,)]
        assert more == [(11, 1), (12, 1), (13, 1), (15, 1)]
        assert db.execute("SELECT DISTINCT version FROM serving.popular_items").fetchall() == [(4,)]


def test_readers_and_publishers_do_not_wait_for_each_other(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(keep_versions=1, lock_timeout_ms=100)
    shop.publish(shop.night(1))
    read: list[list[tuple[object, ...]]] = []

    def read_while_loading(_: str) -> None:
        with shop.connect("reader") as db:
            db.execute("SET lock_timeout = '100ms'")
            read.append(db.execute("SELECT DISTINCT version FROM serving.recommendations").fetchall())

    with shop.connect("reader") as slow, slow.transaction():
        for view in ("recommendations", "popular_items", "similar_items", "publications"):
            slow.execute(f"SELECT * FROM serving.{view}".encode())
        slow.execute("SELECT * FROM serving.recommend(1, 9)")
        for day in (2, 3):
            assert shop.publish(shop.night(day), say=read_while_loading).is_live
    assert read == [[(1,)]] * len(KINDS) + [[(2,)]] * len(KINDS)


def test_two_publishers_one_wins_the_other_names_it(shop: Shop) -> None:
    shop.publish(shop.night(1))
    second, third = shop.night(2), shop.night(3)
    lost: list[PublisherBusy] = []

    def publish_the_other(_: str) -> None:
        with pytest.raises(PublisherBusy) as busy:
            shop.publish(third)
        lost.append(busy.value)

    assert shop.publish(second, say=publish_the_other).is_live
    assert len(lost) == len(KINDS)
    assert "nightshelf publish night-2" in lost[0].found
    assert "since 20" in lost[0].found
    assert lost[0].can_retry
    assert [row[1] for row in publications(shop)] == ["night-1", "night-2"]
    assert shop.publish(third).is_live


def test_a_publisher_whose_attempt_was_taken_away_gives_way(shop: Shop) -> None:
    shop.publish(shop.night(1))

    def take_away(_: str) -> None:
        with shop.connect("publisher") as db:
            db.execute("DELETE FROM serving_storage.attempt")

    with pytest.raises(PublisherBusy):
        shop.publish(shop.night(2), say=take_away)
    assert len(shop.lists()) == 5
    assert shop.publish(shop.night(2)).is_live


def test_waiting_for_the_flip_ends_with_the_holder_named(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(lock_timeout_ms=50)
    migrate(shop.url, shop.settings, say=shop.said.append)
    with shop.connect("publisher") as db, db.transaction():
        db.execute("SET LOCAL application_name = 'somebody'")
        db.execute(LOCK)
        with pytest.raises(PublisherBusy) as busy:
            migrate(shop.url, shop.settings, say=shop.said.append)
        assert f"process {db.info.backend_pid}" in busy.value.found
        with pytest.raises(PublisherBusy) as busy:
            shop.publish(shop.night(1))
        assert "(somebody)" in busy.value.found


def test_a_backend_that_dies_leaves_the_old_lists_and_the_next_run_cleans_up(
    shop: Shop, server: Server
) -> None:
    shop.publish(shop.night(1))
    before = shop.lists()

    def kill(_: str) -> None:
        with psycopg.connect(server.admin_url(), autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'nightshelf publish night-2'"
            )

    with pytest.raises(Unreachable) as lost:
        shop.publish(shop.night(2, {1: [91]}), say=kill)
    assert lost.value.can_retry
    assert shop.url not in str(lost.value)
    assert shop.lists() == before
    assert shop.publish(shop.night(2, {1: [91]})).is_live
    assert shop.lists() == [(1, 1, 91)]
    assert shop.read("SELECT * FROM serving_storage.attempt", "publisher") == []


def test_rows_that_a_dead_attempt_had_loaded_are_removed(shop: Shop) -> None:
    shop.publish(shop.night(1))
    with shop.connect("publisher") as db:
        db.execute("INSERT INTO serving_storage.attempt (version, run_id) VALUES (50, 'dead')")
        db.execute("INSERT INTO serving_storage.user_lists VALUES (50, 1, '{1}', '{1}', '{NULL}', '{NULL}')")
    assert shop.versions() == [1, 50]
    shop.publish(shop.night(2))
    assert shop.versions() == [1, 2]


def test_two_shops_in_one_database_do_not_touch_each_other(new_shop: Callable[..., Shop]) -> None:
    one = new_shop()
    two = new_shop(url=one.url, schema="second")
    one.publish(one.night(1))

    def publish_the_other(_: str) -> None:
        two.publish(two.night(3, {7: [70]}, run_id="second"))

    one.publish(one.night(2, {1: [19]}), say=publish_the_other)
    assert one.lists() == [(1, 1, 19)]
    assert two.read("SELECT user_id, item_id FROM second.recommendations") == [(7, 70)]
    with pytest.raises(pg.InsufficientPrivilege):
        two.read("SELECT * FROM serving.recommendations")
    migrate(two.url, two.settings, say=two.said.append, reset=True)
    assert one.lists() == [(1, 1, 19)]


def test_the_publishers_own_login_is_enough_once_the_schema_is_there(
    shop: Shop, new_login: Callable[[str, str], str]
) -> None:
    migrate(shop.url, shop.settings, say=shop.said.append)
    url = new_login(shop.url, f"{shop.settings.serving.role_prefix}_publisher")
    published = publish(url, shop.settings, shop.night(1), ABOUT, say=shop.said.append)
    assert published.is_live
    assert len(shop.lists()) == 5


def test_a_statement_that_takes_too_long_is_named(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(statement_timeout_ms=1000)
    shop.publish(shop.night(1))
    with shop.connect("publisher") as db, db.transaction():
        db.execute("SELECT FROM serving_storage.live FOR UPDATE")
        slow = new_shop(
            url=shop.url,
            role_prefix=shop.settings.serving.role_prefix,
            statement_timeout_ms=1000,
            lock_timeout_ms=60_000,
        )
        with pytest.raises(ServingError, match="took too long"):
            slow.publish(slow.night(2))
    assert len(shop.lists()) == 5
    assert shop.publish(shop.night(2)).is_live
