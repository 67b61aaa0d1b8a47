"""What is measured at several cuts, put together: who was measured, and the row of `metrics` of each model.

A user who is measured at two cuts is measured twice: every mean is over the measurements, and a confidence
interval resamples users with all of theirs. With one cut, measurements and users are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.datasets import TIME
from pipeline.evaluation import metrics
from pipeline.evaluation.judge import Outcome
from pipeline.evaluation.metrics import Clusters, PerUser
from pipeline.splits.holdout import HeldOut


@dataclass(frozen=True)
class Measurements:
    """Who was measured at which cut: the oldest cut first, its users by id.

    user_ids, cut_at: shape (n_measurements,)
    clusters:         the number of each measurement's user, shape (n_measurements,)
    """

    user_ids: pa.Array
    cut_at: pa.Array
    clusters: Clusters

    @classmethod
    def of(cls, cuts: Sequence[tuple[datetime, HeldOut]]) -> Measurements:
        """From the moment and the holdout of each cut, oldest first; at least one."""
        user_ids = pa.concat_arrays([held_out.user_ids for _, held_out in cuts])
        moments = [pa.repeat(pa.scalar(at, TIME), len(held_out.user_ids)) for at, held_out in cuts]
        clusters = user_ids.dictionary_encode().indices.to_numpy().astype(np.int64)
        return cls(user_ids, pa.concat_arrays(moments), clusters)

    def __len__(self) -> int:
        return len(self.user_ids)

    @property
    def n_buyers(self) -> int:
        """How many different users were measured."""
        return int(pc.count_distinct(self.user_ids).as_py())


def pooled_scores(outcomes: Sequence[Outcome]) -> Mapping[str, PerUser]:
    """The columns of `user_metrics` of one model's lists, from what they reached at each cut."""
    names = outcomes[0].scores
    return {name: np.concatenate([outcome.scores[name] for outcome in outcomes]) for name in names}


def pooled_row(outcomes: Sequence[Outcome], clusters: Clusters, seed: int) -> dict[str, float]:
    """The row of `metrics` of one model's lists, from what they reached at each cut.

    Means and ceiling are over all measurements (`n_users`; `n_buyers` different users). Novelty and the share
    of best sellers are over all slots that are filled, diversity over all lists of two items or more, each by
    what was known at its cut. Coverage and Gini coefficient are those of one cut's lists, in the mean over
    the cuts: together they are more lists than one night shows. Cold users and items are added up; a user is
    cold at one cut at most.
    """
    measured = [outcome for outcome in outcomes if len(outcome.ceiling)]
    scores = {name: values for name, values in pooled_scores(outcomes).items() if name != "n_held_out"}
    low, high = metrics.interval(scores["precision_at_3"], seed, clusters)
    return {
        "n_users": len(clusters),
        "n_buyers": len(np.unique(clusters)),
        **{name: float(values.mean()) for name, values in scores.items()},
        "ci_low": low,
        "ci_high": high,
        "ceiling_at_3": _mean([outcome.ceiling for outcome in outcomes]),
        "coverage_at_3": float(np.mean([outcome.coverage for outcome in measured])),
        "novelty_at_3": _mean([outcome.surprise for outcome in outcomes]),
        "popular_share_at_3": _mean([outcome.is_popular for outcome in outcomes]),
        "gini_at_3": float(np.mean([outcome.gini for outcome in measured])),
        "diversity_at_10": _mean([outcome.diversity for outcome in outcomes]),
        "n_cold_users": sum(outcome.n_cold_users for outcome in outcomes),
        "n_cold_items": sum(outcome.n_cold_items for outcome in outcomes),
    }


def _mean(parts: Sequence[PerUser]) -> float:
    """Of all values; 0 where there are none."""
    values = np.concatenate(parts)
    return float(values.mean()) if len(values) else 0.0
