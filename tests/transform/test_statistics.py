"""What is counted before a cut, in the corner shop of tests/corner.py and at the edges."""

from __future__ import annotations

from typing import Any

import pytest

from tests.transform.tables import rows_out

CORNER = [
    (0, 0, "purchase", 1.0, 90.0),
    (0, 0, "purchase", 1.0, 60.0),
    (0, 0, "purchase", 1.0, 30.0),
    (0, 1, "purchase", 1.0, 3.75),
    (0, 1, "purchase", 1.0, 3.5),
    (1, 0, "purchase", 1.0, 7.0),
    (1, 1, "view", 1.0, 7.0),
    (1, 2, "cart", 1.0, 30.0),
    (2, 2, "purchase", 1.0, 14.0),
    (2, 2, "purchase", 1.0, 3.0),
]
"""The events before the cut, as event_rows: users 0, 1, 2; milk 0, bread 1, tea 2."""


def halved(*halvings: float) -> Any:
    """The sum of 2 to the power of minus each, in whole millionths; to the last digit of a float32."""
    return pytest.approx(sum(round(1e6 * 0.5**n) for n in halvings) / 1e6, abs=2e-7)


def purchases(*ages: float) -> list[tuple[object, ...]]:
    return [(0, 0, "purchase", 1.0, age) for age in ages]


def test_bought_pairs() -> None:
    """User 0's milk and bread, user 1's milk, user 2's tea. Age 14 is of the two weeks before the last."""
    assert rows_out("bought_pairs", event_rows=CORNER[::-1]) == [
        (0, 0, 3, 3, 30, 90, halved(90 / 7, 60 / 7, 30 / 7), halved(3, 2, 1), halved(1, 2 / 3, 1 / 3), 0, 0),
        (0, 1, 1, 2, 3.5, 3.75, halved(3.5 / 7), halved(3.5 / 30), halved(3.5 / 90), 1, 0),
        (1, 0, 1, 1, 7, 7, 0.5, halved(7 / 30), halved(7 / 90), 1, 0),
        (2, 2, 2, 2, 3, 14, halved(2, 3 / 7), halved(14 / 30, 3 / 30), halved(14 / 90, 3 / 90), 1, 1),
    ]


@pytest.mark.parametrize(
    ("ages", "counts"),
    [
        ((0.0, 0.99), (1, 2, 0, 0.99, 1, 0)),  # one day, of two lines
        ((0.99, 1.0), (2, 2, 0.99, 1, 2, 0)),  # two days, an instant apart
        ((13.99, 14.0), (2, 2, 13.99, 14, 1, 1)),
        ((27.99, 28.0), (2, 2, 27.99, 28, 0, 1)),
    ],
)
def test_bought_pairs_at_the_edges_of_days(ages: tuple[float, ...], counts: tuple[float, ...]) -> None:
    """Days, lines, last and first age; days in the last 14 days and in the 14 before."""
    [row] = rows_out("bought_pairs", event_rows=purchases(*ages))
    assert (*row[2:6], *row[9:]) == pytest.approx(counts)


def test_seen_pairs() -> None:
    """User 1 looked at bread and put tea into the cart; purchases are neither. By user, then item."""
    events = [(2, 1, "cart", 1.0, 23.0), (2, 0, "view", 1.0, 0.0), *CORNER[::-1], (0, 2, "view", 1.0, 23.0)]
    assert rows_out("seen_pairs", event_rows=events) == [
        (0, 2, 23, halved(23 / 7), halved(23 / 30), 0),
        (1, 1, 7, 0.5, halved(7 / 30), 0),
        (1, 2, 30, 0, 0, 0.5),
        (2, 0, 0, 1, 1, 0),
        (2, 1, 23, 0, 0, halved(23 / 30)),
    ]


def test_seen_pairs_sum_up() -> None:
    """The cart is the newest; 2 to the -7 is 7812.5 millionths, rounded up; an exact duplicate counts."""
    events = [*[(0, 0, "view", 1.0, 210.0)] * 2, (0, 0, "view", 1.0, 0.0), (0, 0, "cart", 1.0, 0.0)]
    assert rows_out("seen_pairs", event_rows=events) == [
        (0, 0, 0, 1, pytest.approx(1 + 2 * 0.007813, abs=2e-7), 1)
    ]


def test_user_trips() -> None:
    """Two lines of one day are one trip. User 3 came never."""
    users = [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert rows_out("user_trips", user_rows=users, event_rows=CORNER) == [
        (0, 4, 3.5, 90, 1),
        (1, 1, 7, 7, 1),
        (2, 2, 3, 14, 2),
        (3, 0, None, None, 0),
    ]


def test_user_trips_at_the_edge_of_28_days() -> None:
    """A trip has the age of its last line: the first one, of days 28.25 and 28.75, that of 28.25."""
    rows = rows_out("user_trips", user_rows=[(1, 0)], event_rows=purchases(27.5, 28.25, 28.75))
    assert rows == [(0, 2, 27.5, 28.25, 1)]


def test_item_ages() -> None:
    """Tea is known since it lay in a cart, bread since day 93, milk since day 10."""
    assert rows_out("item_ages", event_rows=CORNER[::-1]) == [
        (0, 90, halved(7 / 3, 10, 20, 30), 0),
        (1, 7, halved(3.75 / 3, 3.5 / 3), 0.5),
        (2, 30, halved(1, 14 / 3), halved(30 / 7)),
    ]


def test_item_categories() -> None:
    """Numbered by name among the items that somebody touched: baked, dairy; "aged" is of no such item."""
    items = [
        (10, "Milk", "dairy"),
        (11, None, "baked"),
        (12, "Tea", None),
        (13, None, "baked"),
        (99, None, "aged"),
    ]
    assert rows_out(
        "item_categories", item_rows=[(10, 0), (11, 1), (12, 2), (13, 3), (14, 4)], items=items
    ) == [
        (0, 1),
        (1, 0),
        (3, 0),
    ]
