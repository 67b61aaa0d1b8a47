"""The items whose factors have the highest products with a user's, without multiplying all of them.

A product is at most the product of both lengths (Cauchy-Schwarz), and most items have short factors: few
people touched them. So the longest are tried first. Whoever's list none of the others can enter is done
(Teflioudi et al. 2015, "LEMP: Fast Retrieval of Large Entries in a Matrix Product").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.models.top_n import NOTHING, TopN, rank_dense

LONGEST = 8_192
"""How many items are tried first."""
BATCH_USERS = 256
ROUNDING = 1e-4
"""How much, as a share, a product may be off that is worked out in 32 bits."""


@dataclass(frozen=True)
class LongestFirst:
    """The items with the longest factors.

    columns: their numbers, ascending, shape (n,); factors: float32, shape (n, n_factors)
    place:   of each item among them, NOTHING where it is none of them, shape (n_items,)
    reach:   the length of the longest other item; a negative number where there is no other
    """

    columns: NDArray[np.int64]
    factors: NDArray[np.float32]
    place: NDArray[np.int64]
    reach: float

    @classmethod
    def of(
        cls, factors: NDArray[np.float32], hidden: NDArray[np.int64], longest: int = LONGEST
    ) -> LongestFirst:
        """Of items with these factors, shape (n_items, n_factors), less those that nobody is shown."""
        length = np.linalg.norm(factors, axis=1)
        length[hidden] = -1.0
        order = np.argsort(-length, kind="stable")[: len(factors) - len(hidden)]
        columns = np.sort(order[:longest])
        place = np.full(len(factors), NOTHING, np.int64)
        place[columns] = np.arange(len(columns))
        reach = float(length[order[longest]]) if len(order) > longest else -1.0
        return cls(columns, np.ascontiguousarray(factors[columns]), place, reach)

    def top_n(
        self, users: NDArray[np.float32], n: int, exclude: sp.csr_matrix | None
    ) -> tuple[TopN, NDArray[np.bool_]]:
        """The best `n` of these items for each user, and which of the users need no other item to be tried.

        users: factors, shape (n_users, n_factors); exclude: of the same users (users x items), or None
        """
        top, is_done = TopN.empty(len(users), n), np.zeros(len(users), bool)
        for start in range(0, len(users), BATCH_USERS):
            part = slice(start, start + BATCH_USERS)
            scores = users[part] @ self.factors.T
            if exclude is not None:
                scores[self._cells(exclude[part])] = -np.inf
            best = rank_dense(scores, self.columns, n, above=-np.inf)
            top.items[part], top.scores[part] = best.items, best.scores
            if self.reach < 0:
                is_done[part] = True
                continue
            bound = np.linalg.norm(users[part], axis=1) * self.reach * (1 + ROUNDING)
            is_done[part] = (best.items[:, -1] != NOTHING) & (best.scores[:, -1] > bound)
        return top, is_done

    def _cells(self, exclude: sp.csr_matrix) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and places of the cells of `exclude` that are of these items."""
        rows = np.repeat(np.arange(exclude.shape[0]), np.diff(exclude.indptr))
        places = self.place[exclude.indices]
        return rows[places != NOTHING], places[places != NOTHING]
