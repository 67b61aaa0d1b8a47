"""The cells of the interaction matrix, and of the rows folded into it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shelf import day
from tests.transform.tables import rows_out

WEIGHTS = {
    "view": 1.0,
    "cart": 3.0,
    "purchase": 5.0,
    "half_life_days": 10.0,
    "is_quantity_weighed": False,
    "is_rating_weighed": False,
}
EVENTS = [
    (1, 1, "purchase", 4.0, 0.0),
    (1, 0, "cart", 1.0, 10.0),
    (0, 1, "view", 4.0, 0.0),
    (0, 0, "purchase", 1.0, 10.0),
    (0, 0, "purchase", 0.5, 0.0),
    (2, 0, "view", 1.0, 200.0),
    (2, 1, "view", 1.0, 210.0),
]


@pytest.mark.parametrize(
    ("changes", "weights"),
    [
        ({}, [7.5, 1, 1.5, 5, 1e-6, 0]),
        ({"half_life_days": 0.0}, [10, 1, 3, 5, 1, 1]),
        ({"is_quantity_weighed": True}, [5, 1, 1.5, 20, 1e-6, 0]),
    ],
)
def test_interactions(changes: dict[str, Any], weights: list[float]) -> None:
    """After 20 half-lives a view is 0.95 millionths, rounded to one; after 21 it is none."""
    cells = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert rows_out("interactions", {**WEIGHTS, **changes}, event_rows=EVENTS) == [
        (*cell, weight) for cell, weight in zip(cells, weights, strict=True)
    ]


def test_interactions_of_events_that_weigh_nothing() -> None:
    """Neither views nor a purchase of nothing make a cell; one weighed event makes the cell of all."""
    weights = {**WEIGHTS, "view": 0.0, "is_quantity_weighed": True}
    events = [
        (0, 0, "view", 1.0, 0.0),
        (0, 1, "purchase", 0.0, 0.0),
        (1, 0, "view", 1.0, 0.0),
    ]
    assert rows_out("interactions", weights, event_rows=events) == []
    assert rows_out("interactions", weights, event_rows=[*events, (1, 0, "cart", 1.0, 0.0)]) == [(1, 0, 3.0)]


@pytest.mark.parametrize(
    ("changes", "weights"),
    [
        ({}, [10, 5, 5, 3]),
        ({"is_rating_weighed": True}, [17.5, 5, 3]),
        ({"is_rating_weighed": True, "is_quantity_weighed": True}, [25, 10, 3]),
    ],
)
def test_a_rating_weighs_its_purchase_where_asked(changes: dict[str, Any], weights: list[float]) -> None:
    """Item 0 is rated 0.5 and 3, the latter bought one and a half times; 1 unrated; 2 rated 0: no cell."""
    events = [
        (0, 0, "purchase", 1.0, 0.0, 0.5),
        (0, 0, "purchase", 1.5, 0.0, 3.0),
        (0, 1, "purchase", 2.0, 0.0),
        (0, 2, "purchase", 1.0, 0.0, 0.0),
        (0, 3, "cart", 1.0, 0.0, 4.0),
    ]
    rows = rows_out("interactions", {**WEIGHTS, "half_life_days": 0.0, **changes}, event_rows=events)
    assert [weight for _, _, weight in rows] == weights


def test_no_weight_is_beyond_what_can_be_counted() -> None:
    """A purchase of the largest weight, of as many pieces and rated as high as validation lets through."""
    most = {**WEIGHTS, "purchase": 1000.0, "is_quantity_weighed": True, "is_rating_weighed": True}
    rows = rows_out("interactions", most, event_rows=[(0, 0, "purchase", 1e9, 0.0, 1000.0)] * 20)
    assert rows == [(0, 0, 20 * 1e12)]


ALL = {"min_views": 0, "min_carts": 0}
"""Everybody who looked at anything takes part."""


@pytest.mark.parametrize(
    ("view", "half_life", "rows"),
    [
        (1.0, 10.0, [(0, 4, 1, 1.0), (2, 9, 0, 2.5), (3, 11, 0, 1e-6)]),
        (1.0, 0.0, [(0, 4, 1, 1.0), (2, 9, 0, 4.0), (3, 11, 0, 1.0)]),
        (0.0, 10.0, [(2, 9, 0, 1.5)]),
    ],
)
def test_folded_in(view: float, half_life: float, rows: list[tuple[object, ...]]) -> None:
    """Guests 4, 6, 9, 11 are rows 0 to 3. 6 carted item 8 alone, which the history does not know."""
    values = {"cut_at": day(10), "view": view, "cart": 3.0, "half_life_days": half_life, **ALL}
    guests = [
        (11, 5, -190, "view"),
        (9, 5, 10, "view"),
        (9, 5, 0, "cart"),
        (6, 8, 9, "cart"),
        (4, 8, 9, "view"),
        (4, 7, 10, "view"),
    ]
    assert rows_out("folded_in", values, guests=guests, item_rows=[(5, 0), (7, 1)]) == rows


def test_folded_in_by_guest_and_item() -> None:
    guests = [(user, item, 10, "view") for user in (3, 8, 1, 6, 2, 7, 5, 4) for item in (7, 5)]
    values = {"cut_at": day(10), "view": 1.0, "cart": 3.0, "half_life_days": 10.0, **ALL}
    assert rows_out("folded_in", values, guests=guests, item_rows=[(7, 1), (5, 0)]) == [
        (user - 1, user, row, 1.0) for user in range(1, 9) for row in (0, 1)
    ]


def test_folded_in_are_those_who_looked_enough_and_bought_nothing() -> None:
    """1 viewed twice, 2 has a cart, 3 viewed once, 4 bought: the two that take part are numbered 0 and 1."""
    values = {"cut_at": day(10), "view": 1.0, "cart": 3.0, "half_life_days": 0.0}
    guests = [
        *((1, 5, at, "view") for at in (1, 2)),
        (2, 7, 3, "cart"),
        (3, 5, 4, "view"),
        *((4, 5, at, kind) for at, kind in ((1, "view"), (2, "view"), (5, "purchase"))),
    ]
    rows = rows_out(
        "folded_in", {**values, "min_views": 2, "min_carts": 1}, guests=guests, item_rows=[(5, 0), (7, 1)]
    )
    assert rows == [(0, 1, 0, 2.0), (1, 2, 1, 3.0)]
