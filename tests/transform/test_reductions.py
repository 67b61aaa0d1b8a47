"""Which items have been reduced of late, and who buys what is reduced."""

from __future__ import annotations

from tests.shelf import day
from tests.transform.tables import rows_out

KIND = ("purchase", None, 1.0)
AT_20 = {"cut_at": day(20), "days": 7, "room": 1.1}


def test_item_reductions() -> None:
    """At day 20, of 7 days.

    Item 1 cost 10, three of four were 2.5 off; 2 was reduced in one of three; 3 of two, the lower; 4 was
    free; 5 was bought too early, 6 only looked at, 7 has no price; 8 was bought on the edge of the days; the
    discount of 9, which cost 10, is a percentage; nobody paid 10 in full.
    """
    purchases = [
        (1, 1, 13, *KIND, 7.5, 2.5),
        (2, 1, 15, *KIND, 7.5, 2.5),
        (3, 1, 19, *KIND, 7.5, 2.5),
        (4, 1, 19.5, *KIND, 10.0, 0.0),
        (1, 2, 14, *KIND, 6.0, 2.0),
        (2, 2, 15, *KIND, 8.0, None),
        (3, 2, 16, *KIND, 8.0, 0.0),
        (1, 3, 14, *KIND, 9.0, 1.0),
        (2, 3, 14, *KIND, 8.0, 2.0),
        (3, 3, 2, *KIND, 9.1, 0.0),
        (1, 4, 14, *KIND, 0.0, 3.0),
        (1, 4, 1, *KIND, 3.0, None),
        (1, 5, 12.9, *KIND, 1.0, 1.0),
        (1, 6, 19, "view", None, 1.0, 1.0, 1.0),
        (1, 7, 19, *KIND, None, 1.0),
        (1, 8, 13, *KIND, 0.0, 0.0),
        (1, 9, 14, *KIND, 8.0, 20.0),
        (2, 9, 3, *KIND, 10.0, 0.0),
        (1, 10, 14, *KIND, 8.0, 2.0),
    ]
    assert rows_out("item_reductions", AT_20, history=purchases) == [
        (1, 0.25, 4, 10.0),
        (2, 0.0, 3, 8.0),
        (3, 0.1, 2, 9.1),
        (4, 1.0, 1, 3.0),
        (5, None, 0, None),
        (8, 0.0, 1, 0.0),
        (9, 0.0, 1, 10.0),
        (10, 0.0, 1, None),
    ]


def test_user_reductions() -> None:
    """User 1 bought one of four reduced; 2 lacks prices; 3 only looked; 4 paid nothing; 5 got 4 and 5 %."""
    events = [
        (1, 1, 0, *KIND, 7.5, 2.5),
        (1, 2, 1, *KIND, 7.5, 0.0),
        (1, 2, 2, *KIND, 7.5, None),
        (1, 2, 3, *KIND, 7.5, 0.0),
        (1, 2, 4, *KIND, None, 2.5),
        (2, 1, 0, *KIND),
        (3, 1, 0, "view", None, 1.0, 1.0, 1.0),
        (4, 1, 0, *KIND, 0.0, 1.0),
        (5, 1, 0, *KIND, 96.0, 4.0),
        (5, 1, 1, *KIND, 2.85, 0.15),
        (5, 1, 2, *KIND, 0.0, 0.0),
    ]
    by_user = rows_out("user_reductions", {"reduced_by": 0.05}, history=events)
    assert by_user == [(1, 0.25, 4), (4, 1.0, 1), (5, 1 / 3, 3)]


def test_a_shop_without_prices_has_no_reductions() -> None:
    events = [(1, 1, 0), (2, 1, 1)]
    assert rows_out("item_reductions", AT_20, history=events) == []
    assert rows_out("user_reductions", {"reduced_by": 0.05}, history=events) == []
