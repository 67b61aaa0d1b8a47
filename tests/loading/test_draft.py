"""A stranger's file is refused with the draft of a query; saved as it is, it loads the rows worked out here.

The rows of each data set are made up, in the format in which it is published: tests/loading/published.py.
"""

from __future__ import annotations

import gzip
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main
from pipeline.config import Ids
from pipeline.errors import SourceError
from pipeline.loading import draft, events_file, head
from pipeline.loading.query_file import Query
from tests.loading import published
from tests.loading.published import write

NOW = datetime(2026, 11, 28, tzinfo=UTC)
OURS = "user_id,item_id,event_type,occurred_at\n1,5,purchase,2024-01-13 18:05:00\n"
Row = tuple[Any, ...]
REN, JAE = "ren@example.com", "jae@example.com"

DRAFTED: dict[str, tuple[dict[str, str], list[Row]]] = {
    "RetailRocket": (
        published.RETAILROCKET,
        published.EVENTS["RetailRocket"],
    ),
    "REES46": (
        published.REES46,
        published.EVENTS["REES46"],
    ),
    "Online Retail II": (
        published.ONLINE_RETAIL,
        [
            (13085, "85048", "purchase", "2009-12-01 07:45:00", "489434", 12),
            (13085, "79323P", "purchase", "2009-12-01 07:45:00", "489434", 12),
            (16321, "22087", "purchase", "2009-12-03 10:33:00", "C489449", -12),
        ],
    ),
    "H&M": (
        published.HM,
        published.EVENTS["H&M"],
    ),
    "MovieLens 25M": (
        published.MOVIELENS,
        published.EVENTS["MovieLens"],
    ),
    "MovieLens 1M": (
        published.MOVIELENS_1M,
        [
            (1, 1193, "purchase", "2000-12-31 22:12:40", None, 1),
            (1, 661, "view", "2000-12-31 22:35:09", None, 1),
            (2, 1193, "purchase", "2000-12-31 21:33:33", None, 1),
        ],
    ),
    "Olist": (
        published.OLIST,
        published.EVENTS["Olist"],
    ),
    "Diginetica": (
        published.DIGINETICA,
        [
            (150, 25911, "purchase", "2016-05-06 00:00:00", "16421", 1),
            (151, 8170, "purchase", "2016-05-07 00:00:00", "16422", 1),
            (152, 8170, "purchase", "2016-05-08 00:00:00", "16423", 1),
            (1, 81766, "view", "2016-05-09 00:00:00", None, 1),
            (1, 31331, "view", "2016-05-09 00:00:00", None, 1),
            (150, 25911, "view", "2016-05-06 00:00:00", None, 1),
        ],
    ),
    "YooChoose": (
        published.YOOCHOOSE,
        [
            (420374, 214537888, "purchase", "2014-04-06 18:44:58", None, 1),
            (420374, 214537850, "purchase", "2014-04-06 18:44:58", None, 1),
            (281626, 214535653, "purchase", "2014-04-06 09:40:13", None, 1),
            (420374, 214537888, "view", "2014-04-06 18:40:00", None, 1),
            (420374, 214537850, "view", "2014-04-06 18:41:09", None, 1),
            (2, 214662742, "view", "2014-04-07 13:56:37", None, 1),
        ],
    ),
    "Dunnhumby": (
        published.DUNNHUMBY,
        [
            (2375, 1004906, "purchase", "2000-01-02 00:00:00", "26984851472", 1),
            (2375, 1033142, "purchase", "2000-01-02 00:00:00", "26984851472", 1),
            (1364, 842930, "purchase", "2000-01-13 00:00:00", "26984896261", 2),
        ],
    ),
    "UserBehavior of Taobao": (
        published.USER_BEHAVIOR,
        [
            (1, 2268318, "view", "2017-11-24 17:21:10", None, 1),
            (1, 2333346, "cart", "2017-11-25 01:21:25", None, 1),
            (100, 2333346, "purchase", "2017-11-25 07:04:53", None, 1),
        ],
    ),
    "Amazon ratings": (
        published.AMAZON,
        [
            ("A39HTATAQ9V7YF", "0205616461", "purchase", "2013-05-28 00:00:00", None, 1),
            ("A3JM6GV9MNOF9X", "0558925278", "view", "2012-12-14 00:00:00", None, 1),
            ("A1Z513UWSAAO0F", "0558925278", "purchase", "2014-07-07 00:00:00", None, 1),
        ],
    ),
    "Amazon reviews": (
        published.AMAZON_JSON,
        [
            ("A2SUAM1J3GNN3B", "0000013714", "purchase", "2009-09-13 00:00:00", None, 1),
            ("A1YJEY40YUW4SE", "7806397051", "view", "2014-01-30 00:00:00", None, 1),
        ],
    ),
    "last.fm 1K": (
        published.LASTFM,
        [
            ("user_000639", "8c9f7a5a", "purchase", "2009-04-08 01:57:47", None, 1),
            ("user_000639", "8c9f7a5a", "purchase", "2009-04-08 01:53:56", None, 1),
            ("user_000001", "f1b1cf71", "purchase", "2009-05-04 23:08:57", None, 1),
        ],
    ),
    "an export of Shopify": (
        published.SHOPIFY,
        [
            (REN, "TEE-BLK-M", "purchase", "2024-05-01 08:00:00", None, 2),
            (REN, "MUG-1", "purchase", "2024-05-01 08:00:00", None, 1),
            (JAE, "MUG-1", "purchase", "2024-05-02 07:30:00", None, 1),
        ],
    ),
    "an export of WooCommerce": (
        published.WOOCOMMERCE,
        [
            (REN, 31, "purchase", "2024-05-30 18:05:00", "901", 2),
            (REN, 32, "purchase", "2024-05-30 18:05:00", "901", 1),
            (JAE, 31, "purchase", "2024-05-31 07:15:00", "902", 1),
        ],
    ),
    "events of Google Analytics 4": (
        published.GA4,
        [
            ("1026454.4271112504", "GGOEGAEB", "view", "2021-01-31 05:05:10", None, 1),
            ("1026454.4271112504", "GGOEGAEB", "cart", "2021-01-31 05:05:20", None, 1),
            ("1026454.4271112504", "GGOEGAEB", "purchase", "2021-01-31 05:05:40", "T-9", 1),
        ],
    ),
    "a German shop": (
        published.GERMAN,
        [
            ("007", "A-7", "purchase", "2024-01-13 18:05:00", "5001", 2),
            ("007", "A-8", "purchase", "2024-01-13 18:05:00", "5001", 1.5),
            ("012", "A-7", "purchase", "2024-02-02 07:30:00", "5002", -1),
        ],
    ),
    "a Brazilian shop": (
        published.BRAZILIAN,
        [
            (101, 55, "purchase", "2024-01-31 14:30:00", "9001", 1),
            (101, 56, "purchase", "2024-01-31 14:30:00", "9001", 3),
            (102, 55, "purchase", "2024-02-01 09:00:00", "9002", 2),
        ],
    ),
}
"""What each draft loads as it is; times in UTC, to the second."""


def refused(path: Path) -> SourceError:
    """The refusal of a file by `load events` and `backtest --events`."""
    with pytest.raises(SourceError) as caught, events_file.read(path, None, None, Ids(), "UTC", NOW):
        pass
    return caught.value


def loaded(sql: str, folder: Path, zone: str = "UTC") -> list[Row]:
    """The events that `load query` reads with this query, saved in `folder`."""
    query = folder / "drafted.sql"
    query.write_text(sql, encoding="utf-8")
    return rows_of_file(Query(query), zone)


def rows_of_file(path: Path | Query, zone: str = "UTC") -> list[Row]:
    """The events of a file or a query, times in UTC to the second."""
    with events_file.read(path, None, None, Ids(), zone, NOW) as shop:
        rows = [row for batch in shop.events for row in batch.to_pylist()]
    return [
        (
            row["customer_id"],
            row["product_id"],
            row["event_type"],
            f"{row['occurred_at']:%Y-%m-%d %H:%M:%S}",
            row["order_id"],
            row["quantity"],
        )
        for row in rows
    ]


def in_order(rows: list[Row]) -> list[Row]:
    """Sorted: the rows of a join or a union come in any order."""
    return sorted(rows, key=str)


def text_of(folder: Path, name: str, text: str | bytes) -> str:
    """The draft for a file with this text."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return refused(path).draft


def sql_only(sql: str) -> str:
    return re.sub(r" *--.*\n", "", sql)


def comments(sql: str) -> str:
    """The comments of a draft as one line."""
    return " ".join(" ".join(re.findall(r"--\s*(.*)", sql)).split())


@pytest.mark.parametrize("name", DRAFTED)
def test_a_draft_loads_as_it_is(tmp_path: Path, name: str) -> None:
    files, rows = DRAFTED[name]
    error = refused(write(tmp_path / "data", files))
    assert "TODO" not in error.draft
    assert in_order(loaded(error.draft, tmp_path / "data")) == in_order(rows)


def test_nine_public_data_sets_and_more_load_as_they_are() -> None:
    shops = ("an export of", "events of", "a German", "a Brazilian")
    assert len([name for name in DRAFTED if not name.startswith(shops)]) >= 12


def test_iso_dates_of_online_retail_are_the_same_rows(tmp_path: Path) -> None:
    error = refused(write(tmp_path, published.ONLINE_RETAIL_ISO))
    assert loaded(error.draft, tmp_path) == DRAFTED["Online Retail II"][1]


def test_the_error_says_where_to_save_the_draft_and_how_to_go_on(tmp_path: Path) -> None:
    error = refused(write(tmp_path, published.REES46))
    assert "has no column `item_id`, `occurred_at`" in error.what
    assert error.found.startswith("event_time, event_type, product_id")
    assert error.then.startswith(f"save the draft below as {tmp_path}/events.sql, look it through, then: ")
    assert f"python -m pipeline backtest --query {tmp_path}/events.sql" in error.then
    assert f"python -m pipeline load query {tmp_path}/events.sql" in error.then
    head, _, below = str(error).partition("\n\n")
    assert head.count("\n") == 3
    assert below.startswith("-- Drafted from the first 4 rows of 2019-Oct.csv")
    assert f"{below}\n" == error.draft


def test_a_name_that_is_taken_is_not_proposed(tmp_path: Path) -> None:
    path = write(tmp_path, published.REES46)
    (tmp_path / "events.sql").write_text("SELECT 1")
    assert f"save the draft below as {tmp_path}/2019-Oct.csv.sql, " in refused(path).then


@pytest.mark.parametrize("command", [["load", "events"], ["backtest", "--events"]])
def test_the_commands_print_it(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", f"sqlite:///{tmp_path / 'shop.db'}")
    assert main([*command, str(write(tmp_path / "data", published.MOVIELENS))]) == 1
    told = capsys.readouterr().err
    assert "\nSELECT\n" in told
    assert loaded("SELECT" + told.partition("\nSELECT")[2], tmp_path / "data") == DRAFTED["MovieLens 25M"][1]


def test_times_that_no_column_has_are_left_open(tmp_path: Path) -> None:
    """Instacart: the user is joined from orders.csv; nothing says when an order was made."""
    error = refused(write(tmp_path, published.INSTACART))
    assert "JOIN read_csv('orders.csv'" in error.draft
    assert "    TODO AS occurred_at" in error.draft
    assert "TODO: which column is the time? It may be: add_to_cart_order" in comments(error.draft)
    assert "days_since_prior_order" in comments(error.draft)
    assert "put in what it marks TODO (the time)" in error.then
    day = error.draft.replace("TODO AS occurred_at", "'2017-01-01' AS occurred_at")
    pairs = [(1, 196), (1, 196), (1, 14084), (2, 12427)]
    assert sorted(row[:2] for row in loaded(day, tmp_path)) == pairs


def test_a_user_in_a_file_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    name = "olist_order_items_dataset.csv"
    error = refused(write(tmp_path, {name: published.OLIST[name]}))
    assert "TODO AS user_id" in error.draft
    assert "Does a file with order_id and the user belong to it?" in comments(error.draft)
    assert "TODO (the user)" in error.then


def test_the_file_of_orders_leads_to_the_same_rows(tmp_path: Path) -> None:
    write(tmp_path, published.OLIST)
    error = refused(tmp_path / "olist_orders_dataset.csv")
    assert in_order(loaded(error.draft, tmp_path)) == in_order(DRAFTED["Olist"][1])


def test_cancelled_orders_are_left_out(tmp_path: Path) -> None:
    canceled = {
        name: text.replace("f6dd3ec061db,delivered", "f6dd3ec061db,canceled")
        for name, text in published.OLIST.items()
    }
    error = refused(write(tmp_path, canceled))
    assert "left out, being no purchases after all: canceled" in comments(error.draft)
    orders = sorted(row[4] for row in loaded(error.draft, tmp_path))
    assert orders == ["00010242fe8c", "00010242fe8c", "000229ec3982"]


def test_a_join_that_would_double_rows_is_not_drafted(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(
        "order_id,user_id,created_at\n1,7,2024-01-13\n1,8,2024-01-14\n2,7,2024-01-15\n"
    )
    drafted = text_of(tmp_path, "lines.csv", "order_id,product_id,qty\n1,5,1\n1,6,1\n2,5,2\n")
    assert "JOIN" not in drafted
    assert "TODO AS user_id" in drafted


def test_views_without_purchases_are_named(tmp_path: Path) -> None:
    views = "train-item-views.csv"
    error = refused(write(tmp_path, {views: published.DIGINETICA[views]}))
    assert "No purchases are here" in comments(error.draft)
    assert {row[2] for row in loaded(error.draft, tmp_path)} == {"view"}


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


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("one wrong name", "user_id", "userId"),
        ("one in capitals", "user_id", "USER_ID"),
        ("other separators", ",", ";"),
        ("no column for the event", "event_type", "category"),
    ],
)
def test_a_file_that_is_nearly_ours_keeps_its_message_and_gets_a_draft(
    tmp_path: Path, name: str, old: str, new: str
) -> None:
    path = tmp_path / "e.csv"
    path.write_text(OURS.replace(old, new))
    error = refused(path)
    assert "has no column `" in error.what, name
    assert "; or " in error.then
    assert loaded(error.draft, tmp_path) == [(1, 5, "purchase", "2024-01-13 18:05:00", None, 1)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"abc",
        b"user_id,item_id\n1,10\n",
        b"\0" * 50,
        b"PK\x03\x04abc",
        b"a;b\n1;2\n",
        b"\xff\xfe",
    ],
)
def test_what_is_no_table_of_events_is_refused_without_a_draft(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "e.csv"
    path.write_bytes(data)
    error = refused(path)
    assert not error.draft
    assert "draft" not in error.then


def test_a_file_that_is_not_there_and_a_folder_have_no_draft(tmp_path: Path) -> None:
    assert draft.of(tmp_path / "none.csv") is None
    assert draft.of(tmp_path) is None
    assert not refused(tmp_path / "none.csv").draft


def test_only_the_first_line_of_a_large_csv_is_read_before_it_is_refused(tmp_path: Path) -> None:
    """The last row would be refused for its width, if it were read."""
    path = tmp_path / "e.csv"
    path.write_text("userId,movieId,rating,timestamp\n" + "1,2,3,1147880044\n" * 30_000 + "1,2\n")
    error = refused(path)
    assert "has no column" in error.what
    assert "the first 10,000 rows" in error.draft


def test_a_wide_file_gives_a_short_draft(tmp_path: Path) -> None:
    names = ["customer", "article", *(f"feature {number}" for number in range(500))]
    drafted = text_of(tmp_path, "e.csv", ",".join(names) + "\n" + ",".join("1" * len(names)) + "\n")
    assert "and 492 more" in drafted
    assert len(drafted) < 2_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2024-01-13 18:05:00", "13/01/2024 18:05"),
        ("2024-01-13 18:05:00", "1705169100"),
        ("2024-01-13 18:05:00", "2024-01-13 18:05:00 UTC"),
    ],
)
def test_our_columns_with_other_times_get_a_draft_too(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "e.csv"
    path.write_text(OURS.replace(old, new))
    with pytest.raises(SourceError, match="`occurred_at` of ") as caught:
        rows_of_file(path)
    assert caught.value.then.startswith("save the draft below as ")
    assert loaded(caught.value.draft, tmp_path) == [(1, 5, "purchase", "2024-01-13 18:05:00", None, 1)]


def test_one_time_that_is_none_gets_no_draft_that_would_fail_as_well(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text(OURS + "1,5,view,soon\n")
    with pytest.raises(SourceError, match="holds what is no time") as caught:
        rows_of_file(path)
    assert not caught.value.draft
    assert "write every time like that" in caught.value.then


def test_a_query_with_what_is_left_open_does_not_run(tmp_path: Path) -> None:
    drafted = refused(write(tmp_path, published.INSTACART)).draft
    with pytest.raises(SourceError, match=r"the query in .* fails") as caught:
        loaded(drafted, tmp_path)
    assert "TODO" in caught.value.found
    assert not caught.value.draft


def test_order_details_are_purchases_and_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """`details` would be a view, were it a word in a column."""
    pq.write_table(
        pa.table({"order_id": [1, 2], "customer_id": ["A", "B"], "order_date": ["2024-01-13", "2024-01-14"]}),
        tmp_path / "order_details.parquet",
    )
    (tmp_path / "order_details.json").write_text(
        '{"order_id": 1, "product_id": 5, "quantity": 2}\n{"order_id": 2, "product_id": 5, "quantity": 1}\n'
    )
    error = refused(tmp_path / "order_details.json")
    assert sorted(loaded(error.draft, tmp_path)) == [
        ("A", 5, "purchase", "2024-01-13 00:00:00", "1", 2),
        ("B", 5, "purchase", "2024-01-14 00:00:00", "2", 1),
    ]


def test_a_query_named_as_a_file_of_events_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "events.sql"
    path.write_text("customer,article,date\n1,5,2024-01-13\n")
    error = refused(path)
    assert not error.draft
    assert error.then == "name it as a query (load query, backtest --query)"


def test_a_pipe_is_no_table_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events.csv")
    assert draft.of(tmp_path / "events.csv") is None


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
