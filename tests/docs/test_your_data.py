"""Every query of docs/your-data.md is run on rows in the published formats; the rows are worked out here."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import ROOT, Ids
from pipeline.errors import SourceError
from pipeline.loading import events_file
from pipeline.loading.query_file import Query
from tests.docs.pages import blocks, text
from tests.loading import published
from tests.loading.published import write

PAGE = ROOT / "docs" / "your-data.md"
NOW = datetime(2026, 11, 28, tzinfo=UTC)

EVENTS: dict[str, tuple[dict[str, str], list[tuple[Any, ...]]]] = {
    "RetailRocket": (
        published.RETAILROCKET,
        published.EVENTS["RetailRocket"],
    ),
    "REES46": (
        published.REES46,
        published.EVENTS["REES46"],
    ),
    "Instacart": (
        published.INSTACART,
        [
            (1, 196, "purchase", "2017-12-02 08:00:00", "2539329", 1),
            (1, 14084, "purchase", "2017-12-02 08:00:00", "2539329", 1),
            (1, 196, "purchase", "2017-12-17 07:00:00", "2398795", 1),
            (1, 196, "purchase", "2017-12-31 08:00:00", "1187899", 1),
            (2, 12427, "purchase", "2017-12-31 15:00:00", "431534", 1),
        ],
    ),
    "Online Retail II": (
        published.ONLINE_RETAIL_ISO,
        published.EVENTS["Online Retail II"],
    ),
    "H&M": (
        published.HM,
        published.EVENTS["H&M"],
    ),
    "MovieLens": (
        published.MOVIELENS,
        published.EVENTS["MovieLens"],
    ),
    "Olist": (
        published.OLIST,
        published.EVENTS["Olist"],
    ),
    "Diginetica": (
        published.DIGINETICA,
        [
            ("s1", 31331, "view", "2016-05-09 00:00:00", None, 1),
            ("s1", 81766, "view", "2016-05-09 00:00:00", None, 1),
            ("s151", 8170, "purchase", "2016-05-07 00:00:00", "16422", 1),
            ("s152", 8170, "purchase", "2016-05-08 00:00:00", "16423", 1),
            ("u18278", 25911, "purchase", "2016-05-06 00:00:00", "16421", 1),
            ("u18278", 25911, "view", "2016-05-06 00:00:00", None, 1),
        ],
    ),
}
"""Section of the page -> its files, and the events sorted by user, item and what happened."""

ITEMS: dict[str, list[tuple[Any, ...]]] = {
    "RetailRocket": [(248676, None, "1340", None, True), (355908, None, "1173", None, False)],
    "REES46": [
        (1004856, "samsung", "electronics.smartphone", 130.76, True),
        (44600062, "shiseido", None, 35.79, True),
    ],
    "Instacart": [
        (196, "Soda", "beverages", None, True),
        (12427, "Original Beef Jerky", "snacks", None, True),
        (14084, "Organic Unsweetened Vanilla Almond Milk", "dairy eggs", None, True),
    ],
    "Online Retail II": [
        ("22087", "PAPER BUNTING, WHITE LACE", None, 2.95, True),
        ("79323P", "PINK CHERRY LIGHTS", None, 6.75, True),
        ("85048", "15CM CHRISTMAS GLASS BALL 20 LIGHTS", None, 6.95, True),
    ],
    "H&M": [
        ("0541518023", "Rae Push (Melbourne) 2p", "Underwear", None, True),
        ("0663713001", "Atlanta Push Body Harlow", "Underwear", None, True),
    ],
    "MovieLens": [
        (296, "Pulp Fiction (1994)", "Comedy", None, True),
        (306, "Three Colors: Red (Trois couleurs: Rouge) (1994)", "Drama", None, True),
    ],
    "Olist": [
        ("4244733e06e7", None, "cool_stuff", None, True),
        ("e5f2d52b8021", None, "pet_shop", None, True),
    ],
    "Diginetica": [(8170, None, "562", None, True), (25911, None, "1096", None, True)],
}
"""Section of the page -> item, name, category, price and whether it can be bought."""


def sections() -> dict[str, dict[str, str]]:
    """Data set -> name of a query file -> its text."""
    parts = re.split(r"^### (.+)$", text(PAGE), flags=re.M)[1:]
    return {
        name: dict(re.findall(r"^```sql\n-- (\w+\.sql)\n(.*?)^```", part, re.S | re.M))
        for name, part in zip(parts[::2], parts[1::2], strict=True)
    }


def saved(folder: Path, name: str) -> Path:
    """The folder of a data set, with the queries of the page in it."""
    write(folder, EVENTS[name][0])
    for file, query in sections()[name].items():
        (folder / file).write_text(query, encoding="utf-8")
    return folder


def test_every_query_of_the_page_is_run_here() -> None:
    found = sections()
    assert list(found) == list(EVENTS) == list(ITEMS)
    assert all(list(queries) == ["events.sql", "items.sql"] for queries in found.values())
    assert len(blocks("sql", (PAGE,))) == 2 * len(found) == 16


@pytest.mark.parametrize("name", EVENTS)
def test_the_queries_of_the_page_give_these_rows(tmp_path: Path, name: str) -> None:
    folder = saved(tmp_path / "data", name)
    events, items = (Query(folder / f"{what}.sql") for what in ("events", "items"))
    with events_file.read(events, items, None, Ids(), "UTC", NOW) as shop:
        rows = [
            (
                row["customer_id"],
                row["product_id"],
                row["event_type"],
                f"{row['occurred_at']:%Y-%m-%d %H:%M:%S}",
                row["order_id"],
                row["quantity"],
            )
            for batch in shop.events
            for row in batch.to_pylist()
        ]
        assert shop.products is not None
        products = [
            tuple(row[column] for column in ("product_id", "name", "category", "price", "available"))
            for batch in shop.products
            for row in batch.to_pylist()
        ]
    by_place = {row: place for place, row in enumerate(dict.fromkeys(EVENTS[name][1]))}
    assert sorted(rows, key=lambda row: by_place.get(row, -1)) == EVENTS[name][1]
    assert sorted(products) == ITEMS[name]


def test_the_other_way_to_write_dates_of_online_retail(tmp_path: Path) -> None:
    folder = saved(tmp_path / "data", "Online Retail II")
    write(folder, published.ONLINE_RETAIL)
    [other] = re.findall(r"`(strptime\(InvoiceDate, .*?\))`", " ".join(text(PAGE).split()))
    query = (folder / "events.sql").read_text().replace("InvoiceDate AS", f"{other} AS")
    (folder / "events.sql").write_text(query)
    with events_file.read(Query(folder / "events.sql"), None, None, Ids(), "UTC", NOW) as shop:
        times = {f"{row['occurred_at']:%Y-%m-%d %H:%M}" for batch in shop.events for row in batch.to_pylist()}
    assert times == {"2009-12-01 07:45", "2009-12-03 10:33"}


def test_the_draft_that_is_shown_is_the_real_one(tmp_path: Path) -> None:
    [shown] = blocks("text", (PAGE,))
    path = write(tmp_path, published.MOVIELENS)
    with pytest.raises(SourceError) as caught, events_file.read(path, None, None, Ids(), "UTC", NOW):
        pass
    assert caught.value.draft.endswith(f"\n{shown}")
