"""pipeline/lists/new_items.py: the places of new items in lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.cold.items import ColdItems, cold_items
from pipeline.lists.new_items import NewItems, new_items
from pipeline.models.top_n import NOTHING
from pipeline.settings.publishing import Recommend
from pipeline.splits.history import History
from tests.cold.shop import CUT, at_cut, items, written
from tests.shelf import day

DATES = {"added_at": {30: day(99), 31: day(80)}}
"""The tea of summer is new, the chisel is not; of the thing nobody knows since when it is there."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[History, ColdItems]]:
    with at_cut(tmp_path) as history:
        cold = cold_items(history, written(tmp_path / "items.parquet", items(**DATES)), None, CUT)
        assert cold is not None
        yield history, cold


def places(slots: int, from_rank: int) -> Recommend:
    return Recommend(new_items_slots=slots, new_items_from_rank=from_rank)


def made(shop: tuple[History, ColdItems], slots: int = 1, from_rank: int = 4) -> NewItems:
    new = new_items(*shop, places(slots, from_rank))
    assert new is not None
    return new


def test_new_is_what_was_added_or_first_bought_lately(shop: tuple[History, ColdItems]) -> None:
    assert made(shop).item_ids.to_pylist() == [30, 32]
    history, cold = shop
    shorter = Recommend(new_items_days=3.0)
    assert new_items(history, cold, shorter).item_ids.to_pylist() == [30]  # type: ignore[union-attr]


def test_without_places_without_new_items_and_without_items_there_are_none(
    shop: tuple[History, ColdItems],
) -> None:
    history, cold = shop
    assert new_items(history, cold, places(0, 4)) is None
    assert new_items(history, cold.only(np.isinf(cold.age_days)), places(1, 4)) is None
    assert new_items(history, None, places(1, 4)) is None


def test_who_buys_of_no_category_with_new_items_keeps_the_list(shop: tuple[History, ColdItems]) -> None:
    new = made(shop, slots=2)
    best = new.best(np.arange(3), np.full((3, 4), NOTHING, np.int32))
    shown = [[new.item_ids[item].as_py() for item in of_user if item != NOTHING] for of_user in best.tolist()]
    assert shown == [[32, 30], [], [30]]


@pytest.mark.parametrize(
    ("listed", "new", "source"),
    [
        ([5, 6, 7, 8, 9], [0], [0, 1, 2, -2, 3]),
        ([5, 6, 7, 8, 9], [NOTHING], [0, 1, 2, 3, 4]),
        ([5, 6, NOTHING, NOTHING, NOTHING], [0], [0, 1, -2, NOTHING, NOTHING]),
        ([NOTHING] * 5, [0], [-2, NOTHING, NOTHING, NOTHING, NOTHING]),
        ([5, 6, 7, 8, 9], [0, 1], [0, 1, 2, -2, -3]),
        ([5, 6, 7, 8, 9], [1, NOTHING], [0, 1, 2, -2, 3]),
        ([5, 6], [0], [0, 1]),
    ],
)
def test_what_stood_in_the_place_moves_down(
    shop: tuple[History, ColdItems], listed: list[int], new: list[int], source: list[int]
) -> None:
    put = made(shop, slots=len(new)).put_in(np.array([listed], np.int32), np.array([new], np.int32))
    assert put.tolist() == [source]
