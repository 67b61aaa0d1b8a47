"""Segments judged by first purchases: what is popular in a segment against what is popular in the shop.

At every cut of the test the segments are made from what lies before it. Measured are people of whom
something was known by then, who had bought nothing, and who bought after it: Recall@10 of the list that
`recommend()` would give each of them who has no list of their own (`recommend.audience = "engaged"` gives
some one). Lists of segments are published only where they are better beyond chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.evaluation import metrics
from pipeline.evaluation.metrics import PerUser
from pipeline.ranking.fitted import FittedModels
from pipeline.runs.job import Counts, Job
from pipeline.segments.people import Known
from pipeline.segments.popular import filled
from pipeline.segments.segments import AT, NEWCOMER_DAYS, first_purchases, segments_at, whole_shop
from pipeline.splits.folds import Fold

LEAST_MEASURED = 30
"""People who bought for the first time in the test, from which on segments may be published."""
NOBODY = "nothing is known of anybody who did not buy"
NO_TIME = "the test has no cut in time, so that nobody's first purchase lies after it"
NOTHING_BOUGHT = "nobody of whom something was known bought for the first time in the test"


@dataclass(frozen=True)
class JudgedSegments:
    """What was measured at one cut.

    user_ids: who bought for the first time after it, shape (n,)
    ours, popular: Recall@10 of the list that is filled from the segment, and of the whole shop's, shape (n,)
    n_purchases: different items that each bought, shape (n,)
    n_people: people without purchases; n_segments: 1 where the whole shop's list serves as well
    has_attributes: whether the shop says anything of its users; attributes: what of it counts
    """

    user_ids: pa.Array
    ours: PerUser
    popular: PerUser
    n_purchases: np.ndarray
    n_people: int
    n_segments: int
    has_attributes: bool
    attributes: tuple[str, ...]


def judged_at(job: Job, models: FittedModels, fold: Fold) -> JudgedSegments | None:
    """What segments made at a cut of the test foretell; None: the test has no cut in time.

    models: fitted at the cut
    """
    browsers = job.folder.optional("browser_events")
    if browsers is None or fold.since is None or fold.until is None:
        return None
    length = job.settings.recommend.popular_length
    known = Known([*fold.before, browsers], job.folder.optional("user_attributes"))
    segments = segments_at(models, known, fold.cut_at, length)
    everybody = whole_shop(models, length + AT)
    people, n = segments.people, segments.n
    bought = first_purchases(models, people.user_ids, fold.later, fold.since, fold.until)
    popular = np.repeat(everybody.items[:, :AT], len(bought.rows), axis=0)
    ours = filled(segments.lists, everybody, AT)[segments.labels_of(bought.rows)] if n > 1 else popular
    return JudgedSegments(
        people.user_ids.take(pa.array(bought.rows)),
        bought.recall(ours),
        bought.recall(popular),
        bought.n_items,
        len(people.user_ids),
        n,
        known.attributes is not None,
        segments.attributes,
    )


def first_purchases_document(cuts: Sequence[JudgedSegments], seed: int, *, is_timed: bool) -> dict[str, Any]:
    """The document `first_purchases`, of all cuts of the test.

    Keys: `why`, why nothing is measured (empty where something is); `is_published`, whether lists of
    segments go live; `n_cuts`; `n_people` without purchases, the mean of the cuts; `n_segments` at each cut,
    the oldest first; `has_attributes`, whether the shop says anything of its users; `attributes`, the names
    of those that count at a cut or more, ascending; `newcomer_days`; `n_users` who were measured,
    `n_purchases`; `recall_at_10` of the lists filled from segments, `recall_at_10_popular` of the whole
    shop's, the paired `difference` and its bootstrap interval `ci_low` and `ci_high`. The numbers are null
    where nothing is measured.
    """
    if not is_timed:
        return not_measured(NO_TIME)
    n_people = round(float(np.mean([cut.n_people for cut in cuts]))) if cuts else 0
    if not n_people:
        return not_measured(NOBODY)
    about = {
        "n_cuts": len(cuts),
        "n_people": n_people,
        "n_segments": [cut.n_segments for cut in cuts],
        "has_attributes": any(cut.has_attributes for cut in cuts),
        "attributes": sorted({name for cut in cuts for name in cut.attributes}),
    }
    ours, popular, n_purchases = (
        np.concatenate([getattr(cut, name) for cut in cuts]) for name in ("ours", "popular", "n_purchases")
    )
    if not len(ours):
        return {**not_measured(NOTHING_BOUGHT), **about}
    difference, low, high = metrics.paired_interval(ours, popular, seed)
    return {
        **not_measured(""),
        **about,
        "is_published": len(ours) >= LEAST_MEASURED and low > 0.0,
        "n_users": len(ours),
        "n_purchases": int(n_purchases.sum()),
        "recall_at_10": float(ours.mean()),
        "recall_at_10_popular": float(popular.mean()),
        "difference": difference,
        "ci_low": low,
        "ci_high": high,
    }


def not_measured(why: str) -> dict[str, Any]:
    """The document of a night in which nothing is measured, and why."""
    numbers = ("recall_at_10", "recall_at_10_popular", "difference", "ci_low", "ci_high")
    return {
        "why": why,
        "is_published": False,
        "n_cuts": 0,
        "n_people": 0,
        "n_segments": [],
        "has_attributes": False,
        "attributes": [],
        "newcomer_days": NEWCOMER_DAYS,
        "n_users": 0,
        "n_purchases": 0,
        **dict.fromkeys(numbers),
    }


def counts(document: Mapping[str, Any]) -> Counts:
    """For the receipt: first purchases that were measured, and Recall@10 of both lists."""
    if not document["n_users"]:
        return {}
    return {
        "n_first_buyers": document["n_users"],
        "segments_recall_at_10": round(document["recall_at_10"], 4),
        "popular_recall_at_10": round(document["recall_at_10_popular"], 4),
    }
