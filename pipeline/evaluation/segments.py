"""Precision@3 of every model by user segment, with bootstrap confidence intervals.

Groups come from before the cut: how often a user bought, how long the shop has known the user, the category
the user bought most from, and the shop's own `segment` (which is today's).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.contract.datasets import DATASETS
from pipeline.evaluation import metrics
from pipeline.evaluation.judge import Judge
from pipeline.evaluation.metrics import PerUser
from pipeline.ranking.fitted import FittedModels
from pipeline.runs.job import Job
from pipeline.splits.holdout import UNSERVED

MOST = 12
"""How many categories, and segments of the shop, get rows: the largest."""
FEWEST_USERS = 10
"""A group of fewer measured users gets no row: its interval would be too wide to say anything."""
NEW_DAYS = 60.0
"""A user whose first purchase is younger counts as new (`tenure`)."""
Labels = NDArray[np.str_]


def segment_rows(
    job: Job, models: FittedModels, judge: Judge, users: Mapping[str, Mapping[str, PerUser]]
) -> pa.Table:
    """Rows of `segment_metrics`."""
    dataset = DATASETS["segment_metrics"]
    rows = []
    for kind, labels in _kinds(job, models, judge):
        for segment in _largest(labels):
            is_in = labels == segment
            for model, scores in users.items():
                values = scores["precision_at_3"][is_in]
                low, high = metrics.interval(values, job.settings.run.seed)
                numbers = (len(values), float(values.mean()), low, high)
                rows.append((kind, segment, model, *numbers))
    columns = zip(*rows, strict=True) if rows else [[] for _ in dataset.columns]
    schema = dataset.schema(job.settings.ids.model_dump())
    arrays = [pa.array(list(values), field.type) for values, field in zip(columns, schema, strict=True)]
    table = pa.table(arrays, schema=schema)
    return table.sort_by([(name, "ascending") for name in dataset.key])


def _kinds(job: Job, models: FittedModels, judge: Judge) -> Iterator[tuple[str, Labels]]:
    """Each way of grouping, with the group of every measured user; "": in no group."""
    statistics, rows = models.candidates.statistics, judge.held_out.rows
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
        place = pc.index_in(judge.held_out.user_ids, value_set=users["user_id"].combine_chunks())
        yield "segment", _texts(users["segment"].take(place))


def _categories(job: Job, models: FittedModels) -> Labels:
    """The category each user bought most from, for all users of the history."""
    items = job.folder.table("items")
    is_known = pc.is_in(items["item_id"], value_set=models.history.item_ids)
    categories = pc.unique(pc.drop_null(items["category"].filter(is_known)))
    names = np.array(sorted(categories.to_pylist(), key=str.encode), str)
    tastes = models.candidates.statistics.tastes
    best = tastes.best(tastes.columns["taste_days"], 1)
    favourite = np.full(models.history.shape[0], "", names.dtype)
    favourite[tastes.user[best]] = names[tastes.other[best]]
    return favourite


def _texts(values: pa.ChunkedArray) -> Labels:
    """As numpy texts; null is empty."""
    return np.array(pc.fill_null(values, "").to_pylist(), str)


def _largest(labels: Labels) -> list[str]:
    """The groups with most users, at most MOST, none below FEWEST_USERS."""
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    order = np.lexsort((names, -counts))[:MOST]
    return [str(names[place]) for place in order if counts[place] >= FEWEST_USERS]
