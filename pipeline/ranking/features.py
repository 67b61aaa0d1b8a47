"""The candidate table: the features of contract/features.py, a row for each candidate of a user batch.

Only what was known before the cut goes in: statistics of the user, the item and the pair, and how the sources
of candidates rate the item. The entry of a feature says which value it has where there is nothing to measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.contract.features import (
    FEATURES,
    OF_ITEM,
    OF_USER,
    OWN,
    RANKED_OWN,
    SEEN,
    TASTE,
    Feature,
)
from pipeline.models.als_factors import AlsFactors
from pipeline.models.groups import best_in_groups, position_in_group
from pipeline.models.top_n import TopN
from pipeline.ranking.pairs import Column, Pairs, ratio
from pipeline.ranking.statistics import Statistics

CACHED_ROWS = 1024
"""Rows of the feature matrix that are filled at a time, so that they stay in the processor's cache."""

Columns = dict[str, Column]


class Scorer(Protocol):
    """What a re-ranker learns: Blend or Trees."""

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Higher is better, shape (n_rows,); `features` has the columns of FEATURES."""
        ...


@dataclass(frozen=True)
class CandidateTable:
    """Candidates of some users, sorted by user and item.

    slots:    each row's place among the users of the batch, ascending; items: column numbers
    features: float32, shape (n_rows, len(FEATURES)), in the order of FEATURES
    """

    n_users: int
    slots: NDArray[np.int64]
    items: NDArray[np.int64]
    features: NDArray[np.float32]
    _scored: list[tuple[Scorer, NDArray[np.float64]]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def scores_by(self, scorer: Scorer) -> NDArray[np.float64]:
        """Of each row. Those of the last scorer are kept: a model's lists are asked for more than once."""
        if not self._scored or self._scored[0][0] is not scorer:
            self._scored[:] = [(scorer, scorer.score(self.features))]
        return self._scored[0][1]

    def column(self, name: str) -> Column:
        """One feature."""
        values: Column = self.features[:, FEATURES.index(name)]
        return values

    def best(self, scores: NDArray[np.floating], n: int) -> TopN:
        """The `n` highest `scores` of each user; ties go to the lower id."""
        top = TopN.empty(self.n_users, n)
        rows = best_in_groups(scores, self.slots, n)
        slots = self.slots[rows]
        ranks = position_in_group(slots)
        top.items[slots, ranks] = self.items[rows]
        top.scores[slots, ranks] = scores[rows]
        return top


@dataclass(frozen=True)
class ItemScores:
    """Scores of some users for some items.

    values: float32, shape (n_users, n_columns); columns: numbers of those items, ascending
    """

    values: NDArray[np.float32]
    columns: NDArray[np.int64]

    def of(self, slots: NDArray[np.int64], items: NDArray[np.int64]) -> Column:
        """Of the pairs (slots, items), shape of both; 0 where an item is none of `columns`."""
        place = np.searchsorted(self.columns, items)
        scores = np.zeros(len(items), np.float32)
        is_there = place < len(self.columns)
        is_there[is_there] = self.columns[place[is_there]] == items[is_there]
        scores[is_there] = self.values[slots[is_there], place[is_there]]
        return scores


@dataclass(frozen=True)
class UserBatch:
    """Some users with all that their candidates and features are worked out from.

    rows: their row numbers in the history; own, seen, tastes: their pairs, users numbered by their slots
    neighbour_scores: summed similarity to what they bought, shape (n_users, n_items)
    ease: their scores by EASE
    popular_rank: of each item, NaN where it is not popular
    """

    statistics: Statistics
    factors: AlsFactors
    rows: NDArray[np.int64]
    own: Pairs
    seen: Pairs
    tastes: Pairs
    neighbour_scores: sp.csr_matrix
    ease: ItemScores
    popular_rank: Column

    @property
    def n_users(self) -> int:
        return len(self.rows)


def candidate_table(batch: UserBatch, slots: NDArray[np.int64], items: NDArray[np.int64]) -> CandidateTable:
    """The features of the candidates (slots, items), sorted by both; a slot is a place in `batch.rows`."""
    statistics = batch.statistics
    keys = slots * statistics.n_items + items
    values: Columns = {
        **_of_pairs(batch.own, keys, OWN),
        **_of_pairs(batch.seen, keys, SEEN),
        **_candidate_scores(batch, slots, items),
        **{feature.name: statistics.items[feature.name][items] for feature in OF_ITEM},
        **{feature.name: statistics.users[feature.name][batch.rows[slots]] for feature in OF_USER},
        **_taste(batch, slots, items),
    }
    values |= _due_again(values)
    for name in RANKED_OWN:
        values |= _among_own(name, values[name], slots, batch.n_users)
    features = side_by_side([values[name] for name in FEATURES])
    return CandidateTable(batch.n_users, slots, items, features)


def side_by_side(columns: Sequence[Column]) -> NDArray[np.float32]:
    """Columns as a matrix, shape (n_rows, len(columns))."""
    matrix = np.empty((len(columns[0]), len(columns)), np.float32)
    for start in range(0, len(matrix), CACHED_ROWS):
        rows = slice(start, start + CACHED_ROWS)
        for number, column in enumerate(columns):
            matrix[rows, number] = column[rows]
    return matrix


def _of_pairs(pairs: Pairs, keys: NDArray[np.int64], features: Sequence[Feature]) -> Columns:
    """Columns of the pairs `keys`; where there is no such pair, what each feature says it is then."""
    rows, is_present = pairs.places(keys)
    columns = {}
    for feature in features:
        values = np.full(len(keys), feature.absent, np.float32)
        values[is_present] = pairs.columns[feature.name][rows[is_present]]
        columns[feature.name] = values
    return columns


def _candidate_scores(batch: UserBatch, slots: NDArray[np.int64], items: NDArray[np.int64]) -> Columns:
    als = batch.factors.scores(batch.rows[slots], items)
    ease, near = batch.ease.of(slots, items), _cells(batch.neighbour_scores, slots, items)
    return {
        "als_score": als,
        "als_share": _share_of_best(als, slots, batch.n_users),
        "als_rank": _ranks(als, slots),
        "ease_score": ease,
        "ease_share": _share_of_best(np.maximum(ease, 0), slots, batch.n_users),
        "ease_rank": _ranks(ease, slots),
        "near_score": near,
        "near_share": _share_of_best(near, slots, batch.n_users),
        "near_rank": _ranks(near, slots),
        "popular_rank": batch.popular_rank[items],
    }


def _taste(batch: UserBatch, slots: NDArray[np.int64], items: NDArray[np.int64]) -> Columns:
    """What the user bought in the item's category, and its share of what the user bought in any."""
    tastes = batch.tastes
    category = batch.statistics.category[items].astype(np.int64)
    keys = np.where(category >= 0, slots * tastes.n_others + category, -1)
    columns = _of_pairs(tastes, keys, TASTE)
    total = np.bincount(tastes.user, tastes.columns["taste_decay_90"], minlength=batch.n_users)
    return {**columns, "taste_share": ratio(columns["taste_decay_90"], total[slots])}


def _cells(matrix: sp.csr_matrix, slots: NDArray[np.int64], items: NDArray[np.int64]) -> Column:
    """The cells (slots, items), 0 where there is none; `slots` ascend. All users share one dense row."""
    values = np.zeros(len(slots), np.float32)
    dense = np.zeros(matrix.shape[1], np.float32)
    bounds = np.searchsorted(slots, np.arange(matrix.shape[0] + 1))
    for row in range(matrix.shape[0]):
        stored = slice(matrix.indptr[row], matrix.indptr[row + 1])
        wanted = slice(bounds[row], bounds[row + 1])
        dense[matrix.indices[stored]] = matrix.data[stored]
        values[wanted] = dense[items[wanted]]
        dense[matrix.indices[stored]] = 0.0
    return values


def _due_again(values: Columns) -> Columns:
    """When what the user bought is due again, by the user's own pace and by everybody's."""
    gap_days = ratio(values["first_age_days"] - values["last_age_days"], values["n_days"] - 1)
    age_days = values["last_age_days"]
    return {
        "own_gap_days": gap_days,
        "own_due": ratio(age_days, np.maximum(gap_days, 1.0)),
        "own_due_by_item": ratio(age_days, np.maximum(values["item_gap_days"], 1.0)),
        "own_trip_share": ratio(values["n_days"], values["user_trips"]),
        "own_rate": ratio(values["n_days"], values["first_age_days"] + 14.0),
        "own_trips": ratio(age_days, values["user_trip_gap_days"]),
        "own_trips_28": ratio(values["n_last_14"] + values["n_last_28"], values["user_trips_28"]),
        "own_gap_in_trips": ratio(gap_days, values["user_trip_gap_days"]),
    }


def _among_own(name: str, values: Column, slots: NDArray[np.int64], n_users: int) -> Columns:
    """A count beside those of the user's other candidates: its rank, its share of the highest and of all."""
    total = np.bincount(slots, values, minlength=n_users)
    return {
        f"{name}_rank": _ranks(values, slots),
        f"{name}_share": _share_of_best(values, slots, n_users),
        f"{name}_part": ratio(values, total[slots]),
    }


def _share_of_best(scores: Column, slots: NDArray[np.int64], n_users: int) -> Column:
    """Each score over that of the user's best candidate."""
    best = np.full(n_users, 1e-9, np.float32)
    np.maximum.at(best, slots, scores)
    shares: Column = scores / best[slots]
    return shares


def _ranks(scores: Column, slots: NDArray[np.int64]) -> Column:
    """1 for the user's best candidate, 2 for the next, ..., ties by item; NaN where the score is 0."""
    order = best_in_groups(scores, slots)
    ranks = np.empty(len(order), np.float32)
    ranks[order] = position_in_group(slots[order]) + 1
    ranks[scores == 0] = np.nan
    return ranks
