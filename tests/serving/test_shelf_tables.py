"""What fills a list up and explains it is stored with its version and goes with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.errors import ContractBroken
from pipeline.serving.copy_lines import KINDS
from tests.serving.nights import Shop

SHELF = {
    "also_bought": {11: [12, 13]},
    "purchases": {1: [15, 16], 9: [15]},
    "categories": {1: ["tea", 'b"i\\g'], 9: ["tea"]},
    "segments": {7: 2, 8: 1},
    "in_segment": {1: [12], 2: [11, 12]},
    "names": {11: ("Assam\tloose", "tea"), 12: (None, "tea"), 13: ("Cup", None)},
}
STORED = {
    "also_bought_lists": [(1, 11, [12, 13], [1.0, 0.5], [2.0, 1.5])],
    "user_purchases": [(1, 1, [15, 16]), (1, 9, [15])],
    "user_categories": [(1, 1, ["tea", 'b"i\\g']), (1, 9, ["tea"])],
    "user_segments": [(1, 7, 2), (1, 8, 1)],
    "segment_lists": [(1, 1, [12], [1.0]), (1, 2, [11, 12], [1.0, 0.5])],
    "item_names": [(1, 11, "Assam\tloose", "tea"), (1, 12, None, "tea"), (1, 13, "Cup", None)],
}


def stored(shop: Shop, table: str) -> list[tuple[object, ...]]:
    return shop.read(f"SELECT * FROM serving_storage.{table} ORDER BY 1, 2", "publisher")


@pytest.mark.parametrize("table", STORED)
def test_is_stored_as_it_was_written(shop: Shop, table: str) -> None:
    shop.publish(shop.night(1, **SHELF))
    assert stored(shop, table) == STORED[table]


def test_goes_with_its_version(new_shop: Callable[..., Shop]) -> None:
    shop = new_shop(keep_versions=1)
    for day in (1, 2, 3):
        shop.publish(shop.night(day, **SHELF))
    for kind in KINDS:
        assert {row[0] for row in stored(shop, kind.table)} == {2, 3}, kind.table


def test_is_published_anew_when_it_alone_has_changed(shop: Shop) -> None:
    first = shop.publish(shop.night(1, **SHELF))
    second = shop.publish(shop.night(1, run_id="night-1", **{**SHELF, "names": {11: ("Darjeeling", "tea")}}))
    assert second.version == (first.version or 0) + 1
    assert stored(shop, "item_names")[-1] == (second.version, 11, "Darjeeling", "tea")


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"also_bought": {11: [11]}}, "no_item_is_its_own"),
        ({"also_bought": {11: [12, 12]}}, "no_item_twice"),
        ({"purchases": {1: [15, 15]}}, "no_item_twice"),
        ({"categories": {1: ["tea", "tea"]}}, "no_category_twice"),
        ({"in_segment": {1: [12, 12]}}, "no_item_twice"),
        ({"in_segment": {0: [12]}}, "segment_lists_segment_check"),
        ({"segments": {7: 0}}, "user_segments_segment_check"),
    ],
)
def test_nonsense_is_refused(shop: Shop, wrong: dict[str, object], constraint: str) -> None:
    shop.publish(shop.night(1))
    with pytest.raises(ContractBroken) as refused:
        shop.publish(shop.night(2, **wrong))
    assert constraint in (refused.value.found or "")
    assert {row[0] for row in stored(shop, "user_lists")} == {1}
