"""EASE: a linear model that predicts each of a user's purchases from the others.

Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data". Its weights have a closed form, the inverse
of one matrix of items by items. That matrix is dense, so only the items with the most buyers take part; the
others have no score.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from pipeline.models.top_n import TopN, rank_dense
from pipeline.splits.history import History

MOST_ITEMS = 2_000
"""Items that take part. Their matrix has 16 MB and is inverted within a second; 4,000 items take eight times
as long, and chance explains what the lists gained or lost by them (`docs/models.md`)."""
MOST_USERS = 100_000
"""Users whose purchases the weights are learnt from, spread evenly over the row numbers."""
PENALTY = 500.0
"""Added to the diagonal: the higher, the less a rare pair of items says."""
HALF_LIFE_DAYS, FADED = 60.0, 0.2
"""Of the purchases that a user is scored by, and what is left of one that has faded.

The weights are learnt from purchases that do not fade.
"""
BATCH_USERS = 1024


@dataclass(frozen=True)
class Ease:
    """EASE before it is fitted. most_items, most_users: as MOST_ITEMS and MOST_USERS"""

    most_items: int = MOST_ITEMS
    most_users: int = MOST_USERS
    name: str = "ease"

    def fit(self, history: History) -> EaseWeights:
        """Learn the weights from who bought what before the cut.

        One thread: the result does not depend on how many cores there are.
        """
        bought = history.purchases()
        n_buyers = bought.getnnz(axis=0)
        order = np.argsort(-n_buyers, kind="stable")[: self.most_items]
        columns = np.sort(order[n_buyers[order] > 0]).astype(np.int64)
        step = max(-(-bought.shape[0] // self.most_users), 1)
        cells = bought[::step][:, columns]
        ones = sp.csr_matrix((np.ones_like(cells.data), cells.indices, cells.indptr), cells.shape)
        return EaseWeights(_faded(history, columns), _solved(ones), columns, history.item_ids)


@dataclass(frozen=True)
class EaseWeights:
    """Fitted EASE.

    faded:   what each user is scored by: faded purchases, at most 1 for an item, shape (n_users, n_columns)
    weights: float32, shape (n_columns, n_columns): what a purchase of the row's item says of the column's
    columns: column numbers of the items that take part, ascending, shape (n_columns,)
    item_ids: of all items, shape (n_items,)
    hidden:  column numbers of items that nobody is shown
    """

    faded: sp.csr_matrix
    weights: NDArray[np.float32]
    columns: NDArray[np.int64]
    item_ids: pa.Array
    hidden: NDArray[np.int64] | None = None

    def hide(self, columns: NDArray[np.int64]) -> EaseWeights:
        return replace(self, hidden=columns)

    def onto(self, history: History) -> EaseWeights:
        """The same weights for what has been bought until a later cut; an item new to it takes no part."""
        place = pc.index_in(self.item_ids.take(pa.array(self.columns)), value_set=history.item_ids)
        is_there = place.is_valid().to_numpy(zero_copy_only=False)
        weights = self.weights if is_there.all() else self.weights[np.ix_(is_there, is_there)]
        columns = place.drop_null().to_numpy().astype(np.int64)
        return EaseWeights(_faded(history, columns), weights, columns, history.item_ids)

    def learnt(self) -> EaseWeights:
        """The weights without the users that they score: what a later cut needs."""
        return replace(self, faded=self.faded[:0])

    def scores(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Of the users `rows` for the items `columns`, shape (len(rows), n_columns); above 0 is in favour."""
        scores: NDArray[np.float32] = self.faded[rows] @ self.weights
        return scores

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        parts = [TopN.empty(0, n)]
        for start in range(0, len(rows), BATCH_USERS):
            batch = rows[start : start + BATCH_USERS]
            parts.append(self.best(self.scores(batch), n, None if exclude is None else exclude[batch]))
        return TopN(np.vstack([p.items for p in parts]), np.vstack([p.scores for p in parts]))

    def best(self, scores: NDArray[np.float32], n: int, exclude: sp.csr_matrix | None) -> TopN:
        """The `n` best items above 0 of each row of `scores`; ties go to the lower id.

        exclude: of the same rows, shape (n_rows, n_items); None: nothing
        """
        scores = scores.copy()
        if exclude is not None:
            scores[exclude[:, self.columns].nonzero()] = 0.0
        if self.hidden is not None:
            scores[:, np.isin(self.columns, self.hidden)] = 0.0
        return rank_dense(scores, self.columns, n, above=0.0)


def _faded(history: History, columns: NDArray[np.int64]) -> sp.csr_matrix:
    cells = sp.csr_matrix(history.purchases(HALF_LIFE_DAYS)[:, columns])
    cells.data = np.float32(FADED) + np.float32(1.0 - FADED) * np.minimum(cells.data, np.float32(1.0))
    return cells


def _solved(bought: sp.csr_matrix) -> NDArray[np.float32]:
    """The weights, zero on the diagonal. bought: ones, shape (n_users, n_columns)

    With P the inverse of bought' bought + penalty, a weight is -P[i, j] / P[j, j].
    """
    gram = np.asarray((bought.T @ bought).toarray(order="F"), np.float32)
    gram[np.diag_indices_from(gram)] += np.float32(PENALTY)
    if not len(gram):
        return gram
    with threadpool_limits(1, "blas"):
        factor, _ = lapack.spotrf(gram, lower=1, overwrite_a=1)
        inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse)
    inverse += np.tril(inverse, -1).T
    weights: NDArray[np.float32] = np.ascontiguousarray(inverse / -np.diag(inverse))
    np.fill_diagonal(weights, 0.0)
    return weights
