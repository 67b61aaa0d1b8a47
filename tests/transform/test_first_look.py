"""What the first look counts: events of each kind, and who comes back for what."""

from __future__ import annotations

from tests.shelf import day
from tests.transform.tables import rows_out


def test_event_kinds() -> None:
    """A return is no purchase; what is no view, cart or purchase, or nothing at all, is another."""
    shop = [
        (1, 5, 0, "view"),
        (1, 5, 1, "cart"),
        (1, 5, 2),
        (1, 6, 3, "purchase", None, None),
        (2, 5, 4, "purchase", None, -1.0),
        (2, 7, 5, "wish"),
        (3, 7, 6, None),
    ]
    assert rows_out("event_kinds", events=shop) == [(7, 3, 3, 1, 1, 2, 1, 2, day(0), day(6))]
    assert rows_out("event_kinds", events=[]) == [(0, 0, 0, 0, 0, 0, 0, 0, None, None)]


def test_purchases() -> None:
    """1 bought twice, once without a quantity; 2 only looked and brought back; a row is of nobody."""
    shop = [
        (1, 5, 0, "view"),
        (1, 5, 1),
        (1, 6, 2, "purchase", None, None),
        (2, 5, 3, "purchase", None, -1.0),
        (2, 5, 4, "cart"),
        (None, 5, 5),
    ]
    rows = rows_out("purchases", events=shop)
    assert sorted(rows) == [(1, 5, "purchase", day(1)), (1, 6, "purchase", day(2))]


def test_the_first_of_buyers_may_be_a_look_and_no_return() -> None:
    """1 and 2 bought: 2 had looked before, and brought something back earlier still; 3 only looked."""
    bought = [(1, 5, 4), (2, 5, 5)]
    shop = [
        (3, 5, 0, "view"),
        (2, 5, 1, "purchase", None, -1.0),
        (2, 5, 2, "view"),
        (1, 5, 3, "cart"),
        *bought,
    ]
    assert rows_out("first_of_buyers", events=shop, purchaser_events=bought) == [(day(2),)]
    assert rows_out("first_of_buyers", events=shop, purchaser_events=[]) == [(None,)]


def test_coming_back() -> None:
    """User 1 came back on day 4, for the same and for something new, and on day 9; user 2 on day 12, for
    something new; user 3 bought two items, one of them twice, on one day; user 4 only looked."""
    shop = [
        *((1, 5, 1), (1, 5, 4), (1, 6, 4), (1, 6, 9)),
        *((2, 5, 2), (2, 6, 12)),
        *((3, 5, 3), (3, 5, 3.1), (3, 6, 3.2)),
        *((4, 5, 3, "view"), (4, 5, 8, "view")),
    ]
    assert rows_out("coming_back", purchaser_events=shop) == [(3, 2, 6.5, 8, 4, 2)]


def test_coming_back_of_nobody() -> None:
    assert rows_out("coming_back", purchaser_events=[(1, 5, 1)]) == [(1, 0, None, 1, 0, 0)]
    assert rows_out("coming_back", purchaser_events=[]) == [(0, 0, None, 0, 0, 0)]


def test_days_are_those_of_utc() -> None:
    """Half past eleven at night and half past midnight: an hour apart, on two days."""
    shop = [(1, 5, 0.48), (1, 5, 0.52)]
    assert rows_out("coming_back", purchaser_events=shop) == [(1, 1, 1.0, 2, 1, 1)]
