"""Session lists judged: whose order is taken, what is hidden, the list of a basket, and whether it hit."""

from __future__ import annotations

from itertools import chain, permutations

from tests.transform.tables import Rows, rows_out

MOST = {"most_given": 100, "most_orders": 100}


def baskets(seed: int, later: Rows, history: Rows | None = None, **most: int) -> dict[int, list[int]]:
    """The items of each user's order, by place; the first one is the hidden one."""
    values = {"seed": str(seed), **MOST, **most}
    items: dict[int, list[int]] = {}
    for user, place, item, _, _ in rows_out("session_orders", values, later=later, history=history or []):
        items.setdefault(user, []).append(item)
        assert place == len(items[user])
    return items


def test_session_orders_are_the_last_ones_of_buyers_old_and_new() -> None:
    """User 1 bought before, and in the test two orders; 2 is new and has one of one item; 3 only looked."""
    later = [
        (1, 10, 3, "purchase", "a"), (1, 11, 3.01, "purchase", "a"), (1, 10, 3.02, "purchase", "a"),
        (1, 12, 2, "purchase", "z"), (1, 13, 4, "view"),
        (2, 14, 1, "purchase", "b"), (3, 10, 1, "view"),
    ]  # fmt: skip
    history = [(1, 19, 0), (2, 10, 0, "view")]
    rows = rows_out("session_orders", {"seed": "0", **MOST}, later=later, history=history)
    assert {(user, item, n_items, is_new) for user, _, item, n_items, is_new in rows} == {
        (1, 10, 2, False), (1, 11, 2, False), (2, 14, 1, True),
    }  # fmt: skip
    assert len(rows) == 3


def test_session_orders_without_order_ids_are_the_purchases_of_one_moment() -> None:
    """And an order is as old as its first purchase: that of "a" began before the two items of day 2."""
    later = [(1, 10, 2), (1, 11, 2), (1, 12, 1.9), (2, 10, 2), (2, 11, 2), (2, 12, 1, "purchase", "a")]
    later.append((2, 13, 9, "purchase", "a"))
    assert {user: sorted(items) for user, items in baskets(0, later).items()} == {1: [10, 11], 2: [10, 11]}


def test_session_orders_that_begin_at_once_go_by_the_higher_order_id() -> None:
    later = [(1, 10, 2, "purchase", "9"), (1, 11, 2, "purchase", "10"), (1, 12, 2), (1, 13, 2)]
    assert baskets(0, later) == {1: [10]}


def test_which_item_is_hidden_depends_on_the_seed_and_neither_on_the_rows_order_nor_on_popularity() -> None:
    """Item 1 is bought by everybody, the others by one each: it is hidden in about one basket of four."""
    later = [
        (user, item, 0, "purchase", "o")
        for user in range(400)
        for item in (1, *range(1000 + 3 * user, 1003 + 3 * user))
    ]  # fmt: skip
    drawn = baskets(7, later, most_orders=400)
    assert drawn == baskets(7, later[::-1], most_orders=400)
    assert drawn != baskets(8, later, most_orders=400)
    n_hidden = sum(items[0] == 1 for items in drawn.values())
    assert 70 <= n_hidden <= 130


def test_session_orders_hand_out_at_most_so_many_items_and_orders() -> None:
    later = [(user, item, 0, "purchase", "o") for user in range(9) for item in range(10, 15)]
    later += [(20 + user, 10, 0) for user in range(5)]
    drawn = baskets(0, later, most_given=3, most_orders=4)
    assert sorted(len(items) for items in drawn.values()) == [1] * 5 + [4] * 4


ORDERS: Rows = [
    (1, 1, 10, 3, False), (1, 2, 11, 3, False), (1, 3, 12, 3, False),
    (2, 1, 11, 2, True), (2, 2, 13, 2, True),
    (3, 1, 10, 1, True),
]  # fmt: skip


def test_session_given_and_session_items() -> None:
    """All but the hidden items; 13 was not known before the cut."""
    assert sorted(rows_out("session_given", session_orders=ORDERS)) == [(1, 2, 11), (1, 3, 12), (2, 2, 13)]
    item_rows = [(10, 0), (11, 1), (12, 2)]
    assert rows_out("session_items", session_orders=ORDERS, item_rows=item_rows) == [(1,), (2,)]


def test_session_single_items() -> None:
    assert rows_out("session_single_items", session_orders=ORDERS) == [(1,)]
    assert rows_out("session_single_items", session_orders=[]) == [(0,)]


def pairs_of(lists: dict[int, list[int]]) -> Rows:
    """Lists by item as rows of `also_bought` or `similar_items`, numbers left out."""
    return [(item, rank, other) for item, others in lists.items() for rank, other in enumerate(others, 1)]


def popular(**lists: list[int]) -> Rows:
    """Lists by category as rows of `popular_items`; the score falls with the rank."""
    return [
        (category, rank, item, 9.0 - rank)
        for category, listed in lists.items()
        for rank, item in enumerate(listed, 1)
    ]  # fmt: skip


def lists(
    *given: int,
    n: int = 10,
    also: dict[int, list[int]] | None = None,
    similar: dict[int, list[int]] | None = None,
    names: Rows | None = None,
    best: Rows | None = None,
) -> Rows:
    """The list of one basket without its user: rank, item, score, source, reason, because."""
    rows = rows_out(
        "session_lists",
        {"n": n},
        given=[(1, place, item) for place, item in enumerate(given, 1)],
        also_bought=pairs_of(also or {}),
        similar_items=pairs_of(similar or {}),
        item_names=names or [],
        popular_items=best or [],
    )
    assert [row[:2] for row in rows] == [(1, rank) for rank in range(1, len(rows) + 1)]
    return [row[1:] for row in rows]


def items(rows: Rows) -> list[int]:
    return [row[1] for row in rows]


def test_session_lists_begin_with_what_most_given_items_agree_on() -> None:
    """20 is named by two, 21 and 22 by one each, 21 higher up; 23 and 24 alike, so by id; 1 is given."""
    also = {1: [21, 24, 22, 20], 2: [1, 23, 20]}
    assert lists(1, 2, also=also) == [
        (1, 20, 2 + 1 / 8, "session", "bought_together", 2),
        (2, 21, 1 + 1 / 2, "session", "bought_together", 1),
        (3, 23, 1 + 1 / 3, "session", "bought_together", 2),
        (4, 24, 1 + 1 / 3, "session", "bought_together", 1),
        (5, 22, 1 + 1 / 4, "session", "bought_together", 1),
    ]


def test_session_lists_have_similar_items_after_those_bought_together() -> None:
    """31 is in similar lists of both, but 20 was bought together with one; 20 itself is told once."""
    rows = lists(1, 2, also={1: [20]}, similar={1: [20, 31], 2: [31, 30]})
    assert [(row[1], row[4], row[5]) for row in rows] == [
        (20, "bought_together", 1), (31, "similar_to_item", 2), (30, "similar_to_item", 2),
    ]  # fmt: skip


def test_session_lists_name_the_item_given_first_where_two_name_it_as_high() -> None:
    assert [row[5] for row in lists(8, 5, also={5: [20], 8: [20]})] == [8]
    assert [row[5] for row in lists(5, 8, also={5: [20], 8: [20]})] == [5]


def test_session_lists_count_an_item_that_is_given_twice_once() -> None:
    also = {1: [20, 21], 2: [21]}
    assert lists(1, 1, 2, 1, also=also) == lists(1, 2, also=also)


def test_session_lists_are_filled_up_by_category_then_by_the_shop() -> None:
    """Two given items are dairy and one tea: dairy comes first in each round. 41 is in the list already."""
    names = [(1, "", "tea"), (2, "", "dairy"), (3, "", "dairy"), (4, "", None)]
    best = popular(dairy=[40, 2, 42, 41], tea=[41, 43], all=[50, 40, 3, 51, 52], toys=[60])
    rows = lists(1, 2, 3, 4, 99, n=7, also={1: [41]}, names=names, best=best)
    assert [(row[1], row[2], row[3], row[4], row[5]) for row in rows[1:]] == [
        (40, 8.0, "popular_in_category", "popular_in_its_category", None),
        (43, 7.0, "popular_in_category", "popular_in_its_category", None),
        (42, 6.0, "popular_in_category", "popular_in_its_category", None),
        (50, 8.0, "popular", "recently_popular", None),
        (51, 5.0, "popular", "recently_popular", None),
        (52, 4.0, "popular", "recently_popular", None),
    ]


def test_session_lists_of_unknown_items_are_what_is_popular() -> None:
    assert items(lists(98, 99, n=2, best=popular(all=[50, 51, 52]))) == [50, 51]


def test_session_lists_look_far_enough_down_a_popular_list_past_what_is_given() -> None:
    """All of the best are in the basket: the list begins behind them, in any order of the basket."""
    best = popular(all=list(range(50, 60)))
    for given in permutations((50, 51, 52)):
        assert items(lists(*given, n=2, best=best)) == [53, 54]
    names = [(item, "", "tea") for item in (50, 51, 52)]
    in_category = popular(tea=[50, 51, 52, 60, 61], all=[70])
    assert items(lists(50, 51, 52, n=2, names=names, best=in_category)) == [60, 61]


def test_session_lists_of_several_baskets_do_not_mix() -> None:
    also = pairs_of({1: [20, 2], 2: [20, 21]})
    given = [(7, 1, 1), (8, 1, 2), (9, 1, 3)]
    rows = rows_out(
        "session_lists", {"n": 9}, given=given, also_bought=also, similar_items=[], item_names=[],
        popular_items=popular(all=[2, 1]),
    )  # fmt: skip
    assert [(row[0], row[2]) for row in rows] == [
        *chain(((7, 20), (7, 2)), ((8, 20), (8, 21), (8, 1)), ((9, 2), (9, 1))),
    ]


def test_session_hits() -> None:
    """Basket 1's list holds 10, which is not popular; 11 of basket 2 is the third, and 13 before it given."""
    found = [(1, 1, 30, 1.0, "session"), (1, 2, 10, 1.0, "session"), (2, 1, 30, 1.0, "popular")]
    best = popular(all=[30, 13, 11], dairy=[10])
    assert rows_out(
        "session_hits", {"n": 2}, session_orders=ORDERS, session_lists=found, popular_items=best
    ) == [(1, False, True, False, 2), (2, True, False, True, 0)]
    best = popular(all=[30, 31, 11])
    [_, second] = rows_out(
        "session_hits", {"n": 2}, session_orders=ORDERS, session_lists=[], popular_items=best
    )
    assert second == (2, True, False, False, 0)
