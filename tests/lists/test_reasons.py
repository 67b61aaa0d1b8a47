"""pipeline/lists/reasons.py: the user's own item that is nearest to a listed one."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from pipeline.lists.reasons import nearest_of_own
from pipeline.models.top_n import NOTHING

FACTORS = np.array([[1, 0], [0.9, 0.1], [0, 1], [-1, 0], [1, 0]], np.float32)


def own(*columns: int) -> sp.csr_matrix:
    matrix = np.zeros((1, len(FACTORS)), np.float32)
    matrix[0, list(columns)] = 1
    return sp.csr_matrix(matrix)


def test_the_nearest_by_cosine_and_the_item_itself_where_it_is_the_users_own() -> None:
    items = np.array([[1, 2, NOTHING]], np.int32)
    assert nearest_of_own(items, own(0, 2), FACTORS).tolist() == [[0, 2, NOTHING]]


def test_none_where_nothing_points_the_same_way() -> None:
    assert nearest_of_own(np.array([[3]], np.int32), own(0, 2), FACTORS).tolist() == [[NOTHING]]


def test_ties_go_to_the_lower_id() -> None:
    assert nearest_of_own(np.array([[1]], np.int32), own(4, 0), FACTORS).tolist() == [[0]]
