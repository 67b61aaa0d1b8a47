"""Who takes part: purchasers, browsers, row numbers of users, items and events, the holdout."""

from __future__ import annotations

import pytest

from pipeline.config import Filter
from tests.shelf import day
from tests.transform.tables import rows_out

EVENTS = [
    (5, 5, 4, "purchase", None, None),  # all that 5 did
    (1, 5, 3, "purchase", None, 0.0),  # two returns
    (1, 5, 3, "purchase", None, -1.0),
    (1, 8, 2, "purchase", None, None),
    (1, 6, 2, "purchase", None, None),  # a missing quantity is 1,
    (1, 6, 2, "purchase", None, 1.0),  # so this is the same event
    (1, 5, 2),
    (1, 5, 2, "purchase", "b"),  # another order
    (1, 5, 2, "purchase", "a"),
    (1, 5, 2, "purchase", "a"),  # an exact duplicate
    (1, 7, 0, "view", None, 0.0),  # only of purchases does the quantity count
    (2, 5, 1, "purchase", None, 0.0),  # 2 brought back only
    (2, 5, 1, "view"),
    (3, 5, 1, "cart"),
    (4, 5, 1),  # the shop does not know 4
    (4, 5, 2, "view"),
]
USERS = [(1,), (2,), (3,), (5,)]
NOTHING = (None, None, None)
"""Neither price nor discount nor rating."""

NAN, INFINITE = float("nan"), float("inf")


def test_purchaser_events() -> None:
    """Of users 1 and 5, in the order of the file: by user, time, item, type, order (none last), quantity."""
    assert rows_out("purchaser_events", events=EVENTS, users=USERS) == [
        (1, 7, "view", day(0), None, 0.0, *NOTHING),
        (1, 5, "purchase", day(2), "a", 1.0, *NOTHING),
        (1, 5, "purchase", day(2), "b", 1.0, *NOTHING),
        (1, 5, "purchase", day(2), None, 1.0, *NOTHING),
        (1, 6, "purchase", day(2), None, 1.0, *NOTHING),
        (1, 8, "purchase", day(2), None, 1.0, *NOTHING),
        (5, 5, "purchase", day(4), None, 1.0, *NOTHING),
    ]


CARRIED = [
    ((3.0, 1.0, 5.0), (3.0, 1.0, 5.0)),
    ((-0.0, 0.0, -0.0), (0.0, 0.0, 0.0)),
    ((-0.01, -0.01, -0.01), NOTHING),
    ((NAN, NAN, NAN), NOTHING),
    ((INFINITE, INFINITE, INFINITE), NOTHING),
    ((1e12, 1e12, 1000.0), (1e12, 1e12, 1000.0)),
    ((1.1e12, 1.1e12, 1001.0), NOTHING),
]


@pytest.mark.parametrize(("given", "kept"), CARRIED, ids=str)
def test_what_events_carry_is_kept_where_it_says_something(
    given: tuple[float, ...], kept: tuple[float | None, ...]
) -> None:
    """Of a buyer and of a browser."""
    rows = rows_out("purchaser_events", events=[(1, 5, 0, "purchase", None, 1.0, *given)], users=USERS)
    assert rows == [(1, 5, "purchase", day(0), None, 1.0, *kept)]
    least, cart = {"min_views": 9, "min_carts": 1}, (1, 5, 0, "cart", None, 1.0, *given)
    [row] = rows_out("browser_events", least, events=[cart], users=USERS)
    assert row == (1, 5, "cart", day(0), None, 1.0, *kept)
    assert str(row[6:]) == str(kept)  # 0.0, not -0.0, so that the same events are the same bytes


def test_events_that_carry_different_things_are_different_events() -> None:
    """The cheaper one first; what says nothing makes no difference."""
    bought = (1, 5, 0, "purchase", "o", 1.0)
    shop = [(*bought, 2.0), (*bought, 1.0), (*bought, 1.0), (*bought, None), (*bought, NAN), (*bought, -1.0)]
    rows = rows_out("purchaser_events", events=shop, users=USERS)
    assert [row[6] for row in rows] == [1.0, 2.0, None]


def test_purchaser_counts() -> None:
    """As they come, duplicates included. Of 16 events 3 are returns, 2 of the unknown user 4, who bought, and
    2 of users who bought nothing; the other 9 are the 7 of `purchaser_events` and two duplicates."""
    counts = (16, 3, 2, 2, 5, 1, 3, 1)
    assert rows_out("purchaser_counts", events=EVENTS, users=USERS) == [counts]
    assert rows_out("purchaser_counts", events=[], users=USERS) == [(0,) * 8]


def test_an_event_without_a_user_is_one_of_an_unknown_user() -> None:
    [counts] = rows_out("purchaser_counts", events=[(None, 5, 1), (1, 5, 1)], users=USERS)
    assert counts == (2, 0, 1, 0, 1, 0, 1, 0)


def test_browser_events() -> None:
    """Two views or one cart are just enough."""
    shop = [
        (9, 6, 1, "view"),
        (9, 5, 1, "view"),
        (8, 5, 0, "view"),
        (8, 5, 0, "view"),  # an exact duplicate: 8 has one view
        (7, 5, 0, "view", None, None),
        (7, 5, 0, "view", None, 1.0),  # the same, where a missing quantity is 1
        (6, 5, 0, "cart", "o", 2.0),
        (5, 5, 0, "cart"),
        (5, 5, 1, "purchase", None, None),  # 5 bought
        (4, 5, 0, "cart"),
        (4, 5, 1, "purchase", None, 0.0),  # 4 brought back only
        (3, 5, 0, "cart"),  # the shop does not know 3
    ]
    users = [(user,) for user in range(4, 10)]
    assert rows_out("browser_events", {"min_views": 2, "min_carts": 1}, events=shop, users=users) == [
        (4, 5, "cart", day(0), None, 1.0, *NOTHING),
        (6, 5, "cart", day(0), "o", 2.0, *NOTHING),
        (9, 5, "view", day(1), None, 1.0, *NOTHING),
        (9, 6, "view", day(1), None, 1.0, *NOTHING),
    ]


def test_event_counts() -> None:
    shop = [(1, 7, 2, "view"), (1, 5, 0.5), (1, 5, 0.5), (2, 5, 1, "cart")]
    assert rows_out("event_counts", purchaser_events=shop) == [(4, 2, 2, 2, day(0.5), day(2))]
    assert rows_out("event_counts", purchaser_events=[]) == [(0, 0, 0, 0, None, None)]


@pytest.mark.parametrize(
    ("who", "users"),
    [
        (Filter(), [1, 2, 3]),
        (Filter(min_events=2), [2, 3]),
        (Filter(min_items=2), [3]),
        (Filter(max_events_sd=1.0), [1, 2]),
    ],
)
def test_user_rows(who: Filter, users: list[int]) -> None:
    """User 1 has one event, 2 two on one item, 3 forty on two: an outlier beyond one deviation."""
    bought = [(1, 5, 0), (2, 5, 0), (2, 5, 1), *((3, 5 + n % 2, n / 40) for n in range(40))]
    rows = rows_out("user_rows", who.model_dump(), history=bought)
    assert sorted(rows) == [(user, row) for row, user in enumerate(users)]


@pytest.mark.parametrize(("most", "rows"), [(1.0, [(1, 0), (2, 1)]), (0.99, [(1, 0)])])
def test_user_rows_of_as_many_events_as_the_limit(most: float, rows: list[tuple[int, int]]) -> None:
    """Buyers have 1 and 3 events: mean 2, deviation 1. User 3, with twenty views, never bought."""
    events = [(1, 5, 0), (2, 5, 0), (2, 5, 1, "view"), (2, 5, 2, "cart"), *[(3, 5, 0, "view")] * 20]
    assert sorted(rows_out("user_rows", Filter(max_events_sd=most).model_dump(), history=events)) == rows


def test_item_rows() -> None:
    """By id, each once; a view is enough; item 4 was touched by 3 alone, who takes no part."""
    events = [(2, 9, 0), (2, 5, 1), (1, 5, 0, "view"), (3, 4, 0), (3, 9, 0)]
    assert sorted(rows_out("item_rows", history=events, user_rows=[(1, 0), (2, 1)])) == [(5, 0), (9, 1)]


def test_event_rows() -> None:
    """Event for event, duplicates too; exactly at the cut the age is 0."""
    bought = (10, 5, 0, "purchase", "o", 4.0, 2.5, 0.5, 3.0)
    events = [(20, 7, 10), bought, (10, 7, 9.75, "view"), (10, 7, 9.75, "view")]
    rows = rows_out(
        "event_rows",
        {"cut_at": day(10)},
        history=[*events, (30, 5, 9)],
        user_rows=[(10, 0), (20, 1)],
        item_rows=[(5, 0), (7, 1)],
    )
    assert sorted(rows) == [
        (0, 0, "purchase", 4.0, 10.0, 3.0),
        (0, 1, "view", 1.0, 0.25, None),
        (0, 1, "view", 1.0, 0.25, None),
        (1, 1, "purchase", 1.0, 0.0, None),
    ]


@pytest.mark.parametrize(
    ("is_repeat_relevant", "again"),
    [(True, [(10, 5, day(11), 0, 0, True)]), (False, [])],
    ids=["repeats", "new only"],
)
def test_held_out(is_repeat_relevant: bool, again: list[tuple[object, ...]]) -> None:
    """20 carted 5 before, which is no purchase; the filters leave out 50; 30 only looked; 40 is new.

    What is bought twice later is asked about once, at its first time.
    """
    rows = rows_out(
        "held_out",
        {"is_repeat_relevant": is_repeat_relevant},
        history=[(10, 5, 0), (10, 5, 1), (20, 5, 0, "cart"), (20, 7, 1), (30, 7, 0, "view"), (50, 5, 0)],
        user_rows=[(10, 0), (20, 1)],
        item_rows=[(5, 0), (7, 1)],
        later=[
            (50, 7, 11),
            (40, 5, 11),
            (30, 7, 11),
            (20, 5, 11),
            (20, 9, 11, "view"),
            (10, 8, 12),
            (10, 7, 12),
            (10, 7, 11),
            (10, 5, 11),
        ],
    )
    assert rows == [
        *again,
        (10, 7, day(11), 0, 1, True),
        (10, 8, day(12), 0, None, True),
        (20, 5, day(11), 1, 0, True),
        (30, 7, day(11), None, 1, False),
        (40, 5, day(11), None, 0, False),
        (50, 7, day(11), None, 1, True),
    ]


def test_some_users() -> None:
    """Every third, and those who are always in it; numbered anew."""
    user_rows = [(10 + row, row) for row in range(8)]
    wanted = [(10, 0), (12, 1), (13, 2), (16, 3)]
    given = {"user_rows": user_rows, "always": [(12,), (13,), (99,)]}
    assert rows_out("some_users", {"step": 3}, **given) == wanted


def test_events_that_occur_more_than_once() -> None:
    """Each once, with how many times. A missing quantity is no 1 yet, and a null is like a null."""
    found = rows_out("duplicates", events=[*EVENTS, *[(None, 5, 1, "view")] * 3])
    assert sorted((row[0], row[1], row[4], row[-1]) for row in found if row[0]) == [(1, 5, "a", 2)]
    assert [row[-1] for row in found if row[0] is None] == [3]
