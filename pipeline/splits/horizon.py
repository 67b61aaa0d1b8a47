"""The horizon: how many days after a cut a list is judged by."""

from __future__ import annotations

from pipeline.config import Split

MOST_DAYS = 14
"""Of the horizon that `auto` chooses."""


def days_of(how: Split) -> int:
    """The days that are asked for; with `auto`, as many as it chooses at most."""
    return MOST_DAYS if how.test_days == "auto" else how.test_days
