"""Reasons with dates, days and percentages: what is stored, their words, upgrade, rollback, erasure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.serving import migrate, publication, rollback, schema
from pipeline.serving.forgotten import erase_stored
from tests.serving.nights import Shop, without_details
from tests.shelf import give

NAMES = {11: ("BANANAS", "fruit"), 12: ("Green tea", "tea"), 13: (None, None), 15: ("BANANAS", None)}
LONG_AGO = date(2020, 2, 29)
EVERY_9_DAYS = "you buy it every 9 days; last bought on 29 February 2020"
TOGETHER = "people who bought BANANAS, as you did, also bought this"
Row = tuple[int, str | None, int | None, date | None, int | None, int | None]
"""Item, reason, the item that explains, last bought on, days between two purchases, percentage off."""


def night(shop: Shop, day: int, *rows: Row) -> Any:
    """A night on which user 1 has these rows, and user 2 item 14 for no reason."""
    folder = shop.night(day, {1: [row[0] for row in rows], 2: [14]}, names=NAMES, popular={"all": [31]})
    lists = pq.read_table(folder.path / "recommendations.parquet")
    columns = list(zip(*rows, (14, *[None] * 5), strict=True))[1:]
    names = ("reason", "because_item_id", "last_bought_on", "gap_days", "percent_off")
    for name, values in zip(names, columns, strict=True):
        place = lists.schema.get_field_index(name)
        lists = lists.set_column(place, name, pa.array(values, lists.schema.field(name).type))
    give(folder, recommendations=lists)
    return folder


def why(shop: Shop, item: int, user: int = 1) -> object:
    return shop.read(f"SELECT serving.explain({user}, {item})")[0][0]


def written(day: date) -> str:
    return f"{day.day} {day:%B}"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((11, "bought_again", None, LONG_AGO, 9, None), EVERY_9_DAYS),
        ((11, "bought_again", None, LONG_AGO, 1, None), EVERY_9_DAYS.replace("9 days", "day")),
        ((11, "bought_again", None, LONG_AGO, None, None), "last bought on 29 February 2020"),
        ((11, "bought_again", None, None, None, None), "because you bought BANANAS before"),
        ((12, "on_discount", None, None, None, 25), "25 % off, and you often buy reduced items"),
        ((12, "on_discount", None, None, None, None), "reduced, and you often buy reduced items"),
        ((12, "also_bought_with", 11, None, None, None), TOGETHER),
        ((12, "also_bought_with", 13, None, None, None), TOGETHER.replace("BANANAS", "13")),
        ((12, "similar_to_purchase", 11, None, None, None), "because you bought BANANAS"),
        ((15, "similar_to_purchase", 11, None, None, None), "because you bought another BANANAS"),
        ((15, "bought_again", None, None, None, None), "because you bought BANANAS before"),
        ((16, "similar_to_purchase", 11, None, None, None), "because you bought BANANAS"),
        ((12, "favourite_category", None, None, None, None), "from tea, where you buy often"),
        ((13, "favourite_category", None, None, None, None), "recommended for you"),
        ((12, "new_in_category", None, None, None, None), "new in tea, where you bought"),
        ((13, "new_in_category", None, None, None, None), "recommended for you"),
        ((12, None, None, None, None, None), "recommended for you"),
    ],
)  # fmt: skip
def test_every_reason_in_words(shop: Shop, row: Row, words: str) -> None:
    shop.publish(night(shop, 1, row))
    assert why(shop, row[0]) == words
    told = "SELECT serving.reason_in_words(1, item_id, reason, because_item_id) FROM serving.recommend(1, 1)"
    assert shop.read(told) == [(words,)]


@pytest.mark.parametrize(("days", "year"), [(0, ""), (299, ""), (300, "y"), (400, "y")])
def test_the_year_is_told_after_ten_months(shop: Shop, days: int, year: str) -> None:
    [[today]] = shop.read("SELECT current_date", "")
    bought_on = today - timedelta(days=days)
    shop.publish(night(shop, 1, (11, "bought_again", None, bought_on, None, None)))
    assert why(shop, 11) == f"last bought on {written(bought_on)}" + (f" {bought_on.year}" if year else "")


def test_details_are_those_of_the_user_the_item_and_the_reason(shop: Shop) -> None:
    shop.publish(
        night(
            shop, 1,
            (12, "on_discount", None, None, None, 30), (11, "bought_again", None, LONG_AGO, 7, None),
            (13, "on_discount", None, None, None, 5),
        )
    )  # fmt: skip
    assert why(shop, 13) == "5 % off, and you often buy reduced items"
    assert why(shop, 11) == "you buy it every 7 days; last bought on 29 February 2020"
    asked = {
        "1, 11, 'on_discount'": "reduced, and you often buy reduced items",
        "2, 11, 'bought_again'": "because you bought BANANAS before",
        "NULL, 11, 'bought_again'": "because you bought BANANAS before",
        "1, 31, 'recently_popular'": "popular in the shop",
    }
    for row, words in asked.items():
        assert shop.read(f"SELECT serving.reason_in_words({row}, NULL)") == [(words,)]
    assert (why(shop, 31), why(shop, 99)) == ("popular in the shop", None)


@pytest.mark.parametrize(
    "wrong",
    [
        "gap_days = '{0}'", "percent_off = '{0}'", "percent_off = '{101}'", "gap_days = '{1,2}'",
        "percent_off = '[0:0]={5}'", "last_bought_on = '{{2020-01-01}}'", "last_bought_on = '{}'",
    ],
)  # fmt: skip
def test_the_table_refuses_nonsense(shop: Shop, wrong: str) -> None:
    shop.publish(night(shop, 1, (11, "bought_again", None, LONG_AGO, 9, None)))
    with shop.connect("publisher") as db, pytest.raises(psycopg.errors.CheckViolation):
        db.execute(f"UPDATE serving_storage.user_lists SET {wrong}".encode())


def test_lists_published_before_are_told_as_before_and_can_be_put_live_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 10 adds the details; a reader's statement that an app stored still works."""
    with monkeypatch.context() as before:
        before.setattr(schema, "UPGRADES", schema.UPGRADES[: 9 - schema.BASE])
        before.setattr(schema, "VERSION", 9)
        before.setattr(publication, "KINDS", without_details())
        shop.publish(night(shop, 1, (11, "bought_again", None, None, None, None)))
    asked = (
        "SELECT * FROM serving.recommendations",
        "SELECT serving.reason_in_words(11, 'bought_again', NULL)",
    )
    answers = [shop.read(query) for query in asked]
    with shop.connect("owner") as db:
        db.execute("CREATE VIEW serving.start_page AS SELECT serving.explain(1, 11) AS why")
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert [shop.read(query) for query in asked] == answers
    assert shop.read("SELECT why FROM serving.start_page", "owner") == [
        ("because you bought BANANAS before",)
    ]
    shop.publish(night(shop, 2, (11, "bought_again", None, LONG_AGO, 9, None)))
    assert why(shop, 11) == "you buy it every 9 days; last bought on 29 February 2020"
    rollback(shop.url, shop.settings, say=shop.said.append)
    assert why(shop, 11) == "because you bought BANANAS before"
    rollback(shop.url, shop.settings, to=2, say=shop.said.append)
    assert why(shop, 11) == EVERY_9_DAYS


def test_a_forgotten_users_dates_go_from_every_version(shop: Shop) -> None:
    for day in (1, 2):
        shop.publish(night(shop, day, (11, "bought_again", None, LONG_AGO, 9, None)))
    dates = "SELECT count(*) FROM serving_storage.user_lists WHERE last_bought_on IS NOT NULL"
    assert shop.read(dates, "publisher") == [(2,)]
    erase_stored(shop.url, shop.settings, 1)
    assert shop.read(dates, "publisher") == [(0,)]
    assert why(shop, 11) is None


def test_ids_of_one_type_are_not_confused(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(ids={"user": "text", "item": "text"})
    shop.publish(shop.night(1, {"u": ["11", "12"]}, popular={"all": ["11"]}, similar={}))
    assert shop.read("SELECT serving.reason_in_words('11', 'bought_again', NULL::text)") == [
        ("because you bought 11 before",)
    ]
    assert shop.read("SELECT serving.reason_in_words('u', '11', 'bought_again', NULL)") == [
        ("because you bought 11 before",)
    ]
