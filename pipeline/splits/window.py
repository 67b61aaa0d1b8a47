"""The window of a run: the events in [as_of - window_days, as_of)."""

from __future__ import annotations

from datetime import datetime

from pipeline.errors import DataError


def empty_window(start: datetime, end: datetime, found: str, then: str) -> DataError:
    """The refusal of a window without events. found: the events there are; then: what would find some"""
    return DataError(
        f"no events in the window from {start.isoformat()} to {end.isoformat()}",
        found=found,
        promised="events at or after the first time and before the second",
        then=then,
    )
