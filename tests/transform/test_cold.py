"""What is counted of items that nobody bought yet, and what of them was bought later."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shelf import day
from tests.transform.tables import rows_out

AT = {"cut_at": day(100), "half_life_days": 7.0, "is_judged": False}


def row(item: int, *dates: Any, available: bool | None = None) -> tuple[Any, ...]:
    """A row of `items`; dates: added_at, available_until."""
    return (item, f"item {item}", "Tea", None, None, available, *dates)


def test_item_demand() -> None:
    """Item 1 was bought twice by one user and once by another, 2 was only looked at, 3 is not touched."""
    events = [
        (1, 1, 93),
        (1, 1, 86),
        (2, 1, 99.999),
        (2, 2, 93, "view"),
        (1, 2, 93, "cart"),
        (1, 9, 93),
    ]
    rows = [row(3), row(2, day(98)), row(1)]
    days = pytest.approx
    assert rows_out("item_demand", AT, items=rows, history=events) == [
        (0, days(14), days(14), days(1.7499, abs=1e-4), 0.0, 2, 2, None, days(14)),
        (1, days(7), None, 0.0, days(1.0), 0, 2, days(2), days(14)),
        (2, None, None, 0.0, 0.0, 0, 0, None, days(14)),
    ]


def test_item_demand_of_items_that_are_for_sale_at_the_cut() -> None:
    """Numbers are those of all items, whether they are left out or not."""
    rows = [
        row(1, day(100)),
        row(2, day(100.001)),
        row(3, None, day(100)),
        row(4, None, day(100.001)),
        row(5, available=False),
        row(6, available=True),
    ]
    assert [kept[0] for kept in rows_out("item_demand", AT, items=rows, history=[])] == [0, 3, 5]
    later = [row(1, None, None, day(100)), row(2, None, None, day(100.001))]
    judged = rows_out("item_demand", {**AT, "is_judged": True}, items=later, history=[])
    tonight = rows_out("item_demand", AT, items=later, history=[])
    assert ([kept[0] for kept in judged], [kept[0] for kept in tonight]) == ([0], [0, 1])


def test_cold_held_out() -> None:
    """Of users who take part: item 1 is cold, 2 was bought before and is not, 3 is unknown to the shop."""
    tables = {
        "user_rows": [(1, 0), (2, 1)],
        "cold_items": [(1, 0), (4, 1)],
        "history": [(1, 2, 50), (2, 4, 95), (9, 9, 50)],
        "later": [
            (1, 1, 101),
            (1, 1, 102),
            (1, 2, 101),
            (1, 3, 101),
            (2, 4, 101),
            (1, 4, 101),
            (2, 1, 101, "view"),
            (3, 1, 101),
        ],
    }
    assert rows_out("cold_held_out", **tables) == [(0, 0), (0, 1), (0, None)]


def test_new_in_shop() -> None:
    """Added or first bought in the last ten days; what sold or was seen before is not new.

    Where events reach back too little, every item has its first: then only the shop's word counts.
    """
    rows = [
        row(1, day(91)),
        row(2, day(89)),
        row(3),
        row(4),
        row(5, day(99)),
        row(6),
        row(7, day(80)),
        row(8, day(101)),
        row(9),
    ]
    history = [(1, 3, 95), (1, 4, 85), (1, 5, 80), (1, 7, 95), (2, 6, 99, "view")]
    history += [(1, 9, 95), (2, 9, 80, "view")]
    values = {"as_of": day(100), "days": 10.0, "cold_days": 14.0, "known_days": 20.0}
    assert rows_out("new_in_shop", values, items=rows, history=history) == [(1,), (3,)]
    assert rows_out("new_in_shop", {**values, "known_days": 20.1}, items=rows, history=history) == [(1,)]
