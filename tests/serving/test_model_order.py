"""The view `model_order`: lists as they stood before they were given variety."""

from __future__ import annotations

import psycopg
import pytest

from pipeline.serving import migrate, publication, rollback, schema
from tests.serving.nights import Shop, without_details

ORDER = "SELECT model_rank, item_id, rank FROM serving.model_order WHERE user_id = 1 ORDER BY model_rank"
MOVED = {1: [2, 1, None, 3, 17]}
"""The third item of user 1 is new in the shop; the fifth stood far below, those between are in no list."""


@pytest.fixture
def moved(shop: Shop) -> Shop:
    shop.publish(shop.night(1, {1: [11, 12, 13, 14, 15], 2: [12]}, model_ranks=MOVED))
    return shop


def test_places_are_those_of_the_model_up_to_the_first_that_is_missing(moved: Shop) -> None:
    assert moved.read(ORDER) == [(1, 12, 2), (2, 11, 1), (3, 14, 4)]
    assert moved.read("SELECT count(*) FROM serving.model_order WHERE user_id = 2") == [(0,)]


def test_blocked_items_are_left_out_and_the_others_stand_where_they_are_shown(moved: Shop) -> None:
    with moved.connect("operator") as db:
        db.execute("INSERT INTO serving.blocked_items (item_id, reason) VALUES (11, 'sold out')")
    assert moved.read(ORDER) == [(1, 12, 1), (3, 14, 3)]
    shown = moved.read("SELECT item_id, rank FROM serving.on_shelf WHERE user_id = 1")
    assert {(item, rank) for _, item, rank in moved.read(ORDER)} <= set(shown)


@pytest.mark.parametrize(
    "wrong", ["'{1,2}'", "'{0,1,2,3,4}'", "'{}'", "'[0:4]={1,2,3,4,5}'", "'{{1,2,3,4,5}}'"]
)
def test_the_table_refuses_nonsense(moved: Shop, wrong: str) -> None:
    with moved.connect("publisher") as db, pytest.raises(psycopg.errors.CheckViolation):
        db.execute(f"UPDATE serving_storage.user_lists SET model_rank = {wrong} WHERE user_id = 1".encode())


def test_lists_published_before_have_no_such_order_and_go_live_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "UPGRADES", schema.UPGRADES[: 12 - schema.BASE])
        before.setattr(schema, "VERSION", 12)
        before.setattr(publication, "KINDS", without_details())
        shop.publish(shop.night(1, {1: [11, 12]}))
    lists = shop.lists()
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert shop.lists() == lists
    shop.publish(shop.night(2, {1: [12, 11]}, model_ranks={1: [2, 1]}))
    assert shop.read(ORDER) == [(1, 11, 2), (2, 12, 1)]
    rollback(shop.url, shop.settings, say=shop.said.append)
    assert (shop.lists(), shop.read(ORDER)) == (lists, [])
