"""Files as shops really export them: what each value becomes, what is told, what is refused by its row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import Ids
from pipeline.errors import NightshelfError, SourceError
from pipeline.loading import events_file
from tests.loading.awkward import HEAD, ROW, Shop, refused

AWKWARD = [
    "a[1]",
    "a?",
    "a*",
    "a'b",
    'a"b',
    "100%20",
    "#1",
    " a ",
    "-a",
    "ü 日本",
    "{a,b}",
    "user_id=5",
    "a]",
    "~",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_a_path_names_one_file(shop: Shop, tmp_path: Path, name: str) -> None:
    """Beside each file lies one whose name its own would match as a pattern; a folder is no column either."""
    folder = tmp_path / name
    folder.mkdir()
    (tmp_path / "a1").mkdir()
    for each, user in ((folder / name, 1), (tmp_path / "a1" / "a1", 2), (folder / "a1", 3)):
        each.with_name(f"{each.name}.csv").write_text(HEAD + ROW.replace("1,", f"{user},", 1))
        table = {"user_id": [user], "item_id": [10], "event_type": ["view"], "occurred_at": ["2026-01-01"]}
        pq.write_table(pa.table(table), each.with_name(f"{each.name}.parquet"))
        pq.write_table(pa.table({"item_id": [user]}), each.with_name(f"{each.name}.items.parquet"))
    for suffix in ("csv", "parquet"):
        shop.load(folder / f"{name}.{suffix}", items=folder / f"{name}.items.parquet")
        assert shop.column("customer_id") == [1], suffix
        assert shop.column("product_id", "products") == [1], suffix


def test_a_path_that_the_sql_engine_cannot_open_is_told(shop: Shop, tmp_path: Path) -> None:
    pq.write_table(pa.table({"user_id": [1]}), tmp_path / "a\\b.parquet")
    with pytest.raises(NightshelfError, match="cannot open") as caught:
        shop.load(tmp_path / "a\\b.parquet")
    assert "backslash" in caught.value.found


@pytest.mark.parametrize(
    ("column", "values", "kind", "kept"),
    [
        ("order_id", ["17.0", "\\N", ""], None, ["17", None, None]),
        ("order_id", ["o-1", "NULL", "None"], None, ["o-1", None, None]),
        ("order_id", [17.0, None], pa.float64(), ["17", None]),
        ("order_id", [5, 6], pa.int64(), ["5", "6"]),
        ("quantity", ["2", "NULL", "", "3.5"], None, [2, 1, 1, 3.5]),
        ("quantity", [2.0, float("nan")], pa.float64(), [2, 1]),
        ("quantity", ["2", "NA"], pa.string(), [2, 1]),
        ("event_type", ["purchase ", "view"], None, ["purchase", "view"]),
        ("occurred_at", ["2026-01-01", "NULL"], None, ["2026-01-01 00:00:00.000000", None]),
    ],
)
def test_other_columns_of_events(
    shop: Shop, events: Callable[..., Path], column: str, values: list[Any], kind: Any, kept: list[Any]
) -> None:
    shop.load(events(column, values, kind))
    assert shop.column(column) == kept


@pytest.mark.parametrize(
    ("column", "values", "kind", "found"),
    [
        ("order_id", [1.2e18], pa.float64(), "in row 1"),
        ("order_id", [["a"]], pa.list_(pa.string()), "VARCHAR[]"),
        ("quantity", ["1", "1 piece"], None, "'1 piece' in row 2"),
        ("quantity", [[1]], pa.list_(pa.int64()), "BIGINT[]"),
        ("event_type", [["purchase"]], pa.list_(pa.string()), "VARCHAR[]"),
        ("occurred_at", [["2026-01-01"]], pa.list_(pa.string()), "VARCHAR[]"),
        ("occurred_at", ["2026-01-01", "soon"], None, "soon in row 2"),
        ("occurred_at", ["1757371552"], None, "2025-09-08 22:45:52 UTC if it counts seconds"),
        ("occurred_at", ["2026-01-01", "1757371552000"], None, "in row 2, which is 2025-09-08"),
        ("occurred_at", ["1.757371552e12"], None, "if it counts milliseconds"),
        ("occurred_at", [1757371552000000], pa.int64(), "if it counts microseconds"),
        ("occurred_at", [None, 1757371552.5], pa.float64(), "in row 2, which is 2025-09-08 22:45:52"),
        ("occurred_at", [1757371552000000000], pa.int64(), "if it counts nanoseconds"),
        ("occurred_at", ["45908.9"], None, "45908.9 in row 1"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_row(
    shop: Shop, events: Callable[..., Path], column: str, values: list[Any], kind: Any, found: str
) -> None:
    error = refused(shop, events(column, values, kind))
    assert f"`{column}`" in error.what
    assert found in error.found


def test_epoch_numbers_are_told_with_the_cast_to_write(shop: Shop, events: Callable[..., Path]) -> None:
    then = refused(shop, events("occurred_at", ["1757371552000"])).then
    assert 'pd.to_datetime(occurred_at, unit="ms", utc=True)' in then
    assert "to_timestamp(occurred_at / 1000.0)" in then


def test_times_that_cannot_be_a_shops_are_told(shop: Shop, events: Callable[..., Path]) -> None:
    times = ["1970-01-01", "1989-12-31", "1990-01-01", "2026-11-21 03:00:00", "2026-11-23", "9999-12-31"]
    shop.load(events("occurred_at", times))
    assert "2 times before 1990, such as 1970-01-01T00:00:00+00:00" in shop.text
    assert "2 times after 2026-11-22 03:00 UTC, in the future, such as 2026-11-23" in shop.text


@pytest.mark.parametrize(
    ("column", "values", "kept"),
    [
        ("name", ["NULL", "NA", "Tea "], [None, "NA", "Tea "]),
        ("category", ["\\N", "Tea"], [None, "Tea"]),
        ("category", [5.0, None], ["5", None]),
        ("price", ["\\N", "1.5", "NA"], [None, 1.5, None]),
        ("discount", [float("nan"), 2.0], [None, 2.0]),
        ("available", ["yes", "0.0", "NULL", "True"], [1, 0, None, 1]),
        ("available", [1.0, 0.0, None], [1, 0, None]),
        ("available", [True, False], [1, 0]),
        ("added_at", ["2026-05-01", "2026-05-01T10:00:00+02:00", "\\N"],
         ["2026-05-01 00:00:00.000000", "2026-05-01 08:00:00.000000", None]),
        ("available_until", ["9999-12-31", "infinity", "-Infinity", "0000-00-00 00:00:00"],
         ["9999-12-31 00:00:00.000000", "9999-12-31 00:00:00.000000", "0001-01-01 00:00:00.000000", None]),
        ("available_until", [date(9999, 12, 31), None], ["9999-12-31 00:00:00.000000", None]),
        ("known_at", [datetime(2026, 5, 1, 10, tzinfo=UTC), None], ["2026-05-01 10:00:00.000000", None]),
    ],
)  # fmt: skip
def test_columns_of_items(
    shop: Shop, tmp_path: Path, column: str, values: list[Any], kept: list[Any]
) -> None:
    (tmp_path / "e.csv").write_text(HEAD + ROW)
    table = pa.table({"item_id": list(range(10, 10 + len(values))), column: values})
    pq.write_table(table, tmp_path / "i.parquet")
    files = [tmp_path / "i.parquet"]
    if isinstance(values[0], str):
        lines = (f"{10 + i},{value}" for i, value in enumerate(values))
        (tmp_path / "i.csv").write_text("\n".join([f"item_id,{column}", *lines]))
        files.append(tmp_path / "i.csv")
    for file in files:
        shop.load(tmp_path / "e.csv", items=file)
        assert shop.column(column, "products") == kept, file


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ("category", [["food", "jam"]], "VARCHAR[], such as ['food', 'jam'] in row 1"),
        ("category", [{"a": 1}], "STRUCT"),
        ("name", [["Tea"]], "VARCHAR[]"),
        ("name", [b"T\xe9"], "BLOB"),
        ("price", [[1.5]], "DOUBLE[]"),
        ("price", ["1.5", "1,50"], "'1,50' in row 2"),
        ("price", ["€ 3"], "€ 3"),
        ("available", ["maybe"], "maybe"),
        ("available", [2], "2"),
        ("added_at", [1795750215], "2026-11-27 03:30:15 UTC if it counts seconds"),
        ("available_until", ["2026-01-01", "soon"], "soon in row 2"),
        ("known_at", [["2026-01-01"]], "VARCHAR[]"),
    ],
)
def test_columns_of_items_that_hold_something_else(
    shop: Shop, tmp_path: Path, column: str, values: list[Any], found: str
) -> None:
    (tmp_path / "e.csv").write_text(HEAD + ROW)
    pq.write_table(pa.table({"item_id": [10] * len(values), column: values}), tmp_path / "i.parquet")
    error = refused(shop, tmp_path / "e.csv", items=tmp_path / "i.parquet")
    assert f"`{column}` of {tmp_path / 'i.parquet'}" in error.what
    assert found in error.found


def test_what_a_load_tells_of_its_rows(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(HEAD + ROW * 3 + "2,11,view,2026-01-01,,1\n,11,view,2026-01-01,,1\n")
    (tmp_path / "i.csv").write_text("item_id\n10\n")
    (tmp_path / "u.csv").write_text("user_id\n2\n7\n")
    shop.load(tmp_path / "e.csv", items=tmp_path / "i.csv", users=tmp_path / "u.csv")
    assert "e.csv: 5 rows read, all kept; 1 without user_id" in shop.text
    assert "2 rows exactly like another" in shop.text
    assert "1 of its 2 items (50.0%), with 40.0% of its rows, are not in i.csv, such as 11" in shop.text
    assert "1 of its 2 users (50.0%), with 75.0% of its rows, are not in u.csv, such as 1" in shop.text
    assert "u.csv: 2 rows read, all kept" in shop.text


def test_retailrocket_tells_its_rows_and_refuses_seconds(shop: Shop, tmp_path: Path) -> None:
    head = "timestamp,visitorid,event,itemid,transactionid\n"
    row = "1433193132535,1134473.0,transaction,396045,5216.0\n"
    (tmp_path / "events.csv").write_text(head + row * 2)
    shop.load(tmp_path / "events.csv", "retailrocket")
    assert (shop.column("customer_id"), shop.column("order_id")) == ([1134473] * 2, ["5216"] * 2)
    assert "2 rows read, all kept; 1 row exactly like another" in shop.text
    (tmp_path / "events.csv").write_text(head + row + row.replace("1433193132535", "1433193132"))
    error = refused(shop, tmp_path / "events.csv", kind="retailrocket")
    assert "'1433193132' in row 2" in error.found


def test_a_folder_of_key_and_value_adds_no_column(tmp_path: Path) -> None:
    """DuckDB would read `price=9` in the path as a column of the file."""
    from pipeline import engine

    folder = tmp_path / "price=9"
    folder.mkdir()
    pq.write_table(pa.table({"item_id": [1]}), folder / "i.parquet")
    with engine.connect() as db:
        engine.view(db, "items", folder / "i.parquet")
        assert db.sql("FROM items").columns == ["item_id"]
        assert db.execute("SELECT count(*) FROM items").fetchall() == [(1,)]


@pytest.mark.parametrize("damage", [b"\x80ser_id", b"\xff\xfe\xff\xfe\xff\xfe\xff"])
def test_a_parquet_file_whose_columns_have_names_that_are_no_text_is_damaged(
    tmp_path: Path, damage: bytes
) -> None:
    path = tmp_path / "events.parquet"
    names = ("user_id", "item_id", "event_type", "occurred_at")
    pq.write_table(pa.table({name: ["1"] for name in names}), path)
    path.write_bytes(path.read_bytes().replace(b"user_id", damage))
    now = datetime(2026, 11, 20, tzinfo=UTC)
    with (
        pytest.raises(SourceError, match="cannot be read"),
        events_file.read(path, None, None, Ids(), "UTC", now),
    ):
        pass


def test_rows_without_a_time_are_not_said_to_stop_a_night(shop: Shop, events: Callable[..., Path]) -> None:
    shop.load(events("occurred_at", ["2026-01-01", "NULL"]))
    assert "1 without occurred_at; no night reads these" in shop.text
    assert "stops" not in shop.text
