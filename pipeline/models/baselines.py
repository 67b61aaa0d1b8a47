"""The simple rules that a model has to beat, on the same users and the same items."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from implicit.nearest_neighbours import all_pairs_knn
from numpy.typing import NDArray

from pipeline.models.top_n import Ranker, TopN, rank_cells, rank_same
from pipeline.splits.history import History

BATCH_USERS = 256


@dataclass(frozen=True)
class Popular:
    """Everybody gets what was bought most often, purchases halved every `half_life_days` (0: never)."""

    half_life_days: float = 0.0
    name: str = "popular"

    def fit(self, history: History) -> Ranker:
        bought = history.purchases(self.half_life_days)
        return _SameForAll(np.asarray(bought.sum(axis=0, dtype=np.float64)).ravel().astype(np.float32))


@dataclass(frozen=True)
class MostTouched:
    """Everybody gets what most users bought, looked at or put into the cart. Fills lists; no rule."""

    name: str = "most_touched"

    def fit(self, history: History) -> Ranker:
        touched = history.touched()
        return _SameForAll(np.bincount(touched.indices, minlength=touched.shape[1]).astype(np.float32))


@dataclass(frozen=True)
class OwnMostBought:
    """Each user gets what that user bought most often, purchases halved every `half_life_days`."""

    half_life_days: float
    name: str = "own_most_bought"

    def fit(self, history: History) -> Ranker:
        return _Cells(history.purchases(self.half_life_days))


@dataclass(frozen=True)
class ItemNeighbours:
    """Each user gets the neighbours of what that user bought: cosine between items' buyers (Sarwar 2001).

    neighbours: kept for each item
    """

    neighbours: int = 50
    threads: int = 0
    name: str = "item_neighbours"

    def fit(self, history: History) -> Neighbours:
        bought = _ones(history.purchases())
        if not bought.nnz:
            return Neighbours(
                bought, sp.csr_matrix((bought.shape[1],) * 2, dtype=np.float32), history.item_ids
            )
        length = np.sqrt(np.asarray(bought.sum(axis=0)).ravel())
        unit = sp.csr_matrix(bought @ sp.diags_array(1.0 / np.maximum(length, 1.0)), dtype=np.float64)
        nearest = all_pairs_knn(unit, self.neighbours + 1, self.threads, show_progress=False)
        similarity = sp.csr_matrix(nearest.tocsr(), dtype=np.float32)
        similarity.setdiag(0.0)
        similarity.eliminate_zeros()
        return Neighbours(bought, similarity, history.item_ids)


@dataclass(frozen=True)
class _SameForAll:
    scores: NDArray[np.float32]

    def hide(self, columns: NDArray[np.int64]) -> _SameForAll:
        scores = self.scores.copy()
        scores[columns] = 0.0
        return _SameForAll(scores)

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        return rank_same(self.scores, len(rows), n, None if exclude is None else exclude[rows])


@dataclass(frozen=True)
class _Cells:
    scores: sp.csr_matrix

    def hide(self, columns: NDArray[np.int64]) -> _Cells:
        return _Cells(_without(self.scores, columns))

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        return rank_cells(self.scores[rows], n, None if exclude is None else exclude[rows])


@dataclass(frozen=True)
class Neighbours:
    """What each user bought (ones), each item's nearest (shape (n_items, n_items)), and the items' ids."""

    bought: sp.csr_matrix
    similarity: sp.csr_matrix
    item_ids: pa.Array

    def hide(self, columns: NDArray[np.int64]) -> Neighbours:
        return replace(self, similarity=_without(self.similarity, columns))

    def onto(self, history: History) -> Neighbours:
        """The same neighbours for what has been bought until a later cut; an item new to it has none."""
        place = pc.index_in(self.item_ids, value_set=history.item_ids)
        is_known = place.is_valid().to_numpy(zero_copy_only=False)
        column = pc.fill_null(place, 0).to_numpy()
        cells = self.similarity.tocoo()
        kept = is_known[cells.row] & is_known[cells.col]
        rows, columns = column[cells.row[kept]], column[cells.col[kept]]
        n_items = history.shape[1]
        similarity = sp.csr_matrix((cells.data[kept], (rows, columns)), shape=(n_items, n_items))
        return Neighbours(_ones(history.purchases()), similarity, history.item_ids)

    def learnt(self) -> Neighbours:
        """The neighbours without what users bought: what others are scored by."""
        return replace(self, bought=self.bought[:0])

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        parts = [TopN.empty(0, n)]
        for start in range(0, len(rows), BATCH_USERS):
            batch = rows[start : start + BATCH_USERS]
            scores = sp.csr_matrix(self.bought[batch] @ self.similarity)
            parts.append(rank_cells(scores, n, None if exclude is None else exclude[batch]))
        return TopN(np.vstack([p.items for p in parts]), np.vstack([p.scores for p in parts]))


def _ones(cells: sp.csr_matrix) -> sp.csr_matrix:
    """A one in each stored cell."""
    return sp.csr_matrix((np.ones_like(cells.data), cells.indices, cells.indptr), cells.shape)


def _without(cells: sp.csr_matrix, columns: NDArray[np.int64]) -> sp.csr_matrix:
    """The cells that lie in none of `columns`."""
    is_kept = np.ones(cells.shape[1], bool)
    is_kept[columns] = False
    kept = cells.tocoo()
    chosen = is_kept[kept.col]
    return sp.csr_matrix((kept.data[chosen], (kept.row[chosen], kept.col[chosen])), shape=cells.shape)
