"""Whether the parameters of the last search are used again, or a new search is due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pipeline.config import Settings
from pipeline.models.params import Params, live_as_of
from pipeline.runs.job import Job
from pipeline.splits import folds

SAME_SPLIT = timedelta(hours=1)
"""How far the cut of the test may move between two nights: a shop's first event has no fixed second."""


class Decision(NamedTuple):
    """Whether a search is due, and why, in a sentence that `best_params` keeps."""

    is_due: bool
    why: str


def usable_live(job: Job) -> Mapping[str, Any]:
    """What this run may know of the live publication; empty where `tune.mode` is `never`.

    Nothing of a publication later than `as_of`, no parameters that were tuned on days of tonight's test, or
    that tonight's ALS cannot be fitted with.
    """
    if job.settings.tune.mode == "never":
        return {}
    live = live_as_of(job.folder.document("live"), job.folder.as_of)
    return unseen_by_search(_in_range(live, job.settings), folds.test_from(job.folder))


def _in_range(live: Mapping[str, Any], settings: Settings) -> Mapping[str, Any]:
    """The live publication, without parameters whose scale of the penalty is none that may be searched.

    Such a scale comes from a night on another engine, whose ALS had another one.
    """
    als = (live.get("params") or {}).get("als") or {}
    low, high = settings.tune.regularization_scale
    is_in_range = not als or low <= als.get("regularization_scale", 0.0) <= high
    return live if is_in_range else {**live, "params": {}}


def unseen_by_search(live: Mapping[str, Any], test_from: datetime) -> Mapping[str, Any]:
    """The live publication, without parameters whose search has seen days of the test, which would leak.

    This happens after `split.test_days` was raised.
    """
    until = (live.get("params") or {}).get("tuned_until")
    if until and datetime.fromisoformat(until) > test_from + SAME_SPLIT:
        return {**live, "params": {}}
    return live


def due_by_record(live: Mapping[str, Any], settings: Settings, as_of: datetime) -> Decision | None:
    """By `tune.mode`, and in `auto` by the last search's age and mode; None: only its worth can tell."""
    mode, tune = settings.run.repeat_purchases, settings.tune
    if tune.mode != "auto":
        return Decision(tune.mode == "always", f"tune = {tune.mode}")
    params = live.get("params") or {}
    if Params.published(live, settings) is None or not params.get("searched_at"):
        return Decision(True, "searched: there is no earlier search to go by")
    if params.get("repeat_purchases") != mode:
        why = f"searched: the last search was for repeat_purchases = {params.get('repeat_purchases')}"
        return Decision(True, why)
    age = as_of - datetime.fromisoformat(params["searched_at"])
    if age >= timedelta(days=tune.tune_every_days):
        return Decision(True, f"searched: the last search is {age / timedelta(days=1):.1f} days old")
    return None


def due_by_split(live: Mapping[str, Any], method: str) -> Decision | None:
    """By the method of tonight's split: numbers of two methods say nothing of each other."""
    then = (live.get("params") or {}).get("split_method")
    if then in (None, method):
        return None
    return Decision(
        True, f"searched: the last search was measured by split.method = {then}, tonight's {method}"
    )


def due_by_precision(
    live: Mapping[str, Any], settings: Settings, now: float, test_days: float | None
) -> Decision:
    """By what ALS with the live parameters has lost since they were found.

    now:       its Precision@3 on tonight's validation set
    test_days: tonight's horizon; a number of another horizon says nothing of this one
    """
    horizon = (live.get("params") or {}).get("test_days")
    if horizon is not None and test_days is not None and abs(horizon - test_days) > 0.01:
        why = f"reused: what it reached is not comparable, {horizon:.3g} days were asked about then"
        return Decision(False, f"{why}, {test_days:.3g} tonight")
    then = float((live.get("params") or {}).get("precision_at_3") or 0.0)
    reached = f"ALS reaches {now:.4f} on validation with the live parameters, {then:.4f} when they were found"
    if now < (1.0 - settings.tune.max_drop) * then:
        return Decision(True, f"searched: {reached}")
    return Decision(False, f"reused: {reached}")
