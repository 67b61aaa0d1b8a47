"""Every file of sql/serving/statements/ by itself: rows in, rows out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import psycopg
import pytest
from psycopg import errors as pg
from psycopg.types.json import Jsonb

from pipeline.config import ROOT
from pipeline.databases.embedded import Server
from pipeline.serving import migrate
from pipeline.serving.names import FOLDER, text_of
from pipeline.serving.schema import VERSION
from pipeline.serving.session import Session, session
from tests.serving.nights import LOCK, Shop, as_of

NAMED_HERE = re.compile(r'\brows\(\s*db, "(\w+)"')
RUN_BY_THE_CODE = re.compile(r'\.(?:run|one)\(\s*"(\w+)"')
HASH = b"h" * 32
Rows = list[tuple[Any, ...]]


@pytest.fixture
def db(shop: Shop) -> Iterator[Session]:
    """An empty schema, in a transaction as the publisher; `now()` is the same all along."""
    migrate(shop.url, shop.settings, say=shop.said.append)
    with session(shop.url, shop.settings, "a test") as db, db.transaction():
        yield db


def rows(db: Session, name: str, **values: Any) -> Rows:
    """What the statement returns; [] for one that returns nothing."""
    cursor = db.run(name, values)
    return [tuple(row.values()) for row in cursor] if cursor.description else []


def select(db: Session, query: str) -> Rows:
    return [tuple(row.values()) for row in db.connection.execute(query.encode())]


def add(db: Session, version: int | None, day: int, **columns: Any) -> None:
    """A publication of a night, or with version None a refusal: of run night-<day>, two users, three rows."""
    values = {
        "version": version,
        "run_id": f"night-{day}",
        "status": "refused" if version is None else "published",
        "as_of": as_of(day),
        "published_at": as_of(day),
        "n_users": 2,
        "n_items": 3,
        "n_recommendations": 3,
        "precision_at_3": 0.25,
        "repeat_purchases": "exclude",
        "lists_sha256": f"sha-{version}-{day}",
        "params": Jsonb({}),
        "decision": Jsonb({}),
        **columns,
    }
    names = ", ".join(values)
    places = ", ".join(f"%({name})s" for name in values)
    query = f"INSERT INTO serving_storage.publication ({names}) VALUES ({places})"
    db.connection.execute(query.encode(), values)


def add_list(db: Session, version: int, user: int, items: Sequence[int]) -> None:
    query = (
        "INSERT INTO serving_storage.user_lists VALUES (%(version)s, %(user)s, %(items)s::bigint[],"
        " array_fill(1.0::float8, ARRAY[%(n)s]), array_fill('r'::text, ARRAY[%(n)s]), %(items)s::bigint[])"
    )
    db.execute(query, {"version": version, "user": user, "items": list(items), "n": len(items)})


def put_live(db: Session, *versions: int) -> None:
    """Publish these versions one after the other."""
    for version in versions:
        rows(db, "move_pointer", version=version)


def moves(db: Session) -> Rows:
    return select(
        db, "SELECT cause, from_version, to_version, is_held FROM serving_storage.move ORDER BY number"
    )


def test_record_schema_and_schema_info(db: Session) -> None:
    assert rows(db, "schema_info") == [(VERSION, "integer", "integer")]
    rows(db, "record_schema", version=VERSION + 1, user="text", item="text")
    assert rows(db, "schema_info") == [(VERSION + 1, "integer", "integer")]
    assert select(db, "SELECT migrated_at = now() FROM serving_storage.schema_info") == [(True,)]
    db.execute("DELETE FROM serving_storage.schema_info")
    assert rows(db, "schema_info") == []
    rows(db, "record_schema", version=9, user="text", item="uuid")
    assert rows(db, "schema_info") == [(9, "text", "uuid")]


def test_begin_attempt_takes_the_next_number_or_that_of_an_old_publication(db: Session) -> None:
    assert rows(db, "begin_attempt", version=None, run_id="a") == [(1,)]
    assert rows(db, "begin_attempt", version=None, run_id="b") == [(2,)]
    assert rows(db, "begin_attempt", version=7, run_id="c") == [(7,)]
    query = (
        "SELECT version, run_id, pid = pg_backend_pid() AS is_own, started_at = now() AS is_now"
        " FROM serving_storage.attempt ORDER BY version"
    )
    assert select(db, query) == [(1, "a", True, True), (2, "b", True, True), (7, "c", True, True)]


def test_attempt_attempts_attempt_of_and_end_attempt(db: Session) -> None:
    db.execute(
        "INSERT INTO serving_storage.attempt VALUES (3, 'a', 11, '2026-01-01Z'), (4, 'b', 11, '2026-01-02Z'),"
        " (5, 'c', 12, '2026-01-03Z')"
    )
    assert rows(db, "attempt", version=3) == [(3,)]
    assert rows(db, "attempt", version=9) == []
    assert sorted(rows(db, "attempts")) == [(3,), (4,), (5,)]
    assert rows(db, "attempt_of", pid=11) == [(as_of(2),)]
    assert rows(db, "attempt_of", pid=13) == [(None,)]
    rows(db, "end_attempt", version=4)
    assert sorted(rows(db, "attempts")) == [(3,), (5,)]


def test_lock_publishers_and_try_lock_publishers(db: Session, shop: Shop) -> None:
    with shop.connect("publisher") as other:
        for name in ("lock_publishers", "try_lock_publishers"):
            with db.connection.transaction(force_rollback=True):
                assert rows(db, "lock_publishers") == rows(db, "try_lock_publishers") == []
                with pytest.raises(pg.LockNotAvailable), other.transaction():
                    other.execute(db.names.compose(text_of("try_lock_publishers")))
            with other.transaction(force_rollback=True):
                other.execute(LOCK)
                db.execute("SET LOCAL lock_timeout = 50")
                with pytest.raises(pg.LockNotAvailable), db.connection.transaction():
                    rows(db, name)


def test_lock_holders(db: Session, shop: Shop) -> None:
    def found(**values: Any) -> list[tuple[Any, ...]]:
        values = {"tables": [], "modes": [], "is_any_writer": False, **values}
        held = rows(db, "lock_holders", schemas=["serving", "serving_storage"], **values)
        return [(pid, name, login, waits) for pid, _, login, name, *_, waits in held]

    rows(db, "lock_publishers")
    with shop.connect("publisher", application_name="somebody") as other, other.transaction():
        other.execute("INSERT INTO serving_storage.attempt (version, run_id) VALUES (5, 'a')")
        one = [(other.info.backend_pid, "somebody", other.info.user, [])]
        assert found(modes=["RowExclusiveLock"]) == one
        assert found(modes=["RowExclusiveLock"], tables=["while", "attempt"]) == one
        assert found(modes=["RowExclusiveLock"], tables=["attempt_pkey"]) == one
        assert found(modes=["RowExclusiveLock"], tables=["live"]) == []
        assert found(modes=["ShareUpdateExclusiveLock"]) == []
        assert found(is_any_writer=True) == one
    assert found(is_any_writer=True) == found(modes=["RowExclusiveLock"]) == []


def test_roles(db: Session, server: Server) -> None:
    names = [f"{db.names.publisher}_{letter}" for letter in "abc"]
    with psycopg.connect(server.admin_url(), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {names[0]}; COMMENT ON ROLE {names[0]} IS 'ours'".encode())
        admin.execute(f"CREATE ROLE {names[1]} LOGIN BYPASSRLS; GRANT {names[1]} TO {names[0]}".encode())
        admin.execute(f"CREATE SCHEMA {names[1]} AUTHORIZATION {names[1]}".encode())
        try:
            own = db.connection.info.user
            assert rows(db, "roles", roles=[own, *names], comment="ours") == [
                (own, True, False, True, True, False, False, False, ANY, ANY),
                (names[0], True, False, False, False, False, False, False, [], 0),
                (names[1], False, False, True, False, False, False, True, [names[0]], 1),
            ]
        finally:
            admin.execute(f"DROP OWNED BY {names[1]}; DROP ROLE {names[1]}, {names[0]}".encode())


def test_record_adds_a_row_once_and_updates_it_after_that(db: Session) -> None:
    record = {
        "version": 1,
        "run_id": "a",
        "status": "published",
        "as_of": as_of(1),
        "n_users": 2,
        "n_items": 3,
        "n_recommendations": 4,
        "precision_at_3": 0.25,
        "repeat_purchases": "allow",
        "lists_sha256": "sha",
        "params": Jsonb({"a": 1}),
        "decision": Jsonb({"b": 1}),
        "is_held_back": True,
        "is_loaded": True,
    }
    [(number,)] = rows(db, "record", **record)
    query = (
        "SELECT version, run_id, status, as_of, published_at = now(), n_users, n_items, n_recommendations,"
        " precision_at_3, repeat_purchases, lists_sha256, params, decision, dropped_at, is_held_back"
        " FROM serving_storage.publication"
    )
    first = (1, "a", "published", as_of(1), True, 2, 3, 4, 0.25, "allow", "sha", {"a": 1}, {"b": 1}, None)
    assert select(db, query) == [(*first, True)]

    db.execute("UPDATE serving_storage.publication SET dropped_at = '2026-01-05Z'")
    again = {"n_users": 9, "precision_at_3": None, "decision": Jsonb({"b": 2}), "is_held_back": False}
    assert rows(db, "record", **{**record, **again, "is_loaded": False}) == [(number,)]
    assert select(db, query) == [(*first[:8], None, *first[9:12], {"b": 2}, as_of(5), False)]
    assert rows(db, "record", **{**record, "is_loaded": True}) == [(number,)]
    assert select(db, query) == [(*first, True)]
    refused = {"version": None, "status": "refused"}
    assert rows(db, "record", **{**record, **refused}) != [(number,)]


def test_recorded_by_number_or_by_version(db: Session) -> None:
    measured_in = {"measured_in": {"method": "random"}}
    add(db, 5, 1, params=Jsonb({"model": "als"}), decision=Jsonb(measured_in))
    add(db, None, 2, precision_at_3=None)
    put_live(db, 5)
    published = (5, "night-1", "published", True, as_of(1), 2, 3, 3, 0.25, "als", False, "", False, "random")
    refused = (None, "night-2", "refused", False, as_of(2), 2, 3, 3, None, None, False, "", False, None)
    numbers = dict(select(db, "SELECT run_id, number FROM serving_storage.publication"))
    assert rows(db, "recorded", number=None, version=5) == [published]
    assert rows(db, "recorded", number=numbers["night-1"], version=None) == [published]
    assert rows(db, "recorded", number=numbers["night-2"], version=None) == [refused]
    assert rows(db, "recorded", number=None, version=6) == []


def test_published_before_is_of_the_same_run_and_lists(db: Session) -> None:
    add(db, 1, 1, lists_sha256="one")
    add(db, 2, 1, lists_sha256="two", dropped_at=as_of(2))
    add(db, None, 1, lists_sha256="three")
    assert rows(db, "published_before", run_id="night-1", lists_sha256="one") == [(1, False, 2, 3, 3)]
    assert rows(db, "published_before", run_id="night-1", lists_sha256="two") == [(2, True, 2, 3, 3)]
    assert rows(db, "published_before", run_id="night-1", lists_sha256="three") == []
    assert rows(db, "published_before", run_id="night-2", lists_sha256="one") == []


def test_move_pointer_live_publication_and_set_max_n(db: Session) -> None:
    assert rows(db, "live_publication") == []
    add(db, 1, 1, params=Jsonb({"als": 1}))
    add(db, 2, 2, is_held_back=True)
    put_live(db, 1)
    assert rows(db, "live_publication") == [
        (1, "night-1", as_of(1), as_of(1), "exclude", 0.25, 2, 3, 3, {"als": 1}, None)
    ]
    put_live(db, 2)
    assert rows(db, "live_publication")[0][:2] == (2, "night-2")
    assert moves(db) == [("publish", None, 1, False), ("publish", 1, 2, False)]
    assert select(db, "SELECT bool_or(is_held_back) FROM serving_storage.publication") == [(False,)]
    rows(db, "set_max_n", max_n=30)
    assert select(db, "SELECT version, max_n FROM serving_storage.live") == [(2, 30)]


def test_lock_pointer_and_hold(db: Session, shop: Shop) -> None:
    add(db, 1, 1)
    put_live(db, 1)
    assert rows(db, "hold") == []
    db.execute("UPDATE serving_storage.live SET held_at = '2026-01-03Z', held_by = 'anna'")
    assert rows(db, "hold") == [(as_of(3), "anna")]
    assert rows(db, "lock_pointer") == [(1, as_of(3), "anna")]
    with shop.connect("publisher") as other, pytest.raises(pg.LockNotAvailable):
        other.execute("SELECT FROM serving_storage.live FOR UPDATE NOWAIT")


def test_rollback_and_release(db: Session) -> None:
    for version in (1, 2, 3):
        add(db, version, version)
    put_live(db, 1, 2, 3)
    assert rows(db, "rollback", to=None, hold=False, who="anna") == [(3, 2, False)]
    assert rows(db, "rollback", to=1, hold=True, who="anna") == [(2, 1, True)]
    db.execute("UPDATE serving_storage.publication SET is_held_back = true WHERE version = 3")
    assert rows(db, "release", who="anna") == [(1, 3, True)]
    assert rows(db, "release", who="anna") == [(3, 3, False)]
    assert moves(db)[3:] == [("rollback", 3, 2, False), ("rollback", 2, 1, True), ("release", 1, 3, False)]
    with (
        pytest.raises(psycopg.DatabaseError, match="version 9 cannot be put back"),
        db.connection.transaction(),
    ):
        rows(db, "rollback", to=9, hold=False, who=None)


def test_rolled_back_is_the_version_of_the_run_that_no_move_has_put_live_since(db: Session) -> None:
    for version in (1, 2, 3):
        add(db, version, version)
    put_live(db, 1, 2)
    assert rows(db, "rolled_back", run_id="night-2") == []
    rows(db, "rollback", to=None, hold=False, who="anna")
    [(version, moved_at, moved_by)] = rows(db, "rolled_back", run_id="night-2")
    assert (version, moved_by.split()[0]) == (2, "anna")
    assert select(db, "SELECT moved_at FROM serving_storage.move WHERE cause = 'rollback'") == [(moved_at,)]
    assert rows(db, "rolled_back", run_id="night-1") == []
    put_live(db, 2)
    assert rows(db, "rolled_back", run_id="night-2") == []


def test_publications_with_their_states_the_newest_last(db: Session) -> None:
    add(db, 3, 4, is_held_back=True)
    add(db, 1, 1, dropped_at=as_of(3))
    fallback = {"fallback": {"model": "popular", "why": "it lost by half"}}
    fallback["measured_in"] = {"method": "time", "test_days": 2.0}
    add(db, 2, 2, params=Jsonb({"model": "popular"}), decision=Jsonb(fallback))
    add(db, None, 3, precision_at_3=None, repeat_purchases="allow")
    add(db, 4, 5, precision_at_3=None, decision=Jsonb({"judged": {"is_unjudged": True}}))
    put_live(db, 2)
    records = rows(db, "publications")
    assert [(row[0], row[1]) for row in records] == [
        (1, "dropped"),
        (2, "live"),
        (None, "refused"),
        (3, "held back"),
        (4, "stored"),
    ]
    refused = (None, "refused", as_of(3), as_of(3), None, "allow", 2, 3, "night-3")
    assert records[2] == (*refused, None, False, "", False, None, None)
    assert records[1][-6:] == ("popular", True, "it lost by half", False, "time", 2.0)
    assert records[4][-6:] == (None, False, "", True, None, None)


def test_recent_publications_of_the_mode_up_to_a_time_seven_at_most(db: Session) -> None:
    for day in range(1, 10):
        add(db, day, day)
    add(db, 20, 20)
    add(db, 21, 5, repeat_purchases="allow", run_id="other")
    add(db, None, 6)
    until = {"repeat_purchases": "exclude", "as_of": as_of(9)}
    records = rows(db, "recent_publications", **until)
    assert [row[0] for row in records] == [9, 8, 7, 6, 5, 4, 3]
    assert records[0] == (9, as_of(9), as_of(9), 0.25, 2, 3, None, None)
    measured_in = {"method": "time", "test_days": 14.0, "test_share": None, "window_days": 365}
    db.connection.execute(
        "UPDATE serving_storage.publication SET decision = %s, params = %s WHERE version = 9",
        [Jsonb({"measured_in": measured_in}), Jsonb({"model": "popular"})],
    )
    assert rows(db, "recent_publications", **until)[0][-2:] == (measured_in, "popular")
    for key, version in (("let_pass", 5), ("refused_for", 7)):
        decision = Jsonb({key: ["age", "shrink"]})
        db.connection.execute(
            "UPDATE serving_storage.publication SET decision = %s WHERE version = %s", [decision, version]
        )
        assert [row[0] for row in rows(db, "recent_publications", **until)] == list(range(9, version - 1, -1))


@pytest.mark.parametrize(
    ("decisions", "n_runs"),
    [
        ([], 0),
        ([None, ["shrink"], ["shrink"]], 2),
        ([["shrink"], None, ["shrink"]], 1),
        ([["shrink"], ["shrink", "age"], ["shrink"]], 1),
        ([["shrink"], ["age"]], 0),
    ],
)
def test_refused_in_a_row(db: Session, decisions: list[list[str] | None], n_runs: int) -> None:
    """A day's reasons of refusal; None where the night was published."""
    for day, reasons in enumerate(decisions, start=1):
        add(db, None if reasons else day, day, decision=Jsonb({"refused_for": reasons or []}))
    add(db, None, 20, decision=Jsonb({"refused_for": ["shrink"]}))
    add(db, None, 3, repeat_purchases="allow", decision=Jsonb({"refused_for": ["age"]}), run_id="other")
    until = {"repeat_purchases": "exclude", "as_of": as_of(10)}
    assert rows(db, "refused_in_a_row", **until) == [(n_runs,)]


def test_refused_in_a_row_counts_a_run_once(db: Session) -> None:
    for sha in ("one", "two"):
        add(db, None, 1, lists_sha256=sha, decision=Jsonb({"refused_for": ["shrink"]}))
    assert rows(db, "refused_in_a_row", repeat_purchases="exclude", as_of=as_of(2)) == [(1,)]


def test_spent_versions_are_beyond_what_is_kept(db: Session) -> None:
    for version, day in ((1, 9), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)):
        add(db, version, day, is_held_back=version in (4, 5))
    add(db, 7, 7, dropped_at=as_of(8))
    put_live(db, 2, 6)
    assert rows(db, "spent_versions", keep=0) == [(2,), (1,), (4,), (3,)], (
        "not live, dropped, or for release()"
    )
    assert rows(db, "spent_versions", keep=1) == [(1,), (4,), (3,)], "rollback() would go back to 2"
    assert rows(db, "spent_versions", keep=2) == [(4,), (3,)], "1 ends last"
    assert rows(db, "spent_versions", keep=9) == []


def test_drop_versions_marks_them_and_leaves_notes(db: Session) -> None:
    for version in (1, 2, 3):
        add(db, version, version, is_held_back=version == 2)
    before = select(db, "SELECT xmin::text, ctid::text FROM serving_storage.live")
    rows(db, "drop_versions", versions=[1, 2])
    query = (
        "SELECT version, dropped_at = now(), is_held_back FROM serving_storage.publication ORDER BY version"
    )
    assert select(db, query) == [(1, True, False), (2, True, False), (3, None, False)]
    query = "SELECT version, run_id FROM serving_storage.attempt ORDER BY version"
    assert select(db, query) == [(1, "night-1"), (2, "night-2")]
    assert select(db, "SELECT xmin::text, ctid::text FROM serving_storage.live") != before


TABLES = {
    "user_lists": "(%s, 1, '{1}', '{1}', '{a}', '{1}')",
    "popular_lists": "(%s, 'all', '{1}', '{1}')",
    "similar_lists": "(%s, 1, '{2}', '{1}')",
    "also_bought_lists": "(%s, 1, '{2}', '{1}', '{2}')",
    "user_purchases": "(%s, 1, '{1}')",
    "user_categories": "(%s, 1, '{a}')",
    "user_segments": "(%s, 1, 2)",
    "segment_lists": "(%s, 2, '{1}', '{1}')",
    "item_names": "(%s, 1, 'a', 'b')",
}


def test_remove_versions_leaves_nothing_of_them_but_the_record(db: Session) -> None:
    with_version = (
        "SELECT relname::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid WHERE relkind = 'r'"
        " AND attname = 'version' AND relnamespace = 'serving_storage'::regnamespace"
    )
    assert {name for (name,) in select(db, with_version)} == {*TABLES, "publication", "live", "attempt"}
    for version in (1, 2):
        add(db, version, version, dropped_at=as_of(5) if version == 1 else None)
        db.connection.execute("INSERT INTO serving_storage.attempt VALUES (%s, 'a')", [version])
        for table, values in TABLES.items():
            db.connection.execute(f"INSERT INTO serving_storage.{table} VALUES {values}".encode(), [version])
    add(db, 3, 3)
    rows(db, "remove_versions", versions=[1, 3])
    for table in (*TABLES, "attempt"):
        assert select(db, f"SELECT version FROM serving_storage.{table}") == [(2,)], table
    query = "SELECT version, dropped_at, dropped_at = now() FROM serving_storage.publication ORDER BY version"
    assert [(row[0], row[2]) for row in select(db, query)] == [(1, False), (2, None), (3, True)]
    assert select(db, query)[0][1] == as_of(5)


def test_stored_versions_and_stored_counts(db: Session) -> None:
    add(db, 1, 1)
    add(db, None, 2)
    db.execute("INSERT INTO serving_storage.attempt VALUES (1, 'a'), (8, 'b')")
    assert sorted(rows(db, "stored_versions")) == [(1,), (8,)]
    add_list(db, 1, 7, [11, 12])
    add_list(db, 1, 8, [11])
    add_list(db, 8, 7, [11])
    assert rows(db, "stored_counts", version=1) == [(2, 3)]
    assert rows(db, "stored_counts", version=3) == [(0, 0)]


def test_tables_of_users(db: Session) -> None:
    expected = [("user_categories",), ("user_lists",), ("user_purchases",), ("user_segments",)]
    assert rows(db, "tables_of_users", storage="serving_storage") == expected
    assert rows(db, "tables_of_users", storage="elsewhere") == []


def test_erase_lists_of_one_user_and_count_what_is_left(db: Session) -> None:
    for version in (1, 2, 3):
        add(db, version, version)
        add_list(db, version, 7, [11, 12])
        add_list(db, version, 8, [11])
    assert sorted(rows(db, "erase_lists", versions=[1, 2, 9], user_id=7)) == [(1,), (2,)]
    query = "SELECT version, user_id FROM serving_storage.user_lists ORDER BY 1, 2"
    assert select(db, query) == [(1, 8), (2, 8), (3, 7), (3, 8)]
    query = "SELECT version, n_users, n_recommendations FROM serving_storage.publication ORDER BY version"
    assert select(db, query) == [(1, 1, 1), (2, 1, 1), (3, 2, 3)]


def test_remember_forgotten_forget_key_and_set_forget_key(db: Session) -> None:
    rows(db, "remember", user_hash=HASH, forgotten_at=as_of(1))
    rows(db, "remember", user_hash=HASH, forgotten_at=as_of(2))
    rows(db, "remember", user_hash=b"g" * 32, forgotten_at=None)
    [(now,)] = select(db, "SELECT now()")
    assert sorted(rows(db, "forgotten")) == [(b"g" * 32, now), (HASH, as_of(1))]
    [(key,)] = rows(db, "forget_key")
    assert len(key) == 32
    rows(db, "set_forget_key", key=b"k" * 32)
    assert rows(db, "forget_key") == [(b"k" * 32,)]


def test_decisions_with_examples_and_set_decision(db: Session) -> None:
    with_rows = {"suites": {"events": {"failed": [{"examples": [{"user_id": "7"}]}]}}}
    add(db, 1, 1, decision=Jsonb(with_rows))
    add(db, 2, 2, decision=Jsonb({"suites": {"events": {"failed": [{"examples": []}]}}}))
    add(db, None, 3, decision=Jsonb({"examples": [1]}))
    numbers = dict(select(db, "SELECT run_id, number FROM serving_storage.publication"))
    records = {(numbers["night-1"], str(with_rows)), (numbers["night-3"], "{'examples': [1]}")}
    assert {(number, str(decision)) for number, decision in rows(db, "decisions_with_examples")} == records
    rows(db, "set_decision", number=numbers["night-1"], decision=Jsonb({"reasons": []}))
    assert [row[0] for row in rows(db, "decisions_with_examples")] == [numbers["night-3"]]
    query = "SELECT decision FROM serving_storage.publication WHERE version = 1"
    assert select(db, query) == [({"reasons": []},)]


def test_every_statement_is_run_by_the_code_and_by_a_test_of_this_file() -> None:
    files = {path.stem for path in (FOLDER / "statements").iterdir()}
    code = (path.read_text(encoding="utf-8") for path in sorted((ROOT / "pipeline" / "serving").glob("*.py")))
    assert {name for text in code for name in RUN_BY_THE_CODE.findall(text)} == files
    assert set(NAMED_HERE.findall(Path(__file__).read_text(encoding="utf-8"))) == files
