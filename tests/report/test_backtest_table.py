"""What `backtest` prints for a person."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.evaluation.cold_items import not_measured
from pipeline.report.backtest_table import MEASURES, table
from pipeline.segments.judged import not_measured as nothing_known


def document(test_days: float | None, n_cuts: int) -> dict[str, Any]:
    row = {"model": "popular", **dict.fromkeys(MEASURES, 0.25), "n_users": 40, "n_buyers": 40}
    return {
        "repeat_purchases": "exclude",
        "as_of": "2026-03-01T00:00:00+00:00",
        "test_days": test_days,
        "n_test_cuts": n_cuts,
        "horizon": "14 days",
        "worth": "",
        "published_model": "popular",
        "results": [row],
        "against": [],
        "fallback": {"why": "it has no buyers"},
        "session_lists": {"all": None, "why": "no order of two items"},
        "cold_items": not_measured("no items"),
        "first_purchases": nothing_known("nobody looks"),
        "seconds": 7.4,
    }


@pytest.mark.parametrize(
    ("test_days", "n_cuts", "words"),
    [
        (14, 1, "exclude, 14 days held out, as of 2026-03-01"),
        (7, 3, "exclude, 3 cuts of 7 days held out, as of 2026-03-01"),
        (None, 1, "exclude, rows at random held out, as of 2026-03-01"),
    ],
)
def test_it_says_how_lists_were_judged_and_what_a_night_would_do(
    test_days: float | None, n_cuts: int, words: str
) -> None:
    lines = table(document(test_days, n_cuts)).splitlines()
    assert words in lines[0]
    assert "    a night: it has no buyers" in lines
    assert lines[-1] == "  7 seconds"
    assert sum(line.strip().startswith("popular ") for line in lines) == 1
