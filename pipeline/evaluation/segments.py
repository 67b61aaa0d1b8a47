"""Precision@3 of every model by user segment, with bootstrap confidence intervals.

Groups come from before the cut: how often a user bought, how long the shop has known the user, the category
the user bought most from, and the shop's own `segment` (which is today's). A user who is measured at several
cuts is in the group of that cut at each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.contract.datasets import DATASETS
from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import Clusters, PerUser
from pipeline.evaluation.pooled import Measurements
from pipeline.ranking.fitted import FittedModels
from pipeline.runs.job import Job
from pipeline.splits.holdout import UNSERVED, HeldOut

MOST = 12
"""How many categories, and segments of the shop, get rows: the largest."""
FEWEST_USERS = 10
"""A group of fewer measured users gets no row: its interval would be too wide to say anything."""
NEW_DAYS = 60.0
"""A user whose first purchase is younger counts as new (`tenure`)."""
Labels = NDArray[np.str_]
Groups = Mapping[str, Labels]
"""By way of grouping: the group of each measured user."""


def segment_rows(
    job: Job,
    cuts: Sequence[Groups],
    measurements: Measurements,
    users: Mapping[str, Mapping[str, PerUser]],
) -> pa.Table:
    """Rows of `segment_metrics`.

    cuts:  what `groups_at` gives for each cut, oldest first
    users: by model and measure, one value for each of `measurements`
    """
    dataset = DATASETS["segment_metrics"]
    rows = []
    for kind, labels in _pooled(cuts).items():
        for segment, n_buyers in _largest(labels, measurements.clusters):
            is_in = labels == segment
            for model, scores in users.items():
                values = scores["precision_at_3"][is_in]
                low, high = metrics.interval(values, job.settings.run.seed, measurements.clusters[is_in])
                numbers = (len(values), n_buyers, float(values.mean()), low, high)
                rows.append((kind, segment, model, *numbers))
    columns = zip(*rows, strict=True) if rows else [[] for _ in dataset.columns]
    schema = dataset.schema(job.settings.ids.model_dump())
    arrays = [pa.array(list(values), field.type) for values, field in zip(columns, schema, strict=True)]
    table = pa.table(arrays, schema=schema)
    return table.sort_by([(name, "ascending") for name in dataset.key])


def groups_at(job: Job, models: FittedModels, held_out: HeldOut) -> Groups:
    """Each way of grouping, with the group of every user measured at one cut; "": in no group."""
    return dict(_kinds(job, models, held_out))


def _pooled(cuts: Sequence[Groups]) -> Groups:
    """The groups at all cuts; "" where a cut has no such groups, as before the first item of a category."""
    kinds = dict.fromkeys(kind for groups in cuts for kind in groups)
    sizes = [len(next(iter(groups.values()))) for groups in cuts]
    return {
        kind: np.concatenate(
            [groups.get(kind, np.full(size, "")) for groups, size in zip(cuts, sizes, strict=True)]
        )
        for kind in kinds
    }


def _kinds(job: Job, models: FittedModels, held_out: HeldOut) -> Iterator[tuple[str, Labels]]:
    statistics, rows = models.statistics, held_out.rows
    trips = statistics.users["user_trips"]
    few, many = np.percentile(trips, [33.3, 66.7])
    since = np.zeros(len(trips))
    np.maximum.at(since, statistics.bought.user, statistics.bought.columns["first_age_days"])
    kinds = {
        "activity": np.select([trips <= few, trips > many], ["light buyers", "heavy buyers"], "in between"),
        "tenure": np.where(since < NEW_DAYS, f"first bought within {NEW_DAYS:g} days", "known for longer"),
    }
    if (statistics.category >= 0).any():
        kinds["category"] = _categories(job, models)
    for kind, of_user in kinds.items():
        yield kind, np.where(rows == UNSERVED, "", of_user[rows])
    if job.folder.has("users"):
        users = job.folder.table("users")
        place = pc.index_in(held_out.user_ids, value_set=users["user_id"].combine_chunks())
        yield "segment", _texts(users["segment"].take(place))


def _categories(job: Job, models: FittedModels) -> Labels:
    """The category each user bought most from, for all users of the history."""
    items = job.folder.table("items")
    is_known = pc.is_in(items["item_id"], value_set=models.history.item_ids)
    categories = pc.unique(pc.drop_null(items["category"].filter(is_known)))
    names = np.array(sorted(categories.to_pylist(), key=str.encode), str)
    tastes = models.statistics.tastes
    best = tastes.best(tastes.columns["taste_days"], 1)
    favourite = np.full(models.history.shape[0], "", names.dtype)
    favourite[tastes.user[best]] = names[tastes.other[best]]
    return favourite


def _texts(values: pa.ChunkedArray) -> Labels:
    """As numpy texts; null is empty."""
    return np.array(pc.fill_null(values, "").to_pylist(), str)


def _largest(labels: Labels, clusters: Clusters) -> list[tuple[str, int]]:
    """The groups with most measurements, at most MOST, none below FEWEST_USERS; how many users each has."""
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    order = np.lexsort((names, -counts))[:MOST]
    n_users = [len(np.unique(clusters[labels == names[place]])) for place in order]
    sized = zip(order, n_users, strict=True)
    return [(str(names[place]), n) for place, n in sized if n >= FEWEST_USERS]
