"""The buyers of the report's page: who is chosen, what they bought, what they get."""

from __future__ import annotations

from datetime import date

import pytest

from tests.shelf import day
from tests.transform.tables import rows_out

PURCHASES = [(user, item, item) for user in range(1, 7) for item in range((user - 1) % 3 + 1)]
"""Users 1, 2, 3 and again 4, 5, 6 bought one, two and three items, a day apart."""
EVENTS = [
    *PURCHASES,
    *[(1, 8, 8, "view")],
    *[(7, 5, 0), (7, 5, 0.49)],  # noon and 23:45 in UTC
    *[(8, 5, 0.49), (8, 5, 0.5)],  # 23:45 and midnight
    *[(9, 5, 0)],
]
LISTS = [(user, rank, 5, 0.5) for user in range(1, 9) for rank in (1, 2)]
"""User 9 has none."""
SCORES = [("published", day(86), user, 3, 1 / 3 if user < 4 else 0.0) for user in range(1, 7)]
SCORES += [("als", day(86), 8, 3, 1.0), ("als", day(86), 4, 3, 1.0)]
"""Three hits, three misses; 7 and 8 were not measured, or not with what was published."""
HIT, MISS = 1 / 3, 0.0
ROWS = [
    (1, 1, 1, HIT, 1, 1),
    (2, 2, 2, HIT, 1, 1),
    (3, 3, 3, HIT, 1, 1),
    (4, 1, 1, MISS, 2, 1),
    (5, 2, 2, MISS, 2, 1),
    (6, 3, 3, MISS, 2, 1),
    (7, 1, 1, None, 3, None),
    (8, 2, 1, None, 3, None),
]
"""User, days, items, precision, kind, lists of all who may be chosen."""


@pytest.mark.parametrize(
    ("n_buyers", "users"),
    [
        (2, [3, 6]),
        (3, [3, 5, 6]),  # the odd one is a miss
        (4, [2, 3, 5, 6]),
        (6, [1, 2, 3, 4, 5, 6]),
        (7, [1, 2, 3, 4, 5, 6, 8]),
        (8, [1, 2, 3, 4, 5, 6, 7, 8]),
        (9, [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_report_buyers(n_buyers: int, users: list[int]) -> None:
    rows = rows_out(
        "report_buyers",
        {"n_buyers": n_buyers, "model": "published"},
        purchaser_events=EVENTS,
        recommendations=LISTS,
        user_metrics=SCORES,
    )
    assert sorted(rows) == [row for row in ROWS if row[0] in users]


@pytest.mark.parametrize(
    ("hits", "users"), [((), [2, 3, 4, 6]), ((5,), [3, 4, 5, 6]), ((1, 2, 3, 4, 6), [3, 4, 5, 6])]
)
def test_report_buyers_where_a_half_is_short(hits: tuple[int, ...], users: list[int]) -> None:
    """Four of six, or three of five beside the single one: spread over 1, 4, 2, 5, 3, 6, by days and id."""
    rows = rows_out(
        "report_buyers",
        {"n_buyers": 4, "model": "published"},
        purchaser_events=EVENTS,
        recommendations=LISTS,
        user_metrics=[("published", day(86), user, 3, float(user in hits)) for user in range(1, 7)],
    )
    assert sorted(row[0] for row in rows) == users


def test_report_chosen() -> None:
    """Most days first, then by id."""
    buyers = [(2, 5, 1, None, 3, None), (1, 5, 4, MISS, 2, 2), (3, 9, 2, HIT, 1, 1)]
    assert rows_out("report_chosen", report_buyers=buyers) == [
        (3, 9, 2, HIT, 1),
        (1, 5, 4, MISS, 2),
        (2, 5, 1, None, None),
    ]


def test_report_buyers_of_several_cuts() -> None:
    """User 1 has a hit at one of two cuts, user 4 none at either; of 2 the one list hits twice."""
    scores = [("published", day(80), 1, 3, 1 / 3), ("published", day(90), 1, 3, 0.0)]
    scores += [("published", at, 4, 3, 0.0) for at in (day(80), day(90))] + [
        ("published", day(90), 2, 3, 2 / 3)
    ]
    rows = rows_out(
        "report_buyers",
        {"n_buyers": 3, "model": "published"},
        purchaser_events=EVENTS,
        recommendations=LISTS,
        user_metrics=scores,
    )
    assert sorted(rows) == [(1, 1, 1, 1 / 6, 1, 2), (2, 2, 2, 2 / 3, 1, 1), (4, 1, 1, 0.0, 2, 2)]


def test_report_bought() -> None:
    """The two newest: 9, then 5, bought again, before others of the same moment. 8 was only looked at."""
    events = [
        *((1, item, 9) for item in (16, 15, 6, 14, 13)),
        (1, 9, 10),
        (1, 5, 0),
        (1, 5, 9),
        (1, 7, 3),
        (1, 8, 11, "view"),
        (2, 7, 1),
        (3, 5, 1),
    ]
    assert rows_out(
        "report_bought",
        {"length": 2},
        purchaser_events=events,
        report_buyers=[(2, 1, 1), (1, 3, 3)],
        item_names=[(5, "Jam", "food"), (9, "Tea", None)],
    ) == [(1, 9, "Tea", day(10)), (1, 5, "Jam", day(9)), (2, 7, None, day(1))]


def test_report_gets() -> None:
    """The two first of each of the report's buyers, by rank, and what the model put first; item 7 has
    no name."""
    lists = [
        (3, 1, 5, 0.9, "popular", None),
        (2, 2, 8, 0.8, "similar_to_purchase", 7),
        (2, 1, 7, 0.9, None, None),
        (1, 4, 9, 0.6, "popular", None, None, None, None, 3),
        (1, 3, 8, 0.7, "popular", None, None, None, None, 2),
        (1, 2, 7, 0.8, "bought_again", 7, date(2020, 1, 5), 9),
        (1, 1, 5, 0.9, "similar_to_purchase", 6),
    ]
    assert rows_out(
        "report_gets",
        {"length": 2},
        recommendations=lists,
        report_buyers=[(2, 1, 1), (1, 3, 3)],
        item_names=[(6, "Tea", None), (5, "Jam", "food"), (8, "Salt", None)],
    ) == [
        (1, 1, None, 5, "Jam", "similar_to_purchase", 6, None, None, None, "Tea"),
        (1, 2, None, 7, None, "bought_again", 7, date(2020, 1, 5), 9, None, None),
        (1, 3, 2, 8, "Salt", "popular", None, None, None, None, None),
        (2, 1, None, 7, None, None, None, None, None, None, None),
        (2, 2, None, 8, "Salt", "similar_to_purchase", 7, None, None, None, None),
    ]
