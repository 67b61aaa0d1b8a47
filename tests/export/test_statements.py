"""Every file of sql/export/ by itself, as the owner runs it on what is live."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pipeline.export.statements import FOLDER, statement
from pipeline.serving.names import Names
from tests.service.conftest import LISTS
from tests.serving.nights import Shop

Ask = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def rows_of(shop: Shop) -> Ask:
    """`rows_of("users", n=3)`: what the statement gives the owner, where users 2 and 3 have no list."""
    shop.publish(shop.night(2, {1: [14, 11]}, **LISTS))

    def ask(name: str, **values: Any) -> list[tuple[Any, ...]]:
        query = statement(Names.of(shop.settings.serving), name, shop.settings.ids)
        with shop.connect("owner") as db:
            return db.execute(query, values).fetchall()

    return ask


def test_shop_is_the_live_version_and_the_most_rows(rows_of: Ask, shop: Shop) -> None:
    assert rows_of("shop") == [(2, shop.settings.serving.max_n)]


def test_users_have_their_first_items(rows_of: Ask) -> None:
    assert rows_of("users", n=1) == [(1, [14], ["1"], ["bought_again"], [14])]
    assert rows_of("users", n=5)[0][1] == [14, 11]


def test_lists_of_items_have_their_first_ones(rows_of: Ask) -> None:
    assert sorted(rows_of("similar", n=1)) == [(11, [12], ["1"]), (12, [11], ["1"])]
    assert sorted(rows_of("also_bought", n=2))[1] == (12, [11, 21], ["1", "0.5"], ["2", "1.5"])


def test_listless_are_those_of_whom_something_else_is_known(rows_of: Ask) -> None:
    assert rows_of("listless") == [(2,)]


def test_filled_is_what_recommend_gives(rows_of: Ask, shop: Shop) -> None:
    found = {user: items for user, items, *_ in rows_of("filled", user_ids=[1, 2, 99], n=4)}
    with shop.connect("reader") as db:
        for user, items in found.items():
            rows = db.execute("SELECT item_id FROM serving.recommend(%s, 4)", [user]).fetchall()
            assert items == [item for (item,) in rows]
    assert set(found) == {1, 2, 99}


def test_blocked_are_those_that_are_blocked_now(rows_of: Ask, shop: Shop) -> None:
    with shop.connect("owner") as db:
        into = "INSERT INTO serving.blocked_items (item_id, reason, until)"
        insert = f"{into} VALUES (%s, 'x', now() + %s::interval)"
        for item, until in ((12, None), (11, "1 hour"), (13, "-1 hour")):
            db.execute(insert, [item, until])
    assert rows_of("blocked") == [(11,), (12,)]


def test_lock_is_held_by_one_transaction(rows_of: Ask, shop: Shop) -> None:
    query = statement(Names.of(shop.settings.serving), "lock")
    with psycopg.connect(shop.url) as db:
        assert db.execute(query, {"storage": "serving_storage"}).fetchall() == [(True,)]
        assert rows_of("lock", storage="serving_storage") == [(False,)]
        assert rows_of("lock", storage="elsewhere_storage") == [(True,)]
    assert rows_of("lock", storage="serving_storage") == [(True,)]


def test_every_statement_is_run_here() -> None:
    named = set(re.findall(r'(?:rows_of\(|serving\), )"(\w+)"', Path(__file__).read_text(encoding="utf-8")))
    assert {path.stem for path in FOLDER.iterdir()} == named
