"""A model's lists with variety: to be shown to everybody costs a place, and so does to be like an item above.

A list is taken from the POOL items that the model puts first, one place after the other: each time the item
with the highest

    score / s - strength x exposure - LIKE x strength x likeness

where `s` is the standard deviation of the scores within a list, `exposure` how often the item stands in the
first places of lists (n / (n + 1) of n in a thousand), and `likeness` how alike it is to the most alike item
above it (maximal marginal relevance, Carbonell and Goldstein 1998). Where near-duplicates are kept apart, two
kinds of one product do not stand in the first HEAD places as long as there are others; and no more items of a
category than `most_of_category`.

What is done is chosen on validation (`tuning/variety.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.cold.content import NONE
from pipeline.models.params import Variety
from pipeline.models.top_n import NOTHING, Ranker, TopN
from pipeline.variety.likeness import Alike, Likeness

POOL = 50
"""How far down an item may stand in the model's own order to be moved up."""
HEAD = 10
"""How many places are chosen one after the other; the others follow by what their exposure leaves them."""
LIKE = 0.25
"""What likeness costs, against exposure."""
SHOWN = 3
"""The places that count as exposure: those by which lists are judged."""
SAMPLED = 1_000
"""Lists by which exposure is counted."""
ROUNDS = 8
"""How often exposure is counted anew: what costs more is shown less, and then costs less."""
LATE = 1e6
"""What it costs to be one product with an item above, or of a category that has its places."""
EMPTY = -1e30
"""Worth of an empty slot: it comes after every item."""
BATCH_LISTS = 2_048

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Exposure:
    """How often items stand in first places, for one model at one cut.

    scale: the standard deviation of the model's scores within a list; 1 where they are all the same
    cost:  of each item, 0 to 1, shape (n_items,); it depends on the strength
    """

    scale: float
    cost: Scores


def exposure_of(pool: TopN, n_items: int, variety: Variety) -> Exposure:
    """Where lists are chosen from `pool`, lists in the model's own order; strength 0: it costs nothing."""
    cost, strength = np.zeros(n_items), variety.strength
    if not strength:
        return Exposure(1.0, cost)
    scale = _scale(pool)
    scores, shown = np.where(pool.items != NOTHING, pool.scores / scale, -np.inf), pool.items[:, :SHOWN]
    for n_counted in range(1, ROUNDS + 1):
        n = np.bincount(shown[shown != NOTHING], minlength=n_items) * (1_000 / len(pool.items))
        cost += (n / (n + 1.0) - cost) / n_counted
        shown = _best(scores - strength * cost[pool.items], pool.items, SHOWN)
    return Exposure(scale, cost)


def _scale(pool: TopN) -> float:
    is_item = pool.items != NOTHING
    n = np.maximum(is_item.sum(axis=1, keepdims=True), 1)
    scores = np.where(is_item, pool.scores, 0.0).astype(np.float64)
    apart = np.where(is_item, scores - scores.sum(axis=1, keepdims=True) / n, 0.0)
    return float(np.sqrt((apart**2).sum() / max(int(is_item.sum()), 1))) or 1.0


def _best(values: Scores, items: NDArray[np.int32], n: int) -> NDArray[np.int32]:
    """The `n` items of each list with the highest values; ties go to the earlier one."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :n]
    return np.take_along_axis(items, order, axis=1)


def reordered(
    pool: TopN, exposure: Exposure, alike: Alike, variety: Variety, most_of_category: int = 0
) -> TopN:
    """The lists of `pool`, shape (n_users, length), in the order of the module; scores are what was left.

    exposure: of the items that `pool` numbers; alike: of its lists; most_of_category: 0, as many as come
    """
    is_item, length, strength = pool.items != NOTHING, pool.items.shape[1], variety.strength
    values = np.where(is_item, pool.scores / exposure.scale - strength * exposure.cost[pool.items], EMPTY)
    lists, left, order = np.arange(len(values)), values.copy(), np.empty(pool.items.shape, np.int64)
    cost, n_of_category = np.zeros(values.shape), np.zeros(values.shape, np.int64)
    for place in range(min(HEAD, length)):
        best = np.argmax(left - cost, axis=1)
        order[:, place], left[lists, best] = best, -np.inf
        cost = np.maximum(cost, LIKE * strength * alike.degree[lists, best])
        if not variety.has_near_duplicates:
            cost[alike.is_same[lists, best]] = LATE
        if most_of_category:
            category = alike.category[lists, best][:, None]
            n_of_category += (alike.category == category) & (category != NONE)
            cost[n_of_category >= most_of_category] = LATE
    order[:, HEAD:] = np.argsort(-left, axis=1, kind="stable")[:, : max(length - HEAD, 0)]
    scores = np.minimum.accumulate(np.take_along_axis(values, order, axis=1), axis=1) * exposure.scale
    items = np.take_along_axis(pool.items, order, axis=1)
    scores[items == NOTHING] = 0.0
    return TopN(items, scores.astype(np.float32), (order + 1).astype(np.int32))


@dataclass(frozen=True)
class Varied:
    """A fitted model whose lists have variety.

    likeness: of all items of the model
    sampled:  rows of users by whose lists exposure is counted
    exclude:  what their lists may not hold, as for `top_n`
    """

    model: Ranker
    likeness: Likeness
    variety: Variety
    most_of_category: int
    sampled: NDArray[np.int64]
    exclude: sp.csr_matrix | None

    def hide(self, columns: NDArray[np.int64]) -> Varied:
        """The same model, which shows the items `columns` to nobody; what takes their place is counted."""
        return replace(self, model=self.model.hide(columns))

    @cached_property
    def exposure(self) -> Exposure:
        """Of the items, in the lists of the sampled users."""
        sampled = self.sampled if self.variety.strength else self.sampled[:0]
        pool = self.model.top_n(sampled, POOL, self.exclude)
        return exposure_of(pool, len(self.likeness.factors), self.variety)

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        """The best `n` items for the users `rows`; beyond the first POOL in the model's own order."""
        own = self.model.top_n(rows, max(n, POOL), exclude)
        rank = np.tile(np.arange(1, own.items.shape[1] + 1, dtype=np.int32), (len(rows), 1))
        items, scores = own.items.copy(), own.scores.copy()
        for start in range(0, len(rows), BATCH_LISTS):
            part = np.s_[start : start + BATCH_LISTS, :POOL]
            pool = TopN(own.items[part], own.scores[part])
            alike = self.likeness.within(pool.items)
            top = reordered(pool, self.exposure, alike, self.variety, self.most_of_category)
            items[part], scores[part], rank[part] = top.items, top.scores, top.model_rank
        scores = np.minimum.accumulate(scores, axis=1)
        scores[items == NOTHING] = 0.0
        return TopN(items[:, :n], scores[:, :n], rank[:, :n])


def sample_of(n_users: int, seed: int) -> NDArray[np.int64]:
    """Rows of at most SAMPLED of `n_users` users, drawn with the seed, ascending."""
    drawn = np.random.default_rng(seed).permutation(n_users)[:SAMPLED]
    return np.sort(drawn)
