"""A DuckDB file as the shop's database: views over files beside it, only read, and confined to files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline import config, loading
from pipeline.__main__ import main
from pipeline.config import ROOT, Settings
from pipeline.errors import (
    DatabaseError,
    Interrupted,
    LoginRefused,
    NightshelfError,
    SettingsError,
    SourceError,
)
from pipeline.loading import is_stale
from pipeline.source import last_event_at, opened
from tests.source import shops

IDS = {"user": "integer", "item": "integer"}
NOW = datetime(2026, 2, 1, tzinfo=UTC)
TILL = """\
who;sku;when;n
1;10;31.01.2026 18:05:00;2
2;20;31.01.2026 18:06:00;1
"""
VIEWS = """
CREATE VIEW events AS
SELECT who AS customer_id, sku AS product_id, 'purchase' AS event_type,
       strptime("when", '%d.%m.%Y %H:%M:%S') AS occurred_at, NULL AS order_id, n AS quantity
FROM read_csv('exports/till-*.csv', delim = ';', types = {'when': 'VARCHAR'});
CREATE VIEW products AS
SELECT sku AS product_id, NULL AS name, shelf AS category, 1.5 AS price, NULL AS discount, true AS available
FROM 'exports/stock.parquet';
CREATE VIEW customers AS SELECT DISTINCT customer_id, 'regular' AS segment FROM events;
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A DuckDB file of views over files beside it, in a folder whose name means something to DuckDB."""
    folder = tmp_path / "Jo's, [new] * price=9 @ ü"
    (folder / "exports").mkdir(parents=True)
    (folder / "exports" / "till-1.csv").write_text(TILL, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, duckdb.connect(str(folder / "shop.duckdb")) as db:
        patch.chdir(folder)
        db.execute("COPY (SELECT 10 AS sku, 'tea' AS shelf) TO 'exports/stock.parquet'")
        db.execute(VIEWS)
    return folder / "shop.duckdb"


@pytest.fixture
def read(tmp_path: Path, make_settings: Callable[..., Settings]) -> Callable[..., list[dict[str, Any]]]:
    """`read(url, "events")`: all rows; `sql` is the statement in place of the one of sql/source."""

    def run(url: str, name: str = "events", sql: str = "", **source: str) -> list[dict[str, Any]]:
        if sql:
            source["sql"] = shops.write(tmp_path / "sql", **{name: sql})
        settings = make_settings(source=source).source
        with opened(url, settings, IDS) as open_source:
            return [row for batch in open_source.batches(name) for row in batch.to_pylist()]

    return run


def state(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_views_over_files_beside_the_database_are_read_from_any_folder_and_nothing_is_written(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[..., list[dict[str, Any]]]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "exports").mkdir(parents=True)
    (elsewhere / "exports" / "till-1.csv").write_text(TILL.replace("1;10;", "9;90;"))
    monkeypatch.chdir(elsewhere)
    before = state(shop.parent)
    url = f"duckdb:///../{shop.parent.name}/shop.duckdb"
    events = read(url)
    assert [(row["user_id"], row["item_id"], row["quantity"]) for row in events] == [
        (1, 10, 2.0),
        (2, 20, 1.0),
    ]
    assert events[0]["occurred_at"] == datetime(2026, 1, 31, 18, 5, tzinfo=UTC)
    assert read(url, "items")[0]["category"] == "tea"
    assert {row["user_id"] for row in read(url, "users")} == {1, 2}
    settings = config.load().source
    assert last_event_at(url, settings, NOW) == datetime(2026, 1, 31, 18, 6, tzinfo=UTC)
    assert not is_stale(url, datetime(2026, 2, 1, 18, tzinfo=UTC))
    assert is_stale(url, NOW + timedelta(days=9))
    assert state(shop.parent) == before
    assert Path.cwd() == elsewhere
    assert list(config.home().iterdir()) == []


def test_a_night_reads_a_duckdb_file(
    shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    serving_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", f"duckdb:///{shop}")
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", serving_url)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "extract", "--as-of", "last"]) == 0
    said = capsys.readouterr().out
    assert "as of 2026-01-31T18:06:01+00:00" in said
    assert "extract: 5 rows in" in said


def test_while_one_reads_others_read_too_and_a_writer_is_told_by_name(
    shop: Path, read: Callable[..., list[dict[str, Any]]]
) -> None:
    hold = "import duckdb, sys; db = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'True')"
    hold += "; print('held', flush=True); sys.stdin.read()"

    def held(is_read_only: bool) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", hold, str(shop), str(is_read_only)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    with held(is_read_only=True) as reader:
        assert len(read(f"duckdb:///{shop}")) == 2
        reader.kill()
    with held(is_read_only=False) as writer:
        with pytest.raises(Interrupted) as caught:
            read(f"duckdb:///{shop}")
        writer.kill()
    assert caught.value.can_retry
    assert str(writer.pid) in caught.value.found
    assert len(read(f"duckdb:///{shop}")) == 2


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("duckdb:///{folder}/absent.duckdb", LoginRefused, "is no file"),
        ("duckdb:///absent.duckdb", LoginRefused, "is no file"),
        ("duckdb:///{folder}/junk.duckdb", LoginRefused, "not a valid DuckDB database file"),
        ("duckdb:///{folder}/exports", LoginRefused, "Is a directory"),
        ("duckdb:///:memory:", SettingsError, "names no file"),
        ("duckdb://", SettingsError, "names no file"),
        ("duckdb:///md:shop", LoginRefused, "is no file"),
        ("duckdb:///{folder}/shop.duckdb?access_mode=READ_WRITE", SettingsError, "no options"),
        ("duckdb:///{folder}/shop.duckdb?enable_external_access=true", SettingsError, "no options"),
        ("duckdb:///{folder}/a%3Fb.duckdb", SettingsError, "no question mark"),
        ("duckdb://host/shop.duckdb", SettingsError, "names no file"),
    ],
)
def test_what_is_no_database_file_is_refused_and_never_made(
    shop: Path,
    read: Callable[..., list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    error: type[NightshelfError],
    words: str,
) -> None:
    (shop.parent / "junk.duckdb").write_bytes(b"junk" * 1_000)
    monkeypatch.chdir(shop.parent)
    before = state(shop.parent)
    with pytest.raises(error) as caught:
        read(url.format(folder=shop.parent))
    assert words in str(caught.value)
    assert not caught.value.can_retry
    assert state(shop.parent) == before


def test_no_shop_is_loaded_into_it(shop: Path) -> None:
    before = state(shop.parent)
    with pytest.raises(SourceError, match="only read") as caught:
        loading.load("synthetic", f"duckdb:///{shop}", now=NOW, say=str, settings=config.load(), n_events=10)
    assert "make views" in caught.value.then
    assert state(shop.parent) == before


def test_it_serves_no_lists(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", f"duckdb:///{shop}")
    assert main(["migrate"]) == 1
    assert "the serving database must be PostgreSQL" in capsys.readouterr().err


CONFINED = [
    # items.sql; what the error says
    ("COPY (SELECT 1) TO 'out.csv'", "Parser Error"),
    ("SELECT product_id AS item_id FROM products) TO 'out.csv'; COPY (SELECT 1", "Parser Error"),
    ("SELECT 1 AS item_id; CREATE TABLE t AS SELECT 1", "Parser Error"),
    ("WITH w AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM w", "Binder Error"),
    ("SELECT * FROM 'https://example.org/i.csv'", "Cannot access file"),
    ("SELECT content AS name FROM read_text('/proc/self/environ')", "Cannot access file"),
    ("SELECT * FROM sqlite_scan('a.db', 'b')", "sqlite_scan"),
    ("SELECT * FROM 'exports/nowhere.csv'", "No files found"),
    ("SELECT * FROM nowhere", "nowhere does not exist"),
    ("SELECT name FROM settings", "settings"),
]


@pytest.mark.parametrize(("sql", "found"), CONFINED)
def test_a_statement_reads_files_and_does_nothing_else(
    shop: Path, read: Callable[..., list[dict[str, Any]]], sql: str, found: str
) -> None:
    with duckdb.connect(str(shop)) as db:
        db.execute("CREATE TABLE t (a INT)")
    before = state(shop.parent)
    settings = {} if ":" not in sql else {"sql": sql.replace(":", "\\:")}
    with pytest.raises(DatabaseError) as caught:
        read(f"duckdb:///{shop}", "items", **{"sql": sql, **settings})
    assert found in caught.value.found
    assert "items.sql" in str(caught.value)
    assert state(shop.parent) == before


def test_what_to_do_about_a_view_whose_file_is_gone(
    shop: Path, read: Callable[..., list[dict[str, Any]]]
) -> None:
    (shop.parent / "exports" / "till-1.csv").unlink()
    with pytest.raises(SourceError) as caught:
        read(f"duckdb:///{shop}")
    assert 'match the pattern "exports/till-*.csv"' in caught.value.found
    assert f"counts from {shop.parent}" in caught.value.then


def test_a_line_that_fails_late_is_named(shop: Path) -> None:
    line = "1;10;31.01.2026 18:05:00;1\n"
    (shop.parent / "exports" / "till-1.csv").write_text(f"who;sku;when;n\n{line * 900_000}1;10;;two\n")
    with (
        opened(f"duckdb:///{shop}", config.load().source, IDS) as source,
        pytest.raises(SourceError) as caught,
    ):
        for _ in source.batches("events"):
            pass
    assert "CSV Error on Line: 900002" in caught.value.found
    assert "mend that line" in caught.value.then


def test_a_database_that_two_read_one_after_the_other_in_one_process_is_locked_anew(
    shop: Path, read: Callable[..., list[dict[str, Any]]]
) -> None:
    """Settings that were locked belong to the open file; in another zone it is another session."""
    with duckdb.connect(str(shop)) as db:
        db.execute(
            "CREATE OR REPLACE VIEW events AS SELECT 1 AS customer_id, 2 AS product_id, 'view' AS event_type,"
            " '2026-01-31 12:00'::TIMESTAMPTZ AS occurred_at, NULL AS order_id, 1 AS quantity"
        )
    utc, berlin, utc_again = (
        read(f"duckdb:///{shop}", timezone=zone)[0]["occurred_at"] for zone in ("UTC", "Europe/Berlin", "UTC")
    )
    assert utc == utc_again == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert berlin == datetime(2026, 1, 31, 11, tzinfo=UTC)


def test_a_window_cuts_exactly_where_the_statement_compares_other_times_than_it_returns(
    shop: Path, tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    """It returns moments and compares the clock of Berlin, an hour ahead of UTC in winter."""
    with duckdb.connect(str(shop)) as db:
        db.execute(
            "CREATE TABLE ticks AS SELECT TIMESTAMP '2026-01-31 12:00' + n * INTERVAL 30 MINUTE AS clock"
            " FROM range(10) AS r (n)"
        )
    sql = (
        "SELECT 1 AS user_id, 2 AS item_id, 'view' AS event_type, NULL AS order_id, 1 AS quantity,"
        " timezone('Europe/Berlin', clock) AS occurred_at FROM ticks"
        " WHERE clock >= :window_start AND clock < :window_end"
    )
    folder = shops.write(tmp_path / "sql", events=sql)
    settings = make_settings(source={"timezone": "Europe/Berlin", "sql": folder}).source
    start = datetime(2026, 1, 31, 12, tzinfo=UTC)
    with opened(f"duckdb:///{shop}", settings, IDS) as source:
        batches = source.batches("events", start, start + timedelta(hours=1))
        times = [row["occurred_at"] for batch in batches for row in batch.to_pylist()]
        assert times == [start, start + timedelta(minutes=30)]
        assert source.span(start, start + timedelta(hours=1)) == (times[0], times[1])
        assert source.before_any_shop() == (0, "")


ZONES = """
import sys
from pipeline import config
from pipeline.source import opened
with opened(sys.argv[1], config.load().source, {"user": "integer", "item": "integer"}) as source:
    print([batch.to_pylist() for batch in source.batches("events")], source.span())
"""


def test_the_zone_of_the_machine_changes_nothing(shop: Path) -> None:
    with duckdb.connect(str(shop)) as db:
        db.execute(
            "CREATE OR REPLACE VIEW events AS SELECT 1 AS customer_id, 2 AS product_id, 'view' AS event_type,"
            " '2026-01-31 12:00'::TIMESTAMPTZ AS occurred_at,"
            " ('2026-01-31 12:00'::TIMESTAMPTZ)::VARCHAR AS order_id, 1 AS quantity"
        )
    printed = set()
    for zone in ("UTC", "America/New_York"):
        command = [sys.executable, "-c", ZONES, f"duckdb:///{shop}"]
        environment = {**os.environ, "TZ": zone}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        printed.add(done.stdout)
    assert len(printed) == 1
    assert "'order_id': '2026-01-31 12:00:00+00'" in printed.pop()
