"""Ids of the events beside those of the shop's own tables: counted, unknown, alike, suspicious, published."""

from __future__ import annotations

import pytest

from pipeline.contract.missing import BLANKS
from tests.transform.tables import rows_out

EVENTS = [
    (1, 10, 1),
    (1, 10, 1, "view"),
    (2, 11, 1, "purchase", None, None),  # a missing quantity is 1
    (2, 10, 1, "purchase", None, 0.0),  # a return
    (None, 11, 1),
    (3, None, 1, "cart"),
]
BLANK = {"blanks": BLANKS}
NFC, NFD = "Caf\u00e9", "Cafe\u0301"


def test_met_users() -> None:
    rows = rows_out("met_users", events=EVENTS)
    assert sorted(rows) == [("1", 2, 1), ("2", 2, 1), ("3", 1, 0)]


def test_met_items() -> None:
    assert sorted(rows_out("met_items", events=EVENTS)) == [("10", 3, 1), ("11", 2, 2)]


def test_events_without_ids() -> None:
    assert rows_out("events_without_ids", events=EVENTS) == [(6, 1, 1)]
    assert rows_out("events_without_ids", events=[]) == [(0, 0, 0)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("user7", "USER7"),
        ("user7", "user7  "),
        ("user7", "\tuser7\u00a0"),
        ("user7", "\u200buser7\u3000"),
        ("José", "Jose"),
        (NFC, NFD),
        ("Łódź", "lodz"),
        ("STRASSE", "straße"),
        ("İstanbul", "istanbul"),
        ("ΟΔΟΣ", "οδος"),
    ],
)
def test_ids_that_a_collation_takes_for_equal_have_one_plain_form(one: str, other: str) -> None:
    rows = rows_out("shop_ids", BLANK, met=[(one, 2, 1)], known=[(other,)])
    assert {row[:4] for row in rows} == {(one, 2, 1, False), (other, 0, 0, True)}
    assert len({row[4] for row in rows}) == 1


@pytest.mark.parametrize(("one", "other"), [("user7", "user8"), ("1", "01"), ("a b", "ab"), ("n", "m")])
def test_other_ids_have_not(one: str, other: str) -> None:
    assert len({row[4] for row in rows_out("shop_ids", BLANK, met=[(one, 1, 1)], known=[(other,)])}) == 2


def test_shop_ids() -> None:
    rows = rows_out("shop_ids", BLANK, met=[("a", 3, 1)], known=[("a",), ("a",), ("B",), (None,)])
    assert sorted(rows) == [("B", 0, 0, True, "b"), ("a", 3, 1, True, "a")]


SHOP = [
    ("user1", 5, 2, False, "user1"),
    ("User1", 0, 0, True, "user1"),
    ("user2", 4, 4, True, "user2"),
    ("USER2", 0, 0, True, "user2"),  # another user, who has done nothing: the shop has both
    ("guest", 9, 0, False, "guest"),
    ("Bea", 2, 1, False, "bea"),
    ("bea", 3, 0, False, "bea"),
    ("bea ", 1, 1, False, "bea"),
]


def test_alike_ids() -> None:
    assert rows_out("alike_ids", BLANK, shop_ids=SHOP) == [
        ("user1", 5, "User1", True, "upper and lower case"),
        ("Bea", 2, "bea", False, "upper and lower case"),
        ("bea ", 1, "bea", False, "spaces at the ends"),
    ]


@pytest.mark.parametrize(
    ("one", "differs_in"),
    [
        (NFD, "Unicode normalisation"),
        (f"{NFC} ", "spaces at the ends"),
        (f"{NFC}\ufeff", "spaces at the ends"),
        (NFC.upper(), "upper and lower case"),
        ("Cafe", "accents"),
        ("CAFE ", "case, accents, spaces or Unicode normalisation"),
    ],
)
def test_what_alike_ids_differ_in(one: str, differs_in: str) -> None:
    shop = [(NFC, 0, 0, True, "cafe"), (one, 1, 1, False, "cafe")]
    assert rows_out("alike_ids", BLANK, shop_ids=shop) == [(one, 1, NFC, True, differs_in)]


ALIKE = [("user1", 5, "User1", True, "upper and lower case"), ("Bea", 2, "bea", False, "x")]


@pytest.mark.parametrize(
    ("max_unknown", "nearly_all", "severity"),
    [(0.5, 0.75, "critical"), (0.5, 0.9, "warning"), (0.75, 0.9, None)],
)
def test_unknown_ids(max_unknown: float, nearly_all: float, severity: str | None) -> None:
    """Three of four buyers; who only looked is nobody that a list is missing for."""
    bound = {"max_unknown": max_unknown, "nearly_all": nearly_all}
    share = "3 of 4 (75.0 %)"
    assert rows_out("unknown_ids", bound, shop_ids=SHOP, alike_ids=ALIKE) == [
        ("user1", 5, 2, "User1", "upper and lower case", share, severity),
        ("Bea", 2, 1, None, None, share, severity),
        ("bea ", 1, 1, None, None, share, severity),
    ]


def test_nothing_is_unknown_where_the_shop_has_no_table() -> None:
    shop = [("a", 1, 1, False, "a"), ("b", 2, 0, False, "b")]
    bound = {"max_unknown": 0.0, "nearly_all": 0.9}
    assert rows_out("unknown_ids", bound, shop_ids=shop, alike_ids=[]) == []
    assert rows_out("id_counts", shop_ids=shop) == [(2, 1, 0, 0)]


def test_id_counts() -> None:
    """Ids in events, with a purchase, unknown ones of these, and events of all that are unknown."""
    assert rows_out("id_counts", shop_ids=SHOP) == [(6, 4, 3, 20)]
    assert rows_out("id_counts", shop_ids=[]) == [(0, 0, 0, 0)]


def test_suspicious_ids() -> None:
    """`0` has 4 of 12 events of four ids: above the mean of 3, not above twice the mean."""
    shop = [(name, n, 0, True, name) for name, n in [("NULL\u00a0", 1), ("0", 4), ("Guest", 7), ("ann", 0)]]
    bound = {"missing": ["null", "ann"], "anybody": ["0", "guest"], **BLANK}
    assert rows_out("suspicious_ids", {**bound, "times": 1}, shop_ids=shop) == [
        ("Guest", 7, 12),
        ("NULL\u00a0", 1, 12),
    ]
    assert rows_out("suspicious_ids", {**bound, "times": 0.9}, shop_ids=shop) == [
        ("Guest", 7, 12),
        ("0", 4, 12),
        ("NULL\u00a0", 1, 12),
    ]


def test_published_texts() -> None:
    """Items 12 and 13 are in no event; 12 may be shown as new, 13 is not available. User 3 bought nothing."""
    tables = {
        "events": EVENTS,
        "items": [
            (10, "Jam", "food"),
            (11, "Jam", None),
            (12, "Tea", "drinks"),
            (13, "Gone", "lost", None, None, False),
        ],
        "met_users": [("1", 2, 1), ("2", 2, 1), ("3", 1, 0)],
    }
    of_buyers = [("category", "drinks"), ("category", "food")]
    of_buyers += [("item_id", "10"), ("item_id", "11"), ("item_id", "12"), ("name", "Jam"), ("name", "Tea")]
    of_buyers += [("user_id", "1"), ("user_id", "2")]
    assert rows_out("published_texts", {"is_for_all": False}, **tables) == of_buyers
    assert rows_out("published_texts", {"is_for_all": True}, **tables) == [*of_buyers, ("user_id", "3")]
