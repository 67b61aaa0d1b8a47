"""Candidate generation: what a user might buy next, gathered from every source that can name an item.

The first of the two stages of a recommender (Covington et al. 2016, "Deep Neural Networks for YouTube
Recommendations"): candidates first, then a re-ranker (ranking/reranker.py) that puts them in order. The
sources are ALS, EASE, the neighbours of what the user bought, the user's own purchases (where lists may hold
them), what the user looked at, and what is popular lately in the shop and in the user's categories.

A candidate is held as one number, its key: the user's slot in the batch x n_items + the item's column.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.models.als_factors import AlsFactors
from pipeline.models.ease import EaseWeights
from pipeline.models.groups import position_in_group
from pipeline.models.top_n import NOTHING, best_items, rank_cells
from pipeline.ranking.features import CandidateTable, ItemScores, UserBatch, candidate_table
from pipeline.ranking.pairs import Column, Pairs
from pipeline.ranking.statistics import Statistics

FROM_ALS, FROM_EASE, FROM_NEIGHBOURS, FROM_OWN, FROM_SEEN, FROM_POPULAR = 60, 40, 40, 60, 30, 30
FROM_OTHER_SPANS = 15
"""Most candidates of a user from each source. Best sellers are of late; the other spans: days, all time."""
CATEGORIES, FROM_CATEGORY = 5, 25
"""The user's categories that are looked at, and the best sellers taken from each."""
REMEMBERED = 100
"""Items of a user whose neighbours are looked up: the ones bought most, lately."""

Keys = NDArray[np.int64]


class KeptTables(threading.local):
    """The last candidate table that a thread has made."""

    def __init__(self) -> None:
        self._users = b""
        self._table: CandidateTable | None = None

    def table(
        self, rows: NDArray[np.int64], make: Callable[[NDArray[np.int64]], CandidateTable]
    ) -> CandidateTable:
        """The one of the users `rows`, made where it is not the last."""
        users, table = rows.tobytes(), self._table
        if table is None or self._users != users:
            self._table = None  # there is never room for two
            self._users, self._table = users, (table := make(rows))
        return table


class CandidateSource:
    """All that candidates are taken from, at one cut and in one mode.

    similarity: of items, shape (n_items, n_items)
    is_exclude: leave out what the user bought
    hidden:     column numbers of items that nobody is shown, ascending
    from_als:   most candidates of a user from ALS

    Each thread's last candidate table is kept, because several re-rankers ask for the same users in turn.
    """

    def __init__(
        self,
        statistics: Statistics,
        factors: AlsFactors,
        similarity: sp.csr_matrix,
        ease: EaseWeights,
        is_exclude: bool,
        hidden: NDArray[np.int64] | None = None,
        from_als: int = FROM_ALS,
    ) -> None:
        self.statistics = statistics
        self.hidden = np.empty(0, np.int64) if hidden is None else hidden
        self._factors, self._similarity, self._ease = factors, similarity, ease
        self._is_exclude = is_exclude
        self._from_als = from_als
        self._popular = self._best_sellers("item_decay_30")
        self._of_other_spans = [self._best_sellers(name) for name in ("bought_3", "item_buyers")]
        self._popular_in_category = self._best_sellers_by_category()
        self._kept = KeptTables()

    def hide(self, columns: NDArray[np.int64]) -> CandidateSource:
        """The same source without the items `columns`, which nobody is shown."""
        factors, ease = self._factors.hide(columns), self._ease.hide(columns)
        return CandidateSource(
            self.statistics, factors, self._similarity, ease, self._is_exclude, columns, self._from_als
        )

    def table(self, rows: NDArray[np.int64]) -> CandidateTable:
        """The candidates of the users `rows` (row numbers of the history), with their features."""
        return self._kept.table(rows, self._make_table)

    def _make_table(self, rows: NDArray[np.int64]) -> CandidateTable:
        batch = self._user_batch(rows)
        slots, items = np.divmod(self._generate(batch), self.statistics.n_items)
        if len(self.hidden):
            is_shown = ~np.isin(items, self.hidden)
            slots, items = slots[is_shown], items[is_shown]
        return candidate_table(batch, slots, items)

    def _user_batch(self, rows: NDArray[np.int64]) -> UserBatch:
        statistics = self.statistics
        own, seen, tastes = (
            pairs.among(rows) for pairs in (statistics.bought, statistics.seen, statistics.tastes)
        )
        near, popular_rank = self._neighbour_scores(own, len(rows)), self._popular_rank()
        ease = ItemScores(self._ease.scores(rows), self._ease.columns)
        return UserBatch(statistics, self._factors, rows, own, seen, tastes, near, ease, popular_rank)

    def _generate(self, batch: UserBatch) -> Keys:
        """The keys of all candidates, each once, ascending."""
        exclude = self._purchases(batch) if self._is_exclude else None
        sources = [
            self._from_als_factors(batch, exclude),
            self._from_ease(batch, exclude),
            self._from_neighbours(batch, exclude),
            self._from_popular(batch, self._popular, FROM_POPULAR),
            *(self._from_popular(batch, items, FROM_OTHER_SPANS) for items in self._of_other_spans),
            self._from_categories(batch.tastes),
            self._from_seen(batch.seen),
        ]
        if not self._is_exclude:
            sources.append(self._from_own(batch.own))
        keys = np.unique(np.concatenate(sources))
        return keys[~batch.own.places(keys)[1]] if self._is_exclude else keys

    def _from_als_factors(self, batch: UserBatch, exclude: sp.csr_matrix | None) -> Keys:
        users = self._factors.user_factors[batch.rows]
        return self._keys(self._factors.top_n_of(users, self._from_als, exclude).items)

    def _from_ease(self, batch: UserBatch, exclude: sp.csr_matrix | None) -> Keys:
        return self._keys(self._ease.best(batch.ease.values, FROM_EASE, exclude).items)

    def _from_neighbours(self, batch: UserBatch, exclude: sp.csr_matrix | None) -> Keys:
        return self._keys(rank_cells(batch.neighbour_scores, FROM_NEIGHBOURS, exclude).items)

    def _from_own(self, own: Pairs) -> Keys:
        return own.keys[own.best(own.columns["decay_90"], FROM_OWN)]

    def _from_seen(self, seen: Pairs) -> Keys:
        """What the user looked at; what lay in the cart counts three times as much."""
        return seen.keys[seen.best(3 * seen.columns["carts_30"] + seen.columns["views_30"], FROM_SEEN)]

    def _from_popular(self, batch: UserBatch, items: NDArray[np.int64], n: int) -> Keys:
        """The first `n` of `items`; where bought items are left out, of those new to the user."""
        slots = np.arange(batch.n_users)[:, None] * self.statistics.n_items
        if not self._is_exclude:
            return np.ravel(slots + items[:n]).astype(np.int64)
        keys = slots + items[: 8 * n]
        is_new = ~batch.own.places(keys.ravel())[1].reshape(keys.shape)
        kept: Keys = keys[is_new & (np.cumsum(is_new, axis=1) <= n)]
        return kept

    def _from_categories(self, tastes: Pairs) -> Keys:
        """The best sellers of the categories that the user bought from most, lately."""
        rows = tastes.best(tastes.columns["taste_decay_90"], CATEGORIES)
        items = self._popular_in_category[tastes.other[rows]]
        keys = tastes.user[rows][:, None] * self.statistics.n_items + items
        kept: Keys = keys[items != NOTHING]
        return kept

    def _purchases(self, batch: UserBatch) -> sp.csr_matrix:
        """Ones where the user bought the item, shape (n_users, n_items)."""
        own = batch.own
        cells = (np.ones(len(own.user), np.float32), (own.user, own.other))
        return sp.csr_matrix(cells, shape=(batch.n_users, self.statistics.n_items))

    def _neighbour_scores(self, own: Pairs, n_users: int) -> sp.csr_matrix:
        """Sum of similarities to what the user bought, the recent counting more, shape (n_users, n_items)."""
        rows = own.best(own.columns["decay_90"], REMEMBERED)
        weights = 0.2 + own.columns["decay_30"][rows]
        shape = (n_users, self.statistics.n_items)
        bought = sp.csr_matrix((weights, (own.user[rows], own.other[rows])), shape=shape, dtype=np.float32)
        return sp.csr_matrix(bought @ self._similarity)

    def _keys(self, items: NDArray[np.int32]) -> Keys:
        """Lists of items, shape (n_users, n), as keys."""
        slots, ranks = np.nonzero(items != NOTHING)
        return slots * self.statistics.n_items + items[slots, ranks].astype(np.int64)

    def _best_sellers(self, sales: str) -> NDArray[np.int64]:
        """Items by a feature of theirs, best first. Hidden items and those nobody bought are left out."""
        score = self.statistics.items[sales].copy()
        score[self.hidden] = 0.0
        return best_items(score)

    def _popular_rank(self) -> Column:
        rank = np.full(self.statistics.n_items, np.nan, np.float32)
        rank[self._popular] = np.arange(1, len(self._popular) + 1)
        return rank

    def _best_sellers_by_category(self) -> NDArray[np.int64]:
        """The best sellers of each category, then NOTHING, shape (n_categories, FROM_CATEGORY)."""
        best = np.full((self.statistics.tastes.n_others, FROM_CATEGORY), NOTHING, np.int64)
        category = self.statistics.category[self._popular]
        order = np.argsort(category, kind="stable")
        category, items = category[order], self._popular[order]
        ranks = position_in_group(category)
        is_kept = (ranks < FROM_CATEGORY) & (category >= 0)
        best[category[is_kept], ranks[is_kept]] = items[is_kept]
        return best
