"""When to say how far a reader or a load is: files of many rows take a while, small ones need no word."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
EVERY = 500_000
"""Rows between two lines of progress; files of fewer rows have none."""


def silent(_: str) -> None:
    """For readers of which nobody wants to hear."""


def is_due(n_before: int, n_rows: int) -> bool:
    """Whether a multiple of EVERY lies behind the `n_rows` so far that did not behind `n_before`."""
    return n_before // EVERY < n_rows // EVERY
