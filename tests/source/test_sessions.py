"""Sources whose sessions are awkward: read all the same, or refused in words that help."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from pipeline.config import Settings
from pipeline.databases.embedded import Server
from pipeline.errors import Interrupted, SourceError, Unreachable
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.source import opened
from tests import shelf
from tests.databases.line import line_to
from tests.source import shops

IDS = {"user": "integer", "item": "integer"}
AS_OF = shelf.DAY_0 + timedelta(days=10)
EVENT = "(1, 10, 'purchase', '2026-01-05 10:00:00+02:00', 'A', 0.1)"


@pytest.fixture
def extract(job: Callable[..., Job], serving_url: str) -> Callable[..., Job]:
    """Run the stage on a source."""

    def go(url: str, settings: Settings | None = None) -> Job:
        started = job(source=url, serving=serving_url, settings=settings, as_of=AS_OF, now=AS_OF)
        run_stage("extract", started)
        return started

    return go


def set_for_all(server: Server, url: str, *settings: str) -> None:
    """Give every new session of the database settings of its own."""
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        for setting in settings:
            db.execute(f"ALTER DATABASE {name} SET {setting}")


@pytest.mark.parametrize("style", ["German", "'SQL, DMY'", "'Postgres, MDY'", "'ISO, DMY'"])
def test_times_are_read_whatever_the_database_writes_them_like(
    server: Server, shop_url: str, extract: Callable[..., Job], style: str
) -> None:
    shops.make(shop_url, EVENT)
    set_for_all(server, shop_url, f"datestyle = {style}", "timezone = 'Asia/Kathmandu'")
    [row] = extract(shop_url).folder.table("events").to_pylist()
    assert row["occurred_at"].isoformat() == "2026-01-05T08:00:00+00:00"


def test_numbers_are_read_to_the_last_digit(
    server: Server, shop_url: str, extract: Callable[..., Job]
) -> None:
    shops.make(shop_url, EVENT)
    set_for_all(server, shop_url, "extra_float_digits = -12")
    shops.run(shop_url, "UPDATE events SET quantity = 1.23456789012345")
    [row] = extract(shop_url).folder.table("events").to_pylist()
    assert row["quantity"] == 1.23456789012345


def test_limits_of_the_login_do_not_end_a_read(
    server: Server, shop_url: str, extract: Callable[..., Job]
) -> None:
    """The statement takes longer than the database gives a statement, a lock and an idle transaction."""
    shops.make(shop_url, EVENT)
    shops.run(
        shop_url,
        "ALTER TABLE events RENAME TO raw_events",
        "CREATE VIEW events AS SELECT raw_events.* FROM raw_events, pg_sleep(0.4)",
    )
    set_for_all(
        server,
        shop_url,
        "statement_timeout = '150ms'",
        "lock_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '300ms'",
    )
    assert extract(shop_url).folder.table("events").num_rows == 1


def test_no_transaction_is_left_open_in_the_source_while_rows_are_sorted(
    server: Server, shop_url: str, extract: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.stages import extract as stage

    shops.make(shop_url, EVENT)
    name = psycopg.conninfo.conninfo_to_dict(shop_url)["dbname"]
    sessions: list[int] = []
    sort = stage._sort

    def counting(*arguments: object) -> int | None:
        with psycopg.connect(server.admin_url()) as db:
            rows = db.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [name])
            sessions.append(rows.fetchone()[0])  # type: ignore[index]
        return sort(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "_sort", counting)
    extract(shop_url)
    assert sessions == [0, 0, 0, 0], "the segments of what is live, events, items and users"


def test_the_search_path_of_the_login_holds(
    server: Server, shop_url: str, extract: Callable[..., Job]
) -> None:
    """A shop's events.sql may rely on it."""
    shops.make(shop_url, EVENT)
    shops.run(shop_url, "CREATE SCHEMA shop", "ALTER TABLE events SET SCHEMA shop")
    set_for_all(server, shop_url, "search_path = shop, public")
    assert extract(shop_url).folder.table("events").num_rows == 1


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "53200", "57014", "57P01", "25006"])
def test_a_read_that_the_server_breaks_off_is_tried_again(
    shop_url: str, extract: Callable[..., Job], state: str
) -> None:
    shops.make(shop_url, EVENT)
    shops.run(
        shop_url,
        "CREATE FUNCTION trip(x bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION 'canceling statement due to conflict with recovery' USING ERRCODE = '{state}'; "
        "END $$",
        "ALTER TABLE events RENAME TO raw_events",
        "CREATE VIEW events AS SELECT trip(customer_id) AS customer_id, product_id, event_type, "
        "occurred_at, order_id, quantity FROM raw_events",
    )
    with pytest.raises((Interrupted, Unreachable)) as refused:
        extract(shop_url)
    assert refused.value.can_retry
    assert refused.value.found.startswith("canceling statement due to conflict with recovery")
    assert "events.sql" not in str(refused.value)


def test_a_login_that_lacks_a_right_is_told_to_get_it(
    server: Server, shop_url: str, extract: Callable[..., Job]
) -> None:
    shops.make(shop_url, EVENT)
    login = f"reader_{uuid.uuid4().hex[:8]}"
    shops.run(shop_url, f"CREATE ROLE {login} LOGIN PASSWORD 'hidden'")
    try:
        own = psycopg.conninfo.conninfo_to_dict(shop_url)
        url = f"postgresql://{login}:hidden@{own['host']}:{own['port']}/{own['dbname']}"
        with pytest.raises(SourceError, match=f"login postgresql://{login}:.* lacks a right") as refused:
            extract(url)
        assert refused.value.found == "permission denied for table events"
        assert "GRANT" in refused.value.then
        assert "hidden" not in str(refused.value)
    finally:
        shops.run(shop_url, f"DROP ROLE {login}")


def test_a_locked_table_is_waited_for_as_long_as_the_setting_says(
    shop_url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    shops.make(shop_url, EVENT)
    settings = make_settings(source={"silent_minutes": 0.01})
    with psycopg.connect(shop_url) as other:
        other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        with pytest.raises((Interrupted, Unreachable)) as refused:
            extract(shop_url, settings)
    assert refused.value.can_retry
    assert extract(shop_url, settings).folder.table("events").num_rows == 1


def test_a_source_that_freezes_in_the_middle_of_its_rows_is_given_up(
    shop_url: str, make_settings: Callable[..., Settings], tmp_path: Path, said: list[str]
) -> None:
    users = "SELECT n AS user_id, repeat('x', 200) AS segment FROM generate_series(1, 1000000) n"
    settings = make_settings(
        source={"sql": shops.write(tmp_path / "sql", users=users), "silent_minutes": 0.02}
    )
    with line_to(shop_url) as (line, url), opened(url, settings.source, IDS, said.append) as source:
        batches = source.batches("users")
        assert next(batches).num_rows > 0
        line.hold()
        with pytest.raises(Unreachable, match="source database said nothing"):
            list(batches)
    assert not [thread for thread in threading.enumerate() if thread.name == "nightshelf-watch"]


@contextmanager
def ascii_database(server: Server, *statements: bytes) -> Iterator[str]:
    """A database that does not know the encoding of its texts."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.admin_url(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
        try:
            with psycopg.connect(server.admin_url(name), autocommit=True) as db:
                for statement in statements:
                    db.execute(statement)
            yield server.admin_url(name)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


LATIN = (
    b"CREATE TABLE customers (customer_id bigint, segment text)",
    b"INSERT INTO customers VALUES (1, 'plain'), (2, 'Caf\xe9')",
)


def test_a_database_without_encoding_is_read_in_the_one_that_the_setting_names(
    server: Server, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    folder = shops.write(tmp_path / "sql", users="SELECT customer_id AS user_id, segment FROM customers")
    settings = make_settings(source={"sql": folder, "encoding": "latin-1"}).source
    with ascii_database(server, *LATIN) as url, opened(url, settings, IDS) as source:
        assert next(source.batches("users")).column("segment").to_pylist() == ["plain", "Café"]


def test_a_text_that_is_not_in_that_encoding_is_named_with_the_setting(
    server: Server, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    folder = shops.write(tmp_path / "sql", users="SELECT customer_id AS user_id, segment FROM customers")
    settings = make_settings(source={"sql": folder}).source
    with (
        ascii_database(server, *LATIN) as url,
        opened(url, settings, IDS) as source,
        pytest.raises(SourceError, match="`users` holds a text that is not in utf-8") as refused,
    ):
        list(source.batches("users"))
    assert refused.value.found == "the row 2,Caf\\xe9"
    assert "encoding under [source]" in refused.value.then


def test_a_text_of_sqlite_that_is_not_utf_8_is_no_lost_connection(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    folder = shops.write(tmp_path / "sql", users="SELECT customer_id AS user_id, segment FROM customers")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db:
        db.execute("CREATE TABLE customers AS SELECT 1 AS customer_id, CAST(x'436166e9' AS text) AS segment")
        db.commit()
    settings = make_settings(source={"sql": folder}).source
    with (
        opened(f"sqlite:///{tmp_path}/shop.db", settings, IDS) as source,
        pytest.raises(SourceError, match=r"users\.sql") as refused,
    ):
        list(source.batches("users"))
    assert "UTF-8 column 'segment'" in refused.value.found
    assert "users.sql" in refused.value.then
    assert type(refused.value) is SourceError
