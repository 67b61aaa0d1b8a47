"""Who can hold up a publisher, and that whoever does is named."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors as pg
from psycopg import sql
from sqlalchemy import make_url

from pipeline.databases.embedded import Server
from pipeline.errors import PublisherBusy
from pipeline.retention.forget import forget
from pipeline.serving import migrate, refuse, release, rollback
from pipeline.serving.blockers import first_words
from pipeline.serving.forgotten import erase_stored
from pipeline.times import utc
from tests.serving.nights import ABOUT, LOCK, Shop, as_of

Connection = psycopg.Connection[Any]
DOORS: dict[str, Callable[[Shop], object]] = {
    "publish": lambda shop: shop.publish(shop.night(9)),
    "refuse": lambda shop: refuse(shop.url, shop.settings, shop.night(9), ABOUT, say=shop.said.append),
    "rollback": lambda shop: rollback(shop.url, shop.settings, say=shop.said.append),
    "release": lambda shop: release(shop.url, shop.settings, say=shop.said.append),
    "forget": lambda shop: forget(
        "1", shop.settings, shop.url, Path("no-runs"), now=as_of(9), say=shop.said.append
    ),
    "erase": lambda shop: erase_stored(shop.url, shop.settings, 1),
    "migrate": lambda shop: migrate(shop.url, shop.settings, say=shop.said.append),
    "reset": lambda shop: migrate(shop.url, shop.settings, say=shop.said.append, reset=True),
}
WHATEVER_A_STRANGER_MAY = (
    f"SELECT pg_advisory_xact_lock(x'6e736866'::integer, {zlib.crc32(b'serving') & 0x7FFFFFFF})",
    "SELECT pg_advisory_xact_lock(n) FROM generate_series(1, 100) AS n",
    "LOCK TABLE pg_class, pg_namespace, pg_attribute, pg_auth_members IN ACCESS SHARE MODE",
    "CREATE TEMP TABLE schema_info AS SELECT 1 AS schema_version",
    "COMMENT ON TABLE schema_info IS 'mine'",
)
"""The first lock was the publishers' own before they locked a table."""


@pytest.fixture
def shop(new_shop: Callable[..., Shop]) -> Shop:
    """A shop that waits for nobody long, with two nights; a third one drops the first."""
    shop = new_shop(lock_timeout_ms=50, keep_versions=1)
    for day in (1, 2):
        shop.publish(shop.night(day))
    return shop


@pytest.fixture
def admin(server: Server, shop: Shop) -> Iterator[Connection]:
    """A superuser in the shop's database, named `a colleague`."""
    url = server.admin_url(make_url(shop.url).database or "")
    with psycopg.connect(url, autocommit=True, application_name="a colleague") as db:
        yield db


@pytest.fixture
def login(shop: Shop, admin: Connection) -> Iterator[Callable[..., Connection]]:
    """`login("reader")`: a login of its own, a member of that role or of none, named `app of reader`."""
    made: list[Connection] = []

    def make(role: str = "") -> Connection:
        name = f"{shop.settings.serving.role_prefix}_{role or 'stranger'}_login"
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'hush'").format(sql.Identifier(name)))
        if role:
            admin.execute(f"GRANT {shop.settings.serving.role_prefix}_{role} TO {name}".encode())
        url = make_url(shop.url).set(username=name, password="hush")
        made.append(
            psycopg.connect(
                url.render_as_string(hide_password=False), autocommit=True, application_name=f"app of {role}"
            )
        )
        return made[-1]

    yield make
    for db in made:
        name = sql.Identifier(db.info.user)
        db.close()
        admin.execute(sql.SQL("DROP OWNED BY {}").format(name))
        admin.execute(sql.SQL("DROP ROLE {}").format(name))


@contextmanager
def held(db: Connection, *statements: str) -> Iterator[int]:
    """A transaction that has executed the statements and is left open; its process."""
    with db.transaction(force_rollback=True):
        for statement in statements:
            db.execute(statement.encode())
        yield db.info.backend_pid


def refused(shop: Shop, door: str) -> PublisherBusy:
    """The error that somebody meets at that door."""
    with pytest.raises(PublisherBusy) as caught:
        DOORS[door](shop)
    return caught.value


def test_a_login_without_a_role_holds_up_nobody(shop: Shop, login: Callable[..., Connection]) -> None:
    with held(login(), *WHATEVER_A_STRANGER_MAY):
        for door in DOORS.values():
            door(shop)
    assert not [line for line in shop.said if "old versions stay" in line]


def test_only_the_publisher_may_hold_the_lock_of_publishers(
    shop: Shop, login: Callable[..., Connection]
) -> None:
    modes = ("SHARE UPDATE EXCLUSIVE", "SHARE", "EXCLUSIVE", "ACCESS EXCLUSIVE", "ROW EXCLUSIVE")
    statements = (
        *(f"LOCK TABLE serving_storage.schema_info IN {mode} MODE" for mode in modes),
        "SELECT FROM serving_storage.schema_info FOR UPDATE",
        "SELECT FROM serving_storage.live FOR SHARE",
        "CREATE STATISTICS mine ON schema_version, is_only FROM serving_storage.schema_info",
    )
    for db in (login(), login("reader"), login("operator"), login("owner")):
        for statement in statements:
            with pytest.raises(pg.InsufficientPrivilege), db.transaction():
                db.execute(statement.encode())


def test_who_only_reads_holds_up_nobody(shop: Shop, login: Callable[..., Connection]) -> None:
    """Even with every lock that a reader may take: versions are deleted, and no table is ever dropped."""
    views = ("recommendations", "on_shelf", "popular_items", "similar_items", "also_bought", "publications")
    locks = [f"LOCK TABLE serving.{view} IN ACCESS SHARE MODE" for view in views]
    reads = (*locks, "DECLARE c CURSOR FOR SELECT * FROM serving.recommendations", "FETCH c")
    with held(login("reader"), *reads), held(login("operator"), *reads), held(login("owner"), *reads):
        for door in DOORS.keys() - {"reset"}:
            DOORS[door](shop)
    assert not [line for line in shop.said if "old versions stay" in line]


HOLDERS = {
    "LOCK TABLE serving_storage.schema_info IN ACCESS EXCLUSIVE MODE": ("erase", "migrate"),
    "LOCK TABLE serving_storage.live IN ACCESS EXCLUSIVE MODE": ("publish", "reset"),
    "LOCK TABLE serving_storage.user_lists IN SHARE MODE": ("publish", "erase"),
    "ALTER TABLE serving_storage.publication ADD COLUMN mine integer": ("refuse",),
    "UPDATE serving_storage.live SET max_n = 5": ("publish", "rollback"),
    "SELECT FROM serving_storage.live FOR SHARE": ("release",),
    "DELETE FROM serving_storage.user_lists": ("erase",),
    "INSERT INTO serving_storage.attempt SELECT n, 'mine' FROM generate_series(3, 99) AS n"
    " ON CONFLICT DO NOTHING": ("publish",),
    "CREATE INDEX mine ON serving_storage.user_lists (user_id)": ("erase",),
    "SELECT FROM serving.recommendations": ("reset",),
    "DELETE FROM serving.blocked_items": ("reset",),
}


def test_whoever_holds_something_open_is_named(shop: Shop, admin: Connection) -> None:
    before = shop.lists()
    with shop.connect("reader") as app:
        for statement, door in [(statement, door) for statement, doors in HOLDERS.items() for door in doors]:
            reads = "SELECT" if door == "reset" else "SELECT FROM serving.live_history"
            with held(admin, statement) as pid, held(app, reads) as innocent:
                error = refused(shop, door)
            assert f"process {pid} (a colleague), login postgres" in error.found, (statement, door)
            assert f"process {innocent} " not in error.found, (statement, door)
            assert f"SELECT pg_terminate_backend({pid})" in error.then
            assert shop.lists() == before
    for door in DOORS.values():
        door(shop)


def test_an_operator_who_has_not_committed_a_rollback_is_named(
    shop: Shop, login: Callable[..., Connection]
) -> None:
    operator = login("operator")
    with held(operator, "SELECT serving.rollback()") as pid:
        for door in ("publish", "rollback"):
            error = refused(shop, door)
            assert f"process {pid} (app of operator), login {operator.info.user}" in error.found
            assert f"shown to members of {operator.info.user} or of pg_read_all_stats" in error.found
    assert len(shop.lists()) == 5


def test_what_may_be_seen_of_it_is_told(shop: Shop) -> None:
    """Since when, from where, in which state and what it did last, where the login may see that."""
    with shop.connect("publisher", application_name="psql") as db, db.transaction(force_rollback=True):
        db.execute("UPDATE serving_storage.live SET held_by = 'a secret', held_at = now()")
        error = refused(shop, "publish")
        [(since,)] = db.execute("SELECT date_trunc('second', now())")
        assert error.found == (
            f"process {db.info.backend_pid} (psql), login {db.info.user}, from 127.0.0.1,"
            f" since {utc(since).isoformat()}, idle in transaction,"
            " its statement: UPDATE serving_storage.live SET held_by"
        )


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("ALTER ROLE elena PASSWORD 'hush'", "ALTER ROLE elena PASSWORD"),
        ("SELECT *\n  FROM serving.recommend(42, 10)", "SELECT * FROM serving.recommend"),
        ("DELETE FROM t WHERE user_id = 42", "DELETE FROM t WHERE user_id"),
        ("SET my.key = $$hush$$", "SET my.key"),
        ("VACUUM " + "x" * 500, "VACUUM " + "x" * 53),
        ("", ""),
    ],
)
def test_a_statement_is_shown_up_to_its_first_value(query: str, words: str) -> None:
    assert first_words(query) == words


def test_a_publisher_is_told_from_somebody_else_with_its_lock(shop: Shop) -> None:
    with shop.connect("publisher", application_name="nightshelf publish late") as db, db.transaction():
        db.execute(LOCK)
        error = refused(shop, "publish")
        assert error.what == "another publisher is at work on this serving schema"
        assert error.then == "the same again when it has ended"
        assert "nightshelf publish late" in error.found
    with shop.connect("publisher", application_name="psql") as db, db.transaction():
        db.execute(LOCK)
        assert refused(shop, "publish").what == "the publishers' lock of this serving schema is held"


def test_who_waits_as_well_is_not_named_but_whom_the_holder_waits_for_is(
    shop: Shop, admin: Connection, new_shop: Callable[..., Shop]
) -> None:
    """A colleague has the pointer; a publisher has the lock and waits for it; a third waits for the lock."""
    patient = new_shop(url=shop.url, role_prefix=shop.settings.serving.role_prefix, lock_timeout_ms=60_000)
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = %s"
    with held(admin, "SELECT FROM serving_storage.live FOR UPDATE") as pid:
        publisher = threading.Thread(target=lambda: patient.publish(patient.night(5)))
        publisher.start()
        second = threading.Thread(target=lambda: erase_stored(patient.url, patient.settings, 77))
        with shop.connect() as watch:
            until(lambda: watch.execute(waits, ["nightshelf publish night-5"]).fetchone() == (1,))
            second.start()
            until(lambda: watch.execute(waits, ["nightshelf forget"]).fetchone() == (1,))
            error = refused(shop, "publish")
    publisher.join()
    second.join()
    assert error.found.startswith("process ")
    assert "(nightshelf publish night-5)" in error.found
    assert f"waits itself for process {pid}" in error.found
    assert "nightshelf forget" not in error.found
    assert shop.versions()[-1] == 3


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that comes; fails after a minute."""
    for _ in range(600):
        if holds():
            return
        threading.Event().wait(0.1)
    raise AssertionError("it did not come")


def test_a_publisher_that_is_ended_leaves_the_lock_free_at_once(shop: Shop, admin: Connection) -> None:
    with shop.connect("publisher") as db:
        db.execute(b"BEGIN; " + LOCK)
        assert refused(shop, "publish").can_retry
        admin.execute("SELECT pg_terminate_backend(%s, 60000)", [db.info.backend_pid])
        assert shop.publish(shop.night(3)).is_live
        db.close()


def test_old_versions_that_cannot_be_deleted_delay_no_publication(shop: Shop, admin: Connection) -> None:
    with held(admin, "SELECT FROM serving_storage.user_lists FOR SHARE") as pid:
        assert shop.publish(shop.night(3)).is_live
    [line] = [line for line in shop.said if "old versions stay until the next night" in line]
    assert f"process {pid} (a colleague)" in line
    assert shop.versions() == [1, 2, 3]
    shop.publish(shop.night(4))
    assert shop.versions() == [3, 4]


def test_first_migrations_at_once(new_shop: Callable[..., Shop]) -> None:
    """There is nothing to lock yet: all but one fail at a name that is taken, and try again."""
    shop = new_shop()
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(DOORS["migrate"], shop) for _ in range(4)]:
            done.result()
    assert len([line for line in shop.said if "is at version" in line]) == 1
    assert len(shop.said) == 5


def test_whoever_is_making_what_migrate_makes_is_named(new_shop: Callable[..., Shop], server: Server) -> None:
    shop = new_shop(lock_timeout_ms=100)
    url = server.admin_url(make_url(shop.url).database or "")
    with psycopg.connect(url, autocommit=True, application_name="a colleague") as admin:
        for statement in (
            f"CREATE ROLE {shop.settings.serving.role_prefix}_reader",
            "CREATE SCHEMA serving_storage",
        ):
            with held(admin, statement) as pid:
                error = refused(shop, "migrate")
            assert f"process {pid} (a colleague)" in error.found
    migrate(shop.url, shop.settings, say=shop.said.append)


def test_a_reset_waits_for_readers_in_short_turns(new_shop: Callable[..., Shop]) -> None:
    """Whoever wants to read while it waits is served between two turns, and it is done when the reader is."""
    shop = new_shop(lock_timeout_ms=60_000)
    shop.publish(shop.night(1))
    with shop.connect("reader") as reader:
        with reader.transaction():
            reader.execute("SELECT FROM serving.recommendations")
            thread = threading.Thread(
                target=lambda: migrate(shop.url, shop.settings, say=shop.said.append, reset=True)
            )
            thread.start()
            with shop.connect() as watch:
                until(
                    lambda: (
                        watch.execute(
                            "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
                        ).fetchone()
                        == (1,)
                    )
                )
            assert len(shop.lists()) == 5
        thread.join()
    assert shop.lists() == []
