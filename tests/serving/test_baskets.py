"""`recommend_from(item_ids, n)`: what goes with the items of a basket, for visitors without an account."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from psycopg import errors as pg

from pipeline.serving import migrate, rollback
from tests.serving.nights import Lists, Shop
from tests.serving.test_recommend import HOSTILE, block

BREAD, BUTTER, JAM, TEA, MILK, EGGS, SALT = 1, 2, 3, 4, 5, 6, 7
COLUMNS = "rank, item_id, score, source, reason, because_item_id, version"
TOGETHER, ALIKE = "bought_together", "similar_to_item"
BESIDE: dict[str, Lists] = {
    "popular": {"all": [SALT, BREAD, EGGS], "bakery": [BREAD, 11, 12], "dairy": [MILK, 21]},
    "also_bought": {BREAD: [BUTTER, JAM], MILK: [TEA, BUTTER, JAM], SALT: [EGGS]},
    "similar": {BREAD: [12, MILK], MILK: [BUTTER, 22, 12], BUTTER: [MILK]},
    "names": {
        BREAD: ("Bread", "bakery"),
        MILK: ("Milk", "dairy"),
        BUTTER: ("Butter", "dairy"),
        SALT: ("S", None),
    },
}


@pytest.fixture
def live_shop(shop: Shop) -> Shop:
    shop.publish(shop.night(1, **BESIDE))
    return shop


def array(items: Sequence[object]) -> str:
    """An SQL array of integer ids."""
    return f"ARRAY[{', '.join('NULL' if item is None else str(item) for item in items)}]::bigint[]"


def goes_with(shop: Shop, *items: object, n: int | str = 10) -> list[tuple[Any, ...]]:
    return shop.read(f"SELECT {COLUMNS} FROM serving.recommend_from({array(items)}, {n})")


def ids(shop: Shop, *items: object, n: int = 100) -> list[object]:
    return [row[1] for row in goes_with(shop, *items, n=n)]


def test_bought_together_then_similar_then_the_categories_then_the_shop(live_shop: Shop) -> None:
    """BUTTER and JAM stand in both baskets' lists, BUTTER higher; 12 is alike to both; MILK is given."""
    assert goes_with(live_shop, BREAD, MILK) == [
        (1, BUTTER, 2 + 1 / 4, "session", TOGETHER, BREAD, 1),
        (2, JAM, 2 + 1 / 6, "session", TOGETHER, BREAD, 1),
        (3, TEA, 1 + 1 / 2, "session", TOGETHER, MILK, 1),
        (4, 12, 2 + 1 / 5, "session", ALIKE, BREAD, 1),
        (5, 22, 1 + 1 / 3, "session", ALIKE, MILK, 1),
        (6, 11, 1 / 2, "popular_in_category", "popular_in_its_category", None, 1),
        (7, 21, 1 / 2, "popular_in_category", "popular_in_its_category", None, 1),
        (8, SALT, 1.0, "popular", "recently_popular", None, 1),
        (9, EGGS, 1 / 3, "popular", "recently_popular", None, 1),
    ]


def test_among_equals_the_lower_id_comes_first_and_the_first_given_explains(shop: Shop) -> None:
    shop.publish(shop.night(1, also_bought={BREAD: [9, 8], MILK: [8, 9], TEA: [30], SALT: [20]}))
    rows = goes_with(shop, MILK, BREAD, TEA, SALT, n=4)
    assert [(row[1], row[5]) for row in rows] == [(8, MILK), (9, BREAD), (20, SALT), (30, TEA)]
    shop.publish(shop.night(2, also_bought={BREAD: [9], MILK: [9]}))
    assert [goes_with(shop, *given, n=1)[0][5] for given in ((MILK, BREAD), (BREAD, MILK))] == [MILK, BREAD]


def test_the_category_of_most_given_items_comes_first(live_shop: Shop) -> None:
    """With MILK and BUTTER dairy leads; with one of each the category of the item that is given first."""

    def categories(*given: int) -> list[object]:
        return [row[1] for row in goes_with(live_shop, *given) if row[3] == "popular_in_category"]

    assert categories(BREAD, MILK, BUTTER) == [21, 11]
    assert categories(BREAD, MILK) == [11, 21]
    assert categories(MILK, BREAD) == [21, 11]


@pytest.mark.parametrize(
    "given", ["NULL", "'{}'", "ARRAY[NULL]::bigint[]", "'{999, -1}'", "'{999, NULL, 999}'"]
)
def test_without_a_known_item_all_rows_are_popular(live_shop: Shop, given: str) -> None:
    rows = live_shop.read(f"SELECT rank, item_id, source FROM serving.recommend_from({given})")
    assert rows == [(1, SALT, "popular"), (2, BREAD, "popular"), (3, EGGS, "popular")]


def test_nulls_repeats_and_unknown_items_change_nothing(live_shop: Shop) -> None:
    assert goes_with(live_shop, None, BREAD, 999, BREAD, MILK, BREAD, None) == goes_with(
        live_shop, BREAD, MILK
    )


def test_an_item_that_is_in_popular_lists_only_is_left_out_of_them(live_shop: Shop) -> None:
    assert ids(live_shop, EGGS) == [SALT, BREAD]


@pytest.mark.parametrize("n", ["0", "-1", "NULL", "-2147483648"])
def test_asking_for_nothing_gets_nothing(live_shop: Shop, n: str) -> None:
    assert goes_with(live_shop, BREAD, n=n) == []


def test_ten_unless_told_and_never_more_than_max_n(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(max_n=12)
    shop.publish(shop.night(1, also_bought={1: list(range(100, 130))}))
    for call, n in (("'{1}'", 10), ("item_ids => '{1}', n => 11", 11), ("'{1}', 2147483647", 12)):
        assert shop.read(f"SELECT max(rank), count(*) FROM serving.recommend_from({call})") == [(n, n)]


def test_at_most_a_hundred_items_may_be_given(live_shop: Shop) -> None:
    assert goes_with(live_shop, *range(200, 299), BREAD) == goes_with(live_shop, BREAD)
    for given in ([BREAD] * 101, [None] * 101):
        for n in (10, 0):
            with pytest.raises(pg.InvalidParameterValue) as refused:
                goes_with(live_shop, *given, n=n)
            assert refused.value.diag.message_primary == "recommend_from takes at most 100 items, not 101"


def test_what_is_blocked_is_not_shown_and_says_all_the_same_what_goes_with_it(live_shop: Shop) -> None:
    block(live_shop, BUTTER, 12, 21, EGGS, BREAD)
    block(live_shop, 22, until="now() + interval '1 hour'")
    block(live_shop, TEA, until="now() - interval '1 second'")
    assert [row[:2] for row in goes_with(live_shop, BREAD, MILK)] == [(1, JAM), (2, TEA), (3, 11), (4, SALT)]
    with live_shop.connect("operator") as db:
        db.execute("DELETE FROM serving.blocked_items WHERE item_id = 12")
    assert ids(live_shop, BREAD) == [JAM, 12, MILK, 11, SALT]


def test_nothing_before_the_first_publication(shop: Shop) -> None:
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert goes_with(shop, BREAD) == []
    with pytest.raises(pg.InvalidParameterValue):
        goes_with(shop, *range(101))


def test_a_rollback_is_seen_by_the_next_call_and_never_by_this_one(live_shop: Shop) -> None:
    live_shop.publish(live_shop.night(2, popular={"all": [99]}, similar={}, also_bought={BREAD: [98]}))
    assert [(row[1], row[6]) for row in goes_with(live_shop, BREAD)] == [(98, 2), (99, 2)]
    with live_shop.connect("reader") as db, db.transaction():
        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        query = f"SELECT item_id, version FROM serving.recommend_from({array([BREAD])}, 2)".encode()
        assert db.execute(query).fetchall() == [(98, 2), (99, 2)]
        rollback(live_shop.url, live_shop.settings, say=live_shop.said.append)
        assert db.execute(query).fetchall() == [(98, 2), (99, 2)]
    assert [(row[1], row[6]) for row in goes_with(live_shop, BREAD, n=2)] == [(BUTTER, 1), (JAM, 1)]


def test_text_ids_come_back_as_they_were_and_sort_by_their_bytes(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(ids={"user": "integer", "item": "text"})
    beside = {f"with {item}": [item] for item in HOSTILE}
    names = {item: ("x", item) for item in beside}
    popular = {"all": ["é", "z"], **{item: [f"of {item}"] for item in beside}}
    shop.publish(shop.night(1, {}, popular=popular, similar={}, also_bought=beside, names=names))
    query = "SELECT item_id, source, because_item_id FROM serving.recommend_from(%s, 50)"
    with shop.connect("reader") as db:
        for item in beside:
            [first, *others] = db.execute(query, [[item]]).fetchall()
            assert first == (item.removeprefix("with "), "session", item)
            assert others == [
                (f"of {item}", "popular_in_category", None),
                ("é", "popular", None),
                ("z", "popular", None),
            ]
        rows = db.execute(query, [list(beside)]).fetchall()
    shown = [row[0] for row in rows if row[1] == "session"]
    assert shown == sorted(HOSTILE, key=str.encode)


def test_uuid_ids(new_shop: Callable[..., Shop]) -> None:
    a, b, c = (f"00000000-0000-0000-0000-00000000000{digit}" for digit in "abc")
    shop = new_shop(ids={"user": "uuid", "item": "uuid"})
    shop.publish(shop.night(1, {}, popular={"all": [a, b, c]}, similar={a: [b]}))
    query = (
        "SELECT rank, item_id::text, reason, because_item_id::text FROM serving.recommend_from(%s::uuid[], 5)"
    )
    with shop.connect("reader") as db:
        rows = db.execute(query, [[a]]).fetchall()
    assert rows == [(1, b, ALIKE, a), (2, c, "recently_popular", None)]


N_ITEMS = 40


def some_shop(seed: int) -> dict[str, Lists]:
    """Lists of items 1 to 40 that overlap a good deal."""
    rng = random.Random(seed)

    def some(item: int, most: int) -> list[int]:
        others = [other for other in range(1, N_ITEMS + 1) if other != item]
        return rng.sample(others, rng.randint(1, most))

    items = range(1, N_ITEMS + 1)
    return {
        "popular": {"all": some(0, 30), **{name: some(0, 9) for name in "abcde"}},
        "also_bought": {item: some(item, 6) for item in items if rng.random() < 0.7},
        "similar": {item: some(item, 8) for item in items if rng.random() < 0.8},
        "names": {item: (None, rng.choice(["a", "b", "c", "d", "no list", None])) for item in items},
    }


def promised(lists: dict[str, Lists], blocked: set[int], given: list[int]) -> Iterator[tuple[Any, ...]]:
    """`item_id, source, reason, because_item_id` as docs/apps.md tells it, an item at a time."""
    gone = {*given, *blocked}
    for name, reason in (("also_bought", TOGETHER), ("similar", ALIKE)):
        named: dict[int, list[tuple[int, int]]] = {}
        for place, item in enumerate(given):
            for rank, other in enumerate(lists[name].get(item, []), start=1):
                named.setdefault(other, []).append((rank, place))
        for other in sorted(named, key=lambda i: (-len(named[i]), sum(rank for rank, _ in named[i]), i)):
            if other not in gone:
                yield other, "session", reason, given[min(named[other])[1]]
        gone |= set(named)
    counts = Counter(category for item in given if (category := lists["names"][item][1]))
    wished = [lists["popular"].get(name, []) for name, _ in counts.most_common()]
    by_place = [(place, tier, item) for tier, items in enumerate(wished) for place, item in enumerate(items)]
    in_categories = [
        (item, "popular_in_category", "popular_in_its_category") for _, _, item in sorted(by_place)
    ]
    for item, *why in [
        *in_categories,
        *((i, "popular", "recently_popular") for i in lists["popular"]["all"]),
    ]:
        if item not in gone:
            gone.add(item)
            yield item, *why, None


@pytest.mark.parametrize("seed", range(3))
def test_every_basket_of_a_made_up_shop_is_as_promised(shop: Shop, seed: int) -> None:
    lists = some_shop(seed)
    shop.publish(shop.night(1, **lists))
    rng = random.Random(seed)
    baskets = [
        rng.sample(range(1, N_ITEMS + 1), size) for size in (1, 1, 2, 2, 3, 5, 8, 13, 30) for _ in range(3)
    ]
    query = (
        "SELECT item_id, source, reason, because_item_id FROM serving.recommend_from(%s, %s) ORDER BY rank"
    )
    for blocked in (set(), set(rng.sample(range(1, N_ITEMS + 1), 12))):
        block(shop, *blocked)
        with shop.connect("reader") as db:
            for given in baskets:
                full = list(promised(lists, blocked, given))
                for n in (1, 3, 10, 200):
                    assert db.execute(query, [given, n]).fetchall() == full[:n], (given, n)


def test_parallel_workers_may_call_it(live_shop: Shop) -> None:
    query = f"SELECT sum(item_id), max(version) FROM serving.recommend_from({array([BREAD, MILK])})"
    [alone] = live_shop.read(query)
    with live_shop.connect("reader") as db:
        is_16 = db.info.server_version >= 160000
        db.execute(f"SET {'debug_parallel_query' if is_16 else 'force_parallel_mode'} = on".encode())
        plan = "\n".join(row[0] for row in db.execute(f"EXPLAIN ANALYZE {query}".encode()))
        assert "Workers Launched: 1" in plan
        assert db.execute(query.encode()).fetchone() == alone
