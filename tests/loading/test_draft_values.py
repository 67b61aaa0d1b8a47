"""What a drafted query makes of words, ids, quantities, times and the writing of a file."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import SourceError
from pipeline.loading import head
from tests.loading import published
from tests.loading.drafts import comments, loaded, refused, sql_only, text_of
from tests.loading.published import write


def test_cancelled_orders_are_left_out(tmp_path: Path) -> None:
    canceled = {
        name: text.replace("f6dd3ec061db,delivered", "f6dd3ec061db,canceled")
        for name, text in published.OLIST.items()
    }
    error = refused(write(tmp_path, canceled))
    assert "left out, being no purchases after all: canceled" in comments(error.draft)
    orders = sorted(row[4] for row in loaded(error.draft, tmp_path))
    assert orders == ["00010242fe8c", "00010242fe8c", "000229ec3982"]


@pytest.mark.parametrize(
    ("word", "event"),
    [
        *[(word, "cart") for word in (" add_to_cart ", "ADDTOCART")],
        *[(word, "view") for word in ("view", "Detail", "click", "pv", "page_view", "view_item", "clk")],
        *[(word, "cart") for word in ("addtocart", "add_to_cart", "Add To Cart", "cart", "basket")],
        *[(word, "purchase") for word in ("purchase", "transaction", "buy", "ORDER", "pay")],
    ],
)
def test_a_word_of_an_event_is_mapped(tmp_path: Path, word: str, event: str) -> None:
    text = f"customer,article,date,action\n1,5,2024-01-13,{word}\n1,5,2024-01-14,search\n"
    assert [row[2] for row in loaded(text_of(tmp_path, "e.csv", text), tmp_path)] == [event]


def test_a_word_beyond_the_first_rows_is_mapped_or_kept_for_validate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The draft sees views only; what comes later is a purchase, or a word that nobody knows."""
    rows = "1,5,2024-01-13,view\n" * 3 + "1,5,2024-01-14,transaction\n1,5,2024-01-15,wish\n"
    monkeypatch.setattr(head, "ROWS", 3)
    drafted = text_of(tmp_path, "e.csv", "customer,article,date,action\n" + rows)
    assert "not among the first rows: any cart or purchase" in comments(drafted)
    assert [row[2] for row in loaded(drafted, tmp_path)] == ["view"] * 3 + ["purchase", "wish"]


def test_events_of_which_no_word_is_known_are_left_open(tmp_path: Path) -> None:
    """Such as the numbers of Tmall's user_log."""
    text = "user_id,item_id,time,behavior_type\n1,5,2014-12-06 02,1\n1,6,2014-12-06 03,4\n"
    path = tmp_path / "e.csv"
    path.write_text(text)
    error = refused(path)
    assert not error.draft, "a file with two of our columns gets no draft with TODO"
    drafted = text_of(tmp_path, "f.csv", text.replace("user_id", "uid").replace("item_id", "sku"))
    assert "TODO AS event_type" in drafted
    assert "TODO: which words of behavior_type mean view, cart and purchase? 1, 4" in comments(drafted)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (["1", "20"], [1, 20]),
        (["1.0", "20.0"], [1, 20]),
        (["007", "20"], ["007", "20"]),
        ([str(2**63), "20"], [str(2**63), "20"]),
        (["A1", "20"], ["A1", "20"]),
        (["1", "NULL", "NA", "\\N", "", "20"], [1, 20]),
    ],
)
def test_an_id_keeps_its_value(tmp_path: Path, values: list[str], kept: list[Any]) -> None:
    text = "customer,article,date\n" + "".join(f"{value},x,2024-01-13\n" for value in values)
    assert [row[0] for row in loaded(text_of(tmp_path, "e.csv", text), tmp_path)] == kept


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (["2", "-3"], [2, -3]),
        (["1,5", "-2"], [1.5, -2]),
        (["1.234,5", "12,00"], [1234.5, 12]),
        (["1,234", "12,000"], [1234, 12000]),
        (["2.5", ""], [2.5, 1]),
    ],
)
def test_a_quantity_keeps_its_value(tmp_path: Path, values: list[str], kept: list[float]) -> None:
    text = "customer;article;date;qty\n" + "".join(f"1;x;2024-01-13;{value}\n" for value in values)
    assert [row[5] for row in loaded(text_of(tmp_path, "e.csv", text), tmp_path)] == kept


GERMAN_ROWS = "Kunde;Artikel;Datum\nMüller;Öl 1;13.01.2024\nGroß;x;14.01.2024\n"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("e.csv", GERMAN_ROWS.encode()),
        ("e.csv", b"\xef\xbb\xbf" + GERMAN_ROWS.encode()),
        ("e.csv", GERMAN_ROWS.encode("latin-1")),
        ("e.csv", GERMAN_ROWS.encode("utf-16")),
        ("e.csv.gz", gzip.compress(GERMAN_ROWS.encode(), mtime=0)),
        ("e.csv.gz", gzip.compress(GERMAN_ROWS.encode("latin-1"), mtime=0)),
        ("e.csv", gzip.compress(GERMAN_ROWS.encode(), mtime=0)),
        ("e.csv", GERMAN_ROWS.replace("\n", "\r\n").encode()),
        ("e.csv", ("sep=;\n" + GERMAN_ROWS).encode()),
        ("e.tsv", GERMAN_ROWS.replace(";", "\t").encode()),
        ("e.txt", GERMAN_ROWS.replace(";", "|").encode()),
        ("e[1] *?.csv", GERMAN_ROWS.encode()),
        ("it's 5% =.csv", GERMAN_ROWS.encode()),
    ],
    ids=[
        *("UTF-8", "with a mark", "latin-1", "UTF-16", "gzip", "latin-1 in gzip", "gzip without its name"),
        *("Windows", "sep=", "tabs", "bars", "a pattern as its name", "signs in its name"),
    ],
)
def test_the_file_is_read_as_it_is_written(tmp_path: Path, name: str, data: bytes) -> None:
    for other in ("e1 xy.csv", "e1 z.csv"):
        (tmp_path / other).write_text("nothing\n1\n")
    assert [row[:4] for row in loaded(text_of(tmp_path, name, data), tmp_path)] == [
        ("Müller", "Öl 1", "purchase", "2024-01-13 00:00:00"),
        ("Groß", "x", "purchase", "2024-01-14 00:00:00"),
    ]


def test_names_of_columns_are_quoted(tmp_path: Path) -> None:
    text = 'Customer ID,"art""icle no",select,Order Date\n1,A,3,2024-01-13\n'
    drafted = text_of(tmp_path, "e.csv", text)
    assert '"Customer ID"' in sql_only(drafted)
    assert [
        row[:2] for row in loaded(drafted.replace("TODO AS item_id", '"art""icle no" AS item_id'), tmp_path)
    ]


def test_a_comment_cannot_end_early(tmp_path: Path) -> None:
    """What stands in the file stays in its line of the draft."""
    text = 'customer,article,date\n"a\n;DROP TABLE x; --",b,2024-01-13\n'
    drafted = text_of(tmp_path, "e.csv", text)
    assert "DROP" in comments(drafted)
    assert "DROP" not in sql_only(drafted)
    with pytest.raises(SourceError, match="holds an id with a line end in it"):
        loaded(drafted, tmp_path)


def test_a_parquet_file_keeps_its_types(tmp_path: Path) -> None:
    table = {
        "customer": pa.array([7, 8], pa.int32()),
        "sku": ["007", "8"],
        "at": pa.array([datetime(2024, 1, 13, 5), datetime(2024, 1, 14)], pa.timestamp("us")),
        "qty": pa.array([1.5, None]),
    }
    pq.write_table(pa.table(table), tmp_path / "e.parquet")
    drafted = refused(tmp_path / "e.parquet").draft
    assert loaded(drafted, tmp_path, "Europe/Berlin") == [
        (7, "007", "purchase", "2024-01-13 04:00:00", None, 1.5),
        (8, "8", "purchase", "2024-01-13 23:00:00", None, 1),
    ]


def test_quotes_that_begin_late_are_quotes_and_an_inch_is_none(tmp_path: Path) -> None:
    """The sniffer sees the first rows alone; a sign within a value opens nothing."""
    head_line = "customer_id,product_id,order_date,title\n"
    plain_rows = "".join(f"{n % 50},{n % 9},2026-01-{n % 28 + 1:02},Mug\n" for n in range(30_000))
    quoted = text_of(tmp_path, "late.csv", f'{head_line}{plain_rows}7,3,2026-01-05,"Mug, ""big"""\n')
    assert len(loaded(quoted, tmp_path)) == 30_001
    inch = text_of(tmp_path, "inch.csv", f'{head_line}{plain_rows}7,3,2026-01-05,Pipe 5" long\n')
    assert len(loaded(inch, tmp_path)) == 30_001


def test_a_session_that_stands_for_the_user_is_called_one(tmp_path: Path) -> None:
    rows = "".join(f"s{n},{'u1' if n % 9 == 0 else ''},{n % 5},2026-01-{n % 28 + 1:02}\n" for n in range(90))
    sql = text_of(tmp_path, "buys.csv", f"sessionId,userId,itemId,eventdate\n{rows}")
    told = comments(sql)
    assert "LOOK AT IT: a session does not come back" in told
    assert "userId would be the user where it is there: coalesce(userId, ...)" in told


def test_a_point_between_thousands_is_asked_about(tmp_path: Path) -> None:
    rows = "1,5,2026-01-01,1.000\n2,5,2026-01-02,2.500\n"
    sql = text_of(tmp_path, "orders.csv", f"customer_id,product_id,order_date,quantity\n{rows}")
    assert "LOOK AT IT: is the point in the quantity one between thousands?" in comments(sql)


def test_the_day_of_the_purchase_counts_before_that_of_the_record(tmp_path: Path) -> None:
    rows = "1,5,2020-05-01,2026-01-01\n2,5,2020-06-01,2026-01-02\n"
    sql = text_of(tmp_path, "orders.csv", f"customer_id,product_id,created_at,purchase_date\n{rows}")
    assert "the time: purchase_date" in comments(sql)
