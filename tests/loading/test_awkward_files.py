"""Files as shops really export them: what each value becomes, what is told, what is refused by its row."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pipeline import config, loading
from pipeline.config import Ids
from pipeline.errors import NightshelfError, SourceError
from pipeline.loading import csv_file, events_file

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
HEAD = "user_id,item_id,event_type,occurred_at,order_id,quantity\n"
ROW = "1,10,purchase,2026-01-01 10:00:00,o-1,2\n"


@dataclass
class Shop:
    """A SQLite shop, and what the last load into it said."""

    path: Path
    said: list[str] = field(default_factory=list)

    def load(
        self, file: Path, kind: str = "events", settings: config.Settings | None = None, **files: Path
    ) -> None:
        self.said.clear()
        options = {"now": NOW, "say": self.said.append, "settings": settings or config.load()}
        loading.load(kind, f"sqlite:///{self.path}", file=file, **options, **files)  # type: ignore[arg-type]

    def column(self, name: str, table: str = "events") -> list[Any]:
        """The values of a column, in the order of loading."""
        with closing(sa.create_engine(f"sqlite:///{self.path}").raw_connection()) as db:
            return [value for (value,) in db.execute(f"SELECT {name} FROM {table} ORDER BY rowid")]

    @property
    def text(self) -> str:
        return "\n".join(self.said)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop.db")


@pytest.fixture
def events(tmp_path: Path) -> Callable[..., Path]:
    """Writes an events file with a row for each value of one column, the others good ones."""

    def write(column: str, values: list[Any], kind: pa.DataType | None = None) -> Path:
        """`kind`: a Parquet file with the column of that type; None: a CSV file, values as they are."""
        n = len(values)
        columns: dict[str, Any] = {
            "user_id": range(n),
            "item_id": [10] * n,
            "event_type": ["purchase"] * n,
            "occurred_at": [f"2026-01-01 10:00:{i:02}" for i in range(n)],
            "order_id": [f"o-{i}" for i in range(n)],
            "quantity": [1] * n,
        }
        if kind is None:
            columns[column] = values
            lines = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
            path = tmp_path / "e.csv"
            path.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
        else:
            path = tmp_path / "e.parquet"
            arrays = {name: pa.array(list(column)) for name, column in columns.items()}
            pq.write_table(pa.table({**arrays, column: pa.array(values, kind)}), path)
        return path

    return write


def refused(shop: Shop, file: Path, **options: Any) -> NightshelfError:
    """The refusal of a file; it changes nothing, and no message is one of a library."""
    before = shop.column("customer_id") if shop.path.exists() else None
    with pytest.raises(SourceError) as caught:
        shop.load(file, **options)
    for sign in ("Error:", "state machine", "strict_mode", "Conversion", "Traceback"):
        assert sign not in str(caught.value)
    if before is not None:
        assert shop.column("customer_id") == before
    return caught.value


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
    ("values", "kind", "kept", "told"),
    [
        (["17.0", "", "3.0"], None, [17, None, 3], "17.0 as 17"),
        (["17", "18.0"], None, [17, 18], "18.0 as 18"),
        (["17.", "-2.00"], None, [17, -2], "as"),
        ([17.0, None, 3.0], pa.float64(), [17, None, 3], ""),
        ([17.0, float("nan")], pa.float64(), [17, None], "1 without user_id"),
        ([17.0, None], pa.float32(), [17, None], ""),
        ([17.0, None], pa.float16(), [17, None], ""),
        ([17, -(2**63)], pa.int64(), [17, None], "-9223372036854775808 in 1 row, read as missing"),
        (["17", str(-(2**63))], None, [17, None], "-9223372036854775808 in 1 row"),
        ([2.0**53 - 1], pa.float64(), [2**53 - 1], ""),
        ([Decimal(17), None], pa.decimal128(20, 0), [17, None], ""),
        ([Decimal(2**63), Decimal(1)], pa.decimal128(38, 0), [str(2**63), "1"], ""),
        ([2**64 - 1, 1], pa.uint64(), [str(2**64 - 1), "1"], ""),
        ([2**63 - 1, 1], pa.uint64(), [2**63 - 1, 1], ""),
        ([str(2**63), "1"], None, [str(2**63), "1"], f"'{2**63}' in row 1"),
        (["\\N", "4", "5"], None, [None, 4, 5], r"\N in 1 row, where all others are whole numbers"),
        (["NULL", "null", "4"], None, [None, None, 4], "in 2 rows"),
        (["NA", "N/A", "None", "nan", "-", "#N/A", "<NA>", "4"], None, [*[None] * 7, 4], "in 7 rows"),
        (["\\N", "4.0"], None, [None, 4], "4.0 as 4"),
        ([" 4", "5\t"], None, [4, 5], "2 with blanks around them"),
        (["NULL", "C1", "C2"], None, ["NULL", "C1", "C2"], "NULL in 1 row, kept as an id"),
        (["\\N", "C1"], pa.string(), ["\\N", "C1"], "kept as an id"),
        (["nan", "17.0"], pa.string(), [None, "17"], "17.0 as 17"),
        (["", "C1"], pa.string(), [None, "C1"], "1 without user_id"),
        (["101.1", "101.0"], None, ["101.1", "101.0"], "'101.1' in row 1"),
        (["1", "007"], None, ["1", "007"], "'007' in row 2"),
        ([*map(str, range(20)), "x9"], None, [*map(str, range(20)), "x9"], "'x9' in row 21"),
        (["1", "2", "guest"], None, ["1", "2", "guest"], "'guest' in row 3"),
        (["A", "a"], None, ["A", "a"], "only in case, such as 'A' and 'a'"),
        (["A", "a", "A", "B", "B"], None, ["A", "a", "A", "B", "B"], "1 times a `user_id` differs"),
        (["A", "A "], None, ["A", "A "], "only in blanks around them, such as 'A' and 'A '"),
        (["\u00e9", "e\u0301"], None, ["\u00e9", "e\u0301"], r"such as 'e\u0301' and '\xe9'"),
    ],
)  # fmt: skip
def test_an_id_keeps_its_value(
    shop: Shop, events: Callable[..., Path], values: list[Any], kind: Any, kept: list[Any], told: str
) -> None:
    shop.load(events("user_id", values, kind))
    assert shop.column("customer_id") == kept
    assert told in shop.text


@pytest.mark.parametrize(
    ("values", "kind", "found", "promised"),
    [
        ([1.0, 2.0**53], pa.float64(), "in row 2", "9,007,199,254,740,992"),
        ([1.2e18, 1.2e18 + 1000], pa.float64(), "in row 1", "below"),
        ([2.0**24], pa.float32(), "in row 1", "16,777,216"),
        ([2.0**11], pa.float16(), "in row 1", "2,048"),
        ([17.5], pa.float64(), "17.5", "whole numbers"),
        ([float("inf")], pa.float64(), "inf", "whole numbers"),
        ([Decimal("17.5")], pa.decimal128(5, 1), "17.5", "whole numbers"),
        (["1", "1.2e+18"], None, "'1.2e+18' in row 2", "below"),
        (["1.23457E+12"], None, "1.23457E+12", "below"),
        (["1", f"{2**53}.0"], None, "in row 2", "below"),
        (["1.2e+18"], pa.string(), "1.2e+18", "below"),
        ([["C1", "C2"]], pa.list_(pa.string()), "VARCHAR[], such as ['C1', 'C2'] in row 1", "one"),
        ([{"id": 1}], pa.struct([("id", pa.int64())]), "STRUCT", "one whole number"),
        ([b"C1"], pa.binary(), "BLOB", "one whole number"),
        ([True], pa.bool_(), "BOOLEAN", "one whole number"),
        ([datetime(2026, 1, 1)], pa.timestamp("us"), "TIMESTAMP", "one whole number"),
        (["1", '"2\n3"'], None, "in row 2", "one id in each row"),
    ],
)  # fmt: skip
def test_an_id_that_has_lost_its_value_is_refused(
    shop: Shop,
    events: Callable[..., Path],
    values: list[Any],
    kind: Any,
    found: str,
    promised: str,
) -> None:
    error = refused(shop, events("user_id", values, kind))
    assert "`user_id` of " in error.what
    assert found in error.found
    assert promised in error.promised


def test_ids_as_floats_are_the_same_texts_where_the_other_file_has_texts(
    shop: Shop, events: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "i.csv").write_text("item_id\n17\nA1\n")
    for file in (events("item_id", [17.0, None], pa.float64()), events("item_id", ["17.0", ""])):
        shop.load(file, items=tmp_path / "i.csv")
        assert shop.column("product_id") == ["17", None]
        assert "are not in" not in shop.text


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


NOTED = "note," + HEAD.strip()
ROWS = ["," + ROW.strip(), '"x\ry",2,11,view,2026-01-02,"a, ""b""",1', '"x\ny",3,12,view,2026-01-03,,']


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("\n".join([NOTED, *ROWS]), "utf-8"),
        ("\r\n".join([NOTED, *ROWS, ""]), "utf-8"),
        ("\r".join([NOTED, *ROWS, ""]), "utf-8"),
        ("\r\r\n".join([NOTED, *ROWS, ""]), "utf-8"),
        (f"{NOTED}\r\n{ROWS[0]}\n{ROWS[1]}\r{ROWS[2]}\r\r\n", "utf-8"),
        ("\n\n".join([NOTED.replace(",", " , "), *ROWS, "", ""]), "utf-8-sig"),
        ("\r\n".join([NOTED, *ROWS]), "utf-16"),
        ("\ufeff" + "\n".join([NOTED, *ROWS]), "utf-16-be"),
        ("\n".join([NOTED, *ROWS]), "utf-32"),
    ],
)
@pytest.mark.parametrize("is_gzip", [False, True])
def test_every_line_end_and_encoding_gives_the_same_rows(
    shop: Shop, tmp_path: Path, data: str, encoding: str, is_gzip: bool
) -> None:
    content = data.encode(encoding)
    (tmp_path / "e.csv").write_bytes(gzip.compress(content) if is_gzip else content)
    shop.load(tmp_path / "e.csv")
    assert shop.column("customer_id") == [1, 2, 3]
    assert shop.column("order_id") == ["o-1", 'a, "b"', None]
    assert shop.column("quantity") == [2, 1, 1]
    assert "3 rows read, all kept" in shop.text


GOOD = (HEAD + ROW * 2).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (GOOD + b"5,10,view\n" + ROW.encode(), "row 3 of "),
        (GOOD + b"5,10,view,2026-01-0", "the last row: the file may be cut off"),
        (GOOD + b"5,10,view,2026-01-01,a,1,more\n", "has 7 values, not 6"),
        (GOOD + b'5,10,view,2026-01-01,"a"b,1\n', "beyond row 3"),
        (GOOD + b'5,10,view,2026-01-01,"a\n' + ROW.encode(), "never closed"),
        (GOOD + b'5,10,view,2026-01-01,"a\n' + ROW.encode() * 5000, "never closed"),
        (GOOD + b'5,10,view,"2026-01-01,a,1\n6,10,view,"2026-01-01,a,1\n', "in the middle of a value"),
        (GOOD + b"5,10,vi\rew,2026-01-01,a,1\n", "row 3 of "),
        (GOOD + "5,10,view,2026-01-01,Müller,1\n".encode("cp1252"), "M\\xfcller"),
        (GOOD + b"5,10,view,2026-01-01,a\0b,1\n", "`order_id` of "),
        (GOOD + b"5\0,10,view,2026-01-01,a,1\n", "NUL"),
        (GOOD.decode().encode("utf-16-le"), "does not name its columns"),
        (GOOD.decode().encode("utf-16")[:-1], "neither UTF-8"),
        (gzip.compress(GOOD, mtime=0)[:-12], "cut off"),
        (b"PAR1" + GOOD, "a Parquet file"),
        (b"PK\x03\x04" + GOOD, "a zip archive"),
        (b"\n\n", "an empty file"),
        (b"user_id,user_id\n1,2\n", "user_id twice"),
        (b"user_id;item_id\n1;2\n", "user_id;item_id"),
    ],
)
def test_a_csv_that_cannot_be_read_to_its_end_is_refused(
    shop: Shop, tmp_path: Path, data: bytes, says: str
) -> None:
    (tmp_path / "good.csv").write_bytes(GOOD)
    shop.load(tmp_path / "good.csv")
    (tmp_path / "e.csv").write_bytes(data)
    assert says in str(refused(shop, tmp_path / "e.csv"))


def test_the_row_is_right_beyond_the_first_chunk(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_file, "CHUNK", 3)
    for bad, says in ((b"1,2\n", "row 8 of"), (b"1,2,view,2026-01-01,\xff,1\n", "row 8 of")):
        (tmp_path / "e.csv").write_bytes(HEAD.encode() + ROW.encode() * 7 + bad + ROW.encode())
        assert says in str(refused(shop, tmp_path / "e.csv"))
    (tmp_path / "e.csv").write_bytes(HEAD.encode() + ROW.encode() * 7)
    shop.load(tmp_path / "e.csv")
    assert len(shop.column("quantity")) == 7


FULL = """
import resource, sys
from pipeline.__main__ import main
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
sys.exit(main(["load", "events", sys.argv[1]]))
"""


def test_no_room_for_the_rows_of_a_csv_is_a_full_disk(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (f"{n * 7919 % 999_983},{n * 104_729 % 999_979},view,2026-01-01\n" for n in range(20_000))
    (tmp_path / "e.csv").write_text("user_id,item_id,event_type,occurred_at\n" + "".join(rows))
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", f"sqlite:///{shop.path}")
    command = [sys.executable, "-c", FULL, str(tmp_path / "e.csv")]
    done = subprocess.run(command, cwd=config.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"no room to read {tmp_path / 'e.csv'}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "home").iterdir())


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


@pytest.mark.parametrize("kind", [None, pa.string()])
def test_one_id_in_many_rows_differs_from_no_other(
    shop: Shop, events: Callable[..., Path], kind: pa.DataType | None
) -> None:
    shop.load(events("user_id", ["C1", "C1", "C2", "C2"], kind))
    assert "differs" not in shop.text


def test_a_small_number_with_an_exponent_is_not_called_too_large(
    shop: Shop, events: Callable[..., Path]
) -> None:
    with pytest.raises(SourceError, match="may have lost digits") as refused:
        shop.load(events("user_id", ["1", "1e3"]))
    assert "without an exponent" in refused.value.promised


def test_rows_without_a_time_are_not_said_to_stop_a_night(shop: Shop, events: Callable[..., Path]) -> None:
    shop.load(events("occurred_at", ["2026-01-01", "NULL"]))
    assert "1 without occurred_at; no night reads these" in shop.text
    assert "stops" not in shop.text


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ((HEAD + ROW).replace(",", ";"), "with commas between the values, not ';'"),
        ((HEAD + ROW).replace(",", "\t"), r"with commas between the values, not '\t'"),
        (HEAD.upper() + ROW, "write the names of the columns in small letters"),
        ("user_id,item_id\n1,10\n", "add it"),
    ],
)
def test_the_way_out_of_a_first_line_is_the_one_it_needs(
    shop: Shop, tmp_path: Path, text: str, way: str
) -> None:
    file = tmp_path / "events.csv"
    file.write_text(text)
    with pytest.raises(SourceError, match="has no column") as refused:
        shop.load(file)
    assert way in refused.value.then


@pytest.mark.parametrize("written", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_to_be_saved_as_utf_8(shop: Shop, tmp_path: Path, written: str) -> None:
    file = tmp_path / "events.csv"
    file.write_text(HEAD + ROW, encoding=written)
    with pytest.raises(SourceError, match="does not name its columns") as refused:
        shop.load(file)
    assert "save it as UTF-8" in refused.value.then
