"""sql/transform/last_purchases.sql: the last purchase of each item, and the usual days between two."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shelf import day
from tests.transform.tables import rows_out

ROWS: dict[str, Any] = {"user_rows": [(1, 0), (2, 1)], "item_rows": [(5, 0), (6, 1)]}
MIN_DAYS = {"min_days": 3}
DAY_0, HOUR = int(day(0).timestamp()) // 86_400, 1 / 24


def test_last_purchases_and_the_usual_days_between_two() -> None:
    """User 1 bought item 5 again after 4, 2 and 3 days, twice on the last of them, and looked at 6."""
    history = [
        *((1, 5, at) for at in (0, 4, 6, 9, 9.2)),
        *((2, 5, at) for at in (3, 9)),
        (2, 6, 4), (1, 6, 20, "view"), (3, 5, 30),
    ]  # fmt: skip
    assert rows_out("last_purchases", MIN_DAYS, history=history, clock=[], **ROWS) == [
        (DAY_0 + 9, 3),
        (DAY_0 + 9, None),
        (DAY_0 + 4, None),
    ]


@pytest.mark.parametrize(
    ("days", "last"),
    [
        ((-HOUR, HOUR, 1.5), (2, 1)),
        ((3 - HOUR / 2,), (3, None)),
        ((3.0,), (4, None)),
        ((4 - 1.5 * HOUR,), (4, None)),
        ((4 - HOUR / 2,), (5, None)),
    ],
)
def test_days_are_those_of_the_shops_clock(days: tuple[float, ...], last: tuple[int, int | None]) -> None:
    """12 hours ahead of UTC, from 13:00 of day 3 on 13: noons of UTC are midnights, then one o'clock."""
    clock = [
        (DAY_0 + n, 43_200 if n < 4 else 46_800, (DAY_0 + n) * 86_400 + 46_800, 43_200 if n < 3 else 46_800)
        for n in range(6)
    ]
    rows = rows_out("last_purchases", MIN_DAYS, history=[(1, 5, at) for at in days], clock=clock, **ROWS)
    assert rows == [(DAY_0 + last[0], last[1])]


@pytest.mark.parametrize(
    ("days", "gap"),
    [((0, 1, 2), 1), ((0, 1, 5), None), ((0, 2, 6, 7, 9, 11, 40), 2), ((0, 2, 5), 3), ((0, 9), None)],
)
def test_a_gap_is_the_median_half_up_of_days_enough_and_alike(days: tuple[int, ...], gap: int | None) -> None:
    history = [(1, 5, at) for at in days]
    [row] = rows_out("last_purchases", MIN_DAYS, history=history, clock=[], **ROWS)
    assert row[-1] == gap
