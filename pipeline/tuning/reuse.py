"""Whether the parameters of the last search still serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pipeline.config import Settings
from pipeline.models.params import Params


def unseen_by_search(live: Mapping[str, Any], test_from: datetime) -> Mapping[str, Any]:
    """The live publication, without parameters whose search knew days that are tonight's test.

    So it is after `split.test_days` was raised; an hour is nothing: shops do not begin at the same second.
    """
    until = (live.get("params") or {}).get("tuned_until")
    if until and datetime.fromisoformat(until) > test_from + timedelta(hours=1):
        return {**live, "params": {}}
    return live


def due(
    live: Mapping[str, Any], settings: Settings, as_of: datetime, validated: Callable[[Params], float]
) -> tuple[bool, str]:
    """Whether tonight searches, and why: `tune.mode`; in `auto` the last search's age, mode and worth.

    validated: Precision@3 of ALS with these parameters on tonight's validation set
    """
    mode, tune = settings.run.repeat_purchases, settings.tune
    if tune.mode != "auto":
        return tune.mode == "always", f"tune = {tune.mode}"
    params, known = live.get("params") or {}, Params.published(live, settings)
    if known is None or not params.get("searched_at"):
        return True, "searched: there is no earlier search to go by"
    if params.get("repeat_purchases") != mode:
        return True, f"searched: the last search was for repeat_purchases = {params.get('repeat_purchases')}"
    age = as_of - datetime.fromisoformat(params["searched_at"])
    if age >= timedelta(days=tune.tune_every_days):
        return True, f"searched: the last search is {age / timedelta(days=1):.1f} days old"
    was, now = float(params.get("precision_at_3") or 0.0), validated(known)
    told = f"ALS reaches {now:.4f} on validation with the live parameters, {was:.4f} when they were found"
    if now < (1.0 - tune.max_drop) * was:
        return True, f"searched: {told}"
    return False, f"reused: {told}"
