"""pipeline/lists/similar.py: items in two directions, whose cosines can be seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from pipeline.cold.items import ColdItems, cold_items
from pipeline.lists.similar import merged, similar_by_people, similar_items, similar_to_cold
from pipeline.models.als_factors import AlsFactors
from tests.cold.shop import CUT, at_cut, items, written
from tests.shelf import pairs

FACTORS = AlsFactors(
    np.ones((1, 2), np.float32),
    np.array([[1, 0], [2, 0.2], [0, 1], [0.1, 3], [1, 1]], np.float32),
    pa.array([7]),
    pa.array([10, 11, 12, 13, 14]),
)


def rows(factors: AlsFactors, length: int) -> pa.Table:
    return pa.Table.from_batches(list(similar_items(factors, length)))


def test_the_nearest_by_angle_not_by_length_and_never_the_item_itself() -> None:
    table = rows(FACTORS, 1)
    assert pairs(table, "item_id", "rank", "similar_item_id") == [
        (10, 1, 11), (11, 1, 10), (12, 1, 13), (13, 1, 12), (14, 1, 11),
    ]  # fmt: skip
    assert np.allclose(table["score"][0].as_py(), 2 / np.sqrt(2**2 + 0.2**2))


def test_hidden_items_have_no_list_and_are_in_none() -> None:
    table = rows(FACTORS.hide(np.array([1])), 2)
    assert 11 not in table["item_id"].to_pylist() + table["similar_item_id"].to_pylist()
    assert pairs(table.filter(pa.compute.equal(table["item_id"], 10)), "rank", "similar_item_id") == [
        (1, 14),
        (2, 13),
    ]


def test_lists_of_some_items_are_those_that_they_have_among_all() -> None:
    hidden = FACTORS.hide(np.array([1]))
    whole = pa.Table.from_batches(list(similar_items(hidden, 2))).to_pylist()
    some = pa.Table.from_batches(list(similar_items(hidden, 2, np.array([0, 1, 4])))).to_pylist()
    assert some == [row for row in whole if row["item_id"] in (10, 14)] != []
    assert list(similar_items(hidden, 2, np.empty(0, np.int64))) == []


TOUCHED = sp.csr_matrix(
    np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]], np.float32)
)
"""Items 0 and 1 have three people in common of three and four; 1 and 2 have two of four and two."""


def people(min_people: int, *hidden: int) -> list[tuple[object, ...]]:
    items = pa.array([10, 11, 12, 13])
    batches = list(similar_by_people(TOUCHED, items, np.array(hidden, np.int64), 5, min_people))
    return pairs(pa.Table.from_batches(batches), "item_id", "rank", "similar_item_id")


def test_without_a_model_pairs_need_enough_people_in_common() -> None:
    assert people(3) == [(10, 1, 11), (11, 1, 10)]
    assert people(2) == [(10, 1, 11), (11, 1, 10), (11, 2, 12), (12, 1, 11)]
    assert people(2, 0) == [(11, 1, 12), (12, 1, 11)]


def test_the_score_is_the_cosine_between_the_people_of_two_items() -> None:
    [first, *_] = similar_by_people(TOUCHED, pa.array([10, 11, 12, 13]), np.array([], np.int64), 5, 3)
    assert np.allclose(first["score"].to_pylist(), 3 / np.sqrt(3 * 4))


OF_TEAS = AlsFactors(
    np.ones((3, 2), np.float32),
    np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [0, 1]], np.float32),
    pa.array([1, 2, 3]),
    pa.array([10, 11, 20, 21, 32]),
)
"""Factors of the items that somebody touched in tests/cold/shop.py: who bought the white tea likes tools."""


def cold(path: Path) -> ColdItems:
    with at_cut(path) as history:
        found = cold_items(history, written(path / "items.parquet", items()), None, CUT)
    assert found is not None
    return found


def of_cold(path: Path, factors: AlsFactors, length: int = 3, min_buyers: int = 5) -> pa.Table:
    return pa.Table.from_batches(list(similar_to_cold(cold(path), factors, length, min_buyers)))


def test_what_nobody_bought_is_like_items_of_the_same_words(tmp_path: Path) -> None:
    rows = of_cold(tmp_path, OF_TEAS)
    by_item = {(a, rank): b for a, rank, b in pairs(rows, "item_id", "rank", "similar_item_id")}
    assert [by_item[30, rank] for rank in (1, 2, 3)] == [10, 11, 32], "the other teas, green tea first"
    assert {by_item[31, 1], by_item[31, 2]} == {20, 21}
    assert (31, 3) not in by_item, "no tea is in any way like a chisel"
    assert 40 not in rows["item_id"].to_pylist(), "nothing is known of it"


def test_likeness_of_content_gives_way_to_factors_as_purchases_come(tmp_path: Path) -> None:
    """The white tea was bought once, by somebody who otherwise buys as people do who buy tools."""
    first = {
        n: of_cold(tmp_path, OF_TEAS, min_buyers=n).filter(pa.compute.field("item_id") == 32) for n in (1, 50)
    }
    assert first[50]["similar_item_id"].to_pylist()[0] in (10, 11)
    little, much = (dict(pairs(rows, "similar_item_id", "score")) for rows in (first[50], first[1]))
    assert much[20] > little.get(20, 0.0)
    assert 32 not in much


def test_hidden_items_are_in_no_list_of_a_cold_one(tmp_path: Path) -> None:
    assert 10 not in of_cold(tmp_path, OF_TEAS.hide(np.array([0])))["similar_item_id"].to_pylist()


def test_lists_of_cold_items_stand_among_the_others_in_the_order_of_the_ids(tmp_path: Path) -> None:
    whole = pa.Table.from_batches(
        merged(similar_items(OF_TEAS, 2, np.arange(4)), [*of_cold(tmp_path, OF_TEAS).to_batches()])
    )
    keys = pairs(whole, "item_id", "rank")
    assert keys == sorted(keys)
    assert {item for item, _ in keys} == {10, 11, 20, 21, 30, 31, 32}
    assert pa.Table.from_batches(merged([], of_cold(tmp_path, OF_TEAS).to_batches())).num_rows == 8
