"""The arguments that every DAG of a shop has: owner, tags, retries, alerts, one run at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nightshelf_airflow import alerts
from nightshelf_airflow.retries import RETRIES

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.shops import Shop


def shared_arguments(shop: Shop, settings: Settings) -> dict[str, Any]:
    """Keyword arguments of `DAG`."""
    return {
        "max_active_runs": 1,
        "tags": ["nightshelf", *([shop.name] if shop.name else [])],
        "default_args": {
            "owner": "nightshelf",
            **RETRIES,
            "on_failure_callback": alerts.on_task_failure(settings),
        },
        "on_failure_callback": alerts.on_run_failure(settings),
    }
