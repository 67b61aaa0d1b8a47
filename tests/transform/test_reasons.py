"""sql/transform/last_purchases.sql: the last purchase of each item, and the usual days between two."""

from __future__ import annotations

import pytest

from tests.shelf import day
from tests.transform.tables import rows_out

USERS, ITEMS = [(1, 0), (2, 1)], [(5, 0), (6, 1)]


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
