"""Lists filled from the next model, and the two ways of ranking that models share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import scipy.sparse as sp

from pipeline.models.top_n import NOTHING, Filled, TopN, best_first, best_items, numbered, rank_cells

USERS = np.array([0, 1, 2])


@dataclass(frozen=True)
class Says:
    """A model that says the same whoever asks, but what is hidden or left out."""

    lists: tuple[tuple[int, ...], ...]
    score: float = 0.5
    hidden: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def hide(self, columns: np.ndarray) -> Says:
        return Says(self.lists, self.score, columns)

    def top_n(self, rows: np.ndarray, n: int, exclude: sp.csr_matrix | None) -> TopN:
        top = TopN.empty(len(rows), n)
        for place, row in enumerate(rows):
            excluded = set(self.hidden.tolist()) | (set() if exclude is None else set(exclude[row].indices))
            items = [item for item in self.lists[row] if item not in excluded][:n]
            top.items[place, : len(items)] = items
            top.scores[place, : len(items)] = self.score - 0.1 * np.arange(len(items))
        return top


FIRST = Says(((7, 8, 9), (7,), ()), -2.0)
SECOND = Says(((1, 2, 3), (7, 2), (4,)), 9.0)
LAST = Says(((5, 6, 7, 8),) * 3)


def test_gaps_are_filled_in_turn_and_nothing_stands_twice() -> None:
    top = Filled((FIRST, SECOND, LAST)).top_n(USERS, 3, None)
    assert top.items.tolist() == [[7, 8, 9], [7, 2, 5], [4, 5, 6]]


def test_scores_descend_whatever_the_fillers_are() -> None:
    top = Filled((FIRST, SECOND, LAST)).top_n(USERS, 4, None)
    assert (np.diff(top.scores, axis=1) < 0).all()
    assert top.scores[0, :3].tolist() == pytest.approx([-2.0, -2.1, -2.2])
    assert np.isfinite(top.scores).all()


@pytest.mark.parametrize("start", [1e6, -1e6, 1e-6, 0.0])
def test_scores_descend_however_large_or_small_they_are(start: float) -> None:
    top = Filled((Says(((1,),) * 3, start), Says((tuple(range(2, 60)),) * 3))).top_n(USERS, 50, None)
    assert (np.diff(top.scores, axis=1) < 0).all()


def test_a_list_that_nobody_can_fill_stays_short() -> None:
    top = Filled((FIRST, SECOND)).top_n(USERS, 4, None)
    assert top.items.tolist() == [[7, 8, 9, 1], [7, 2, NOTHING, NOTHING], [4, NOTHING, NOTHING, NOTHING]]
    assert top.scores[2].tolist()[1:] == [0, 0, 0]


def test_what_is_hidden_or_left_out_is_filled_in_by_nobody() -> None:
    exclude = sp.csr_matrix((np.ones(2), ([0, 1], [8, 5])), shape=(3, 10))
    hidden = Filled((FIRST, SECOND, LAST)).hide(np.array([7, 4]))
    assert hidden.top_n(USERS, 3, exclude).items.tolist() == [[9, 1, 2], [2, 6, 8], [5, 6, 8]]


def test_best_first_breaks_ties_by_id() -> None:
    scores, ids = np.array([1.0, 3.0, 2.0, 3.0, 3.0]), np.array([5, 9, 1, 4, 7])
    assert best_first(scores, ids, 2).tolist() == [3, 4]
    assert best_first(scores, ids, 9).tolist() == [3, 4, 1, 2, 0]


def test_cells_are_ranked_less_what_is_left_out() -> None:
    cells = sp.csr_matrix(np.array([[0.0, 2.0, 5.0, 2.0], [0.0, 0.0, 0.0, 0.0]]))
    exclude = sp.csr_matrix((np.ones(1), ([0], [2])), shape=(2, 4))
    assert rank_cells(cells, 2, None).items.tolist() == [[2, 1], [NOTHING, NOTHING]]
    assert rank_cells(cells, 3, exclude).items.tolist() == [[1, 3, NOTHING], [NOTHING] * 3]


def test_ranks_begin_anew_with_each_list() -> None:
    assert numbered(np.array([0, 0, 0, 2, 3, 3])).tolist() == [1, 2, 3, 1, 1, 2]


def test_best_items_are_those_above_0_ties_by_id() -> None:
    assert best_items(np.array([1.0, 3.0, 0.0, 3.0, -1.0])).tolist() == [1, 3, 0]
