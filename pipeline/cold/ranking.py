"""Ranks cold items for buyers: how much an item is asked for, times how well it fits what the buyer bought.

    score = demand x sqrt(alikeness + 0.01) x sqrt(lift of its category)

Alikeness is the cosine between the item's content and that of the buyer's purchases (Lops et al. 2011,
content-based recommendation), lift the share of the item's category in the buyer's purchases over its share
in everybody's. The roots keep both from outvoting demand, which says most of what is bought of new things.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.cold.content import NONE, Content
from pipeline.cold.items import ColdItems
from pipeline.models.top_n import TopN, best_first
from pipeline.splits.history import History

PROFILE_DAYS = 60.0
"""Half-life of a purchase in the profile of a buyer."""
MOST_RANKED = 5_000
"""Cold items that are ranked for everybody: those most asked for."""
LEAST_ALIKENESS, LEAST_SHARE = 0.01, 0.002
"""What is added, so that an item of another kind is not ruled out."""
FAVOURITES = 5
"""A buyer's favourite categories: those bought from most, lately."""
BATCH_USERS = 512


@dataclass(frozen=True)
class ColdRanking:
    """The ranking at one cut.

    history: ends there; items: those that are ranked, at most MOST_RANKED
    of_all:  the share of each category in everybody's purchases, where `history` is that of some users alone
    """

    history: History
    items: ColdItems
    of_all: NDArray[np.float64] | None = None

    def top_n(self, rows: NDArray[np.int64], n: int) -> TopN:
        """The best `n` items of each user `rows`, as numbers in `items`; none that the user bought."""
        top = TopN.empty(len(rows), n)
        for start in range(0, len(rows), BATCH_USERS):
            batch = slice(start, start + BATCH_USERS)
            _put_best(top, start, self._scores(rows[batch]), self._is_own(rows[batch]), n)
        return top

    def top_n_of_categories(self, rows: NDArray[np.int64], n: int) -> TopN:
        """The same by purchases alone, of the items in the user's favourite categories."""
        top = TopN.empty(len(rows), n)
        for start in range(0, len(rows), BATCH_USERS):
            batch = rows[start : start + BATCH_USERS]
            is_out = self._is_own(batch) | ~self.favourites(batch)[:, self.items.categories]
            _put_best(top, start, np.tile(self.items.bought, (len(batch), 1)), is_out, n)
        return top

    def top_n_beside(self, rows: NDArray[np.int64], n: int, listed: NDArray[np.int32]) -> TopN:
        """The best `n` of categories that each user bought from, beside what the user's list has already.

        listed: column numbers of the history, negative where a slot is empty, shape (len(rows), length)
        """
        top = TopN.empty(len(rows), n)
        number = np.full(self.history.shape[1] + 1, len(self.items))  # the last: an empty slot
        has_column = np.flatnonzero(self.items.columns != NONE)
        number[self.items.columns[has_column]] = has_column
        for start in range(0, len(rows), BATCH_USERS):
            batch = slice(start, start + BATCH_USERS)
            is_ours = self._by_item(self._of_categories[rows[batch]]) > 0
            is_listed = np.zeros((len(is_ours), len(self.items) + 1), bool)
            np.put_along_axis(is_listed, number[np.maximum(listed[batch], NONE)], True, axis=1)
            is_out = self._is_own(rows[batch]) | ~is_ours | is_listed[:, :-1]
            _put_best(top, start, self._scores(rows[batch]), is_out, n)
        return top

    def counted(self) -> ColdRanking:
        """The same, with what buyers bought counted: from now on several threads may ask for lists."""
        _ = self.mean_shares
        return self

    def favourites(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """The FAVOURITES categories of each user, shape (len(rows), n_categories + 1); the last: none."""
        bought = self._of_categories[rows].toarray()
        best = np.argsort(-bought, axis=1, kind="stable")[:, :FAVOURITES]
        is_favourite = np.zeros((len(rows), bought.shape[1] + 1), bool)  # category NONE is the last column
        np.put_along_axis(is_favourite, best, np.take_along_axis(bought, best, axis=1) > 0, axis=1)
        return is_favourite

    @cached_property
    def _purchases(self) -> sp.csr_matrix:
        """What each buyer bought of the items with content, the recent counting more."""
        content = self.items.content
        row = content.rows_of(self.history.item_ids)
        is_met = np.flatnonzero(row != NONE)
        shape = (len(row), content.n_items)
        to_content = sp.csr_matrix((np.ones(len(is_met)), (is_met, row[is_met])), shape=shape)
        return sp.csr_matrix(self.history.purchases(PROFILE_DAYS) @ to_content)

    @cached_property
    def _of_categories(self) -> sp.csr_matrix:
        """The same by category, shape (n_users, n_categories)."""
        content = self.items.content
        has_category = np.flatnonzero(content.categories != NONE)
        cells = (has_category, content.categories[has_category])
        shape = (content.n_items, max(content.n_categories, 1))
        return sp.csr_matrix(
            self._purchases @ sp.csr_matrix((np.ones(len(has_category)), cells), shape=shape)
        )

    @cached_property
    def _shares(self) -> sp.csr_matrix:
        """The share of each category in each buyer's purchases."""
        total = np.asarray(self._of_categories.sum(axis=1)).ravel()
        scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        return sp.csr_matrix(sp.diags(scale) @ self._of_categories)

    @cached_property
    def _content(self) -> Content:
        """What is known of the ranked items alone."""
        return self.items.content.only(self.items.rows)

    @cached_property
    def mean_shares(self) -> NDArray[np.float64]:
        """The share of each category in everybody's purchases, shape (n_categories,)."""
        if self.of_all is not None:
            return self.of_all
        total = np.asarray(self._shares.sum(axis=0)).ravel()
        return np.asarray(total / max(self._shares.shape[0], 1))

    def _scores(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        items = self.items
        alikeness = self._content.alikeness(items.content.profiles(self._purchases[rows]))
        mean = self._by_item(sp.csr_matrix(self.mean_shares))
        lift = (self._by_item(self._shares[rows]) + LEAST_SHARE) / (mean + LEAST_SHARE)
        return np.asarray(items.demand * np.sqrt(alikeness + LEAST_ALIKENESS) * np.sqrt(lift))

    def _by_item(self, of_categories: sp.csr_matrix) -> NDArray[np.float64]:
        """The value of each ranked item's category, 0 where it has none, shape (n, len(items)).

        of_categories: shape (n, n_categories); only columns of the items' categories are made dense
        """
        categories, place = np.unique(self.items.categories, return_inverse=True)
        is_one = categories != NONE
        values = np.zeros((of_categories.shape[0], len(categories)))
        values[:, is_one] = of_categories[:, categories[is_one]].toarray()
        return np.asarray(values[:, place])

    def _is_own(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the user bought the item, shape (len(rows), len(items))."""
        has_column = np.flatnonzero(self.items.columns != NONE)
        is_own = np.zeros((len(rows), len(self.items)), bool)
        bought = self.history.purchases()[rows][:, self.items.columns[has_column]]
        is_own[:, has_column] = bought.toarray() > 0
        return is_own


def _put_best(top: TopN, start: int, scores: NDArray[np.float64], is_out: NDArray[np.bool_], n: int) -> None:
    """Write the best `n` of each row of `scores` into `top`, from row `start` on; none that is out."""
    ids = np.arange(scores.shape[1])
    for row, (of_user, is_out_of) in enumerate(zip(scores, is_out, strict=True), start):
        kept = ids[~is_out_of]
        best = kept[best_first(of_user[kept], kept, n)]
        top.items[row, : len(best)] = best
        top.scores[row, : len(best)] = of_user[best]
