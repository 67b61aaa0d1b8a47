"""A split that measures nobody names the settings that would, with the number of people: and it is true.

Where it is a cut in time, rows are held out at random by itself if that measures somebody.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from pipeline.config import Settings
from pipeline.errors import DataError
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits.unmeasured import Unmeasured, Way
from tests.shelf import day, events, give

SETTING = re.compile(r'([a-z]+)\.([a-z_]+) = ("[a-z_]+"|[0-9]+)')
LAST = re.compile(r"--as-of last, which is (\S+)")
Rows = list[tuple[Any, ...]]

ONE_ORDER_EACH: Rows = [(u, i, 2 * u, "purchase", f"o{u}") for u in range(1, 21) for i in (1, 2 + u % 5, 8)]
STOPPED_LATELY: Rows = [(u, i, 13 * i + u / 10) for u in range(1, 6) for i in range(1, 7)]
STOPPED_BUYING: Rows = [row for row in STOPPED_LATELY if row[1] > 1]
"""Nobody bought in the last 21 days of 74, a third of which is 24: too few for two cuts of fourteen."""
STOPPED_LONG_AGO: Rows = [(u, i, 2 * i - 300 + u / 10) for u in range(1, 6) for i in range(1, 150)]
THE_SAME_AS_LAST: Rows = [
    (u, i, at + u / 50) for u in range(1, 11) for i, at in ((1, 0), (2, 75 + 14 * (u % 2)), (2, 98))
]
"""A second item at one of two cuts of fourteen days, and the same in the last order."""
THE_SAME_AGAIN: Rows = [(u, u % 3, d + u / 10) for u in range(1, 6) for d in (0, 30, 60, 97)]
THE_SAME_OFTEN: Rows = [(u, u % 3, d + u / 10) for u in range(1, 6) for d in (0, 30, 60, 75, 80, 97)]
"""Measured twice where repeats count, at two cuts of fourteen days."""
NEW_PEOPLE_IN_THE_TEST: Rows = [
    *((u, i, u + i) for u in range(1, 6) for i in (1, 2, 3)),
    *((u, i, 90 + i) for u in range(6, 9) for i in (1, 2, 3)),
]
THE_SAME_TWICE_AT_ONCE: Rows = [
    (u, 1 + u % 2, u, "purchase", f"o{u}-{n}") for u in range(1, 21) for n in (1, 2)
]
ONE_EVENT_EACH: Rows = [(u, u % 3, 5 * u) for u in range(1, 20)]


@pytest.fixture
def split(
    job: Callable[..., Job], make_settings: Callable[..., Settings]
) -> Callable[..., tuple[dict[str, Any], int]]:
    """`split(rows, as_of, split={"method": ...})`: the document, and how many are measured."""
    runs = iter(range(1000))

    def make(rows: Rows, as_of: datetime, **sections: dict[str, Any]) -> tuple[dict[str, Any], int]:
        night = job(run_id=f"n{next(runs)}", as_of=as_of, settings=make_settings(**sections))
        give(night.folder, purchaser_events=events(*rows))
        run_stage("split", night)
        n_measured = int(night.folder.receipt("split")["counts"]["n_measured_users"])
        return night.folder.document("split"), n_measured

    return make


def sections_of(edit: str) -> dict[str, dict[str, Any]]:
    """The settings that a sentence names."""
    sections: dict[str, dict[str, Any]] = {}
    for section, name, value in SETTING.findall(edit):
        sections.setdefault(section, {})[name] = value.strip('"') if '"' in value else int(value)
    return sections


Split = Callable[..., tuple[dict[str, Any], int]]


@pytest.mark.parametrize(
    ("rows", "sections", "named", "is_random"),
    [
        (ONE_ORDER_EACH, {}, [], True),
        (STOPPED_BUYING, {}, ["--as-of last", "split.test_days = 22", "last_purchase"], True),
        (STOPPED_LATELY, {"split": {"test_days": 2}}, ['split.test_days = "auto"', "--as-of last"], True),
        (STOPPED_LONG_AGO, {}, ["split.test_days = 102"], True),
        (THE_SAME_AGAIN, {}, ["repeat_purchases"], False),
        (
            THE_SAME_OFTEN,
            {},
            ['"allow" in config.toml (10 people, counted at each of 2 cuts, would be'],
            False,
        ),
        (NEW_PEOPLE_IN_THE_TEST, {}, ["last_purchase"], True),
        (NEW_PEOPLE_IN_THE_TEST, {"run": {"repeat_purchases": "allow"}}, ["last_purchase"], True),
        (
            THE_SAME_TWICE_AT_ONCE,
            {},
            ['random" in config.toml, with run.repeat_purchases = "allow"'],
            False,
        ),
        (ONE_ORDER_EACH, {"split": {"method": "last_purchase"}}, ["random"], False),
        (THE_SAME_AS_LAST, {"split": {"method": "last_purchase"}}, ['split.method = "time"'], False),
        (ONE_EVENT_EACH, {}, [], False),
        (ONE_EVENT_EACH, {"split": {"method": "random"}}, [], False),
    ],
)
def test_each_setting_that_is_named_measures_as_many_as_it_says(
    split: Split, rows: Rows, sections: dict[str, dict[str, Any]], named: list[str], is_random: bool
) -> None:
    document, n_measured = split(rows, day(100), **sections)
    asked = sections.get("split", {}).get("method", "time")
    assert (document["asked"], document["method"]) == (asked, "random" if is_random else asked)
    assert document["is_unjudged"] is not is_random
    assert (n_measured > 0) is is_random
    why = Unmeasured.read(document["unmeasured"])
    assert why.what.startswith("nobody can be measured")
    assert len(why.ways) >= len(named)
    for words in named:
        assert words in why.then
    for way in why.ways:
        last = LAST.search(way.edit)
        changed = sections_of(way.edit)
        merged = {name: {**sections.get(name, {}), **changed.get(name, {})} for name in {*sections, *changed}}
        found, n_users = split(rows, datetime.fromisoformat(last[1]) if last else day(100), **merged)
        assert n_users == way.n_users > 0
        assert found["unmeasured"] is None, "measured by the method that is named, by no other"
        assert found["n_test_cuts"] == way.n_cuts
        people = f"{way.n_users} {'person' if way.n_users == 1 else 'people'}"
        counted = f", counted at each of {way.n_cuts} cuts," if way.n_cuts > 1 else ""
        assert f"{way.edit} ({people}{counted} would be measured)" in why.then
    if is_random:
        explicit = split(rows, day(100), **{**sections, "split": {"method": "random"}})
        assert explicit[1] == n_measured
        assert 'split.method = "random"' not in why.then


def test_a_shop_that_no_setting_helps_waits_or_widens_a_window_that_is_full(split: Split) -> None:
    for window_days, words in ((365, "run again when more people"), (95, "choose a wider run.window_days")):
        document, _ = split(ONE_EVENT_EACH, day(100), run={"window_days": window_days})
        assert document["is_unjudged"]
        assert document["unmeasured"]["then"].startswith(words)
        assert "19 of 19 buyers bought only once" in document["unmeasured"]["found"]


@pytest.mark.parametrize(
    ("items", "mode", "is_measured"),
    [((1,), "exclude", False), ((1,), "allow", False), ((1, 2), "exclude", True), ((1, 2), "allow", True)],
)
def test_one_order_each_is_measured_at_random_if_it_has_two_items(
    split: Split, items: tuple[int, ...], mode: str, is_measured: bool
) -> None:
    rows = [(u, i + u % 3, 2 * u, "purchase", f"o{u}") for u in range(1, 41) for i in items]
    document, n_measured = split(rows, day(100), run={"repeat_purchases": mode})
    assert (n_measured > 0, document["is_unjudged"]) == (is_measured, not is_measured)
    assert document["worth"] if is_measured else not document["worth"]


def test_a_backtest_is_told_of_what_it_can_do() -> None:
    ways = (Way("set split.test_days = 5 in config.toml", "--test-days 5", 1), Way("random", "", 7, "random"))
    why = Unmeasured("nobody", "found", "promised", "then", ways)
    assert why.for_backtest().then == "--test-days 5 (1 person would be measured)"
    assert why.without("random").then == "set split.test_days = 5 in config.toml (1 person would be measured)"
    none = Unmeasured("nobody", "found", "promised", "then", ways[1:])
    assert none.for_backtest().then.startswith("name a file with a longer history")
    assert Unmeasured.read(why.dump()) == why


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"min_events": 1000}, "set filter.min_events = 3 in config.toml (5 of 5 buyers would be left)"),
        ({"min_items": 7}, "set filter.min_items = 3 in config.toml (5 of 5"),
        ({"min_events": 9, "min_items": 9}, "set filter.min_events = 3 and filter.min_items = 3"),
    ],
)
def test_filters_that_leave_out_everybody_are_named_with_what_would_keep_half(
    split: Split, filters: dict[str, int], words: str
) -> None:
    rows = [(u, i, 20 * i + u / 10) for u in range(1, 6) for i in range(1, 5)]
    with pytest.raises(DataError, match="nobody is left to learn from") as caught:
        split(rows, day(90), filter=filters)
    assert words in caught.value.then
    kept = sections_of(caught.value.then)["filter"]
    assert split(rows, day(90), filter={**filters, **kept})[1] == 5
