"""A SELECT over a shop's own files: what is loaded through it, what it may not do, and how it fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline import engine
from pipeline.config import ROOT, Ids
from pipeline.errors import NightshelfError, SourceError
from pipeline.loading import events_file, query_file
from pipeline.loading.progress import EVERY
from pipeline.loading.query_file import Query, to_parquet
from pipeline.loading.shop import Shop
from tests.loading.queries import NO_SHOP, NOW, TILL, column, load


def test_a_shop_is_loaded_from_its_own_files_whatever_the_working_folder(
    own_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "till.csv").write_text("a file of the same name\n")
    monkeypatch.chdir(elsewhere)
    said = load(own_files, tmp_path / "s.db", items=own_files / "items.sql", users=own_files / "users.sql")
    assert column(tmp_path / "s.db", "customer_id") == [7, 7, 9]
    assert column(tmp_path / "s.db", "product_id") == ["A-1", "B-2", "A-1"]
    assert column(tmp_path / "s.db", "occurred_at")[0].startswith("2026-01-31 18:05:00")
    assert column(tmp_path / "s.db", "quantity") == [2.0, 1.0, 1.0]
    assert column(tmp_path / "s.db", "category", "products") == ["tea", "jam"]
    assert sorted(column(tmp_path / "s.db", "customer_id", "customers")) == [7, 9]
    assert "events.sql: 3 rows read, all kept" in said
    assert Path.cwd() == elsewhere
    assert sorted(path.name for path in own_files.iterdir()) == [
        *("events.sql", "items.sql", "stock.csv", "till.csv", "users.sql")
    ]


def test_a_query_named_by_a_relative_path_reads_from_its_own_folder(
    own_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    load(Path("..") / own_files.name, tmp_path / "s.db")
    assert column(tmp_path / "s.db", "customer_id") == [7, 7, 9]


FAILING = [
    # the query; DuckDB's words; what to do
    ("FROM 'nowhere.csv'", 'match the pattern "nowhere.csv"', "counts from {folder}"),
    ("FROM till", "Table with name till does not exist", "name a file, in quotes"),
    ("SELECT nobody FROM 'till.csv'", 'Referenced column "nobody" not found', "mend the query"),
    ("SELECT who\nFROM 'till.csv' WHERE", "syntax error", "mend the query"),
    ("SELECT 'x'::DATE AS d FROM 'till.csv'", "Conversion Error", "try_cast"),
    ("FROM read_csv('bad.csv')", "CSV Error on Line: 30002 Original Line: x,3", "mend that line"),
    ("FROM sqlite_scan('shop.db', 'events')", "the function sqlite_scan", "leave it out"),
    ("FROM read_xlsx('till.xlsx')", "the function read_xlsx", "leave it out"),
    ("FROM 'shop.db'", "external extensions is disabled", "no extension is loaded"),
    ("FROM read_text('/proc/version')", "Permission Error", "name another file"),
    ("SELECT who AS user_id, sku AS USER_ID FROM 'till.csv'", "user_id, USER_ID", "name the columns"),
    ("SELECT INTERVAL 1 DAY AS user_id", "user_id INTERVAL", "leave that column out"),
]


@pytest.mark.parametrize(("text", "found", "then"), FAILING)
def test_a_query_that_fails_says_why_in_one_error(
    rows_of: Callable[..., Any], tmp_path: Path, text: str, found: str, then: str
) -> None:
    (tmp_path / "till.csv").write_text(TILL)
    (tmp_path / "shop.db").write_bytes(b"SQLite format 3\0" + bytes(2_000))
    (tmp_path / "bad.csv").write_text("a,b\n" + "1,2\n" * 30_000 + "x,3\n")
    with pytest.raises(SourceError) as caught:
        rows_of(text)
    error = caught.value
    assert str(tmp_path / "q.sql") in error.what
    assert found in error.found
    assert then.format(folder=tmp_path) in error.then
    assert len(error.found) < 1_000
    assert "\n" not in error.found


def test_a_line_that_fails_after_the_first_batches_is_named_too(
    rows_of: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "late.csv").write_text("a,b\n" + "1,2\n" * 2_000_000 + "x,3\n")
    said: list[str] = []
    with pytest.raises(SourceError, match="fails") as caught:
        rows_of("FROM 'late.csv'", said.append)
    assert "CSV Error on Line: 2000002" in caught.value.found
    assert caught.value.then.startswith("mend that line")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("q.sql", None, "no file"),
        ("q.sql", b"SELECT '\xff'", "cannot be read as a query"),
        ("folder", None, "no file"),
    ],
)
def test_a_query_file_that_is_none(tmp_path: Path, name: str, content: bytes | None, what: str) -> None:
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with (
        pytest.raises(SourceError, match=what),
        events_file.read(Query(tmp_path / name), None, None, Ids(), "UTC", NOW),
    ):
        pass


def test_what_does_not_fit_into_memory_spills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is the same; where neither is enough, the error says so."""
    connect = engine.connect
    monkeypatch.setattr(query_file.engine, "connect", lambda spill: connect(0.06, 1, spill))
    spilled: list[int] = []
    text = "SELECT range AS user_id, md5(range::VARCHAR) AS item_id FROM range(1_500_000) ORDER BY item_id"
    (tmp_path / "q.sql").write_text(text)
    to_parquet(
        tmp_path / "q.sql",
        tmp_path / "rows.parquet",
        tmp_path / "spill",
        lambda _: spilled.append(len(list((tmp_path / "spill").iterdir()))),
    )
    assert spilled[0] > 0
    ids = pq.read_table(tmp_path / "rows.parquet")["item_id"].to_pylist()
    assert len(ids) == 1_500_000
    assert ids == sorted(ids)
    (tmp_path / "q.sql").write_text("SELECT string_agg(repeat('x', 1000)) AS user_id FROM range(1_000_000)")
    with pytest.raises(NightshelfError, match="ran out of memory"):
        to_parquet(tmp_path / "q.sql", tmp_path / "rows.parquet", tmp_path / "spill", str)


def test_progress_is_told_while_rows_come(rows_of: Callable[..., Any]) -> None:
    said: list[str] = []
    n = len(rows_of(f"SELECT range AS user_id FROM range({2 * EVERY + 1})", said.append))
    assert n == 2 * EVERY + 1
    assert len(said) == 2
    assert all(line.startswith("q.sql: ") and line.endswith(" rows so far") for line in said)


KEPT = [
    # a value in SQL; as which column; what is read
    ("17", "user_id", 17),
    ("17::HUGEINT", "user_id", 17),
    ("9007199254740993::HUGEINT", "user_id", 9007199254740993),
    ("17::DECIMAL(12, 2)", "user_id", 17),
    ("'17'", "user_id", "17"),
    ("'0C9A9B6E-21B2-4E0F-8E0F-0D6E1F2A3B4C'::UUID", "user_id", "0c9a9b6e-21b2-4e0f-8e0f-0d6e1f2a3b4c"),
    ("'tea'::ENUM ('tea', 'jam')", "item_id", "tea"),
    ("sum(3)", "quantity", 3.0),
    ("NULL", "quantity", 1.0),
    ("TIMESTAMPTZ '2026-01-01 10:00:00+02'", "order_id", "2026-01-01 08:00:00+00"),
    ("TIMESTAMPTZ '2026-01-01 10:00:00+02'", "occurred_at", datetime(2026, 1, 1, 8, tzinfo=UTC)),
    ("TIMESTAMP '2026-01-01 10:00:00'", "occurred_at", datetime(2026, 1, 1, 9, tzinfo=UTC)),
    ("DATE '2026-01-01'", "occurred_at", datetime(2025, 12, 31, 23, tzinfo=UTC)),
    ("'2026-01-01T10:00:00+02:00'", "occurred_at", datetime(2026, 1, 1, 8, tzinfo=UTC)),
]


NOT_KEPT = [
    # a value in SQL; as which column; in which words it is refused
    ("17.5::DECIMAL(12, 2)", "user_id", "a number with a fraction"),
    ("[1, 2]", "item_id", "holds no ids"),
    ("'ab'::BLOB", "item_id", "holds no ids"),
    ("TIMESTAMPTZ '2026-01-01 10:00:00+02'", "user_id", "2026-01-01 08:00:00+00"),
    ("'three'", "quantity", "holds what is no number"),
    ("1767261600", "occurred_at", "to_timestamp(occurred_at)"),
    ("'soon'", "occurred_at", "soon in row 1 of its result"),
]


def shop_of(folder: Path, value: str, name: str) -> AbstractContextManager[Shop]:
    """A shop of one event with that value; times without zone are those of Berlin."""
    others = {"user_id": "1", "item_id": "2", "event_type": "'view'", "occurred_at": "DATE '2026-01-01'"}
    columns = ", ".join(f"{sql} AS {column}" for column, sql in {**others, name: value}.items())
    (folder / "q.sql").write_text(f"SELECT {columns}")
    return events_file.read(Query(folder / "q.sql"), None, None, Ids(), "Europe/Berlin", NOW)


@pytest.mark.parametrize(("value", "name", "read"), KEPT)
def test_the_rows_are_read_as_those_of_a_file(tmp_path: Path, value: str, name: str, read: object) -> None:
    table_name = {"user_id": "customer_id", "item_id": "product_id"}.get(name, name)
    with shop_of(tmp_path, value, name) as shop:
        [batch] = shop.events
    [found] = batch.column(table_name).to_pylist()
    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize(("value", "name", "words"), NOT_KEPT)
def test_the_rows_go_through_the_checks_of_a_file(tmp_path: Path, value: str, name: str, words: str) -> None:
    with pytest.raises(SourceError) as caught, shop_of(tmp_path, value, name) as shop:
        list(shop.events)
    assert str(tmp_path / "q.sql") in caught.value.what
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "what", "then"),
    [
        ("SELECT 1 AS user_id, 2 AS item_id", "has no column `event_type`, `occurred_at`", "with AS"),
        (
            f"SELECT * EXCLUDE user_id, 1 AS User_Id FROM ({NO_SHOP})",
            "has no column `user_id`",
            "small letters",
        ),
    ],
)
def test_a_column_that_is_missing(tmp_path: Path, text: str, what: str, then: str) -> None:
    (tmp_path / "q.sql").write_text(text)
    with (
        pytest.raises(SourceError) as caught,
        events_file.read(Query(tmp_path / "q.sql"), None, None, Ids(), "UTC", NOW),
    ):
        pass
    assert what in caught.value.what
    assert then in caught.value.then


def test_a_csv_named_as_a_query_is_no_csv(tmp_path: Path) -> None:
    """What is read as a query does not depend on the name of the file, nor the other way round."""
    (tmp_path / "q.csv").write_text(NO_SHOP)
    with events_file.read(Query(tmp_path / "q.csv"), None, None, Ids(), "UTC", NOW) as shop:
        assert sum(batch.num_rows for batch in shop.events) == 1
    (tmp_path / "q.sql").write_text(NO_SHOP)
    with (
        pytest.raises(SourceError, match=r"of no kind that can be loaded[^!]*load query"),
        events_file.read(tmp_path / "q.sql", None, None, Ids(), "UTC", NOW),
    ):
        pass


ZONES = """
import sys
from pathlib import Path
import pyarrow.parquet as pq
from pipeline.loading.query_file import to_parquet
folder = Path(sys.argv[1])
to_parquet(folder / "q.sql", folder / "rows.parquet", folder / "spill", str)
print(pq.read_table(folder / "rows.parquet").to_pylist())
"""


def test_the_zone_of_the_machine_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "e.csv").write_text("clock,moment\n2026-01-31 18:05:00,2026-01-31T18:05:00+05:30\n")
    (tmp_path / "q.sql").write_text(
        "WITH e AS MATERIALIZED (FROM 'e.csv') SELECT clock, moment, clock::TIMESTAMPTZ AS zoned,"
        " moment::DATE AS day, moment::VARCHAR AS words, moment::TIMESTAMP AS naive,"
        " date_trunc('day', moment) AS begun, extract('hour' FROM moment) AS hour FROM e"
    )
    printed = []
    for zone in ("UTC", "America/New_York", "Asia/Tokyo"):
        monkeypatch.setenv("TZ", zone)
        command = [sys.executable, "-c", ZONES, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        printed.append(done.stdout)
    assert len(set(printed)) == 1
    assert "'words': '2026-01-31 12:35:00+00'" in printed[0]
    assert "'clock': datetime.datetime(2026, 1, 31, 18, 5)" in printed[0]


@pytest.mark.parametrize(
    ("text", "query", "told"),
    [
        (
            "a,b\n1,2\n3,4\n5\n",
            "SELECT * FROM read_csv('rows.csv', header = true, all_varchar = true, delim = ',', quote = '\"',"
            " auto_detect = false, columns = {'a': 'VARCHAR', 'b': 'VARCHAR'})",
            "is it the last one, cut off?",
        ),
        (
            "a\n'15,43'\n",
            "SELECT CAST('15,43' AS DOUBLE) AS price FROM 'rows.csv'",
            "replace(COLUMN, ',', '.')",
        ),
        ("a\n1\n", "SELECT CAST('guest' || a AS BIGINT) AS user_id FROM 'rows.csv'", "leave the cast away"),
        ("a\n1\n", "SELECT TODO AS occurred_at FROM 'rows.csv'", "put a column in the place of TODO"),
    ],
)
def test_the_advice_fits_the_error(tmp_path: Path, text: str, query: str, told: str) -> None:
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    (tmp_path / "events.sql").write_text(query, encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        to_parquet(tmp_path / "events.sql", tmp_path / "out.parquet", tmp_path / "spill", str)
    assert told in caught.value.then
    assert "Possible fixes" not in caught.value.found
