"""Files of a stranger, the drafts that they are refused with, and the rows that a draft loads."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Ids
from pipeline.errors import SourceError
from pipeline.loading import events_file
from pipeline.loading.query_file import Query
from tests.loading import published

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
