"""The first step: what a user might buy next, gathered from all that can name an item, with its facts.

Candidates come from ALS, from the neighbours of what the user bought, from the user's own history (where
lists may hold it), from what the user looked at, and from what is popular lately in the shop and in the
user's categories. The second step (pipeline/models/) ranks them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.models.als import AlsFactors
from pipeline.models.top_n import NOTHING, rank_cells
from pipeline.ranking.features import CandidateTable, UserBatch, table
from pipeline.ranking.pairs import Column, Pairs
from pipeline.ranking.statistics import Statistics

FROM_ALS, FROM_NEIGHBOURS, FROM_OWN, FROM_SEEN, FROM_POPULAR = 60, 40, 60, 30, 30
CATEGORIES, FROM_CATEGORY = 5, 25
REMEMBERED = 100
"""Items of a user whose neighbours are looked up: the ones bought most, lately."""


@dataclass(frozen=True)
class CandidateSource:
    """All that candidates are taken from, at one cut and in one mode.

    similarity: of items, shape (n_items, n_items); hidden: items that nobody is shown, ascending
    is_exclude: leave out what the user bought
    """

    facts: Statistics
    factors: AlsFactors
    similarity: sp.csr_matrix
    is_exclude: bool
    hidden: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    from_als: int = FROM_ALS
    _last: list[tuple[bytes, CandidateTable]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def hide(self, columns: NDArray[np.int64]) -> CandidateSource:
        """The same, less the items `columns`, which nobody is shown."""
        return replace(self, factors=self.factors.hide(columns), hidden=columns)

    @cached_property
    def _popular(self) -> NDArray[np.int64]:
        """Items by recent popularity, best first."""
        score = self.facts.items["item_decay_30"].copy()
        score[self.hidden] = 0.0
        order = np.lexsort((np.arange(len(score)), -score))
        return order[score[order] > 0]

    @cached_property
    def _popular_rank(self) -> Column:
        rank = np.full(self.facts.n_items, np.nan, np.float32)
        rank[self._popular] = np.arange(1, len(self._popular) + 1)
        return rank

    @cached_property
    def _popular_in_category(self) -> NDArray[np.int64]:
        """The best items of each category, then NOTHING, shape (n_categories, FROM_CATEGORY)."""
        of_category = np.full((self.facts.tastes.n_others, FROM_CATEGORY), NOTHING, np.int64)
        category = self.facts.category[self._popular]
        order = np.argsort(category, kind="stable")
        category = category[order]
        within = np.arange(len(order)) - np.searchsorted(category, category, side="left")
        kept = (within < FROM_CATEGORY) & (category >= 0)
        of_category[category[kept], within[kept]] = self._popular[order[kept]]
        return of_category

    def table(self, rows: NDArray[np.int64]) -> CandidateTable:
        """The candidates of the users `rows` with their features; the last table is kept."""
        asked = rows.tobytes()
        if not self._last or self._last[0][0] != asked:
            self._last[:] = [(asked, self._table(rows))]
        return self._last[0][1]

    def _table(self, rows: NDArray[np.int64]) -> CandidateTable:
        facts = self.facts
        own, seen, tastes = (pairs.among(rows) for pairs in (facts.bought, facts.seen, facts.tastes))
        exclude = self._own_matrix(own, len(rows)) if self.is_exclude else None
        near = self._near(own, len(rows))
        keys = np.unique(
            np.concatenate(
                [
                    self._keys(self._of_als(rows, exclude)),
                    self._keys(rank_cells(near, FROM_NEIGHBOURS, exclude).items),
                    self._from_popular(own, len(rows)),
                    self._from_categories(tastes),
                    seen.keys[seen.best(3 * seen.columns["carts_30"] + seen.columns["views_30"], FROM_SEEN)],
                    own.keys[own.best(own.columns["decay_90"], FROM_OWN)][: 0 if self.is_exclude else None],
                ]
            )
        )
        if self.is_exclude:
            keys = keys[~own.places(keys)[1]]
        slots, items = np.divmod(keys, facts.n_items)
        if len(self.hidden):
            is_shown = ~np.isin(items, self.hidden)
            slots, items = slots[is_shown], items[is_shown]
        known = UserBatch(facts, self.factors, rows, own, seen, tastes, near, self._popular_rank)
        return table(known, slots, items)

    def _own_matrix(self, own: Pairs, n_users: int) -> sp.csr_matrix:
        return sp.csr_matrix(
            (np.ones(len(own.user), np.float32), (own.user, own.other)), shape=(n_users, self.facts.n_items)
        )

    def _of_als(self, rows: NDArray[np.int64], exclude: sp.csr_matrix | None) -> NDArray[np.int32]:
        return self.factors.of(rows).top_n(np.arange(len(rows)), self.from_als, exclude).items

    def _near(self, own: Pairs, n_users: int) -> sp.csr_matrix:
        """Sum of similarities to what the user bought, the recent counting more, shape (n_users, n_items)."""
        kept = own.best(own.columns["decay_90"], REMEMBERED)
        weight = 0.2 + own.columns["decay_30"][kept]
        shape = (n_users, self.facts.n_items)
        taken = sp.csr_matrix((weight, (own.user[kept], own.other[kept])), shape=shape, dtype=np.float32)
        return sp.csr_matrix(taken @ self.similarity)

    def _from_popular(self, own: Pairs, n_users: int) -> NDArray[np.int64]:
        if not self.is_exclude:
            keys = np.arange(n_users)[:, None] * self.facts.n_items + self._popular[:FROM_POPULAR]
            return np.ravel(keys).astype(np.int64)
        head = self._popular[: 8 * FROM_POPULAR]
        keys = np.arange(n_users)[:, None] * self.facts.n_items + head
        is_new = ~own.places(keys.ravel())[1].reshape(keys.shape)
        found: NDArray[np.int64] = keys[is_new & (np.cumsum(is_new, axis=1) <= FROM_POPULAR)]
        return found

    def _from_categories(self, tastes: Pairs) -> NDArray[np.int64]:
        kept = tastes.best(tastes.columns["taste_decay_90"], CATEGORIES)
        items = self._popular_in_category[tastes.other[kept]]
        keys = tastes.user[kept][:, None] * self.facts.n_items + items
        found: NDArray[np.int64] = keys[items != NOTHING]
        return found

    def _keys(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        """Lists as keys."""
        slots, ranks = np.nonzero(items != NOTHING)
        return slots * self.facts.n_items + items[slots, ranks].astype(np.int64)
