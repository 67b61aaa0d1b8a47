"""The table of metrics as text: at the end of a run, and of a backtest."""

from __future__ import annotations

from typing import Any

from pipeline.report.summary import metrics_lines, results_table

BEST_FIRST = """\
repeat_purchases = exclude (only items new to the user count): 1,677 buyers, ceiling 0.900
  model              Precision@3        95% interval  Recall@10  NDCG@10  MAP@10  hit rate  coverage
  ranker                  0.2500    0.0000 to 1.0000     0.1000   0.2000  0.3000    0.4000    0.5000
  als                     0.1000    0.0000 to 1.0000     0.1000   0.2000  0.3000    0.4000    0.5000"""


def row(model: str, precision: float) -> dict[str, Any]:
    """A row of `metrics`, with the lowest and highest of a backtest; other measures from 0.1 to 0.5."""
    others = ("recall_at_10", "ndcg_at_10", "map_at_10", "hit_rate_at_10", "coverage_at_3")
    return {
        "model": model,
        "n_users": 1_677,
        "ceiling_at_3": 0.9,
        "precision_at_3": precision,
        **{name: place / 10 for place, name in enumerate(others, start=1)},
        "ci_low": 0.0,
        "ci_high": 1.0,
        "lowest": 0.01,
        "highest": 0.02,
    }


def test_the_best_model_comes_first() -> None:
    assert metrics_lines([row("als", 0.1), row("ranker", 0.25)], "exclude") == BEST_FIRST


def test_so_few_measured_that_they_decide_nothing_are_said_so() -> None:
    for n_users, words in (
        (29, "29 buyers, too few to decide anything, c"),
        (30, "30 buyers, c"),
    ):
        assert words in metrics_lines([{**row("als", 0.1), "n_users": n_users}], "exclude")


def test_nobody_measured_is_a_sentence() -> None:
    assert metrics_lines([], "allow") == "repeat_purchases = allow: nobody can be measured"


def test_some_measures_with_an_interval_of_another_name() -> None:
    measures = ("coverage_at_3", "recall_at_10", "precision_at_3")
    assert results_table([row("als", 0.1)], measures, ("lowest to highest", "lowest", "highest")) == [
        "  model              Precision@3   lowest to highest  Recall@10  coverage",
        "  als                     0.1000    0.0100 to 0.0200     0.1000    0.5000",
    ]
