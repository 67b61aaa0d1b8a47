"""`recommend(user_id, n, category)`, the view `items`, and what an app asks beside its lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.serving import migrate, rollback
from pipeline.serving.schema import VERSION
from tests.serving.nights import Shop
from tests.serving.test_recommend import HOSTILE, block

NAMES = {
    11: ("BANANAS", "fruit"),
    12: ("Green tea", "tea"),
    13: ("  Plums ", "fruit"),
    14: ("   ", None),
    15: (None, "fruit"),
    21: ("Black tea", "tea"),
    31: ("Apples", "fruit"),
}


@pytest.fixture
def live_shop(shop: Shop) -> Shop:
    """User 1 has a list of two categories and bought 32 of one of them."""
    shop.publish(
        shop.night(
            1,
            {1: [12, 13, 14, 11, 15], 2: [21]},
            popular={"all": [21, 31, 41], "fruit": [31, 13, 32, 33], "tea": [21, 12], "toys": [41]},
            purchases={1: [32]},
            categories={1: ["tea"]},
            names=NAMES,
        )
    )
    return shop


def within(shop: Shop, call: str) -> list[tuple[Any, ...]]:
    """`rank, item_id, source` of a call."""
    return shop.read(f"SELECT rank, item_id, source FROM serving.recommend({call})")


def test_the_own_items_of_the_category_then_what_is_popular_in_it(live_shop: Shop) -> None:
    """13 is shown once; 32 was bought."""
    assert live_shop.read("SELECT * FROM serving.recommend(1, 10, 'fruit')") == [
        (1, 13, 0.5, "personal", None, None, 1),
        (2, 11, 0.25, "personal", None, None, 1),
        (3, 15, 0.2, "personal", None, None, 1),
        (4, 31, 1.0, "popular_in_category", "popular_in_its_category", None, 1),
        (5, 33, 0.25, "popular_in_category", "popular_in_its_category", None, 1),
    ]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_n_rows_of_them(live_shop: Shop, n: int) -> None:
    full = within(live_shop, "1, 10, 'fruit'")
    assert within(live_shop, f"user_id => 1, n => {n}, category => 'fruit'") == full[:n]


def test_anyone_else_gets_what_is_popular_in_it(live_shop: Shop) -> None:
    rows = [(rank, item, "popular_in_category") for rank, item in ((1, 31), (2, 13), (3, 32), (4, 33))]
    for user in ("99", "NULL", "2"):
        assert within(live_shop, f"{user}, 10, 'fruit'") == rows


def test_a_category_without_a_popular_list_has_the_own_rows_only(live_shop: Shop) -> None:
    live_shop.publish(live_shop.night(2, {1: [12, 11]}, popular={"all": [11]}, names=NAMES))
    assert within(live_shop, "1, 10, 'tea'") == [(1, 12, "personal")]
    assert within(live_shop, "9, 10, 'tea'") == []


@pytest.mark.parametrize("category", ["'no such'", "''", "'Fruit'"])
def test_a_category_that_the_shop_does_not_have_has_no_rows(live_shop: Shop, category: str) -> None:
    assert within(live_shop, f"1, 10, {category}") == []


@pytest.mark.parametrize("category", ["NULL", "'all'"])
def test_no_category_is_the_whole_shop(live_shop: Shop, category: str) -> None:
    for user in ("1", "99", "NULL"):
        for n in ("3", "20", "0", "NULL"):
            assert within(live_shop, f"{user}, {n}, {category}") == within(live_shop, f"{user}, {n}")


@pytest.mark.parametrize("n", ["0", "-1", "NULL"])
def test_asking_for_nothing_gets_nothing(live_shop: Shop, n: str) -> None:
    assert within(live_shop, f"1, {n}, 'fruit'") == []


def test_never_more_than_max_n_which_cuts_the_category_not_the_list(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(max_n=2)
    shop.publish(shop.night(1, {1: [12, 21, 11, 13, 31]}, names=NAMES))
    assert within(shop, "1, 2147483647, 'fruit'") == [(1, 11, "personal"), (2, 13, "personal")]


def test_what_is_blocked_is_in_neither_tier(live_shop: Shop) -> None:
    block(live_shop, 13, 31)
    block(live_shop, 11, until="now() - interval '1 second'")
    block(live_shop, 15, until="now() + interval '1 hour'")
    assert within(live_shop, "1, 10, 'fruit'") == [(1, 11, "personal"), (2, 33, "popular_in_category")]


def test_nothing_before_the_first_publication(shop: Shop) -> None:
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert within(shop, "1, 5, 'fruit'") == []
    assert shop.read("SELECT * FROM serving.items") == []
    assert shop.read("SELECT * FROM serving.shop") == [(VERSION, "integer", "integer", 1, None)]
    assert shop.read("SELECT serving.reason_in_words(1, 'similar_to_item', 2)") == [("similar to 2",)]


def test_categories_of_any_spelling(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(ids={"user": "text", "item": "text"})
    names = {item: (None, f"{item}'s") for item in HOSTILE}
    popular = {"all": ["x"], **{f"{item}'s": [item, f"{item}!"] for item in HOSTILE}}
    shop.publish(shop.night(1, {"u": HOSTILE}, popular=popular, similar={}, names=names))
    with shop.connect("reader") as db:
        for item in HOSTILE:
            query = "SELECT item_id, source FROM serving.recommend(%s, %s, %s)"
            rows = db.execute(query, ["u", 10, f"{item}'s"]).fetchall()
            assert rows == [(item, "personal"), (f"{item}!", "popular_in_category")]


def test_items_are_those_of_the_live_publication_blank_names_are_none(live_shop: Shop) -> None:
    everything = "SELECT * FROM serving.items ORDER BY item_id"
    assert live_shop.read(everything) == [
        (11, "BANANAS", "fruit", 1),
        (12, "Green tea", "tea", 1),
        (13, "Plums", "fruit", 1),
        (14, None, None, 1),
        (15, None, "fruit", 1),
        (21, "Black tea", "tea", 1),
        (31, "Apples", "fruit", 1),
    ]
    live_shop.publish(live_shop.night(2, names={11: ("BANANAS 40 LB", None)}))
    assert live_shop.read(everything) == [(11, "BANANAS 40 LB", None, 2)]
    rollback(live_shop.url, live_shop.settings, say=live_shop.said.append)
    assert len(live_shop.read(everything)) == 7


def in_words(shop: Shop, *row: object) -> object:
    with shop.connect("reader") as db:
        return db.execute("SELECT serving.reason_in_words(%s, %s, %s)", row).fetchone()[0]


@pytest.mark.parametrize(
    ("item", "reason", "because", "words"),
    [
        (12, "bought_together", 11, "often bought together with BANANAS"),
        (12, "similar_to_item", 13, "similar to Plums"),
        (12, "similar_to_item", 14, "similar to 14"),
        (12, "similar_to_item", 999, "similar to 999"),
        (11, "popular_in_its_category", None, "popular in fruit"),
        (11, "popular_in_category", None, "popular in fruit, where you bought"),
        (14, "popular_in_its_category", None, "recommended for you"),
        (12, "recently_popular", None, "popular in the shop"),
        (12, "similar_to_purchase", 11, "because you bought BANANAS"),
        (11, "bought_again", None, "because you bought BANANAS before"),
        (11, "looked_at", 12, "because you looked at BANANAS before"),
        (12, "similar_to_view", 11, "because you looked at BANANAS"),
        (12, "bought_together", None, "recommended for you"),
        (12, "of a later release", 11, "recommended for you"),
        (12, None, 11, "recommended for you"),
        (None, None, None, "recommended for you"),
        (999, "recently_popular", None, "popular in the shop"),
    ],
)
def test_a_reason_in_words(
    live_shop: Shop, item: object, reason: object, because: object, words: str
) -> None:
    assert in_words(live_shop, item, reason, because) == words


def test_the_words_of_a_row_are_those_of_explain(live_shop: Shop) -> None:
    rows = live_shop.read(
        "SELECT serving.explain(u, item_id), serving.reason_in_words(item_id, reason, because_item_id)"
        " FROM generate_series(0, 3) AS u, serving.recommend(u, 50)"
    )
    assert len(rows) > 10
    assert [row for row in rows if row[0] != row[1] or row[0] is None] == []


def test_every_row_of_a_basket_has_words(live_shop: Shop) -> None:
    live_shop.publish(
        live_shop.night(
            2, similar={11: [13]}, also_bought={11: [12]}, names=NAMES, popular={"all": [41], "fruit": [31]}
        )
    )
    rows = live_shop.read(
        "SELECT serving.reason_in_words(item_id, reason, because_item_id) FROM serving.recommend_from('{11}')"
    )
    assert [words for (words,) in rows] == [
        "often bought together with BANANAS",
        "similar to BANANAS",
        "popular in fruit",
        "popular in the shop",
    ]


def test_what_is_blocked_now(live_shop: Shop) -> None:
    block(live_shop, 11)
    block(live_shop, 12, until="now() + interval '1 hour'")
    block(live_shop, 13, until="now() - interval '1 second'")
    query = (
        "SELECT serving.is_blocked(i) FROM unnest('{11,12,13,14,NULL}'::bigint[]) WITH ORDINALITY AS v(i, o)"
    )
    assert [row[0] for row in live_shop.read(f"{query} ORDER BY o")] == [True, True, False, False, False]


def test_what_an_app_may_know_of_the_shop(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(ids={"user": "text", "item": "uuid"}, max_n=7)
    a, b = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
    shop.publish(shop.night(1, {"u": [a]}, popular={"all": [a]}, similar={a: [b]}))
    assert shop.read("SELECT * FROM serving.shop") == [(VERSION, "text", "uuid", 7, 1)]
