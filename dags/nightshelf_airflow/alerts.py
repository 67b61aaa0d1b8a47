"""Who is told when a night fails or is late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk.definitions.deadline import DeadlineAlert

    from pipeline.config import Settings
    from pipeline.shops import Shop


def on_failure(shop: Shop, settings: Settings) -> dict[str, Any]:
    """Default arguments of the tasks: who is told of one that fails for good."""
    return {}


def when_late(shop: Shop, settings: Settings) -> DeadlineAlert | None:
    """The deadline of a night; None where no night is late."""
    return None
