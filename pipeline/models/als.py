"""Implicit ALS (Hu, Koren, Volinsky 2008): users' and items' factors from weighted events.

The confidence of a cell is 1 + alpha x weight. implicit takes the confidence itself, so that is what
it is given, with its own `alpha` at 1; a cell without an event keeps confidence 1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline import progress
from pipeline.config import Als, Weights
from pipeline.models.als_factors import AlsFactors
from pipeline.models.item_factors import Factors, ItemFactors
from pipeline.splits.history import History

Level: TypeAlias = tuple[NDArray[np.int64], sp.csr_matrix, float]
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

        Where the engine has an ALS of its own, it fits the items, from the beginning; users are solved here.
        """
        if self.weights is not None:
            items = history.item_factors(self.weights, self.params, self.seed)
            if items is not None:
                nobody = np.zeros((0, items.shape[1]), np.float32)
                no_ids = history.user_ids[:0]
                return self.carried(
                    AlsFactors(nobody, items, no_ids, history.item_ids, self.threads), history
                )
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
        self,
        factors: AlsFactors,
        cells: sp.csr_matrix,
        wanted: NDArray[np.int64] | None = None,
        mean: float | None = None,
    ) -> Factors:
        """Factors for users whom `factors` never saw, from what they did: one step of ALS, items held still.

        cells: weights of events, shape (n_users, n_items); wanted: rows of those who are asked for, None: all
        mean:  cells of a user on average, where `cells` are those of some users alone
        Returns float32 of shape (len(wanted), factors). They do not depend on who else is asked for.
        """
        confidence = cells.copy() if wanted is None else cells[wanted]
        confidence.data = np.float32(1.0) + np.float32(self.params.alpha) * confidence.data
        model = factors.model()
        users = np.zeros((confidence.shape[0], self.params.factors), np.float32)
        for rows, part, penalty in self._levels(confidence, mean or mean_cells(cells)):
            model.regularization = penalty
            users[rows] = model.recalculate_user(rows, part)
        return users

    def carried(self, earlier: AlsFactors, history: History, mean: float | None = None) -> AlsFactors:
        """The items' factors of an earlier cut, and the users' solved again by all they have done until now.

        mean: cells of a user on average, where `history` is that of some users alone

        An item that the earlier cut did not know has zeros. The solver takes a few steps at a time, so that
        users who are new, and begin at zero, need SOLVED of them.
        """
        known, by_user = earlier.onto(history), self._levels(self._confidence(history), mean)
        with threadpool_limits(1, "blas"):
            for _ in range(SOLVED):
                self._solve(known.user_factors, known.item_factors, by_user)
        return known

    def mean_cells(self, history: History) -> float:
        """Cells of a user on average, in the matrix that the model is fitted on."""
        return mean_cells(self._confidence(history))

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


def may_go_on(n_events: int) -> bool:
    """Whether so many events may make a history in which a fit goes on from an earlier one."""
    return n_events >= LARGE


def mean_cells(cells: sp.csr_matrix) -> float:
    """The cells of a row on average; a row without any counts as one."""
    return float(_n_events(cells).mean())


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
