"""What is odd about the prices, discounts and ratings of events."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.transform.tables import Rows, rows_out

NAN, INFINITE = float("nan"), float("inf")


def found(rows: Rows, *, is_rating_weighed: bool = False) -> list[tuple[object, ...]]:
    """Finding, item, number of events, value and what is usual."""
    values = {"is_rating_weighed": is_rating_weighed}
    one, other = (rows_out("odd_values", values, events=given) for given in (rows, rows[::-1]))
    assert str(one) == str(other), "the order of the rows makes no difference"
    return [(row[0], *row[2:]) for row in one]


def line(
    item: int, quantity: float | None, price: float | None, discount: float | None = None
) -> tuple[object, ...]:
    return (1, item, 0, "purchase", None, quantity, price, discount)


def lines(item: int, *prices: float, discount: float | None = None) -> Iterable[tuple[object, ...]]:
    return [line(item, 1.0, price, discount) for price in prices]


def test_events_that_carry_nothing_have_nothing_odd() -> None:
    assert found([(1, 5, 0), (1, 6, 0, "view")]) == []


def test_a_usual_shop_has_nothing_odd() -> None:
    """Prices change, two pieces cost the same each, discounts are what was taken off, and some is free."""
    shop = [
        *lines(5, 2.0, 2.2, 1.9, 3.0),
        *(line(5, 2.0, 2.0), line(5, 3.0, 2.1), line(5, 2.0, 1.0, 1.0), line(5, None, 1.5, 0.5)),
        *(line(5, 1.0, 0.0, 2.0), line(5, 1.0, None, 2.0), line(6, 1.0, 0.01), line(7, 2.0, 500.0)),
        (1, 5, 0, "purchase", None, -1.0, 2.0),
        (1, 5, 0, "view", None, 1.0, 1e6, None, 5.0),
    ]
    assert found(shop) == []


@pytest.mark.parametrize("place", [0, 1, 2], ids=["price", "discount", "rating"])
def test_what_says_nothing_is_found(place: int) -> None:
    """Whatever the kind of event; of an item the value below 0 is shown, else the highest."""

    def event(item: int, value: float, kind: str = "purchase") -> tuple[object, ...]:
        values: list[float | None] = [None, None, None]
        values[place] = value
        return (1, item, 0, kind, None, 1.0, *values)

    most = 1e12 if place < 2 else 1000.0
    name = ("price", "discount", "rating")[place]
    shop = [
        *(event(5, 0.0), event(5, most), event(6, -0.01), event(6, NAN), event(6, -3.0, "view")),
        *(event(7, INFINITE), event(8, most * 1.001)),
    ]
    assert found(shop) == [
        (name, "6", 3, -3.0, None),
        (name, "7", 1, INFINITE, None),
        (name, "8", 1, most * 1.001, None),
    ]
    assert found([event(6, NAN)])[0][:3] == (name, "6", 1)


@pytest.mark.parametrize(
    ("kind", "is_weighed", "severity"),
    [("purchase", True, "critical"), ("purchase", False, "warning"), ("view", True, "warning")],
)
def test_only_the_rating_of_a_purchase_stops_a_night(kind: str, is_weighed: bool, severity: str) -> None:
    rows = rows_out(
        "odd_values",
        {"is_rating_weighed": is_weighed},
        events=[(1, 5, 0, kind, None, 1.0, None, None, -1.0), (1, 6, 0, "view", None, 1.0, None, None, -1.0)],
    )
    assert [row[1] for row in rows] == [severity, "warning"]


def test_only_a_rating_that_weighs_is_critical() -> None:
    shop: Rows = [(1, 5, 0, "purchase", None, 1.0, -1.0, -1.0, -1.0)]
    for is_weighed in (False, True):
        rows = rows_out("odd_values", {"is_rating_weighed": is_weighed}, events=shop)
        assert [row[:2] for row in rows] == [
            ("discount", "warning"),
            ("price", "warning"),
            ("rating", "critical" if is_weighed else "warning"),
        ]


def test_a_price_a_thousand_times_that_of_the_item_s_other_lines_is_found() -> None:
    """Of item 7, sold twice, nobody knows which of the two prices is wrong."""
    shop = [*lines(5, 2.0, 2.0, 2.0, 2001.0), *lines(6, 2.0, 2.0, 2.0, 1999.0), *lines(7, 1.0, 5000.0)]
    assert found(shop) == [("high_price", "5", 1, 2001.0, 2.0)]


def test_prices_of_lines_are_found() -> None:
    """Two pieces for 4, three for 6, discount or not; item 6 tells nothing, being sold in ones alone."""
    per_line = [line(5, 2.0, 4.0), line(5, 3.0, 6.0), line(5, 4.0, 4.0, 4.0)]
    shop = [*lines(5, 2.0, 2.0), *per_line, *lines(6, 3.0)]
    assert found(shop) == [("price_of_line", "5", 3, 6.0, 2.0)]
    assert found(shop[1:-2]) == [], "two lines are too few"
    assert found([*shop, *[line(5, 2.0, 2.0)] * 3]) == [], "as many lines say otherwise"


@pytest.mark.parametrize(
    ("taken_off", "value"),
    [(lambda share: 100 * share, 50.0), (lambda share: share, 0.5)],
    ids=["%", "share"],
)
def test_percentages_and_shares_are_no_discounts(taken_off: object, value: float) -> None:
    """Of an item for 40, which costs 20, 30 and 36; that a tenth off 100 is 10 % as well tells nothing."""
    off = [line(5, 1.0, 40 * (1 - share), taken_off(share)) for share in (0.5, 0.25, 0.1)]  # type: ignore[operator]
    shop = [*lines(5, 40.0, 40.0), *off]
    assert found(shop) == [("no_amount", "5", 3, value, 40.0)]
    amounts = [line(5, 1.0, 40 * (1 - share), 40 * share) for share in (0.5, 0.25, 0.1)]
    assert found([*shop, *amounts]) == [], "as many lines say otherwise"
    assert found([*lines(6, 100.0), *[line(6, 1.0, 90.0, 10.0)] * 5]) == []


def test_a_discount_above_twice_what_the_item_ever_cost_is_found() -> None:
    shop = [
        *lines(5, 2.0, 3.0),
        *[line(5, 1.0, 1.9, 6.5)] * 2,
        line(5, 1.0, 1.9, 7.0),
        line(6, 1.0, 2.0, 9.0),
    ]
    assert found(shop) == [("no_amount", "5", 3, 7.0, 2.45)]
    assert found(shop[1:3]) == []
