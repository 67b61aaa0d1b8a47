"""pipeline/report/session_lists.py: how good lists for baskets were, for a page and for a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline import config
from pipeline.report import build
from pipeline.report.session_lists import lines
from pipeline.report.summary import ending
from pipeline.runs.folder import RunFolder
from tests.report.pages import SESSION_LISTS, SESSIONS, fill, section

Make = Callable[..., RunFolder]
NOTHING = {**SESSION_LISTS, "why": "no buyer has two items", "all": None, "first_time": None}


def shown(folder: RunFolder, **parts: Any) -> str:
    """What a reader sees of the section, spaces that do not break as spaces."""
    page = build(fill(folder, **parts), config.load()).read_text(encoding="utf-8")
    return section(page, "session-lists").replace("\N{NO-BREAK SPACE}", " ")


def test_a_page_says_how_often_the_hidden_item_was_found_beside_popular_items(run_folder: Make) -> None:
    text = shown(run_folder())
    assert "in 6.3 % of 1,200 orders the hidden item was among them" in text
    assert "with the 10 most popular items of the shop in 4.0 %" in text
    assert "hardly chance: the 95 % interval of the difference is +0.7 to +3.7 of 100 orders" in text
    assert "First-time buyers: in 25.0 % of 40 orders, with popular items in 4.0 %." in text
    assert (
        "Whether they are better cannot be said: the 95 % interval of the difference is \N{MINUS SIGN}10.0"
        in text
    )
    assert "244 last orders were of one item alone" in text
    assert text.count("6.3 %") == 2, "in the sentence and beside its bar"


def test_a_page_says_where_lists_are_worse_than_popular_items_and_where_orders_are_few(
    run_folder: Make,
) -> None:
    few = {**SESSIONS, "n_orders": 2}
    worse = {**SESSION_LISTS, "all": {**SESSIONS, "ci_low": -0.04, "ci_high": -0.01}, "first_time": few}
    text = shown(run_folder(), session_lists=worse)
    assert "They are worse than popular items, hardly by chance" in text
    assert "First-time buyers: 2 orders. These are too few to decide anything." in text
    text = shown(run_folder("other"), session_lists={**SESSION_LISTS, "first_time": None})
    assert "Nobody among these buyers bought for the first time." in text


def test_a_page_says_why_nothing_was_judged(run_folder: Make) -> None:
    text = shown(run_folder(), session_lists=NOTHING)
    assert "Not judged: no buyer has two items. 244 last orders were of one item alone" in text
    assert "%" not in text


def test_a_page_of_a_run_that_did_not_judge_them(run_folder: Make) -> None:
    assert "of a version that did not judge them" in shown(run_folder(), without=("session_lists",))
    assert "has not finished" in shown(run_folder("other"), without=("session_lists", "metrics"))


@pytest.mark.parametrize(
    ("low", "high", "doubt"),
    [(0.0067, 0.0371, ""), (-0.01, 0.0371, ", which may be chance"), (-0.04, -0.01, ", worse than popular")],
)
def test_a_terminal_gets_a_line_and_one_for_first_time_buyers(low: float, high: float, doubt: str) -> None:
    row = {**SESSIONS, "ci_low": low, "ci_high": high}
    first, second = lines({**SESSION_LISTS, "all": row, "first_time": {**row, "n_orders": 1}})
    assert first == (
        "session lists: the hidden item was among their 10 in 6.3% of 1,200 orders, among 10 popular ones in"
        f" 4.0%: +2.2 points ({100 * low:+.1f} to {100 * high:+.1f}){doubt}"
    )
    assert second == "  first-time buyers: 1 order, too few to decide anything"
    assert lines(NOTHING) == ["session lists: not judged, no buyer has two items"]


def test_the_end_of_a_run_says_it(run_folder: Make) -> None:
    folder = fill(run_folder())
    assert "\n".join(lines(SESSION_LISTS)) in ending(folder, config.load())
    assert "session lists" not in ending(fill(run_folder("other"), without=("session_lists",)), config.load())
