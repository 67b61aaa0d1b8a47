"""What an app shows beyond the published lists: `on_shelf`, `blocked_items`, `explain`, `also_bought`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from psycopg import errors as pg

from pipeline.serving import migrate, rollback
from tests.serving.nights import Shop

NAMES = {11: ("BANANAS", "fruit"), 12: (None, "fruit"), 13: ("  ", None), 21: ("Green tea", "tea & coffee")}


@pytest.fixture
def live_shop(shop: Shop) -> Shop:
    """User 1 has 11 to 14, user 2 bought tea; the first item of each list was bought before."""
    shop.publish(
        shop.night(
            1,
            {1: [11, 12, 13, 14], 2: [12], 3: [14, 13]},
            popular={"all": [11, 15, 21, 22], "tea & coffee": [21, 22], "tins": [23]},
            also_bought={11: [12, 13], 12: [11]},
            purchases={2: [22]},
            categories={2: ["tea & coffee", "tins"]},
            names=NAMES,
        )
    )
    return shop


def block(shop: Shop, item: object, until: str = "NULL") -> None:
    with shop.connect("operator") as db:
        db.execute(
            "INSERT INTO serving.blocked_items (item_id, reason, until)"
            f" VALUES (%s, 'sold out', {until})".encode(),
            [item],
        )


def shelf(shop: Shop, where: str = "true") -> list[tuple[Any, ...]]:
    return shop.read(f"SELECT user_id, rank, item_id FROM serving.on_shelf WHERE {where} ORDER BY 1, 2")


def test_on_shelf_is_recommendations_while_nothing_is_blocked(live_shop: Shop) -> None:
    everything = "SELECT * FROM serving.{} ORDER BY user_id, rank"
    published = live_shop.read(everything.format("recommendations"))
    assert len(published) == 7
    assert live_shop.read(everything.format("on_shelf")) == published


def test_blocked_items_leave_the_shelf_and_ranks_close_up(live_shop: Shop) -> None:
    published = live_shop.lists()
    block(live_shop, 12)
    block(live_shop, 14, "now() + interval '1 minute'")
    block(live_shop, 13, "now() - interval '1 microsecond'")
    assert shelf(live_shop) == [(1, 1, 11), (1, 2, 13), (3, 1, 13)]
    assert shelf(live_shop, "user_id = 1 AND rank = 2") == [(1, 2, 13)]
    assert live_shop.read(
        "SELECT score, reason, because_item_id FROM serving.on_shelf WHERE item_id = 13"
    ) == [
        (1 / 3, None, None),
        (1 / 2, None, None),
    ]
    assert live_shop.lists() == published
    with live_shop.connect("operator") as db:
        db.execute("DELETE FROM serving.blocked_items WHERE item_id = 12")
    assert shelf(live_shop, "user_id = 1 AND rank <= 2") == [(1, 1, 11), (1, 2, 12)]


def test_a_block_holds_from_the_next_statement_also_of_a_prepared_one(live_shop: Shop) -> None:
    first = "SELECT item_id FROM serving.on_shelf WHERE user_id = 1 AND rank = 1"
    with live_shop.connect("reader", prepare_threshold=0) as db:
        assert [db.execute(first).fetchall() for _ in range(8)] == [[(11,)]] * 8
        block(live_shop, 11)
        assert db.execute(first).fetchall() == [(12,)]


def test_a_block_that_is_not_committed_holds_for_nobody_else(live_shop: Shop) -> None:
    with live_shop.connect("operator") as db:
        with db.transaction(force_rollback=True):
            db.execute("INSERT INTO serving.blocked_items (item_id, reason) VALUES (11, 'a guess')")
            assert db.execute("SELECT item_id FROM serving.on_shelf WHERE item_id = 11").fetchall() == []
            assert shelf(live_shop, "item_id = 11") == [(1, 1, 11)]
        assert db.execute("SELECT rank FROM serving.on_shelf WHERE item_id = 11").fetchall() == [(1,)]


def test_blocks_outlive_publications_and_rollbacks(live_shop: Shop) -> None:
    block(live_shop, 11)
    live_shop.publish(live_shop.night(2))
    assert shelf(live_shop, "user_id = 1") == [(1, 1, 12), (1, 2, 13)]
    rollback(live_shop.url, live_shop.settings, say=live_shop.said.append)
    assert shelf(live_shop, "user_id = 1") == [(1, 1, 12), (1, 2, 13), (1, 3, 14)]


def test_an_unknown_item_may_be_blocked_before_it_is_published(live_shop: Shop) -> None:
    block(live_shop, -9_223_372_036_854_775_808)
    block(live_shop, 99)
    live_shop.publish(live_shop.night(2, {1: [99, 98]}))
    assert shelf(live_shop) == [(1, 1, 98)]


def test_the_block_says_who_and_when(live_shop: Shop) -> None:
    block(live_shop, 11)
    [row] = live_shop.read(
        "SELECT item_id, reason, until, blocked_at <= now(), blocked_by = session_user"
        " FROM serving.blocked_items",
        "operator",
    )
    assert row == (11, "sold out", None, True, True)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ("NULL, 'sold out', NULL", pg.NotNullViolation),
        ("11, NULL, NULL", pg.NotNullViolation),
        ("11, '', NULL", pg.CheckViolation),
        ("'abc', 'sold out', NULL", pg.InvalidTextRepresentation),
        ("11, 'sold out', 'some day'", pg.InvalidDatetimeFormat),
        ("10, 'again', NULL", pg.UniqueViolation),
    ],
)
def test_nonsense_is_not_a_block(live_shop: Shop, values: str, error: type[Exception]) -> None:
    block(live_shop, 10)
    with live_shop.connect("operator") as db, pytest.raises(error):
        db.execute(f"INSERT INTO serving.blocked_items (item_id, reason, until) VALUES ({values})".encode())


def test_a_block_is_renewed_by_the_usual_upsert(live_shop: Shop) -> None:
    block(live_shop, 11, "now() - interval '1 day'")
    with live_shop.connect("operator") as db:
        db.execute(
            "INSERT INTO serving.blocked_items (item_id, reason) VALUES (11, 'withdrawn')"
            " ON CONFLICT (item_id) DO UPDATE SET reason = excluded.reason, until = excluded.until"
        )
    assert shelf(live_shop, "item_id = 11") == []


def why(shop: Shop, user: object, item: object) -> object:
    with shop.connect("reader") as db:
        return db.execute("SELECT serving.explain(%s, %s)", [user, item]).fetchone()[0]


def reasons(shop: Shop, **by_item: tuple[str | None, int | None]) -> None:
    """Say why the items of user 1's list are there: `i12=("similar_to_purchase", 11)`."""
    with shop.connect("publisher") as db:
        for item, (reason, because) in by_item.items():
            db.execute(
                "UPDATE serving_storage.user_lists SET"
                " reasons[array_position(item_ids, %(item)s)] = %(reason)s::text,"
                " because_item_ids[array_position(item_ids, %(item)s)] = %(because)s::bigint"
                " WHERE user_id = 1",
                {"item": int(item[1:]), "reason": reason, "because": because},
            )


def test_reasons_become_sentences_with_names(live_shop: Shop) -> None:
    reasons(
        live_shop,
        i12=("similar_to_purchase", 11),
        i13=("similar_to_purchase", 12),
        i14=("similar_to_purchase", 13),
    )
    assert why(live_shop, 1, 11) == "because you bought BANANAS before"
    assert why(live_shop, 1, 12) == "because you bought BANANAS"
    assert why(live_shop, 1, 13) == "because you bought 12"
    assert why(live_shop, 1, 14) == "because you bought 13"
    assert why(live_shop, 2, 12) == "because you bought 12 before"


def test_every_other_reason_has_words_too(live_shop: Shop) -> None:
    reasons(
        live_shop,
        i11=("popular_in_category", None),
        i12=("recently_popular", None),
        i13=("popular_in_category", None),
        i14=("similar_to_purchase", None),
    )
    assert why(live_shop, 1, 11) == "popular in fruit, where you bought"
    assert why(live_shop, 1, 12) == "popular in the shop"
    assert why(live_shop, 1, 13) == why(live_shop, 1, 14) == "recommended for you"
    reasons(live_shop, i11=("looked_at", None), i12=("similar_to_view", 11))
    assert why(live_shop, 1, 11) == "because you looked at BANANAS before"
    assert why(live_shop, 1, 12) == "because you looked at BANANAS"
    reasons(live_shop, i11=(None, None), i12=("of a later release", 11))
    assert why(live_shop, 1, 11) == why(live_shop, 1, 12) == "recommended for you"


def test_what_a_list_is_filled_up_with_is_explained(live_shop: Shop) -> None:
    assert why(live_shop, 2, 21) == "popular in tea & coffee, where you bought"
    assert why(live_shop, 2, 23) == "recommended for you"
    assert why(live_shop, 2, 15) == why(live_shop, 1, 22) == "popular in the shop"
    assert why(live_shop, -1, 11) == why(live_shop, None, 11) == "popular in the shop"


@pytest.mark.parametrize(
    ("user", "item"),
    [(1, 99), (1, 23), (2, 22), (-1, 12), (1, None), (None, None), (None, 12)],
    ids=["unknown", "another's category", "bought", "another's list", "null", "nobody", "nobody's list"],
)
def test_what_is_not_shown_is_not_explained(live_shop: Shop, user: int | None, item: int | None) -> None:
    assert why(live_shop, user, item) is None


def test_what_is_blocked_is_not_explained(live_shop: Shop) -> None:
    assert why(live_shop, 1, 11) is not None
    block(live_shop, 11)
    assert why(live_shop, 1, 11) is None
    assert why(live_shop, -1, 11) is None


def test_what_lies_beyond_max_n_is_not_explained(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(max_n=2)
    shop.publish(shop.night(1, {1: [11, 12, 13]}, popular={"all": [14, 15, 16]}))
    assert [why(shop, 1, item) is None for item in (12, 13, 14)] == [False, True, True]
    assert [why(shop, 9, item) is None for item in (15, 16)] == [False, True]
    block(shop, 11)
    assert [why(shop, 1, item) is None for item in (12, 13)] == [False, False]


def test_whatever_recommend_shows_has_words_and_nothing_else_has(live_shop: Shop) -> None:
    block(live_shop, 13)
    rows = live_shop.read(
        "SELECT u, i, i IN (SELECT item_id FROM serving.recommend(u, 200)), serving.explain(u, i) IS NOT NULL"
        " FROM generate_series(0, 4) AS u, generate_series(9, 25) AS i"
    )
    assert [row for row in rows if row[2] != row[3]] == []
    assert {row[2] for row in rows} == {True, False}


HOSTILE = ("'; DROP TABLE x; --", "%s {} $1", "<b>tea</b>", 'a "b" \\', "naïve ☕", "line\nend\ttab", "null")


def test_names_and_ids_of_any_kind_come_back_as_they_were(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(ids={"user": "text", "item": "text"})
    names = {item: (item + "'s name", item) for item in HOSTILE}
    lists = {user: [item] for user, item in zip(HOSTILE, HOSTILE, strict=True)}
    popular = {"all": ["no name"], **{item: ["of " + item] for item in HOSTILE}}
    names |= {"of " + item: ("thing", item) for item in HOSTILE}
    wished = {user: [user] for user in HOSTILE}
    shop.publish(
        shop.night(
            1,
            lists,
            popular=popular,
            similar={},
            also_bought={"\\.": HOSTILE},
            names=names,
            categories=wished,
        )
    )
    for one in HOSTILE:
        assert why(shop, one, one) == f"because you bought {one}'s name before"
        assert why(shop, one, "of " + one) == f"popular in {one}, where you bought"
        assert why(shop, one, "no name") == "popular in the shop"
    block(shop, HOSTILE[0])
    with shop.connect("reader") as db:
        shown = db.execute('SELECT item_id FROM serving.on_shelf ORDER BY user_id COLLATE "C"').fetchall()
        assert [row[0] for row in shown] == sorted(HOSTILE[1:], key=lambda text: text.encode())
        beside = db.execute("SELECT also_bought_item_id FROM serving.also_bought ORDER BY rank").fetchall()
        assert [row[0] for row in beside] == list(HOSTILE)


def test_uuid_ids(new_shop: Callable[..., Shop]) -> None:
    a, b, c = (f"00000000-0000-0000-0000-00000000000{end}" for end in "abc")
    shop = new_shop(ids={"user": "uuid", "item": "uuid"})
    shop.publish(
        shop.night(
            1, {a: [b, c]}, popular={"all": [c]}, similar={}, also_bought={b: [c]}, names={c: ("C", None)}
        )
    )
    assert why(shop, a, b) == f"because you bought {b} before"
    assert why(shop, b, c) == "popular in the shop"
    block(shop, b)
    assert shop.read("SELECT rank, item_id::text FROM serving.on_shelf") == [(1, c)]
    assert shop.read("SELECT also_bought_item_id::text FROM serving.also_bought") == [(c,)]


def test_also_bought_has_support_and_lift_of_the_live_version_only(live_shop: Shop) -> None:
    query = "SELECT * FROM serving.also_bought ORDER BY item_id, rank"
    assert live_shop.read(query) == [
        (11, 1, 12, 1.0, 2.0, 1),
        (11, 2, 13, 0.5, 1.5, 1),
        (12, 1, 11, 1.0, 2.0, 1),
    ]
    live_shop.publish(live_shop.night(2, also_bought={14: [11]}))
    assert live_shop.read(query) == [(14, 1, 11, 1.0, 2.0, 2)]


def test_before_the_first_publication_the_shelf_is_empty(shop: Shop) -> None:
    migrate(shop.url, shop.settings, say=shop.said.append)
    block(shop, 11)
    for view in ("on_shelf", "also_bought", "popular_items", "similar_items", "recommendations"):
        assert shop.read(f"SELECT * FROM serving.{view}") == []
    assert why(shop, 1, 11) is None
