"""The three ways to split events into train, validation_set and test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import md5

from tests.shelf import day
from tests.transform.tables import rows_out

CARRIED, NOTHING = (2.5, 0.5, 4.0), (None, None, None)
"""Price, discount and rating of an event."""


def test_split_time() -> None:
    """An event exactly at a cut belongs to the later part."""
    values = {"validation_from": day(10), "test_from": day(20)}
    shop = [
        (1, 5, 9.999, "purchase", None, 1.0, *CARRIED),
        *((2, 6, 10, "view", None, 0.0), (3, 7, 19.999), (4, 8, 20, "cart", "o", 2.0)),
    ]
    assert sorted(rows_out("split_time", values, purchaser_events=shop)) == [
        (1, 5, "purchase", day(9.999), None, 1.0, *CARRIED, "train"),
        (2, 6, "view", day(10), None, 0.0, *NOTHING, "validation_set"),
        (3, 7, "purchase", day(19.999), None, 1.0, *NOTHING, "validation_set"),
        (4, 8, "cart", day(20), "o", 2.0, *NOTHING, "test"),
    ]


def parts_of(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """User, item and part of each row, sorted."""
    return sorted((row[0], row[1], row[-1]) for row in rows)  # type: ignore[type-var]


def test_split_last_purchase() -> None:
    """User 1: order "b" begins on day 5, and its last line, on day 11, is later than order "c"."""
    shop = [
        (1, 1, 0, "purchase", "a"),
        (1, 2, 4.999, "view"),
        (1, 3, 5, "view"),
        (1, 4, 5, "purchase", "b"),
        (1, 5, 9, "view"),
        (1, 6, 10, "purchase", "c", 1.0, *CARRIED),
        (1, 7, 10.01, "purchase", "c"),
        (1, 8, 11, "purchase", "b"),
    ]
    rows = rows_out("split_last_purchase", purchaser_events=shop)
    assert (1, 6, "purchase", day(10), "c", 1.0, *CARRIED, "test") in rows
    assert parts_of(rows) == [
        (1, 1, "train"),
        (1, 2, "train"),
        (1, 3, "validation_set"),
        (1, 4, "validation_set"),
        (1, 5, "validation_set"),
        (1, 6, "test"),
        (1, 7, "test"),
        (1, 8, "test"),
    ]


def test_split_last_purchase_without_order_ids_takes_the_last_moment() -> None:
    shop = [(1, 5, 0), (1, 6, 1), (1, 7, 2), (1, 8, 2)]
    assert parts_of(rows_out("split_last_purchase", purchaser_events=shop)) == [
        (1, 5, "train"),
        (1, 6, "validation_set"),
        (1, 7, "test"),
        (1, 8, "test"),
    ]


def test_split_last_purchase_of_few_orders() -> None:
    """2 has one order; two orders of 3 are of one moment, so one cut; 4, without a purchase, has no part."""
    shop = [
        (2, 5, 2, "view"),
        (2, 6, 3),
        (3, 5, 0, "purchase", "x"),
        (3, 6, 1, "purchase", "y"),
        (3, 7, 1, "purchase", "z"),
        (4, 5, 0, "view"),
    ]
    assert parts_of(rows_out("split_last_purchase", purchaser_events=shop)) == [
        (2, 5, "train"),
        (2, 6, "test"),
        (3, 5, "validation_set"),
        (3, 6, "test"),
        (3, 7, "test"),
    ]


def test_split_random() -> None:
    """Of seven rows a share of 0.3 is two. The rows are drawn in the order of their MD5 with the seed."""
    shop = [(user, 5, user / 2, "purchase", "o" if user == 3 else None) for user in range(1, 8)]

    def drawn(seed: str, user: int) -> str:
        """A missing order leaves no gap."""
        microseconds = (day(user / 2) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        order = "o|" if user == 3 else ""
        return md5(f"{seed}|{user}|5|purchase|{microseconds}|{order}1.0".encode()).hexdigest()

    for seed in ("1", "2"):
        users = sorted(range(1, 8), key=lambda user: drawn(seed, user))
        expected = [
            *((user, 5, "test") for user in users[:2]),
            *((user, 5, "validation_set") for user in users[2:4]),
            *((user, 5, "train") for user in users[4:]),
        ]
        for rows in (shop, shop[::-1]):
            values = {"seed": seed, "test_share": 0.3}
            assert parts_of(rows_out("split_random", values, purchaser_events=rows)) == sorted(expected)


def test_split_random_of_too_few_rows_is_all_train() -> None:
    """A share of 0.3 of three rows is none. A row comes out as it went in, and so does its duplicate."""
    shop = [
        *[(1, 5, 0, "view", None, 0.0)] * 2,
        (2, 6, 1, "purchase", "o", 2.0, *CARRIED),
    ]
    rows = rows_out("split_random", {"seed": "1", "test_share": 0.3}, purchaser_events=shop)
    assert sorted(rows) == [
        *[(1, 5, "view", day(0), None, 0.0, *NOTHING, "train")] * 2,
        (2, 6, "purchase", day(1), "o", 2.0, *CARRIED, "train"),
    ]


def test_split_random_draws_the_same_rows_whatever_they_carry() -> None:
    shop = [(user, 5, user / 2) for user in range(1, 8)]
    carried = [(*row, "purchase", None, 1.0, row[0], row[0] / 2, 5.0) for row in shop]
    values = {"seed": "1", "test_share": 0.3}
    drawn = parts_of(rows_out("split_random", values, purchaser_events=shop))
    assert parts_of(rows_out("split_random", values, purchaser_events=carried)) == drawn


def test_split_random_draws_between_rows_that_carry_different_things_whatever_their_order() -> None:
    shop = [(1, 5, 0, "purchase", None, 1.0, price, None, None) for price in (3.0, None, 1.0, 2.0)]
    values = {"seed": "1", "test_share": 0.25}
    drawn = [rows_out("split_random", values, purchaser_events=rows) for rows in (shop, shop[::-1])]
    first, second = (sorted(((row[-1], row[6]) for row in rows), key=str) for rows in drawn)
    assert first == second == [("test", 1.0), ("train", 3.0), ("train", None), ("validation_set", 2.0)]


def test_part() -> None:
    """By user, then time, item, type, order (none last), quantity, price (none last), discount, rating."""
    bought = (1, 5, 1, "purchase", "b", 1.0)
    parts = [
        (2, 5, 0, "view", None, 1.0, *NOTHING, "test"),
        (1, 5, 1, "purchase", None, 1.0, *NOTHING, "test"),
        (1, 5, 1, "purchase", "b", 2.0, *CARRIED, "test"),
        (*bought, *NOTHING, "test"),
        (*bought, 2.0, 0.5, 4.0, "test"),
        (*bought, 2.0, 0.5, 3.0, "test"),
        (*bought, 2.0, 0.0, 5.0, "test"),
        (*bought, 1.0, 9.0, 5.0, "test"),
        (1, 5, 1, "cart", None, 1.0, *NOTHING, "test"),
        (1, 6, 0, "purchase", None, 1.0, *NOTHING, "test"),
        (1, 4, 1, "view", None, 1.0, *NOTHING, "test"),
        (1, 4, 0, "view", None, 1.0, *NOTHING, "train"),
    ]
    bought = (1, 5, "purchase", day(1), "b", 1.0)
    assert rows_out("part", {"part": "test"}, parts=parts) == [
        (1, 6, "purchase", day(0), None, 1.0, *NOTHING),
        (1, 4, "view", day(1), None, 1.0, *NOTHING),
        (1, 5, "cart", day(1), None, 1.0, *NOTHING),
        (*bought, 1.0, 9.0, 5.0),
        (*bought, 2.0, 0.0, 5.0),
        (*bought, 2.0, 0.5, 3.0),
        (*bought, 2.0, 0.5, 4.0),
        (*bought, *NOTHING),
        (1, 5, "purchase", day(1), "b", 2.0, *CARRIED),
        (1, 5, "purchase", day(1), None, 1.0, *NOTHING),
        (2, 5, "view", day(0), None, 1.0, *NOTHING),
    ]
    assert rows_out("part", {"part": "validation_set"}, parts=parts) == []


def test_purchase_spans() -> None:
    """User 1 bought item 5 first on day 1 and again on day 9; user 2 looked before buying once."""
    shop = [(1, 5, 1), (1, 6, 4), (1, 5, 9), (2, 5, 2, "view"), (2, 5, 3)]
    assert sorted(rows_out("purchase_spans", purchaser_events=shop)) == [
        (1, day(1), day(9), day(4)),
        (2, day(3), day(3), day(3)),
    ]


def test_activity() -> None:
    shop = [(1, 5, 1), (1, 5, 2, "view"), (1, 6, 2, "cart"), (2, 5, 2, "view")]
    assert rows_out("activity", history=shop) == [(1, 3, 2)]


def test_measured_users() -> None:
    """User 1 bought something new, 2 the same again, 3 had not bought before, 4 only looked after it."""
    parts = [
        *(
            (1, 5, 1, "purchase", None, 1.0, *NOTHING, "train"),
            (1, 6, 20, "purchase", None, 1.0, *NOTHING, "test"),
        ),
        *(
            (2, 5, 1, "purchase", None, 1.0, *NOTHING, "validation_set"),
            (2, 5, 20, "purchase", None, 1.0, *NOTHING, "test"),
        ),
        *(
            (3, 5, 1, "view", None, 1.0, *NOTHING, "train"),
            (3, 5, 20, "purchase", None, 1.0, *NOTHING, "test"),
        ),
        *(
            (4, 5, 1, "purchase", None, 1.0, *NOTHING, "train"),
            (4, 6, 20, "view", None, 1.0, *NOTHING, "test"),
        ),
    ]
    assert rows_out("measured_users", {"is_repeat_relevant": False}, parts=parts) == [(1,)]
    assert rows_out("measured_users", {"is_repeat_relevant": True}, parts=parts) == [(2,)]


DAY = 86_400_000_000
BACK = {"until": day(100), "unit_us": DAY, "longest": 3, "most_cuts": 2}


def test_measured_at_cuts() -> None:
    """User 1 buys items 5, 6 and 7 first on days 50, 97.5 and 99.5; user 2 the same item on 50 and 98.

    User 3 first buys at 98.5 and is measured at the cut at 99 alone; 4 only looks; 5 bought once, long ago.
    """
    shop = [
        *((1, 5, 50), (1, 6, 97.5), (1, 7, 99.5), (1, 7, 99.6)),
        *((2, 5, 50), (2, 5, 98)),
        *((3, 5, 98.5), (3, 6, 98.6), (3, 7, 99.1)),
        *((4, 5, 50, "view"), (4, 6, 99.5, "view"), (5, 5, 20), (6, 5, 100)),
    ]
    assert rows_out("measured_at_cuts", BACK | {"is_repeat_relevant": False}, purchaser_events=shop) == [
        (1, 1, 2),  # users 1 and 3, from day 99 on
        (2, 1, 1),  # user 1, from 98 on; user 3 had bought nothing before
        (2, 2, 1),  # user 1, from 96 to 98
        (3, 1, 1),  # user 1 once, though two days count
    ]
    assert rows_out("measured_at_cuts", BACK | {"is_repeat_relevant": True}, purchaser_events=shop) == [
        (1, 1, 2),
        (1, 2, 1),  # user 2 at 98, the very moment of the cut
        (2, 1, 2),
        (2, 2, 1),
        (3, 1, 2),
    ]


def test_measured_at_cuts_counts_an_item_as_new_at_the_cut_before_which_it_was() -> None:
    """It is bought again after the next cut, at which it is not new any more."""
    shop, new = [(1, 5, 50), (1, 6, 97), (1, 6, 99)], BACK | {"is_repeat_relevant": False}
    assert rows_out("measured_at_cuts", new, purchaser_events=shop) == [(2, 2, 1), (3, 1, 1)]
    earlier = new | {"until": day(98)}
    assert rows_out("measured_at_cuts", earlier, purchaser_events=shop) == [(1, 1, 1), (2, 1, 1), (3, 1, 1)]
    two_days = new | {"longest": 1, "unit_us": 2 * DAY}
    assert rows_out("measured_at_cuts", two_days, purchaser_events=shop) == [(1, 2, 1)]


def test_measured_at_cuts_of_no_purchase_and_of_odd_units() -> None:
    every = BACK | {"is_repeat_relevant": True, "longest": 1, "most_cuts": 1}
    assert rows_out("measured_at_cuts", every, purchaser_events=[]) == []
    shop = [(1, 5, 0), (1, 6, 99.9999)]
    assert rows_out("measured_at_cuts", every | {"unit_us": 1}, purchaser_events=shop) == []
    almost_all = every | {"unit_us": 100 * DAY - 1}
    assert rows_out("measured_at_cuts", almost_all, purchaser_events=shop) == [(1, 1, 1)]
