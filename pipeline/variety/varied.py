"""A model's lists with variety: to be shown to everybody costs a place, and so does to be like an item above.

A list is taken from the POOL items that the model puts first, one place after the other: each time the item
with the highest

    score / s - strength x exposure - LIKE x strength x likeness

where `s` is the standard deviation of the scores in a list (the geometric mean of that in the user's pool and
that in all), `exposure` how often the item stands in the first places of lists (n / (n + 0.5) of n in a
thousand), and `likeness` how alike it is to the most alike item above it (maximal marginal relevance,
Carbonell and Goldstein 1998). Where near-duplicates are kept apart, two kinds of one product do not stand in
the first HEAD places as long as there are others.

What is done is chosen on validation (`tuning/variety.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
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
LIKE = 0.1
"""What likeness costs, against exposure."""
SHOWN = 3
"""The places that count as exposure: those by which lists are judged."""
SAMPLED = 1_000
"""Lists by which exposure is counted."""
HALF = 0.5
"""In how many of a thousand lists an item stands that has half of the highest exposure."""
ROUNDS = 8
"""How often exposure is counted anew: what costs more is shown less, and then costs less."""
OPEN, LATE, EMPTY, TAKEN = range(4)
"""Whose turn it is: an item's; that of one whose product has a place already; of an empty slot; of none."""
BATCH_LISTS = 2_048

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Exposure:
    """What some lists say of a model.

    of_items:  how often each item stands in first places, 0 to 1, shape (n_items,)
    deviation: the standard deviation of the scores in a list
    """

    of_items: Scores
    deviation: float


def exposure_of(pool: TopN, n_items: int, strength: float) -> Exposure:
    """Where lists are chosen with `strength` from `pool`: some lists in the model's own order.

    Strength 0: no item has any
    """
    deviation = float(np.sqrt((_deviations(pool) ** 2).sum() / max(len(pool.items), 1)))
    exposure = np.zeros(n_items)
    if not strength or not len(pool.items):
        return Exposure(exposure, deviation)
    scores, shown = _scaled(pool, deviation), pool.items[:, :SHOWN]
    for n_counted in range(1, ROUNDS + 1):
        n = np.bincount(shown[shown != NOTHING], minlength=n_items) * (1_000 / len(pool.items))
        exposure += (n / (n + HALF) - exposure) / n_counted
        best = np.argsort(strength * exposure[pool.items] - scores, axis=1, kind="stable")[:, :SHOWN]
        shown = np.take_along_axis(pool.items, best, axis=1)
    return Exposure(exposure, deviation)


def _scaled(pool: TopN, deviation: float) -> Scores:
    """Scores in standard deviations; the least there is where a slot is empty.

    deviation: of all lists; each list's is the geometric mean of that and its own
    """
    both = np.sqrt(deviation * _deviations(pool))[:, None]
    scores = pool.scores.astype(np.float64) / np.where(both > 0, both, 1.0)
    return np.where(pool.items == NOTHING, -np.inf, scores)


def _deviations(pool: TopN) -> Scores:
    """The standard deviation of the scores in each list."""
    is_item = pool.items != NOTHING
    n = np.maximum(is_item.sum(axis=1), 1)
    scores = np.where(is_item, pool.scores, 0.0).astype(np.float64)
    apart = np.where(is_item, scores - (scores.sum(axis=1) / n)[:, None], 0.0)
    return np.asarray(np.sqrt((apart**2).sum(axis=1) / n))


def reordered(pool: TopN, exposure: Exposure, alike: Alike, variety: Variety) -> TopN:
    """The lists of `pool`, shape (n_users, length), in the order of the module.

    exposure: of the items that `pool` numbers; alike: of its lists
    Scores stay where they are: they tell the order, nothing more.
    """
    is_empty, length = pool.items == NOTHING, pool.items.shape[1]
    scores = _scaled(pool, exposure.deviation)
    worth = np.where(is_empty, 0.0, scores - variety.strength * exposure.of_items[pool.items])
    lists, order = np.arange(len(worth)), np.empty(pool.items.shape, np.int64)
    cost, turn = np.zeros(worth.shape), np.where(is_empty, EMPTY, OPEN)
    for place in range(min(HEAD, length)):
        is_next = turn == turn.min(axis=1, keepdims=True)
        best = np.argmax(np.where(is_next, worth - cost, -np.inf), axis=1)
        order[:, place] = best
        turn[lists, best] = TAKEN
        cost = np.maximum(cost, LIKE * variety.strength * alike.degree[lists, best])
        if not variety.has_near_duplicates:
            product = alike.product[lists, best][:, None]
            turn[(alike.product == product) & (product != NONE) & (turn == OPEN)] = LATE
    turn[turn == LATE] = OPEN
    left = np.lexsort((-worth, turn))
    order[:, HEAD:] = left[:, : max(length - HEAD, 0)]
    return TopN(np.take_along_axis(pool.items, order, axis=1), pool.scores, (order + 1).astype(np.int32))


@dataclass(frozen=True)
class Varied:
    """A fitted model whose lists have variety.

    likeness: of all items of the model
    sampled:  rows of users by whose lists exposure is counted
    exclude:  what their lists may not hold, as for `top_n`
    counted:  exposure, where it was counted in other users' lists; None: it is counted in theirs
    """

    model: Ranker
    likeness: Likeness
    variety: Variety
    sampled: NDArray[np.int64]
    exclude: sp.csr_matrix | None
    counted: Exposure | None = None

    def hide(self, columns: NDArray[np.int64]) -> Varied:
        """The same model, which shows the items `columns` to nobody; what takes their place is counted."""
        return replace(self, model=self.model.hide(columns))

    @cached_property
    def exposure(self) -> Exposure:
        """In the lists of the sampled users."""
        if self.counted is not None:
            return self.counted
        pool = self.model.top_n(self.sampled, POOL, self.exclude)
        return exposure_of(pool, len(self.likeness.factors), self.variety.strength)

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        """The best `n` items for the users `rows`; beyond the first POOL in the model's own order."""
        own = self.model.top_n(rows, max(n, POOL), exclude)
        rank = np.tile(np.arange(1, own.items.shape[1] + 1, dtype=np.int32), (len(rows), 1))
        items = own.items.copy()
        for start in range(0, len(rows), BATCH_LISTS):
            part = np.s_[start : start + BATCH_LISTS, :POOL]
            pool = TopN(own.items[part], own.scores[part])
            top = reordered(pool, self.exposure, self.likeness.within(pool.items), self.variety)
            items[part], rank[part] = top.items, top.model_rank
        return TopN(items[:, :n], own.scores[:, :n], rank[:, :n])


def sample_of(ids: pa.Array) -> NDArray[np.int64]:
    """Rows of at most SAMPLED of the users `ids`, ascending: those whose ids have the lowest hashes.

    So a user more or less changes one of them, and lists stay as they are from night to night.
    """
    hashes = pd.util.hash_array(ids.to_numpy(zero_copy_only=False), categorize=False)
    return np.sort(np.argsort(hashes, kind="stable")[:SAMPLED])
