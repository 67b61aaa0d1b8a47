"""Models of other libraries as `peers` judges them: neighbours, ALS and BPR of implicit, and EASE.

They learn from purchases alone. implicit's neighbours are fitted and asked with the same weights, plain or
faded. EASE (Steck 2019) is its closed form over who bought what, asked with such weights. ALS, BPR are plain.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import (
    BM25Recommender,
    CosineRecommender,
    ItemItemRecommender,
    TFIDFRecommender,
)
from implicit.utils import ParameterWarning
from numpy.typing import NDArray
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from pipeline.models.top_n import NOTHING, TopN
from pipeline.splits.history import History

HALF_LIVES = (0.0, 7.0, 14.0, 30.0, 60.0, 90.0)
"""Days after which a purchase weighs half; 0: purchases never fade."""
PENALTIES = (30.0, 200.0, 1000.0)
BATCH_USERS = 1024
Settings = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Peer:
    """One model with its settings; `family` is what the settings are chosen within."""

    family: str
    settings: Settings

    @property
    def said(self) -> str:
        """The settings in words."""
        return ", ".join(f"{name} {value:g}" for name, value in self.settings)


class Lists:
    """A fitted peer as the project's Judge asks it (models.top_n.Ranker)."""

    def __init__(self, score: Callable[[NDArray[np.int64], int, bool], NDArray[np.int32]]) -> None:
        self._score = score

    def hide(self, columns: NDArray[np.int64]) -> Lists:
        raise NotImplementedError("a peer is judged on every item")

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        """Best `n` items of the users `rows`; `exclude`, where given, is what each of them bought."""
        items = self._score(rows, n, exclude is not None)
        return TopN(items, np.zeros(items.shape, np.float32))


def grid() -> list[Peer]:
    """Every peer with every setting that is tried, in the order in which a tie is broken."""
    peers = [
        Peer(kind, (("half-life", days), ("neighbours", 100.0))) for kind in NEIGHBOURS for days in HALF_LIVES
    ]
    peers += [
        Peer("ease", (("penalty", penalty), ("half-life", days)))
        for penalty in PENALTIES
        for days in HALF_LIVES
    ]
    peers += [
        Peer("als", (("factors", factors), ("regularization", 0.1), ("alpha", alpha)))
        for factors in (32.0, 128.0)
        for alpha in (1.0, 10.0, 40.0)
    ]
    peers += [
        Peer("bpr", (("factors", 64.0), ("learning rate", rate), ("regularization", penalty)))
        for rate, penalty in ((0.05, 0.01), (0.02, 0.002))
    ]
    return peers


class Fitter:
    """Fits peers at one cut; what several settings share is computed once.

    head: EASE knows so many items with most purchases; its matrix is dense
    """

    def __init__(self, history: History, head: int, seed: int) -> None:
        self._history, self._seed = history, seed
        bought = history.purchases()
        self._bought = sp.csr_matrix((np.ones_like(bought.data), bought.indices, bought.indptr), bought.shape)
        n_bought = np.asarray(bought.sum(axis=0)).ravel()
        self._head = np.sort(np.argsort(-n_bought, kind="stable")[:head])
        self._inverse: tuple[float, NDArray[np.float32]] | None = None

    def fit(self, peer: Peer) -> Lists:
        """The peer, learnt from the purchases before the cut."""
        values = dict(peer.settings)
        with threadpool_limits(1, "blas"):
            if peer.family in NEIGHBOURS:
                return self._neighbours(peer.family, int(values["neighbours"]), values["half-life"])
            if peer.family == "ease":
                return self._ease(values["penalty"], values["half-life"])
            return self._factors(peer.family, values)

    def _neighbours(self, kind: str, neighbours: int, half_life_days: float) -> Lists:
        weights = _positive(self._history.purchases(half_life_days))
        model = NEIGHBOURS[kind](K=neighbours, num_threads=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ParameterWarning)
            model.fit(weights, show_progress=False)

        def score(rows: NDArray[np.int64], n: int, excludes: bool) -> NDArray[np.int32]:
            items, _ = model.recommend(rows, weights[rows], N=n, filter_already_liked_items=excludes)
            return _padded(items, n)

        return Lists(score)

    def _factors(self, family: str, values: dict[str, float]) -> Lists:
        shared = {
            "factors": int(values["factors"]),
            "regularization": values["regularization"],
            "random_state": self._seed,
            "num_threads": 1,
        }
        model = (
            AlternatingLeastSquares(alpha=values["alpha"], **shared)
            if family == "als"
            else BayesianPersonalizedRanking(learning_rate=values["learning rate"], iterations=60, **shared)
        )
        model.fit(self._bought, show_progress=False)

        def score(rows: NDArray[np.int64], n: int, excludes: bool) -> NDArray[np.int32]:
            items, _ = model.recommend(rows, self._bought[rows], N=n, filter_already_liked_items=excludes)
            return _padded(items, n)

        return Lists(score)

    def _ease(self, penalty: float, half_life_days: float) -> Lists:
        weights, head = self._ease_weights(penalty), self._head
        asked = self._history.purchases(half_life_days)[:, head].tocsr()
        bought = self._bought[:, head].tocsr()

        def score(rows: NDArray[np.int64], n: int, excludes: bool) -> NDArray[np.int32]:
            parts = [np.empty((0, n), np.int32)]
            for start in range(0, len(rows), BATCH_USERS):
                batch = rows[start : start + BATCH_USERS]
                scores = asked[batch].toarray() @ weights
                if excludes:
                    scores[bought[batch].nonzero()] = -np.inf
                parts.append(_best(scores, n, head))
            return np.vstack(parts)

        return Lists(score)

    def _ease_weights(self, penalty: float) -> NDArray[np.float32]:
        """Item-item weights of EASE, float32 of shape (head, head), zero on the diagonal."""
        if self._inverse is None or self._inverse[0] != penalty:
            known = self._bought[:, self._head].astype(np.float64)
            gram = np.asarray((known.T @ known).toarray(), order="F")
            gram[np.diag_indices_from(gram)] += penalty
            factor, _ = lapack.dpotrf(gram, lower=1, overwrite_a=1)
            inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
            inverse = np.tril(inverse) + np.tril(inverse, -1).T
            weights = inverse / -np.diag(inverse)
            np.fill_diagonal(weights, 0.0)
            self._inverse = (penalty, weights.astype(np.float32))
        return self._inverse[1]


NEIGHBOURS: dict[str, type[ItemItemRecommender]] = {
    "cosine": CosineRecommender,
    "tfidf": TFIDFRecommender,
    "bm25": BM25Recommender,
}


def _positive(weights: sp.csr_matrix) -> sp.csr_matrix:
    """The weights, with a trace of a purchase that has faded to nothing: its item stays known."""
    return sp.csr_matrix(
        (np.maximum(weights.data, 1e-6).astype(np.float64), weights.indices, weights.indptr), weights.shape
    )


def _best(scores: NDArray[np.float32], n: int, items: NDArray[np.int64]) -> NDArray[np.int32]:
    """The `n` best columns of each row as numbers of items; NOTHING where a row has no more."""
    n = min(n, scores.shape[1])
    kept = np.sort(np.argpartition(-scores, n - 1, axis=1)[:, :n], axis=1)
    values = np.take_along_axis(scores, kept, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    best = np.take_along_axis(kept, order, axis=1)
    is_there = np.isfinite(np.take_along_axis(values, order, axis=1))
    return np.where(is_there, items[best], NOTHING).astype(np.int32)


def _padded(items: NDArray[np.integer], n: int) -> NDArray[np.int32]:
    """Lists of exactly `n` slots, empty ones at the end."""
    lists = np.full((len(items), n), NOTHING, np.int32)
    lists[:, : items.shape[1]] = items[:, :n]
    return lists
