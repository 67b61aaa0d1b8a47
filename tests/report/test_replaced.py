"""pipeline/report/replaced.py, and the page of a night that published a rule's lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.config import Settings
from pipeline.contract.datasets import FALLBACK
from pipeline.report import build, replaced
from pipeline.runs.folder import RunFolder
from tests.report.pages import DECISION, PRECISION, PUBLICATION, fill, metrics, text

LOST: dict[str, Any] = {
    "model": "popular",
    "chosen": "ranker",
    "reason": "lost",
    "why": "the lists of popular go live",
    "chosen_on_test_from": "2025-12-18T00:00:00+00:00",
    "n_nights_not_lost": 0,
    "precision_at_3": 0.06,
    "lost_by": {
        "chosen_precision_at_3": 0.04,
        "precision_at_3": 0.06,
        "difference": -0.02,
        "ci_low": -0.03,
        "ci_high": -0.01,
        "n_users": 14,
    },
    "against": [],
    "skipped": [],
}


def page(folder: RunFolder, fallback: dict[str, Any]) -> str:
    rows = metrics({**PRECISION, FALLBACK: 0.06}, "exclude", "allow")
    decision = {**DECISION, "fallback": fallback, "warnings": [fallback["why"], "look at the prices"]}
    fill(folder, metrics=rows, decision=decision, fallback=fallback)
    return text(build(folder, Settings(), PUBLICATION).read_text(encoding="utf-8"))


def test_a_page_says_whose_lists_they_are_and_that_the_number_is_too_good(
    run_folder: Callable[..., RunFolder],
) -> None:
    shown = page(run_folder(), LOST)
    assert "Published: lists of a rule" in shown
    assert "of 100 items shown in the first three places, buyers bought 6.00" in shown
    assert "a simple rule, “best sellers”, because the model that was chosen before the test" in shown
    assert "of 100 items shown 4.00 were bought, of the rule's 6.00, by the same 14 buyers" in shown
    assert "interval of the difference is 1.00 to 3.00" in shown
    assert "its figure is a little too good" in shown
    assert "Chosen before the test made by “boosted trees”" in shown
    assert "These lists made by “best sellers”, chosen on this test" in shown
    assert "+50.0" in shown
    assert "look at the prices" in shown
    assert LOST["why"] not in shown, "it stands in sentences already"


def test_a_rule_that_stays_is_not_said_to_be_chosen_on_this_test(
    run_folder: Callable[..., RunFolder],
) -> None:
    shown = page(run_folder(), {**LOST, "reason": "waiting", "lost_by": None})
    assert "These lists made by “best sellers”, chosen on an earlier test" in shown


def test_of_a_model_that_has_lost_nothing_nothing_is_said() -> None:
    assert replaced.sentences({}) == []
    assert replaced.sentences({"model": None, "reason": None, "chosen": "als"}) == []
    assert replaced.gain({"model": None}) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reason": "waiting", "lost_by": None}, "if it does not lose on the next night either"),
        ({"reason": "back", "model": None, "n_nights_not_lost": 2}, "lost to no rule on 2 nights running"),
        ({"reason": "not shown", "model": None}, "by items that the shop does not have now"),
    ],
)
def test_each_reason_has_its_words(change: dict[str, Any], words: str) -> None:
    [sentence] = replaced.sentences({**LOST, **change})
    assert words in sentence
    assert "boosted trees" in sentence


def test_a_model_with_no_hit_at_all_has_no_relative_gain() -> None:
    by = {**LOST["lost_by"], "chosen_precision_at_3": 0.0}
    assert replaced.gain({**LOST, "lost_by": by}) is None
