"""`recommend(user_id, n)`: n rows for anyone while the catalogue has them, from the nearest tier first."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.serving import migrate
from tests.serving.nights import Lists, Shop


@pytest.fixture
def live_shop(shop: Shop) -> Shop:
    """User 1 has 11, 12, 13; popular are 11, 15, 16, 17."""
    shop.publish(shop.night(1))
    return shop


def picked(shop: Shop, call: str) -> list[tuple[Any, ...]]:
    """`rank, item_id, source` of a call."""
    return shop.read(f"SELECT rank, item_id, source FROM serving.recommend({call})")


def test_own_list_first_then_popular_no_item_twice(live_shop: Shop) -> None:
    assert picked(live_shop, "1, 5") == [
        (1, 11, "personal"),
        (2, 12, "personal"),
        (3, 13, "personal"),
        (4, 15, "popular"),
        (5, 16, "popular"),
    ]


def test_a_long_enough_list_needs_nothing_else(live_shop: Shop) -> None:
    assert picked(live_shop, "1, 2") == [(1, 11, "personal"), (2, 12, "personal")]


def test_the_catalogue_ends_before_n(live_shop: Shop) -> None:
    assert [row[1] for row in picked(live_shop, "1, 100")] == [11, 12, 13, 15, 16, 17]


@pytest.mark.parametrize("user", ["99", "-1", "NULL"])
def test_anyone_else_gets_what_is_popular(live_shop: Shop, user: str) -> None:
    assert picked(live_shop, f"{user}, 2") == [(1, 11, "popular"), (2, 15, "popular")]


@pytest.mark.parametrize("n", ["0", "-1", "NULL", "-2147483648"])
def test_asking_for_nothing_gets_nothing(live_shop: Shop, n: str) -> None:
    assert picked(live_shop, f"1, {n}") == []


def test_ten_unless_told(live_shop: Shop) -> None:
    live_shop.publish(live_shop.night(2, popular={"all": list(range(100, 130))}))
    assert len(picked(live_shop, "99")) == 10
    assert len(picked(live_shop, "n => 12, user_id => 1")) == 12


def test_never_more_than_max_n(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(max_n=4)
    shop.publish(shop.night(1))
    assert len(picked(shop, "1, 2147483647")) == 4


def test_says_why_and_which_version(live_shop: Shop) -> None:
    rows = live_shop.read("SELECT * FROM serving.recommend(2, 3)")
    assert rows == [
        (1, 12, 1.0, "personal", "bought_again", 12, 1),
        (2, 14, 0.5, "personal", None, None, 1),
        (3, 11, 1.0, "popular", "recently_popular", None, 1),
    ]


def test_nothing_before_the_first_publication(shop: Shop) -> None:
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert picked(shop, "1, 5") == []


def test_by_a_join_over_many_users(live_shop: Shop) -> None:
    rows = live_shop.read(
        "SELECT u, string_agg(item_id::text, ' ' ORDER BY rank)"
        " FROM (VALUES (1::bigint), (2), (3)) AS v(u), serving.recommend(u, 2) GROUP BY u ORDER BY u"
    )
    assert rows == [(1, "11 12"), (2, "12 14"), (3, "11 15")]


HOSTILE = (
    "",
    " ",
    "null",
    "NULL",
    "{a,b}",
    'q"uote',
    "back\\slash",
    "tab\there",
    "line\nend\r",
    "naïve ☕",
    "\\N",
)


def test_text_ids_come_back_as_they_were(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(ids={"user": "text", "item": "text"})
    users: Lists = {user: list(HOSTILE) for user in HOSTILE}
    popular: Lists = {"all": [*HOSTILE, "x", "y"], "c\tup": ["x"]} | {
        name + "'s": [name + "!"] for name in HOSTILE
    }
    shop.publish(
        shop.night(
            1,
            users,
            popular=popular,
            similar={"\\.": HOSTILE},
            purchases={user: ["y", *HOSTILE] for user in HOSTILE},
            categories={user: [user + "'s"] for user in HOSTILE},
        )
    )
    with shop.connect("reader") as db:
        for user in HOSTILE:
            rows = db.execute("SELECT item_id, source FROM serving.recommend(%s, 50)", [user]).fetchall()
            assert rows[:-2] == [(item, "personal") for item in HOSTILE]
            assert rows[-2:] == [(user + "!", "popular_in_category"), ("x", "popular")]
    assert shop.read("SELECT item_id FROM serving.popular_items WHERE category = E'c\\tup'") == [("x",)]
    assert shop.read(r"SELECT count(*) FROM serving.similar_items WHERE item_id = '\.'") == [(len(HOSTILE),)]


def test_uuid_ids(new_shop: Callable[..., Shop]) -> None:
    a, b = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
    shop = new_shop(ids={"user": "uuid", "item": "uuid"})
    c, d = a.replace("a", "c"), a.replace("a", "d")
    popular = {"all": [a, b, c, d], "tea": [d, c]}
    shop.publish(
        shop.night(
            1, {a: [b]}, popular=popular, similar={a: [b]}, purchases={a: [d]}, categories={a: ["tea"]}
        )
    )
    rows = shop.read(f"SELECT rank, item_id::text, source FROM serving.recommend('{a}', 5)")
    assert rows == [(1, b, "personal"), (2, c, "popular_in_category"), (3, a, "popular")]


@pytest.fixture
def buyers(shop: Shop) -> Shop:
    """User 1 has a list and two categories, 2 bought without a list, 3 bought nothing."""
    shop.publish(
        shop.night(
            1,
            {1: [11, 12], 3: [13]},
            popular={"all": [11, 21, 31, 41, 42], "tea": [21, 22, 23, 11], "jam": [31, 21, 32]},
            purchases={1: [22, 41], 2: [21, 31]},
            categories={1: ["jam", "tea"], 2: ["tea", "no such list"]},
        )
    )
    return shop


def test_then_the_best_of_each_category_then_the_shop(buyers: Shop) -> None:
    assert picked(buyers, "1, 20") == [
        (1, 11, "personal"),
        (2, 12, "personal"),
        (3, 31, "popular_in_category"),
        (4, 21, "popular_in_category"),
        (5, 32, "popular_in_category"),
        (6, 23, "popular_in_category"),
        (7, 42, "popular"),
    ]


def test_what_was_bought_is_never_filled_up_with(buyers: Shop) -> None:
    assert [row[1:] for row in picked(buyers, "2, 20")] == [
        (22, "popular_in_category"),
        (23, "popular_in_category"),
        (11, "popular_in_category"),
        (41, "popular"),
        (42, "popular"),
    ]
    assert [row[1] for row in picked(buyers, "3, 20")] == [13, 11, 21, 31, 41, 42]


def test_the_reason_of_a_category(buyers: Shop) -> None:
    assert buyers.read("SELECT * FROM serving.recommend(1, 3) OFFSET 2") == [
        (3, 31, 1.0, "popular_in_category", "popular_in_category", None, 1)
    ]


def test_a_publication_without_purchases_serves_all_the_same(buyers: Shop) -> None:
    buyers.publish(buyers.night(2, {}, popular={}, similar={}))
    assert picked(buyers, "1, 5") == picked(buyers, "9, 5") == []
    buyers.publish(buyers.night(3, {}, popular={"tea": [21]}, categories={1: ["tea"]}))
    assert picked(buyers, "1, 5") == [(1, 21, "popular_in_category")]
    assert picked(buyers, "9, 5") == []


def block(shop: Shop, *items: object, until: str = "NULL") -> None:
    """Block items as the operator does."""
    with shop.connect("operator") as db, db.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO serving.blocked_items (item_id, reason, until) VALUES (%s, 'sold out', {until})",
            [[item] for item in items],
        )


def test_a_blocked_item_is_in_no_tier_and_ranks_close_up(buyers: Shop) -> None:
    block(buyers, 11, 31, 42)
    block(buyers, 21, until="now() + interval '1 hour'")
    block(buyers, 12, until="now() - interval '1 second'")
    block(buyers, 23, until="'-infinity'")
    block(buyers, 32, until="'infinity'")
    assert picked(buyers, "1, 20") == [(1, 12, "personal"), (2, 23, "popular_in_category")]
    assert picked(buyers, "3, 2") == [(1, 13, "personal"), (2, 41, "popular")]
    with buyers.connect("operator") as db:
        db.execute("DELETE FROM serving.blocked_items WHERE item_id = 11")
        db.execute("UPDATE serving.blocked_items SET until = now() WHERE item_id = 31")
    assert [row[1] for row in picked(buyers, "1, 3")] == [11, 12, 31]


def test_a_block_holds_from_the_next_statement_for_whoever_is_connected(buyers: Shop) -> None:
    with buyers.connect("reader", prepare_threshold=1) as db:
        first = "SELECT item_id FROM serving.recommend(1, 1)"
        assert [db.execute(first).fetchall() for _ in range(8)] == [[(11,)]] * 8
        block(buyers, 11)
        assert db.execute(first).fetchall() == [(12,)]
        with buyers.connect("operator") as night_shift:
            night_shift.execute("DELETE FROM serving.blocked_items")
        assert db.execute(first).fetchall() == [(11,)]


def test_when_all_is_blocked_nothing_is_left(buyers: Shop) -> None:
    block(buyers, *range(11, 43))
    for user in (1, 2, 3, 99):
        assert picked(buyers, f"{user}, 20") == []


N_ITEMS, N_USERS = 60, 40
SIZES = (1, 2, 3, 5, 8, 13, 21, 200)


def some_shop(seed: int) -> dict[str, Lists]:
    """Lists of items 1 to 60 that overlap a good deal; user 0 is nowhere in them."""
    rng = random.Random(seed)

    def some(most: int) -> list[int]:
        return rng.sample(range(1, N_ITEMS + 1), rng.randint(0, most))

    def lists(most: int) -> Lists:
        all_lists = {user: some(most) for user in range(1, N_USERS + 1)}
        return {user: items for user, items in all_lists.items() if items}

    popular = {name: some(12) or [1] for name in "abcdef"}
    wished = {user: rng.sample("abcdefg", rng.randint(1, 7)) for user in range(1, N_USERS + 1, 2)}
    return {
        "users": lists(9),
        "popular": {"all": some(40) or [2], **popular},
        "purchases": lists(30),
        "categories": wished,
    }


def promised(lists: dict[str, Lists], blocked: set[int], user: int) -> Iterator[tuple[int, str]]:
    """The shelf of a user as README.md tells it, an item at a time."""
    own, popular = lists["users"].get(user, []), lists["popular"]
    yield from ((item, "personal") for item in own if item not in blocked)
    gone = {*own, *lists["purchases"].get(user, []), *blocked}
    wished = [popular.get(name, []) for name in lists["categories"].get(user, [])]
    by_place = [(place, tier, item) for tier, items in enumerate(wished) for place, item in enumerate(items)]
    fill = [(item, "popular_in_category") for _, _, item in sorted(by_place)]
    for item, source in [*fill, *((item, "popular") for item in popular["all"])]:
        if item not in gone:
            gone.add(item)
            yield item, source


@pytest.mark.parametrize("seed", range(3))
def test_every_shelf_of_a_made_up_shop_is_as_promised(shop: Shop, seed: int) -> None:
    lists = some_shop(seed)
    shop.publish(shop.night(1, **lists))
    for blocked in (set(), set(random.Random(seed).sample(range(1, N_ITEMS + 1), 25))):
        block(shop, *blocked)
        rows = shop.read(
            "SELECT u, n, array_agg(item_id ORDER BY rank), array_agg(source ORDER BY rank),"
            " array_agg(rank ORDER BY rank)"
            f" FROM generate_series(0, {N_USERS}) AS u, unnest(ARRAY{list(SIZES)}) AS n,"
            " serving.recommend(u, n) GROUP BY u, n"
        )
        shelves = {
            (u, n): (list(zip(items, sources, strict=True)), ranks) for u, n, items, sources, ranks in rows
        }
        for user in range(N_USERS + 1):
            full = list(promised(lists, blocked, user))
            for n in SIZES:
                shelf, ranks = shelves.get((user, n), ([], []))
                assert shelf == full[:n], (user, n)
                assert ranks == list(range(1, len(shelf) + 1))


def test_a_repeatable_read_transaction_keeps_its_shelf(buyers: Shop) -> None:
    with buyers.connect("reader") as db, db.transaction():
        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        before = db.execute("SELECT * FROM serving.recommend(1, 20)").fetchall()
        block(buyers, 11, 31)
        buyers.publish(buyers.night(2))
        assert db.execute("SELECT * FROM serving.recommend(1, 20)").fetchall() == before
    assert picked(buyers, "1, 1") == [(1, 12, "personal")]


def test_parallel_workers_may_call_it(buyers: Shop) -> None:
    query = "SELECT sum(item_id), max(version) FROM serving.recommend(1, 20)"
    [alone] = buyers.read(query)
    with buyers.connect("reader") as db:
        is_16 = db.info.server_version >= 160000
        db.execute(f"SET {'debug_parallel_query' if is_16 else 'force_parallel_mode'} = on".encode())
        plan = "\n".join(row[0] for row in db.execute(f"EXPLAIN ANALYZE {query}".encode()))
        assert "Workers Launched: 1" in plan
        assert db.execute(query.encode()).fetchone() == alone
