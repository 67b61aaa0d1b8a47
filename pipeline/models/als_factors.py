"""Finished ALS factors: the best items of a user, the items that are like one, and how they are kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray

from pipeline.models.item_factors import Factors, ItemFactors, taken
from pipeline.models.longest_first import LongestFirst
from pipeline.models.top_n import NOTHING, TopN
from pipeline.runs.kept import Form
from pipeline.splits.history import History

SENTINEL = np.float32(-1e30)
PAIRS = 65_536
"""Scores of pairs that are counted at a time."""


@dataclass(frozen=True)
class AlsFactors:
    """Finished factors with the ids of their rows.

    user_factors: float32, shape (n_users, factors); item_factors: float32, shape (n_items, factors)
    hidden: column numbers of items that nobody is shown
    """

    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]
    user_ids: pa.Array
    item_ids: pa.Array
    threads: int = 0
    hidden: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    @classmethod
    def unknown(cls, history: History) -> AlsFactors:
        """Factors of a history that nothing was learnt from: all zero, so nothing is near anything."""
        users, items = (np.zeros((n, 1), np.float32) for n in history.shape)
        return cls(users, items, history.user_ids, history.item_ids)

    def of_items(self) -> ItemFactors:
        """The items' part alone."""
        return ItemFactors(self.item_ids, self.item_factors)

    def hide(self, columns: NDArray[np.int64]) -> AlsFactors:
        """The same factors, which show the items `columns` to nobody."""
        return replace(self, hidden=columns)

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        """The best `n` items for the users `rows`; fewer when `exclude` and `hidden` leave fewer.

        A user whose factors are all zero has no taste to rank by, and gets nothing.
        """
        return self.top_n_of(self.user_factors[rows], n, None if exclude is None else exclude[rows])

    def top_n_of(self, users: Factors, n: int, exclude: sp.csr_matrix | None) -> TopN:
        """The same for users with these factors; `exclude` is theirs alone, shape (len(users), n_items)."""
        top, is_done = self._longest_first.top_n(users, n, exclude)
        others = np.flatnonzero(~is_done)
        if len(others):
            more = self._top_n_of_all(users[others], n, None if exclude is None else exclude[others])
            top.items[others], top.scores[others] = more.items, more.scores
        return _without_flat(top, users)

    @cached_property
    def _longest_first(self) -> LongestFirst:
        return LongestFirst.of(self.item_factors, self.hidden)

    def _top_n_of_all(self, users: Factors, n: int, exclude: sp.csr_matrix | None) -> TopN:
        """As implicit finds them, by trying all items."""
        known = sp.csr_matrix((len(users), len(self.item_ids)), dtype=np.float32)
        items, scores = self.model(users).recommend(
            np.arange(len(users)),
            known if exclude is None else exclude,
            N=min(n, len(self.item_ids)),
            filter_already_liked_items=exclude is not None,
            filter_items=self.hidden if len(self.hidden) else None,
        )
        return _sorted(TopN.empty(len(users), n), items, scores)

    def onto(self, history: History) -> AlsFactors:
        """The same factors for the users and items of a later history; those new to them have zeros."""
        users, items = (
            taken(factors, pc.index_in(ids, value_set=known))
            for factors, known, ids in (
                (self.user_factors, self.user_ids, history.user_ids),
                (self.item_factors, self.item_ids, history.item_ids),
            )
        )
        return AlsFactors(users, items, history.user_ids, history.item_ids, self.threads)

    def scores(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """Of the pairs (rows, columns), shape of both; the product of their factors."""
        scores = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), PAIRS):
            part = slice(start, start + PAIRS)
            users, items = self.user_factors[rows[part]], self.item_factors[columns[part]]
            np.einsum("ij,ij->i", users, items, out=scores[part])
        return scores

    def similar_items(self, columns: NDArray[np.int64], n: int) -> TopN:
        """The `n` items nearest to each of the items `columns` by cosine, never the item itself."""
        length = np.linalg.norm(self.item_factors, axis=1, keepdims=True)
        unit = (self.item_factors / np.where(length > 0, length, 1.0)).astype(np.float32)
        of_items = AlsFactors(unit, unit, self.item_ids, self.item_ids, self.threads, self.hidden)
        top = _without_flat(of_items._top_n_of_all(unit[columns], n + 1, None), unit[columns])
        scores = np.where(top.items == columns[:, None], SENTINEL, top.scores)
        scores[top.items == NOTHING] = SENTINEL
        others = _sorted(TopN.empty(len(columns), n + 1), top.items, scores)
        return TopN(others.items[:, :n], others.scores[:, :n])

    @staticmethod
    def load_items(path: Path) -> ItemFactors:
        """The items' part of what `save` wrote; the users' is not read."""
        with np.load(path, allow_pickle=False) as file:
            return ItemFactors(pa.array(file["item_ids"]), file["item_factors"])

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

    @classmethod
    def form(cls, threads: int) -> Form[AlsFactors]:
        """How they are kept. threads: of those that are read"""
        return Form(".npz", cls.save, partial(cls.load, threads=threads))

    def model(self, users: Factors | None = None) -> AlternatingLeastSquares:
        """As implicit has it. users: other users' factors in place of its own"""
        model = AlternatingLeastSquares(factors=self.item_factors.shape[1], num_threads=self.threads)
        model.user_factors = self.user_factors if users is None else users
        model.item_factors = self.item_factors
        return model


def _as_numpy(ids: pa.Array) -> NDArray[np.generic]:
    """Ids as an array that needs no pickle: int64, or unicode of the longest id's width."""
    values: NDArray[np.generic] = ids.to_numpy(zero_copy_only=False)
    return values if values.dtype.kind == "i" else values.astype(np.str_)


def _without_flat(top: TopN, users: Factors) -> TopN:
    """The same lists, emptied in place where a user's factors are all zero."""
    is_flat = ~users.any(axis=1)
    top.items[is_flat], top.scores[is_flat] = NOTHING, 0.0
    return top


def _sorted(top: TopN, items: NDArray[np.int32], scores: NDArray[np.float32]) -> TopN:
    """What implicit returned, best first, ties by id; its sentinels become empty slots at the end."""
    order = np.lexsort((items, -scores), axis=1)
    items, scores = np.take_along_axis(items, order, 1), np.take_along_axis(scores, order, 1)
    is_real = scores > SENTINEL
    width = items.shape[1]
    top.items[:, :width] = np.where(is_real, items, NOTHING)
    top.scores[:, :width] = np.where(is_real, scores, 0.0)
    return top
