"""Lists with no more items of a category than the shop wants, as long as the model has others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.cold.content import NONE
from pipeline.models.groups import position_in_group
from pipeline.models.top_n import NOTHING, Ranker, TopN
from pipeline.variety.varied import HEAD, POOL


@dataclass(frozen=True)
class Capped:
    """A fitted model whose first HEAD places hold at most `most` items of a category.

    categories: the number of each item's category, NONE where it has none, and no limit, shape (n_items,)
    """

    model: Ranker
    categories: NDArray[np.int32]
    most: int

    def hide(self, columns: NDArray[np.int64]) -> Capped:
        """The same model, which shows the items `columns` to nobody."""
        return replace(self, model=self.model.hide(columns))

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        """The best `n` items for the users `rows`."""
        top = capped(self.model.top_n(rows, max(n, POOL), exclude), self.categories, self.most)
        return TopN(
            top.items[:, :n], top.scores[:, :n], None if top.model_rank is None else top.model_rank[:, :n]
        )


def capped(top: TopN, categories: NDArray[np.int32], most: int) -> TopN:
    """The same lists; what is too much of its category moves down. Scores stay where they are.

    categories: of the items that `top` numbers; most: 0, as many as come
    """
    if not most:
        return top
    category = np.where(top.items == NOTHING, NONE, categories[top.items])
    order = _order(top.items, category, most)
    rank = np.tile(np.arange(1, top.items.shape[1] + 1), (len(top.items), 1))
    rank = rank if top.model_rank is None else top.model_rank
    items, rank = (np.take_along_axis(part, order, axis=1) for part in (top.items, rank))
    return TopN(items, top.scores, rank.astype(np.int32))


def _order(items: NDArray[np.int32], category: NDArray[np.int32], most: int) -> NDArray[np.int64]:
    """Places by the list they come into: HEAD that are not too much of their category, then the others."""
    n_lists, length = items.shape
    place = np.tile(np.arange(length), (n_lists, 1))
    by_category = np.argsort(category, axis=1, kind="stable")
    ordered = np.take_along_axis(category, by_category, axis=1).astype(np.int64)
    groups = (ordered + np.arange(n_lists)[:, None] * (int(category.max(initial=0)) + 2)).ravel()
    nth = np.empty(items.shape, np.int64)
    np.put_along_axis(nth, by_category, position_in_group(groups).reshape(items.shape), axis=1)
    is_kept = ((category == NONE) | (nth < most)) & (items != NOTHING)
    is_head = is_kept & (np.cumsum(is_kept, axis=1) <= HEAD)
    return np.argsort(np.where(is_head, place, place + length), axis=1, kind="stable")
