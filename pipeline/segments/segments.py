"""Makes the segments at a cut, as many as serve best those who bought for the first time right before it.

How many there are is chosen on newcomers: people who had looked around and bought nothing, and then bought in
the last days before the cut. For each number of segments, what is popular in the newcomer's segment among
everybody else is held against what the newcomer bought (Recall@10). The number of the night before, or one
where there was none, stays unless the best is better by two standard errors of the difference; then the least
is taken that is not worse than the best by one (Breiman et al. 1984, the one-standard-error rule). One
segment is the whole shop.

What people looked at divides them first. An attribute counts beside it only where it serves the newcomers
better by two standard errors; who is known by attributes alone has no segment where none counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.evaluation.metrics import PerUser, hits, recall_at_k
from pipeline.models.top_n import TopN
from pipeline.ranking.fitted import FittedModels
from pipeline.segments.clusters import BATCH, Centres, Labels, centres_of, drawn, nearest
from pipeline.segments.people import Known, People, Space, space_at
from pipeline.segments.popular import filled, popular_lists

NUMBERS = (2, 4, 8, 16, 32, 64)
"""How many segments are tried, beside one, which is the whole shop."""
NUMBERS_FOR_ATTRIBUTES = (2, 4, 8, 16)
"""How many are tried with an attribute where what people looked at divides nobody."""
LEAST_PEOPLE = 50
"""People in a segment, on average, so that a number is tried."""
NEWCOMER_DAYS = 28
"""A newcomer is who bought for the first time in so many days before the cut."""
ERRORS_TO_CHANGE = 2.0
"""Standard errors by which a number of segments has to be better than the present one."""
LEAST_NEWCOMERS = 10
"""From so many newcomers on a number is chosen."""
AT = 10


@dataclass(frozen=True)
class Segments:
    """The segments at a cut; one, which is the whole shop, where more serve nobody better.

    people:     those without purchases
    centres:    of the segments; empty where there is one
    lists:      what is popular in each of n segments, column numbers of the history, shape (n, length)
    attributes: names of those that count beside what people looked at
    """

    people: People
    centres: Centres
    lists: TopN
    attributes: tuple[str, ...] = ()

    @cached_property
    def labels(self) -> Labels:
        """The segment of each of the people, from 0."""
        return self.labels_of(np.arange(len(self.people.user_ids)))

    def labels_of(self, rows: NDArray[np.int64]) -> Labels:
        """Of the people in these rows."""
        if self.n == 1:
            return np.zeros(len(rows), np.int64)
        parts = [np.zeros(0, np.int64)]
        for start in range(0, len(rows), BATCH):
            parts.append(nearest(self.people.points_of(rows[start : start + BATCH]), self.centres))
        return np.concatenate(parts)

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.lists.items)


@dataclass(frozen=True)
class FirstPurchases:
    """What people without purchases at a time bought after it.

    rows:    their numbers among these people, ascending, shape (n,)
    items:   ones where one bought an item, shape (n, n_items)
    n_items: different items each bought, those nobody had touched before too, shape (n,)
    """

    rows: NDArray[np.int64]
    items: sp.csr_matrix
    n_items: NDArray[np.int64]

    def of(self, who: NDArray[np.bool_]) -> FirstPurchases:
        """Of some of them alone. who: shape (n,)"""
        return FirstPurchases(self.rows[who], self.items[who], self.n_items[who])

    def recall(self, lists: NDArray[np.int32]) -> PerUser:
        """Recall@10 of a list for each. lists: of each of them, shape (n, length)"""
        return recall_at_k(hits(lists, self.items), self.n_items, AT)


def first_purchases(
    models: FittedModels, user_ids: pa.Array, later: Sequence[Path], since: datetime, until: datetime
) -> FirstPurchases:
    """What `user_ids` (ascending) bought in `[since, until)`. later: files of events"""
    history = models.history
    history.show("later", *later, since=since, until=until)
    history.give("people", pa.table({"user_id": user_ids, "person": np.arange(len(user_ids))}))
    bought = history.table("first_purchases")
    rows, person = np.unique(bought["person"].to_numpy(), return_inverse=True)
    is_met = bought["item_row"].is_valid().to_numpy()
    columns = bought["item_row"].drop_null().to_numpy()
    cells = (np.ones(len(columns)), (person[is_met], columns))
    items = sp.csr_matrix(cells, shape=(len(rows), history.shape[1]))
    return FirstPurchases(rows, items, np.bincount(person, minlength=len(rows)))


def segments_at(
    models: FittedModels, known: Known, cut_at: datetime, length: int, last_night: pa.Table | None = None
) -> Segments:
    """The segments at `cut_at`; what came after it does not count.

    models:     fitted on the buyers' events before the cut
    length:     of the lists
    last_night: rows of `live_segments`, whose numbers are kept where as many segments are made
    """
    since = cut_at - timedelta(days=NEWCOMER_DAYS)
    space = space_at(models, known, since, cut_at)
    bought = first_purchases(models, space.newcomers.user_ids, known.events, since, cut_at)
    division = _divide(models, space, bought, last_night)
    people, n, centres = division.space.people, division.n, division.centres
    if n == 1:
        return Segments(people, centres, whole_shop(models, length))
    lists = _lists(models, _purchases(models), nearest(division.space.buyers, centres), n, length)
    return Segments(people, centres, lists, tuple(division.space.attributes))


def whole_shop(models: FittedModels, length: int) -> TopN:
    """The list of the whole shop, of one row."""
    return _of_everybody(models, _purchases(models), length)


@dataclass(frozen=True)
class _Division:
    """n segments and their centres in a space; one is the whole shop."""

    space: Space
    n: int
    centres: Centres


def _divide(
    models: FittedModels, space: Space, bought: FirstPurchases, last_night: pa.Table | None
) -> _Division:
    """People divided by what they looked at, and by the attributes that serve the newcomers."""
    looks = space.by(())
    has_looked = looks.newcomers.has_looked[bought.rows]
    by_looks = _Newcomers(models, looks.newcomers, bought.of(has_looked)).divide(looks, last_night)
    if not space.attributes or len(bought.rows) < LEAST_NEWCOMERS:
        return by_looks
    newcomers = _Newcomers(models, space.newcomers, bought)
    present = newcomers.recall(by_looks)
    kept = [name for name in space.attributes if newcomers.gain_by(space.by([name]), by_looks.n, present)]
    if not kept:
        return by_looks
    division = newcomers.divide(space.by(kept), last_night)
    return division if newcomers.recall(division).mean() > present.mean() else by_looks


class _Newcomers:
    """Those on whom segments are chosen, and what they bought.

    newcomers: all of whom `bought` tells, and others
    """

    def __init__(self, models: FittedModels, newcomers: People, bought: FirstPurchases) -> None:
        self._models, self._bought = models, bought
        self._purchases = _without(models, newcomers.user_ids.take(pa.array(bought.rows)))
        self._everybody = _of_everybody(models, self._purchases, 2 * AT)

    def divide(self, space: Space, last_night: pa.Table | None) -> _Division:
        """The number of segments in `space` that serves them best; as many as last night where that does."""
        n_before, before = _before(space.people, last_night)
        shop = _Division(space, 1, np.zeros((0, 0)))
        if len(self._bought.rows) < LEAST_NEWCOMERS:
            return shop
        tried, fitted_on = {1: shop}, self._drawn(space)
        points = space.people.points_of(fitted_on)
        for n in _possible(space, NUMBERS):
            labels = before[fitted_on] if n == n_before else None
            tried[n] = _Division(space, n, centres_of(points, n, self._seed, labels))
        return tried[chosen_number({n: self.recall(division) for n, division in tried.items()}, n_before)]

    def gain_by(self, space: Space, n: int, present: PerUser) -> bool:
        """Whether `n` segments in `space` serve them better than the `present` ones by two standard errors.

        Where the present one is the whole shop, a few numbers are tried.
        """
        numbers = _possible(space, NUMBERS_FOR_ATTRIBUTES if n == 1 else (n,))
        points = space.people.points_of(self._drawn(space))
        divisions = (_Division(space, number, centres_of(points, number, self._seed)) for number in numbers)
        return any(_errors(self.recall(division) - present) > ERRORS_TO_CHANGE for division in divisions)

    def recall(self, division: _Division) -> PerUser:
        """Recall@10 of the list of each one's segment; of the whole shop's where nothing is known of one."""
        space, rows, shop = division.space, self._bought.rows, self._everybody.items[:, :AT]
        if division.n == 1:
            return self._bought.recall(np.repeat(shop, len(rows), axis=0))
        labels = nearest(space.buyers, division.centres)
        lists = filled(_lists(self._models, self._purchases, labels, division.n, AT), self._everybody, AT)
        shown = lists[nearest(space.newcomers.points_of(rows), division.centres)]
        if not space.attributes:
            shown[~space.newcomers.has_looked[rows]] = shop
        return self._bought.recall(shown)

    def _drawn(self, space: Space) -> NDArray[np.int64]:
        return drawn(len(space.people.user_ids), self._seed)

    @property
    def _seed(self) -> int:
        return self._models.settings.run.seed


def _possible(space: Space, numbers: Sequence[int]) -> list[int]:
    """Those of `numbers` that the people are enough for, and not too much alike."""
    n_people = len(space.people.user_ids)
    first = space.people.points_of(np.arange(min(n_people, NUMBERS[-1] * LEAST_PEOPLE)))
    n_points = len(np.unique(first, axis=0))
    return [n for n in numbers if n * LEAST_PEOPLE <= n_people and n <= n_points]


def chosen_number(recall: dict[int, PerUser], n_before: int) -> int:
    """The number of the night before, else the least, of those that are about as good as the best."""
    best = max(recall, key=lambda n: (recall[n].mean(), -n))

    def errors_behind(n: int) -> float:
        """By how many standard errors `n` is behind the best."""
        return _errors(recall[best] - recall[n])

    present = n_before if n_before in recall else 1
    if errors_behind(present) <= ERRORS_TO_CHANGE:
        return present
    return next(n for n in sorted(recall) if errors_behind(n) <= 1.0)


def _errors(differences: PerUser) -> float:
    """The mean difference in its standard errors; infinite where all differ by as much."""
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    if error > 0:
        return float(differences.mean() / error)
    return math.inf if differences.mean() > 0 else 0.0


def _before(people: People, last_night: pa.Table | None) -> tuple[int, Labels]:
    """How many segments there were on the night before, 0 without one, and who of `people` was in which."""
    if last_night is None or not last_night.num_rows:
        return 0, np.zeros(0, np.int64)
    at = pc.index_in(people.user_ids, last_night["user_id"].combine_chunks())
    numbers = last_night["segment"].take(at).to_numpy(zero_copy_only=False)
    before = np.where(np.isnan(numbers.astype(np.float64)), 0, numbers).astype(np.int64) - 1
    most = int(pc.max(last_night["segment"]).as_py())  # the last ones may have been empty
    return next((n for n in NUMBERS if n >= most), 0), before


def _purchases(models: FittedModels) -> sp.csr_matrix:
    return models.history.purchases(models.settings.recommend.popular_half_life_days)


def _without(models: FittedModels, user_ids: pa.Array) -> sp.csr_matrix:
    """The purchases of everybody but `user_ids`: nobody is measured by what they bought themselves."""
    purchases = _purchases(models)
    rows = pc.index_in(models.history.user_ids, user_ids).is_valid().to_numpy(zero_copy_only=False)
    return sp.csr_matrix(sp.diags((~rows).astype(np.float64)) @ purchases)


def _of_everybody(models: FittedModels, purchases: sp.csr_matrix, length: int) -> TopN:
    """The best sellers of the whole shop, however few bought them, as a list of one row."""
    labels = np.zeros(purchases.shape[0], np.int64)
    return popular_lists(purchases, labels, 1, length, 1, models.factors.hidden)


def _lists(models: FittedModels, purchases: sp.csr_matrix, labels: Labels, n: int, length: int) -> TopN:
    min_buyers = models.settings.recommend.also_bought_min_buyers
    return popular_lists(purchases, labels, n, length, min_buyers, models.factors.hidden)
