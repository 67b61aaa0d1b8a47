"""Implicit ALS (Hu, Koren, Volinsky 2008): users' and items' factors from weighted events.

The confidence of a cell is 1 + alpha x weight. implicit takes the confidence itself, so that is what
it is given, with its own `alpha` at 1; a cell without an event keeps confidence 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline.config import Als, Weights
from pipeline.history import History
from pipeline.models.top_n import NOTHING, TopN

SENTINEL = np.float32(-1e30)


@dataclass(frozen=True)
class AlsModel:
    """ALS before it is fitted.

    weights: what events weigh; None: every touched cell is a plain 1, as in implicit's first example
    seed:    of the factors' start; threads: 0 all cores (the factors do not depend on it)
    """

    params: Als
    weights: Weights | None
    seed: int
    threads: int = 0
    name: str = "als"

    def fit(self, history: History) -> AlsFactors:
        """Learn from the history's interactions; the same history and seed give the same bits."""
        if self.weights is None:
            cells = history.touched()
        else:
            cells = history.interactions(self.weights)
            cells.data = np.float32(1.0) + np.float32(self.params.alpha) * cells.data
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=self.params.factors,
                iterations=self.params.iterations,
                regularization=self.params.regularization,
                alpha=1.0,
                random_state=self.seed,
                num_threads=self.threads,
            )
            model.fit(cells, show_progress=False)
        return AlsFactors(
            model.user_factors, model.item_factors, history.user_ids, history.item_ids, self.threads
        )


@dataclass(frozen=True)
class AlsFactors:
    """Finished factors with the ids of their rows.

    user_factors: float32, shape (n_users, factors); item_factors: float32, shape (n_items, factors)
    """

    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]
    user_ids: pa.Array
    item_ids: pa.Array
    threads: int = 0

    def top_n(
        self,
        rows: NDArray[np.int64],
        n: int,
        exclude: sp.csr_matrix | None,
        hidden: NDArray[np.int64] | None = None,
    ) -> TopN:
        """The best `n` items for the users `rows`; fewer when `exclude` and `hidden` leave fewer.

        A user whose factors are all zero has no taste to rank by, and gets nothing.

        hidden: column numbers of items that nobody is shown
        """
        top = TopN.empty(len(rows), n)
        width = min(n, len(self.item_ids))
        if not width or not len(rows):
            return top
        known = sp.csr_matrix((len(self.user_ids), len(self.item_ids)), dtype=np.float32)
        with threadpool_limits(1, "blas"):
            items, scores = self._model().recommend(
                rows,
                (known if exclude is None else exclude)[rows],
                N=width,
                filter_already_liked_items=exclude is not None,
                filter_items=_or_none(hidden),
            )
        top = _sorted(top, items, scores)
        is_flat = ~self.user_factors[rows].any(axis=1)
        top.items[is_flat], top.scores[is_flat] = NOTHING, 0.0
        return top

    def similar_items(
        self, columns: NDArray[np.int64], n: int, hidden: NDArray[np.int64] | None = None
    ) -> TopN:
        """The `n` items nearest to each of the items `columns` by cosine, never the item itself."""
        length = np.linalg.norm(self.item_factors, axis=1, keepdims=True)
        unit = (self.item_factors / np.where(length > 0, length, 1.0)).astype(np.float32)
        of_items = AlsFactors(unit, unit, self.item_ids, self.item_ids, self.threads)
        top = of_items.top_n(columns, n + 1, None, hidden)
        scores = np.where(top.items == columns[:, None], SENTINEL, top.scores)
        scores[top.items == NOTHING] = SENTINEL
        others = _sorted(TopN.empty(len(columns), n + 1), top.items, scores)
        return TopN(others.items[:, :n], others.scores[:, :n])

    def save(self, path: Path) -> None:
        """Write factors and ids as npz, nothing pickled; the same factors give the same bytes."""
        with path.open("wb") as file:
            np.savez(
                file,
                user_factors=self.user_factors,
                item_factors=self.item_factors,
                user_ids=_as_numpy(self.user_ids),
                item_ids=_as_numpy(self.item_ids),
            )

    @classmethod
    def load(cls, path: Path, threads: int = 0) -> AlsFactors:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(
                file["user_factors"],
                file["item_factors"],
                pa.array(file["user_ids"]),
                pa.array(file["item_ids"]),
                threads,
            )

    def _model(self) -> AlternatingLeastSquares:
        model = AlternatingLeastSquares(factors=self.item_factors.shape[1], num_threads=self.threads)
        model.user_factors, model.item_factors = self.user_factors, self.item_factors
        return model


def _as_numpy(ids: pa.Array) -> NDArray[np.generic]:
    """Ids as an array that needs no pickle: int64, or unicode of the longest id's width."""
    values: NDArray[np.generic] = ids.to_numpy(zero_copy_only=False)
    return values if values.dtype.kind == "i" else values.astype(np.str_)


def _sorted(top: TopN, items: NDArray[np.int32], scores: NDArray[np.float32]) -> TopN:
    """What implicit returned, best first, ties by id; its sentinels become empty slots at the end."""
    order = np.lexsort((items, -scores), axis=1)
    items, scores = np.take_along_axis(items, order, 1), np.take_along_axis(scores, order, 1)
    is_real = scores > SENTINEL
    width = items.shape[1]
    top.items[:, :width] = np.where(is_real, items, NOTHING)
    top.scores[:, :width] = np.where(is_real, scores, 0.0)
    return top


def _or_none(columns: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    return columns if columns is not None and len(columns) else None
