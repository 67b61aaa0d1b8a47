"""People without purchases at a cut, and the buyers, as points in one space.

What people looked at is folded into ALS; a buyer's factors are there already. Of both the direction alone
counts: how much somebody did says nothing of taste. What the shop says of its users (`user_attributes`)
stands beside it, in further columns of each attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.ranking.fitted import FittedModels
from pipeline.splits.history import History
from pipeline.users.attributes import attributes_at, points_by

Points = NDArray[np.float32]
PointsOf = Callable[[NDArray[np.int64]], Points]


@dataclass(frozen=True)
class Known:
    """What is known of people: files of all events, and `user_attributes` where the shop has them."""

    events: Sequence[Path]
    attributes: Path | None = None


@dataclass(frozen=True)
class People:
    """n people without purchases, in the order of their ids.

    has_looked: whether what they looked at is in their points; else it is 0 there, shape (n,)
    points_of:  the points of the people in these rows, shape (len(rows), d): worked out when they are asked
                for, because most are not
    """

    user_ids: pa.Array
    has_looked: NDArray[np.bool_]
    points_of: PointsOf

    @property
    def points(self) -> Points:
        """Of all of them, shape (n, d)."""
        return self.points_of(np.arange(len(self.user_ids)))


@dataclass(frozen=True)
class Space:
    """Everybody in one space of d dimensions.

    people:     those without purchases at the cut
    newcomers:  those without purchases at an earlier time, by what they looked at then; some are buyers now
    buyers:     points of the buyers at the cut, in the order of the history, shape (n_buyers, d)
    attributes: the columns of each attribute; before them stands what was looked at
    """

    people: People
    newcomers: People
    buyers: Points
    attributes: Mapping[str, slice]

    def by(self, names: Sequence[str]) -> Space:
        """The same by what was looked at and the attributes `names` alone.

        Without any, `people` are those who looked; `newcomers` are always all of them.
        """
        if not self.attributes and self.people.has_looked.all():
            return self
        first = min((columns.start for columns in self.attributes.values()), default=self.buyers.shape[1])
        widths = {name: self.attributes[name].stop - self.attributes[name].start for name in names}
        chosen = np.r_[0:first, *(self.attributes[name] for name in names)]

        def narrowed(people: People, kept: NDArray[np.int64]) -> People:
            return People(
                people.user_ids.take(pa.array(kept)),
                people.has_looked[kept],
                lambda rows: people.points_of(kept[rows])[:, chosen],
            )

        is_known = np.ones(len(self.people.user_ids), np.bool_) if names else self.people.has_looked
        return Space(
            narrowed(self.people, np.flatnonzero(is_known)),
            narrowed(self.newcomers, np.arange(len(self.newcomers.user_ids))),
            self.buyers[:, chosen],
            _places(first, widths),
        )


def _places(first: int, widths: Mapping[str, int]) -> dict[str, slice]:
    """The columns of each name, one after the other, from column `first` on."""
    ends = first + np.cumsum([0, *widths.values()])
    return {
        name: slice(int(start), int(end))
        for name, start, end in zip(widths, ends[:-1], ends[1:], strict=True)
    }


def space_at(models: FittedModels, known: Known, earlier: datetime, cut_at: datetime) -> Space:
    """Everybody at `cut_at`.

    models: fitted on the buyers' events before it; earlier: when newcomers are seen
    """
    people, newcomers = _people(models, known, cut_at), _people(models, known, earlier)
    user_ids = models.history.user_ids
    buyers = directions(models.factors.user_factors)
    if known.attributes is None:
        return Space(people, newcomers, buyers, {})
    ids = pc.unique(pa.concat_arrays([people.user_ids, newcomers.user_ids, user_ids]))
    points = points_by(attributes_at(known.attributes, ids, cut_at))

    def beside(looks: Points, of: pa.Array) -> Points:
        rows = pc.index_in(of, value_set=ids).to_numpy(zero_copy_only=False)
        return np.hstack([looks, *(columns[rows] for columns in points.values())])

    def with_attributes(some: People) -> People:
        return replace(
            some, points_of=lambda rows: beside(some.points_of(rows), some.user_ids.take(pa.array(rows)))
        )

    return Space(
        with_attributes(people),
        with_attributes(newcomers),
        beside(buyers, user_ids),
        _places(buyers.shape[1], {name: columns.shape[1] for name, columns in points.items()}),
    )


def _people(models: FittedModels, known: Known, cut_at: datetime) -> People:
    """Who had bought nothing before `cut_at`, and had looked at enough or is known to the shop.

    Enough is what `recommend.engaged_views` and `engaged_carts` say.
    """
    settings, history = models.settings, models.history
    wanted = settings.recommend
    least = {"min_views": wanted.engaged_views, "min_carts": wanted.engaged_carts}
    user_ids, looks = history.fold_in(known.events, settings.weights, cut_at, **least)
    als, n_lookers = models.params.als_model(settings), len(user_ids)

    def points_of(rows: NDArray[np.int64]) -> Points:
        points = np.zeros((len(rows), models.factors.user_factors.shape[1]), np.float32)
        has_looked = rows < n_lookers
        if has_looked.any():
            points[has_looked] = directions(als.fold_in(models.factors, looks, rows[has_looked]))
        return points

    if known.attributes is None:
        return People(user_ids, np.ones(n_lookers, np.bool_), points_of)
    others = _known_by_attributes(history, known.attributes, user_ids, cut_at)
    ids = pa.concat_arrays([user_ids, others])
    order = pc.sort_indices(ids).to_numpy()
    return People(ids.take(pa.array(order)), order < n_lookers, lambda rows: points_of(order[rows]))


def _known_by_attributes(history: History, file: Path, lookers: pa.Array, cut_at: datetime) -> pa.Array:
    """Ids of those of whom the shop says something, who did not look at enough and bought nothing."""
    history.show("user_attributes", file)
    history.give("lookers", pa.table({"user_id": lookers}))
    rows = history.table("known_by_attributes", {"cut_at": cut_at})
    return rows["user_id"].combine_chunks()


def directions(factors: NDArray[np.float32]) -> Points:
    """Rows of length 1; a row of zeros stays."""
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    rows: Points = factors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return rows
