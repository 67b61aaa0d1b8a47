"""A split that measures nobody names the settings that would, with the number of people: and it is true."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from pipeline.config import Settings
from pipeline.errors import DataError, NobodyMeasured
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits.unmeasured import Way, for_backtest
from tests.shelf import day, events, give

SETTING = re.compile(r'([a-z]+)\.([a-z_]+) = ("[a-z_]+"|[0-9]+)')
LAST = re.compile(r"--as-of last, which is (\S+)")
Rows = list[tuple[Any, ...]]

ONE_ORDER_EACH: Rows = [(u, i, 2 * u, "purchase", f"o{u}") for u in range(1, 21) for i in (1, 2 + u % 5, 8)]
STOPPED_BUYING: Rows = [(u, i, 13 * i + u / 10) for u in range(1, 6) for i in range(1, 7)]
THE_SAME_AGAIN: Rows = [(u, u % 3, d + u / 10) for u in range(1, 6) for d in (0, 30, 60, 97)]
NEW_PEOPLE_IN_THE_TEST: Rows = [
    *((u, i, u + i) for u in range(1, 6) for i in (1, 2, 3)),
    *((u, i, 90 + i) for u in range(6, 9) for i in (1, 2, 3)),
]
THE_SAME_TWICE_AT_ONCE: Rows = [
    (u, 1 + u % 2, u, "purchase", f"o{u}-{n}") for u in range(1, 21) for n in (1, 2)
]
ONE_EVENT_EACH: Rows = [(u, u % 3, 5 * u) for u in range(1, 20)]


@pytest.fixture
def split(job: Callable[..., Job], make_settings: Callable[..., Settings]) -> Callable[..., int]:
    """`split(rows, as_of, split={"method": ...})`: how many are measured."""
    runs = iter(range(1000))

    def make(rows: Rows, as_of: datetime, **sections: dict[str, Any]) -> int:
        night = job(run_id=f"n{next(runs)}", as_of=as_of, settings=make_settings(**sections))
        give(night.folder, purchaser_events=events(*rows))
        run_stage("split", night)
        return int(night.folder.receipt("split")["counts"]["n_measured_users"])

    return make


def sections_of(edit: str) -> dict[str, dict[str, Any]]:
    """The settings that a sentence names."""
    sections: dict[str, dict[str, Any]] = {}
    for section, name, value in SETTING.findall(edit):
        sections.setdefault(section, {})[name] = value.strip('"') if '"' in value else int(value)
    return sections


@pytest.mark.parametrize(
    ("rows", "sections", "named"),
    [
        (ONE_ORDER_EACH, {}, ['split.method = "random"']),
        (STOPPED_BUYING, {}, ["--as-of last", "split.test_days = 22", "last_purchase", "random"]),
        (THE_SAME_AGAIN, {}, ["repeat_purchases"]),
        (NEW_PEOPLE_IN_THE_TEST, {}, ["last_purchase", "random"]),
        (NEW_PEOPLE_IN_THE_TEST, {"run": {"repeat_purchases": "allow"}}, ["last_purchase", "random"]),
        (THE_SAME_TWICE_AT_ONCE, {}, ['random" in config.toml, with run.repeat_purchases = "allow"']),
        (ONE_ORDER_EACH, {"split": {"method": "last_purchase"}}, ["random"]),
        (ONE_EVENT_EACH, {}, []),
        (ONE_EVENT_EACH, {"split": {"method": "random"}}, []),
    ],
)
def test_each_setting_that_is_named_measures_as_many_as_it_says(
    split: Callable[..., int], rows: Rows, sections: dict[str, dict[str, Any]], named: list[str]
) -> None:
    with pytest.raises(NobodyMeasured, match="nobody can be measured") as caught:
        split(rows, day(100), **sections)
    ways = [way for way in caught.value.ways if isinstance(way, Way)]
    assert len(ways) >= len(named)
    for words in named:
        assert words in caught.value.then
    for way in ways:
        last = LAST.search(way.edit)
        changed = sections_of(way.edit)
        merged = {name: {**sections.get(name, {}), **changed.get(name, {})} for name in {*sections, *changed}}
        assert split(rows, datetime.fromisoformat(last[1]) if last else day(100), **merged) == way.n_users > 0
        people = f"{way.n_users} {'person' if way.n_users == 1 else 'people'} would be measured"
        assert f"{way.edit} ({people})" in caught.value.then


def test_a_shop_that_no_setting_helps_waits_or_widens_a_window_that_is_full(
    split: Callable[..., int],
) -> None:
    for window_days, words in ((365, "run again when more people"), (95, "choose a wider run.window_days")):
        with pytest.raises(NobodyMeasured) as caught:
            split(ONE_EVENT_EACH, day(100), run={"window_days": window_days})
        assert caught.value.then.startswith(words)
        assert "19 of 19 buyers bought only once" in caught.value.found


def test_a_backtest_is_told_of_what_it_can_do() -> None:
    error = NobodyMeasured("nobody")
    error.ways = (Way("set split.test_days = 5 in config.toml", "--test-days 5", 1), Way("random", "", 7))
    assert for_backtest(error).then == "--test-days 5 (1 person would be measured)"
    error.ways = error.ways[1:]
    assert for_backtest(error).then.startswith("name a file with a longer history")


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"min_events": 1000}, "set filter.min_events = 3 in config.toml (5 of 5 buyers would be left)"),
        ({"min_items": 7}, "set filter.min_items = 3 in config.toml (5 of 5"),
        ({"min_events": 9, "min_items": 9}, "set filter.min_events = 3 and filter.min_items = 3"),
    ],
)
def test_filters_that_leave_out_everybody_are_named_with_what_would_keep_half(
    split: Callable[..., int], filters: dict[str, int], words: str
) -> None:
    rows = [(u, i, 20 * i + u / 10) for u in range(1, 6) for i in range(1, 5)]
    with pytest.raises(DataError, match="nobody is left to learn from") as caught:
        split(rows, day(90), filter=filters)
    assert words in caught.value.then
    kept = sections_of(caught.value.then)["filter"]
    assert split(rows, day(90), filter={**filters, **kept}) == 5
