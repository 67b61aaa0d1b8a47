"""pipeline/models/groups.py against what can be read off by eye, and against sorting by two keys."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.models.groups import best_in_groups, position_in_group


def by_two_keys(scores: np.ndarray, groups: np.ndarray) -> list[int]:
    return list(np.lexsort((-scores, groups)))


@pytest.mark.parametrize(
    ("groups", "positions"),
    [([], []), ([0], [0]), ([0, 0, 2, 2, 2, 5], [0, 1, 0, 1, 2, 0]), ([-1, -1, 0], [0, 1, 0])],
)
def test_positions_begin_anew_with_each_group(groups: list[int], positions: list[int]) -> None:
    assert position_in_group(np.array(groups, np.int64)).tolist() == positions


def test_the_best_come_first_and_ties_go_to_the_earlier_row() -> None:
    scores = np.array([1, 3, 3, 0, -2, 5, -2, -1], np.float32)
    groups = np.array([0, 0, 0, 0, 4, 4, 4, 4])
    assert best_in_groups(scores, groups).tolist() == [1, 2, 0, 3, 5, 7, 4, 6]
    assert best_in_groups(scores, groups, 2).tolist() == [1, 2, 5, 7]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_groups", [1, 7, 2**31])
def test_any_scores_are_in_the_order_of_two_keys(dtype: type, n_groups: int) -> None:
    """Scores of every size and sign, infinite ones, both zeros, and the same one many times."""
    rng = np.random.default_rng(n_groups)
    scores = (rng.normal(size=5_000) * 10.0 ** rng.integers(-40, 38, 5_000)).astype(dtype)
    scores[::5], scores[1::50] = 0.0, -0.0
    scores[2::50], scores[3::50], scores[4::50] = np.inf, -np.inf, 1.5
    groups = rng.integers(0, n_groups, 5_000)
    assert best_in_groups(scores, groups).tolist() == by_two_keys(scores, groups)
    scores[7] = np.nan
    assert best_in_groups(scores, groups).tolist() == by_two_keys(scores, groups)


def test_of_no_rows_there_are_none() -> None:
    assert best_in_groups(np.empty(0, np.float32), np.empty(0, np.int64), 3).tolist() == []
