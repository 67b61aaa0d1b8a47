"""The statements about people who bought nothing yet: what they buy first, and whom the shop alone knows."""

from __future__ import annotations

from tests.shelf import day
from tests.transform.tables import rows_out

PEOPLE = [(7, 0), (8, 1), (9, 2)]


def test_what_people_bought_after_a_cut() -> None:
    """7 buys item 5 twice, and one that nobody knows; 8 only looks; 4 is no newcomer."""
    later = [
        (9, 6, 3),
        (7, 5, 1),
        (7, 5, 2),
        (7, 99, 2),
        (8, 5, 2, "view"),
        (4, 5, 2),
    ]
    rows = rows_out("first_purchases", {}, later=later, people=PEOPLE, item_rows=[(5, 0), (6, 1)])
    assert rows == [(0, 0, 5), (0, None, 99), (2, 1, 6)]


def test_whom_the_shop_knows_by_what_it_says_of_them_alone() -> None:
    """1 looked around, 2 is a buyer, 3 and 4 are known in time, 5 a moment later; 6 only looked a little."""
    attributes = [
        (user, "country", "CH", None, known)
        for user, known in ((1, None), (2, None), (3, None), (4, day(10)), (5, day(10.001)), (6, None))
    ]
    rows = rows_out(
        "known_by_attributes",
        {"cut_at": day(10)},
        user_attributes=attributes,
        lookers=[(1,)],
        guests=[(2, 5, 1), (6, 5, 1, "view"), (1, 5, 1, "view")],
    )
    assert rows == [(3,), (4,), (6,)]
