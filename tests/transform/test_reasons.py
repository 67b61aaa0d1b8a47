"""sql/transform: last purchases and their gaps, and how far items and purchases are reduced."""

from __future__ import annotations

import pytest

from tests.shelf import day
from tests.transform.tables import rows_out

USERS, ITEMS = [(1, 0), (2, 1)], [(5, 0), (6, 1)]


def reduced(
    user: int, item: int, at: float, price: float | None, discount: float | None
) -> tuple[object, ...]:
    return (user, item, at, "purchase", None, 1.0, price, discount)


def test_last_purchases_and_the_usual_days_between_two() -> None:
    """User 1 bought item 5 again after 10, 2 and 3 days, twice on the last of them, and looked at 6."""
    history = [
        *((1, 5, at) for at in (0, 10, 12, 15, 15.2)),
        *((2, 5, at) for at in (3, 9)),
        (2, 6, 4), (1, 6, 20, "view"), (3, 5, 30),
    ]  # fmt: skip
    assert rows_out("last_purchases", {"min_days": 3}, history=history, user_rows=USERS, item_rows=ITEMS) == [
        (0, 0, day(15.2), 3),
        (1, 0, day(9), None),
        (1, 1, day(4), None),
    ]


@pytest.mark.parametrize(("days", "gap"), [((0, 1, 2), 1), ((0, 1, 5), 3), ((0, 2, 5), 3), ((0, 9), None)])
def test_a_gap_is_the_median_half_up_of_days_enough(days: tuple[int, ...], gap: int | None) -> None:
    history = [(1, 5, at) for at in days]
    [row] = rows_out("last_purchases", {"min_days": 3}, history=history, user_rows=USERS, item_rows=ITEMS)
    assert row[-1] == gap


def test_an_item_is_reduced_by_the_median_of_its_last_days() -> None:
    """Of item 5 the days 3 to 10 count: 0 %, 20 % and 50 %; of item 6 nobody knows the price."""
    history = [
        reduced(1, 5, 2.9, 1, 9), reduced(1, 5, 3, 8, 2),
        reduced(2, 5, 9, 5, 5), reduced(2, 5, 9.5, 10, None),
        reduced(1, 6, 9, None, 1), (1, 7, 9, "view", None, 1.0, 5, 5), reduced(1, 8, 9, 0, 0),
    ]  # fmt: skip
    assert rows_out("item_reductions", {"cut_at": day(10), "days": 7.0}, history=history) == [
        (5, pytest.approx(0.2), 3)
    ]


def test_the_share_of_reduced_purchases_of_those_with_a_price() -> None:
    """User 1: exactly 5 % counts, 4 % does not; a gift is wholly reduced. User 2 has no prices."""
    history = [
        reduced(1, 5, 1, 95, 5), reduced(1, 5, 2, 96, 4), reduced(1, 6, 3, 0, 3), reduced(1, 6, 4, 7, None),
        reduced(1, 6, 5, None, None), reduced(2, 6, 5, None, 1),
    ]  # fmt: skip
    assert rows_out("user_reductions", {"min_reduction": 0.05}, history=history) == [(1, 0.5, 4)]
