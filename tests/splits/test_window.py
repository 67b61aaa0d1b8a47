"""The refusal of a window without events."""

from __future__ import annotations

from pipeline.splits.window import empty_window
from tests.shelf import day


def test_an_empty_window_names_its_times_and_what_would_find_events() -> None:
    error = empty_window(day(1), day(2), "no events at any time", "load some events")
    assert error.what == f"no events in the window from {day(1).isoformat()} to {day(2).isoformat()}"
    assert error.then == "load some events"
    assert "no events at any time" in str(error)
