"""`recommend(user_id, n)`: n rows for anyone while the catalogue has them, by index lookups."""

from __future__ import annotations

from collections.abc import Callable
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
    shop.publish(shop.night(1, users, popular={"all": HOSTILE, "c\tup": ["x"]}, similar={"\\.": HOSTILE}))
    with shop.connect("reader") as db:
        for user in HOSTILE:
            found = db.execute("SELECT item_id, source FROM serving.recommend(%s, 50)", [user]).fetchall()
            assert found == [(item, "personal") for item in HOSTILE]
    assert shop.read("SELECT item_id FROM serving.popular_items WHERE category = E'c\\tup'") == [("x",)]
    assert shop.read(r"SELECT count(*) FROM serving.similar_items WHERE item_id = '\.'") == [(len(HOSTILE),)]


def test_uuid_ids(new_shop: Callable[..., Shop]) -> None:
    a, b = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
    shop = new_shop(ids={"user": "uuid", "item": "uuid"})
    shop.publish(shop.night(1, {a: [b]}, popular={"all": [a, b]}, similar={a: [b]}))
    rows = shop.read(f"SELECT rank, item_id::text, source FROM serving.recommend('{a}', 5)")
    assert rows == [(1, b, "personal"), (2, a, "popular")]


@pytest.fixture
def big_shop(shop: Shop) -> Shop:
    """Three versions of 3,000 lists: enough that a look at every row would show."""
    for day in (1, 2, 3):
        users = {user: range(user, user + 10) for user in range(3000)}
        shop.publish(shop.night(day, users, similar={item: [item + 1] for item in range(3000)}))
    return shop


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM serving.recommendations WHERE user_id = 77 ORDER BY rank LIMIT 3", "user_lists_pkey"),
        ("SELECT * FROM serving.recommendations WHERE user_id = 77 AND rank <= 3", "user_lists_pkey"),
        ("SELECT * FROM serving.similar_items WHERE item_id = 77", "similar_lists_pkey"),
    ],
)
def test_one_list_is_one_index_lookup(big_shop: Shop, query: str, index: str) -> None:
    plan = "\n".join(row[0] for row in big_shop.read(f"EXPLAIN {query}", "owner"))
    assert f"using {index} on" in plan
    assert "version = (InitPlan" in plan
    assert "user_id = 77" in plan or "item_id = 77" in plan
    assert "Seq Scan on user_lists" not in plan


@pytest.mark.parametrize("user", [77, 999_999])
def test_recommend_touches_a_handful_of_pages(big_shop: Shop, user: int) -> None:
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM serving.recommend({user}, 20)".encode()
    with big_shop.connect("reader") as db:
        plans = [db.execute(explain).fetchone()[0][0]["Plan"] for _ in range(8)]
    pages = [plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in plans]
    [[stored]] = big_shop.read("SELECT relpages FROM pg_class WHERE relname = 'user_lists'", "")
    assert stored > 150
    assert max(pages[1:]) <= 12
