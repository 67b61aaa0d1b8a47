"""Publications over time: each with its window, those of other windows told apart."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import config
from pipeline.config import Settings
from pipeline.report.content_parts import PUBLISHED, metrics
from pipeline.report.trend import trend, window
from pipeline.runs.folder import RunFolder
from tests.report.pages import LIVE, MEASURED_IN, SPLIT, fill

Make = Callable[..., RunFolder]


def told(folder: RunFolder, settings: Settings | None = None) -> dict[str, Any]:
    [ours] = [row for row in metrics(folder, "exclude") if row["model"] == PUBLISHED]
    content = trend(folder, settings or config.load(), ours)
    assert content
    return content


def live(*windows: dict[str, Any] | None) -> dict[str, Any]:
    """`live` with one publication for each window, the newest first."""
    dates = [f"2025-12-{31 - i:02}T00:00:00+00:00" for i in range(len(windows))]
    rows = [
        {**LIVE["recent"][0], "version": 9 - i, "as_of": at, "measured_in": measured_in}  # type: ignore[index]
        for i, (at, measured_in) in enumerate(zip(dates, windows, strict=True))
    ]
    return {"version": 9, "recent": rows}


def lines(chart: str) -> list[tuple[float, float]]:
    """Where the pieces of the line begin and end, left to right in percent."""
    found = re.findall(r'class="line" x1="([\d.]+)%" y1="[\d.]+%" x2="([\d.]+)%"', chart)
    return [(float(first), float(last)) for first, last in found]


def test_each_publication_says_what_it_was_measured_in(run_folder: Make) -> None:
    content = told(fill(run_folder()))
    assert [(row["name"], row["tested"], row["read"], row["of_100"]) for row in content["rows"]] == [
        ("version 5", "14 days, 16 Dec to 30 December 2025", "365 days", "3.10"),
        ("version 6", "14 days, 17 Dec to 31 December 2025", "365 days", "3.70"),
        ("this run", "14 days, 18 Dec to 1 January 2026", "365 days", "4.00"),
    ]
    assert content["note"] == ""
    assert (
        "<title>version 6: 3.70, tested on 14 days, 17 Dec to 31 December 2025; events read: 365 days</title>"
        in content["chart"]
    )
    assert lines(content["chart"]) == [(2.0, 50.0), (50.0, 98.0)]


@pytest.mark.parametrize(
    ("measured_in", "tested"),
    [
        ({**MEASURED_IN, "window_days": 30}, "14 days, 16 Dec to 30 December 2025"),
        ({**MEASURED_IN, "test_days": 1.0}, "1 day, 29 Dec to 30 December 2025"),
        ({**MEASURED_IN, "n_test_cuts": 2}, "2 times 14 days, 2 Dec to 30 December 2025"),
        (
            {**MEASURED_IN, "method": "last_purchase", "test_days": None},
            "each buyer's last order, up to 30 December 2025",
        ),
        (
            {**MEASURED_IN, "method": "random", "test_days": None, "test_share": 0.2},
            "20\xa0% of the rows, up to 30 December 2025",
        ),
        (None, "days up to 30 December 2025, how many is not known"),
    ],
    ids=["window_days", "test_days", "n_test_cuts", "last_purchase", "random", "earlier release"],
)
def test_another_window_is_told_apart(
    run_folder: Make, measured_in: dict[str, Any] | None, tested: str
) -> None:
    content = told(fill(run_folder(), live=live(MEASURED_IN, measured_in, MEASURED_IN)))
    assert [row["kind"] for row in content["rows"]] == ["", "other", "", ""]
    assert content["rows"][1]["tested"] == tested
    assert content["note"] == (
        "Version 8 was measured in another window than this run: it is drawn hollow, and the line does not"
        " join it."
    )
    assert lines(content["chart"]) == [(2.0, 66.0), (66.0, 98.0)], "from its left neighbour to its right one"
    assert content["chart"].count('class="dot other"') == 1
    assert "3.70, other window, " in content["chart"]


def test_a_short_history_whose_test_grows_by_hours_is_one_window(run_folder: Make) -> None:
    grown = {**MEASURED_IN, "test_days": 13.7}
    assert told(fill(run_folder(), live=live(grown)))["note"] == ""


def test_nights_of_as_many_cuts_of_one_horizon_are_joined(run_folder: Make) -> None:
    """An earlier release, which did not record how many cuts there were, had one."""
    rolled = {**MEASURED_IN, "test_days": 2.0, "n_test_cuts": 3}
    old = {name: value for name, value in MEASURED_IN.items() if name != "n_test_cuts"}
    folder = fill(run_folder(), live=live(rolled, old), split={**SPLIT, "test_days": 2.0, "n_test_cuts": 3})
    content = told(folder)
    assert [row["kind"] for row in content["rows"]] == ["other", "", ""]
    assert content["rows"][2]["tested"] == "3 times 2 days, 26 Dec to 1 January 2026"
    assert told(fill(run_folder("other"), live=live(old)))["note"] == ""


def test_a_run_of_another_window_stands_alone(
    run_folder: Make, make_settings: Callable[..., Settings]
) -> None:
    short = make_settings(run={"window_days": 30})
    content = told(fill(run_folder()), short)
    assert [row["kind"] for row in content["rows"]] == ["other", "other", ""]
    assert "Version 5, version 6 were measured in another window" in content["note"]
    assert lines(content["chart"]) == []


@pytest.mark.parametrize(("method", "share"), [("time", None), ("random", 0.25), ("last_purchase", None)])
def test_what_is_recorded_with_a_publication(
    make_settings: Callable[..., Settings], method: str, share: float | None
) -> None:
    settings = make_settings(split={"method": method, "test_share": 0.25}, run={"window_days": 90})
    assert window({**SPLIT, "method": method}, settings) == {
        "method": method,
        "test_days": 14.0,
        "n_test_cuts": 1,
        "test_share": share,
        "window_days": 90,
    }
