"""What is counted before a cut, in the corner shop of tests/corner.py and at the edges."""

from __future__ import annotations

from functools import partial

import pytest

from tests.transform.tables import rows_out

near = partial(pytest.approx, abs=2e-6)

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


def purchases(*ages: float) -> list[tuple[object, ...]]:
    return [(0, 0, "purchase", 1.0, age) for age in ages]


def test_bought_pairs() -> None:
    """User 0's milk and bread, user 1's milk, user 2's tea. Age 14 is of the two weeks before the last."""
    assert rows_out("bought_pairs", event_rows=CORNER) == [
        (0, 0, 3, 3, 30, 90,
         near(2 ** (-90 / 7) + 2 ** (-60 / 7) + 2 ** (-30 / 7)), near(1 / 8 + 1 / 4 + 1 / 2),
         near(1 / 2 + 2 ** (-2 / 3) + 2 ** (-1 / 3)), 0, 0),
        (0, 1, 1, 2, 3.5, 3.75, near(2**-0.5), near(2 ** (-3.5 / 30)), near(2 ** (-3.5 / 90)), 1, 0),
        (1, 0, 1, 1, 7, 7, 0.5, near(2 ** (-7 / 30)), near(2 ** (-7 / 90)), 1, 0),
        (2, 2, 2, 2, 3, 14,
         near(0.25 + 2 ** (-3 / 7)), near(2 ** (-14 / 30) + 2 ** (-3 / 30)),
         near(2 ** (-14 / 90) + 2 ** (-3 / 90)), 1, 1),
    ]  # fmt: skip


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
    """User 1 looked at bread and put tea into the cart; a purchase is neither."""
    assert rows_out("seen_pairs", event_rows=CORNER) == [
        (1, 1, 7, 0.5, near(2 ** (-7 / 30)), 0),
        (1, 2, 30, 0, 0, 0.5),
    ]


def test_seen_pairs_sum_up() -> None:
    """The cart is the newest; 2 to the -7 is 7812.5 millionths, rounded up; an exact duplicate counts."""
    events = [*[(0, 0, "view", 1.0, 210.0)] * 2, (0, 0, "view", 1.0, 0.0), (0, 0, "cart", 1.0, 0.0)]
    assert rows_out("seen_pairs", event_rows=events) == [(0, 0, 0, 1, near(1 + 2 * 0.007813, abs=1e-7), 1)]


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
    assert rows_out("item_ages", event_rows=CORNER) == [
        (0, 90, near(2 ** (-7 / 3) + 2**-10 + 2**-20 + 2**-30), 0),
        (1, 7, near(2 ** (-3.75 / 3) + 2 ** (-3.5 / 3)), 0.5),
        (2, 30, near(0.5 + 2 ** (-14 / 3)), near(2 ** (-30 / 7))),
    ]


def test_item_categories() -> None:
    """Numbered by name among the items that somebody touched: baked, dairy; "aged" is of no such item."""
    items = [
        (10, "Milk", "dairy"),
        (11, None, "baked"),
        (12, "Tea", None),
        (13, None, "dairy"),
        (99, None, "aged"),
    ]
    assert rows_out(
        "item_categories", item_rows=[(10, 0), (11, 1), (12, 2), (13, 3), (14, 4)], items=items
    ) == [
        (0, 1),
        (1, 0),
        (3, 1),
    ]
