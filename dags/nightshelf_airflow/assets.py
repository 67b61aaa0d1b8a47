"""What a publication emits, and what a night can wait for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, CronTriggerTimetable

from pipeline import config
from pipeline.shops import lists_asset

if TYPE_CHECKING:
    from airflow.sdk.definitions.asset import AssetNameRef

    from pipeline.config import Settings


def published(settings: Settings) -> Asset:
    """Updated whenever other lists go live: `serving.recommendations` for config.toml as it comes.

    Another DAG waits for it with `schedule=[Asset("serving.recommendations")]`. The extra of an event:
    version, run_id, n_users, n_items, precision_at_3 (null when nobody could be measured).
    """
    return Asset(lists_asset(settings))


def announce(events: Any, asset: Asset, told: Mapping[str, Any]) -> None:
    """Give the event of this task's `asset` its extra: the row of `publications` that is live now."""
    names = ("version", "run_id", "n_users", "n_items", "precision_at_3")
    events[asset].extra = {name: told[name] for name in names}


def schedule(settings: Settings) -> CronTriggerTimetable | list[AssetNameRef] | None:
    """When the night begins: the shop's asset, else the clock; None: by hand only."""
    asked = settings.schedule
    if not config.is_scheduled():
        return None
    if asked.asset:  # by name: whatever URI its owner gave it
        return [Asset.ref(name=asked.asset)]
    return CronTriggerTimetable(asked.cron, timezone=asked.timezone) if asked.cron else None
