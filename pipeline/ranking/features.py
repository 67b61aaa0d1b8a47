"""What the second step knows of each candidate: FEATURES of contract.py, a row for each candidate.

Only what was known before the cut: the facts of the user, the item and the pair, and how ALS and the
neighbours rate it. What is not known is NaN; a count of nothing is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.contract.features import FEATURES, OF_ITEM, OF_OWN, OF_USER, OWN, SEEN, TASTE
from pipeline.models.als import AlsFactors
from pipeline.models.top_n import TopN
from pipeline.ranking.pairs import Column, Pairs, ratio
from pipeline.ranking.statistics import Statistics

ROWS = 1024


@dataclass(frozen=True)
class CandidateTable:
    """Candidates of some users, sorted by user and item.

    slots:    each row's place among the users asked for, ascending; items: column numbers
    features: float32, shape (n_rows, len(FEATURES)), in the order of FEATURES
    """

    n_users: int
    slots: NDArray[np.int64]
    items: NDArray[np.int64]
    features: NDArray[np.float32]

    def column(self, name: str) -> Column:
        """One feature."""
        found: Column = self.features[:, FEATURES.index(name)]
        return found

    def best(self, scores: NDArray[np.floating], n: int) -> TopN:
        """The `n` highest `scores` of each user; ties go to the lower id."""
        top = TopN.empty(self.n_users, n)
        order = np.lexsort((-scores, self.slots))
        slots = self.slots[order]
        within = np.arange(len(order)) - np.searchsorted(slots, slots, side="left")
        kept = within < n
        top.items[slots[kept], within[kept]] = self.items[order[kept]]
        top.scores[slots[kept], within[kept]] = scores[order[kept]]
        return top


@dataclass(frozen=True)
class UserBatch:
    """What is known of a batch of users.

    rows: their row numbers; own, seen, tastes: their pairs; near: sums of similarities to what they
    bought, shape (n_users, n_items); popular_rank: of each item, NaN where it is not popular
    """

    facts: Statistics
    factors: AlsFactors
    rows: NDArray[np.int64]
    own: Pairs
    seen: Pairs
    tastes: Pairs
    near: sp.csr_matrix
    popular_rank: Column


def table(known: UserBatch, slots: NDArray[np.int64], items: NDArray[np.int64]) -> CandidateTable:
    """The features of the pairs (slots, items), sorted by both; a slot is a place in `known.rows`."""
    keys = slots * known.facts.n_items + items
    told = {
        **_looked_up(known.own, keys, OWN, 0.0),
        **_looked_up(known.seen, keys, SEEN, 0.0),
        **_recalled(known, slots, items),
        **{name: known.facts.items[name][items] for name in OF_ITEM},
        **{name: known.facts.users[name][known.rows[slots]] for name in OF_USER},
        **_taste(known, slots, items),
    }
    told |= _derived(told)
    for name in OF_OWN:
        told |= _among_own(name, told[name], slots, len(known.rows))
    return CandidateTable(len(known.rows), slots, items, side_by_side([told[name] for name in FEATURES]))


def side_by_side(columns: Sequence[Column]) -> NDArray[np.float32]:
    """Columns as a matrix, shape (n_rows, len(columns)): some rows at a time, which stay in the cache."""
    rows = np.empty((len(columns[0]), len(columns)), np.float32)
    for start in range(0, len(rows), ROWS):
        for place, column in enumerate(columns):
            rows[start : start + ROWS, place] = column[start : start + ROWS]
    return rows


def _recalled(known: UserBatch, slots: NDArray[np.int64], items: NDArray[np.int64]) -> dict[str, Column]:
    als = known.factors.scores(known.rows[slots], items)
    near = _cells(known.near, slots, items)
    return {
        "als_score": als,
        "als_share": _share(als, slots, len(known.rows)),
        "als_rank": _ranks(als, slots),
        "near_score": near,
        "near_share": _share(near, slots, len(known.rows)),
        "near_rank": _ranks(near, slots),
        "popular_rank": known.popular_rank[items],
    }


def _taste(known: UserBatch, slots: NDArray[np.int64], items: NDArray[np.int64]) -> dict[str, Column]:
    tastes = known.tastes
    category = known.facts.category[items].astype(np.int64)
    found = _looked_up(tastes, np.where(category >= 0, slots * tastes.n_others + category, -1), TASTE, np.nan)
    total = np.bincount(tastes.user, tastes.columns["taste_decay_90"], minlength=len(known.rows))
    found["taste_share"] = ratio(found["taste_decay_90"], total[slots])
    return found


def _cells(matrix: sp.csr_matrix, slots: NDArray[np.int64], items: NDArray[np.int64]) -> Column:
    """The cells (slots, items), 0 where there is none; `slots` ascend."""
    found = np.zeros(len(slots), np.float32)
    dense = np.zeros(matrix.shape[1], np.float32)
    bounds = np.searchsorted(slots, np.arange(matrix.shape[0] + 1))
    for row in range(matrix.shape[0]):
        cells = slice(matrix.indptr[row], matrix.indptr[row + 1])
        dense[matrix.indices[cells]] = matrix.data[cells]
        found[bounds[row] : bounds[row + 1]] = dense[items[bounds[row] : bounds[row + 1]]]
        dense[matrix.indices[cells]] = 0.0
    return found


def _looked_up(
    pairs: Pairs, keys: NDArray[np.int64], names: tuple[str, ...], absent: float
) -> dict[str, Column]:
    """Columns of the pairs `keys`; where there is no such pair an age is NaN, a count `absent`."""
    places, is_there = pairs.places(keys)
    found = {}
    for name in names:
        values = np.full(len(keys), np.nan if name.endswith("age") else absent, np.float32)
        values[is_there] = pairs.columns[name][places[is_there]]
        found[name] = values
    return found


def _derived(told: dict[str, Column]) -> dict[str, Column]:
    """When what the user bought is due again, by the user's own pace and by everybody's."""
    gap = ratio(told["first_age"] - told["last_age"], told["n_days"] - 1)
    return {
        "own_gap": gap,
        "own_due": ratio(told["last_age"], np.maximum(gap, 1.0)),
        "own_due_by_item": ratio(told["last_age"], np.maximum(told["item_gap"], 1.0)),
        "own_trip_share": ratio(told["n_days"], told["user_trips"]),
        "own_rate": ratio(told["n_days"], told["first_age"] + 14.0),
        "own_trips": ratio(told["last_age"], told["user_trip_gap"]),
        "own_trips_28": ratio(told["n_last_14"] + told["n_last_28"], told["user_trips_28"]),
        "own_gap_in_trips": ratio(gap, told["user_trip_gap"]),
    }


def _among_own(name: str, values: Column, slots: NDArray[np.int64], n_users: int) -> dict[str, Column]:
    """How a count stands among the user's candidates: its rank, its share of the highest and of all."""
    total = np.bincount(slots, values, minlength=n_users)
    return {
        f"{name}_rank": _ranks(values, slots),
        f"{name}_share": _share(values, slots, n_users),
        f"{name}_part": ratio(values, total[slots]),
    }


def _share(scores: Column, slots: NDArray[np.int64], n_users: int) -> Column:
    """Of the user's best candidate's score."""
    best = np.full(n_users, 1e-9, np.float32)
    np.maximum.at(best, slots, scores)
    found: Column = scores / best[slots]
    return found


def _ranks(scores: Column, slots: NDArray[np.int64]) -> Column:
    """1 for the user's best candidate, 2 for the next, ..., ties by item; NaN where the score is 0."""
    order = np.lexsort((-scores, slots))
    ranks = np.empty(len(order), np.float32)
    sorted_slots = slots[order]
    ranks[order] = np.arange(1, len(order) + 1) - np.searchsorted(sorted_slots, sorted_slots, side="left")
    ranks[scores == 0] = np.nan
    return ranks
