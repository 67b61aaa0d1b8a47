"""pipeline/progress.py: what a log gets, how often, and nothing where nobody asked."""

from __future__ import annotations

import io
import sys
import threading
import time

import pytest

from pipeline import progress
from pipeline.progress import beside_bars, how_far, in_words, over, shown, step, watched


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    turned = Clock()
    monkeypatch.setattr(progress, "time", turned)
    return turned


def test_a_log_gets_a_line_after_ten_seconds_and_then_every_half_minute(clock: Clock) -> None:
    lines: list[str] = []
    with shown(lines.append, "recommend"), step("lists", 1_000, "users") as add:
        for _ in range(100):
            clock.now += 1
            add(10)
    assert lines == [
        "recommend: lists: 100 of 1,000 users, 10 a second, 2 min left",
        "recommend: lists: 400 of 1,000 users, 10 a second, 60 s left",
        "recommend: lists: 700 of 1,000 users, 10 a second, 30 s left",
        "recommend: lists: 1,000 of 1,000 users, 10 a second, 0 s left",
    ]


def test_a_step_of_seconds_leaves_no_line(clock: Clock) -> None:
    lines: list[str] = []
    with shown(lines.append, "tune"):
        for part in over(range(9), "als", 9, "iterations", lambda _: 1):
            clock.now += 1 + 0 * part
        for part in over(range(9), "als", 9, "iterations", lambda _: 1):
            clock.now += 1 + 0 * part
    assert lines == []


def test_a_stage_of_two_hours_leaves_at_most_60_lines(clock: Clock) -> None:
    lines: list[str] = []
    with shown(lines.append, "recommend"):
        for _ in range(8):
            with step("lists", 900, "users") as add:
                for _ in range(900):
                    clock.now += 1
                    add(1)
    assert 30 <= len(lines) <= 60


def test_the_same_parts_pass_through_and_nothing_is_said_where_nobody_asked(clock: Clock) -> None:
    parts = []
    for part in over("abc", "letters", None, "letters", len):
        clock.now += 100
        parts.append(part)
    assert parts == ["a", "b", "c"]
    with watched("a statement", lambda: 0.0):
        clock.now += 100


def test_a_step_that_cannot_tell_is_asked_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may say less than before, or -1 for nothing yet; after its end it is not asked."""
    for name in ("SHORT", "PAUSE", "LOOK"):
        monkeypatch.setattr(progress, name, 0.0)
    lines, asked = list[str](), list[float]()
    has_ended = threading.Event()

    def percent() -> float:
        assert not has_ended.is_set()
        asked.append((-1.0, 20.0, 10.0)[min(len(asked), 2)])
        return asked[-1]

    with shown(lines.append, "filter_purchasers"):
        with watched("purchaser_events", percent):
            while len(asked) < 10:
                time.sleep(0.001)
        has_ended.set()
        time.sleep(0.02)
    assert lines[0] == "filter_purchasers: purchaser_events: 0 %"
    assert {line.split(",")[0] for line in lines[1:]} == {"filter_purchasers: purchaser_events: 20 %"}


def test_a_terminal_gets_a_bar_that_goes(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, lines = Terminal(), list[str]()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "DELAY", 0.0)
    with shown(lines.append, "recommend"), step("lists", 100, "users") as add:
        add(40)
        with beside_bars():
            terminal.write("a line\n")
        add(60)
    assert "lists:  40%" in terminal.getvalue()
    assert "40 of 100 users" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")
    assert lines == []


@pytest.mark.parametrize(
    ("done", "total", "unit", "seconds", "words"),
    [
        (12_288, 85_374, "users", 17.25, "12,288 of 85,374 users, 712 a second, 2 min left"),
        (2, 3, "iterations", 14, "2 of 3 iterations, 7 s for each, 7 s left"),
        (500_000, None, "rows", 10, "500,000 rows, 50,000 a second"),
        (0, 10, "rows", 10, "0 of 10 rows"),
        (500_000, 20_000, "rows", 10, "500,000 rows, 50,000 a second"),
        (20.0, 100.0, "%", 10, "20 %, 40 s left"),
        (0.0, 100.0, "%", 10, "0 %"),
    ],
)
def test_words(done: float, total: float | None, unit: str, seconds: float, words: str) -> None:
    assert how_far(done, total, unit, seconds) == words


def test_times_in_words() -> None:
    assert [in_words(seconds) for seconds in (0.4, 89, 95, 3_600, 6_000)] == [
        "0 s",
        "89 s",
        "2 min",
        "60 min",
        "1 h 40 min",
    ]
