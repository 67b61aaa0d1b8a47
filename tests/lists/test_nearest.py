"""pipeline/lists/nearest.py: the user's own item that is nearest to a listed one, or was bought with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp

from pipeline.lists.nearest import Pairs, bought_with_own, nearest_of_own
from pipeline.models.top_n import NOTHING

FACTORS = np.array([[1, 0], [0.9, 0.1], [0, 1], [-1, 0], [1, 0]], np.float32)
ITEM_IDS = pa.array([10, 11, 12, 13, 14])


def own(*columns: int) -> sp.csr_matrix:
    matrix = np.zeros((1, len(FACTORS)), np.float32)
    matrix[0, list(columns)] = 1
    return sp.csr_matrix(matrix)


def lists(*columns: int) -> np.ndarray:
    return np.array([columns], np.int32)


def test_the_nearest_by_cosine_and_the_item_itself_where_it_is_the_users_own() -> None:
    nearest, cosine = nearest_of_own(lists(1, 2, NOTHING), own(0, 2), FACTORS)
    assert nearest.tolist() == [[0, 2, NOTHING]]
    assert cosine.tolist() == [[pytest.approx(0.9 / np.hypot(0.9, 0.1)), 1.0, 0.0]]


def test_none_where_nothing_points_the_same_way() -> None:
    nearest, cosine = nearest_of_own(lists(3), own(0, 2), FACTORS)
    assert (nearest.tolist(), cosine.tolist()) == ([[NOTHING]], [[0.0]])


def test_ties_go_to_the_lower_id() -> None:
    assert nearest_of_own(lists(1), own(4, 0), FACTORS)[0].tolist() == [[0]]


def test_factors_of_nothing_are_near_to_nothing() -> None:
    nearest, cosine = nearest_of_own(lists(1, 0), own(0, 2), np.zeros_like(FACTORS))
    assert (nearest.tolist(), cosine.tolist()) == ([[NOTHING, 0]], [[0.0, 1.0]])


def pairs(path: Path, *rows: tuple[int, int, float, float]) -> Pairs:
    """Rows `(item, other, support, lift)` of at least twice as often as by chance."""
    columns = zip(*rows, strict=True) if rows else [[]] * 4
    names = ("item_id", "also_bought_item_id", "support", "lift")
    types = (pa.int64(), pa.int64(), pa.float64(), pa.float64())
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    pq.write_table(pa.table(arrays, names=names), path / "also_bought.parquet")
    return Pairs.read(path / "also_bought.parquet", ITEM_IDS, 2.0)


def test_of_several_pairs_the_one_that_most_buyers_stand_behind(tmp_path: Path) -> None:
    """13 is named by 10, rarely and with a high lift, and by 12; item 11 names it below the least lift."""
    found = pairs(tmp_path, (10, 13, 0.01, 8.0), (11, 13, 0.9, 1.99), (12, 11, 0.1, 2.0), (12, 13, 0.1, 2.0))
    assert bought_with_own(lists(3, NOTHING, 4, 1), own(0, 1, 2), found).tolist() == [
        [2, NOTHING, NOTHING, 2]
    ]
    assert bought_with_own(lists(3), own(0, 1), found).tolist() == [[0]]
    assert bought_with_own(lists(3), own(1), found).tolist() == [[NOTHING]]


def test_ties_of_pairs_go_to_the_lower_id(tmp_path: Path) -> None:
    found = pairs(tmp_path, (10, 13, 0.1, 2.0), (12, 13, 0.1, 2.0))
    assert bought_with_own(lists(3), own(2, 0), found).tolist() == [[0]]


def test_users_do_not_get_into_each_others_way(tmp_path: Path) -> None:
    found = pairs(tmp_path, (10, 13, 0.1, 2.0), (10, 14, 0.1, 2.0), (12, 13, 0.1, 4.0))
    both = sp.vstack([own(0), own(1), own(2)], format="csr")
    listed = np.array([[13, 14], [13, 14], [14, 13]], np.int32) - 10
    assert bought_with_own(listed, both, found).tolist() == [[0, 0], [NOTHING] * 2, [NOTHING, 2]]


def test_a_shop_without_pairs(tmp_path: Path) -> None:
    for none in (Pairs.none(5), pairs(tmp_path)):
        assert bought_with_own(lists(3), own(0), none).tolist() == [[NOTHING]]
