"""Airflow assets: the one that a publication updates, and the one that can start a nightly run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, CronTriggerTimetable

from pipeline import environment
from pipeline.shops import lists_asset

if TYPE_CHECKING:
    from airflow.sdk.definitions.asset import AssetNameRef

    from pipeline.config import Settings


def published(settings: Settings) -> Asset:
    """The asset that is updated when other lists go live: `serving.recommendations` by default.

    Another DAG waits for it with `schedule=[Asset("serving.recommendations")]`. The extra of an event:
    version, run_id, n_users, n_items, precision_at_3 (null when nobody could be measured), model,
    is_fallback (true: a rule to which the chosen model had lost), fallback_why (to which, and by how much),
    is_unjudged (true: nobody could be measured, so nothing says how good the lists are), split_method (what
    was held out: numbers of two methods are not comparable).
    """
    return Asset(lists_asset(settings))


def announce(outlet_events: Any, asset: Asset, publication: Mapping[str, Any]) -> None:
    """Describe the live `publication`, a row of `publications`, in the event that this task emits."""
    names = (
        *("version", "run_id", "n_users", "n_items"),
        *("precision_at_3", "model", "is_fallback", "fallback_why", "is_unjudged", "split_method"),
    )
    outlet_events[asset].extra = {name: publication[name] for name in names}


def schedule(settings: Settings) -> CronTriggerTimetable | list[AssetNameRef] | None:
    """What starts a nightly run: the shop's asset, else the clock; None: a trigger by hand only."""
    if not environment.is_scheduled():
        return None
    if settings.schedule.asset:
        return [Asset.ref(name=settings.schedule.asset)]  # by name: its URI is its owner's business
    if settings.schedule.cron:
        return CronTriggerTimetable(settings.schedule.cron, timezone=settings.schedule.timezone)
    return None
