"""Implicit ALS (Hu, Koren, Volinsky 2008): users' and items' factors from weighted events.

The confidence of a cell is 1 + alpha x weight. implicit takes the confidence itself, so that is what
it is given, with its own `alpha` at 1; a cell without an event keeps confidence 1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline import progress
from pipeline.config import Als, Weights
from pipeline.models.item_factors import Factors, ItemFactors, taken
from pipeline.models.longest_first import LongestFirst
from pipeline.models.top_n import NOTHING, TopN
from pipeline.runs.kept import Form
from pipeline.splits.history import History

Level: TypeAlias = tuple[NDArray[np.int64], sp.csr_matrix, float]
SENTINEL = np.float32(-1e30)
PAIRS = 65_536
"""Scores of pairs that are counted at a time."""
DRAWN = 4_096
"""Rows of random factors that are drawn at a time."""
LARGE = 1_000_000
"""Cells (a user and an item) from which on a fit goes on from an earlier one. A smaller one takes seconds,
and what little is known at an older cut may be a start from which nothing leads away."""
KNOWN = 0.75
"""Share of the cells whose items the earlier fit has to know."""
CONTINUED = 2
"""Iterations of a fit that goes on: more of them made no shop's lists better."""
SOLVED = 4
"""How often the solver is called for the users of a later cut; it takes three steps each time."""


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

    def fit(self, history: History, start: ItemFactors | None = None) -> AlsFactors:
        """Learn from the history's interactions; the same history, seed and start give the same bits.

        start: where a fit on less of the history, with the same parameters, left the items. In a history of
               LARGE cells, of which a share of KNOWN is of items that it knows, the fit goes on from there
               for CONTINUED iterations, and items new to it begin at random. Else all begin at random
        """
        *_, finished = self.fitting(history, start)
        return finished

    def fitting(self, history: History, start: ItemFactors | None = None) -> Iterator[AlsFactors]:
        """The factors after each iteration, the last one finished; a search may stop early."""
        cells = self._confidence(history)
        rng = np.random.RandomState(self.seed)
        if start is None or cells.nnz < LARGE or start.known(cells, history.item_ids) < KNOWN:
            n = self.params.iterations
            users, items = (_drawn(rng, n_rows, self.params.factors) for n_rows in cells.shape)
        else:
            items, n = start.onto(history.item_ids), CONTINUED
            is_new = ~items.any(axis=1)
            items[is_new] = _drawn(rng, int(is_new.sum()), items.shape[1])
            users = np.zeros((history.shape[0], items.shape[1]), np.float32)
        by_user = self._levels(cells)
        by_item = self._levels(sp.csr_matrix(cells.T))
        for _ in progress.over(range(n), self.name, n, "iterations", lambda _: 1):
            with threadpool_limits(1, "blas"):
                self._solve(users, items, by_user)
                self._solve(items, users, by_item)
            yield AlsFactors(users, items, history.user_ids, history.item_ids, self.threads)

    def _solve(self, side: Factors, other: Factors, levels: list[Level]) -> None:
        """One half of an iteration, in place.

        Levels are solved side by side: implicit's own threads wait for each other at the end of each.
        """
        threads = self.threads or os.cpu_count() or 1
        model = AlternatingLeastSquares(factors=self.params.factors, num_threads=self.threads)

        def solve(level: Level) -> None:
            rows, part, penalty = level
            solved = side if len(rows) == len(side) else side[rows]
            model.solver(part, solved, other, penalty, num_threads=-(-threads // len(levels)))
            if solved is not side:
                side[rows] = solved

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(solve, levels))

    def fold_in(
        self, factors: AlsFactors, cells: sp.csr_matrix, wanted: NDArray[np.int64] | None = None
    ) -> Factors:
        """Factors for users whom `factors` never saw, from what they did: one step of ALS, items held still.

        cells: weights of events, shape (n_users, n_items); wanted: rows of those who are asked for, None: all
        Returns float32 of shape (len(wanted), factors). They do not depend on who else is asked for.
        """
        confidence = cells.copy() if wanted is None else cells[wanted]
        confidence.data = np.float32(1.0) + np.float32(self.params.alpha) * confidence.data
        model = factors.model()
        users = np.zeros((confidence.shape[0], self.params.factors), np.float32)
        for rows, part, penalty in self._levels(confidence, _n_events(cells).mean()):
            model.regularization = penalty
            users[rows] = model.recalculate_user(rows, part)
        return users

    def carried(self, earlier: AlsFactors, history: History) -> AlsFactors:
        """The items' factors of an earlier cut, and the users' solved again by all they have done until now.

        An item that the earlier cut did not know has zeros. The solver takes a few steps at a time, so that
        users who are new, and begin at zero, need SOLVED of them.
        """
        known, by_user = earlier.onto(history), self._levels(self._confidence(history))
        with threadpool_limits(1, "blas"):
            for _ in range(SOLVED):
                self._solve(known.user_factors, known.item_factors, by_user)
        return known

    def _confidence(self, history: History) -> sp.csr_matrix:
        if self.weights is None:
            return history.touched()
        cells = history.interactions(self.weights)
        cells.data = np.float32(1.0) + np.float32(self.params.alpha) * cells.data
        return cells

    def _levels(self, cells: sp.csr_matrix, mean: float | None = None) -> list[Level]:
        """Rows with about as many events each (within a factor of 4), their cells, and their penalty.

        mean: of the events, where `cells` are those of some rows alone

        The penalty is regularization x (events / mean events) ^ regularization_scale (Rendle et al. 2021,
        "Revisiting the Performance of iALS on Item Recommendation Benchmarks", who count the same way).
        """
        events, scale = _n_events(cells), self.params.regularization_scale
        mean = events.mean() if mean is None else mean
        level = np.round(np.log2(events) / 2).astype(np.int64) if scale else np.zeros(len(events), np.int64)
        levels = []
        for number in np.unique(level):
            rows = np.flatnonzero(level == number)
            ratio = float(4.0**number / mean) if scale else 1.0
            levels.append((rows, cells[rows], self.params.regularization * ratio**scale))
        return levels


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


def may_go_on(n_events: int) -> bool:
    """Whether so many events may make a history in which a fit goes on from an earlier one."""
    return n_events >= LARGE


def _n_events(cells: sp.csr_matrix) -> NDArray[np.int32]:
    """The cells of each row; 1 where there is none."""
    return np.asarray(np.maximum(np.diff(cells.indptr), 1), np.int32)


def _drawn(rng: np.random.RandomState, n: int, factors: int) -> Factors:
    """The start of one side, between 0 and 0.01; drawn as 64 bits, in parts."""
    start = np.empty((n, factors), np.float32)
    for first in range(0, n, DRAWN):
        part = start[first : first + DRAWN]
        part[:] = rng.random_sample(part.shape)
    start *= np.float32(0.01)
    return start


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
