"""pipeline/lists/similar.py: items in two directions, whose cosines can be seen."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.lists.similar import similar_items
from pipeline.models.als import AlsFactors
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
