"""The published model beside the best rule and the live publication, on the same users."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from pipeline.evaluation import metrics
from pipeline.evaluation.at_cut import at, judge_of
from pipeline.evaluation.comparison import comparison, fitted_again, opponents
from pipeline.models.catalog import rules
from pipeline.models.params import Params
from pipeline.runs.job import Job
from pipeline.splits import folds
from tests.fits import assert_each_goes_on, watch
from tests.shelf import day, give
from tests.tastes import AS_OF

Row = dict[str, Any]


def compared(learnt: Job, **live: Any) -> tuple[Row, Row]:
    """The rows for the best rule, and for a live publication with tonight's parameters but `live`."""
    folder = learnt.folder
    params = {**folder.document("best_params"), **live.pop("params", {})}
    give(folder, live={"version": 4, "as_of": AS_OF.isoformat(), "params": params, **live})
    models = folder.table("user_metrics")["model"].unique().to_pylist()
    users = {name: {"precision_at_3": np.array(of_model(learnt, name))} for name in models}
    n = len(users["published"]["precision_at_3"])
    document = comparison(learnt, users, np.arange(n), opponents(learnt, users))
    rows = {row["against"]: row for row in [*document["against"], *document["skipped"]]}
    assert set(rows) == {"best_rule", "live"}
    return rows["best_rule"], rows["live"]


def of_model(learnt: Job, model: str) -> list[float]:
    """Precision@3 of each user."""
    users = learnt.folder.table("user_metrics")
    values: list[float] = users.filter(pc.equal(users["model"], model))["precision_at_3"].to_pylist()
    return values


def other_than(learnt: Job) -> str:
    """A re-ranker that is not tonight's choice."""
    return "ranker" if learnt.folder.document("best_params")["model"] == "blend" else "blend"


def test_the_best_rule_is_compared_user_by_user(learnt: Job) -> None:
    document = learnt.folder.document("comparison")
    [rule] = document["against"]
    [live] = document["skipped"]
    means = {name: sum(of_model(learnt, name)) / 20 for name in rules()}
    assert rule["model"] == max(means, key=lambda name: (means[name], name))
    assert rule["precision_at_3"] == pytest.approx(means[rule["model"]])
    ours = of_model(learnt, "published")
    assert document["precision_at_3"] == pytest.approx(sum(ours) / 20)
    assert rule["difference"] == pytest.approx(document["precision_at_3"] - rule["precision_at_3"])
    assert rule["ci_low"] < rule["difference"] < rule["ci_high"]
    assert rule["n_users"] == 20
    assert live == {"against": "live", "why": "there is no live publication that this run may know"}


@pytest.mark.parametrize(
    ("live", "why"),
    [
        ({"as_of": day(200).isoformat()}, "no live publication that this run may know"),
        ({"repeat_purchases": "allow"}, "version 4, which is live, is of repeat_purchases = allow"),
        ({"params": {"als": None}}, "the parameters of version 4, which is live, are unknown"),
        ({"params": {"model": "ncf"}}, "is live, is of ncf, which models.race does not name"),
        ({"params": {"model": "oracle"}}, "the parameters of version 4, which is live, are unknown"),
    ],
)
def test_what_cannot_be_compared_is_skipped_and_said(learnt: Job, live: Row, why: str) -> None:
    rule, row = compared(learnt, **live)
    assert why in row["why"]
    assert rule["model"] in rules()


def test_against_tonights_own_parameters_there_is_no_difference(learnt: Job) -> None:
    """It stands in the table already."""
    _, row = compared(learnt)
    assert (row["version"], row["model"]) == (4, learnt.folder.document("best_params")["model"])
    assert (row["difference"], row["ci_low"], row["ci_high"]) == (0, 0, 0)


def test_a_live_reranker_of_the_same_parameters_is_the_one_in_the_table(learnt: Job) -> None:
    other = other_than(learnt)
    _, row = compared(learnt, params={"model": other})
    assert row["precision_at_3"] == pytest.approx(sum(of_model(learnt, other)) / 20)


def test_a_live_model_of_other_parameters_is_fitted_again_on_the_same_split(learnt: Job) -> None:
    """ALS with one factor is far below; its number is that of a fit by hand."""
    als = {**learnt.folder.document("best_params")["als"], "factors": 1, "iterations": 1}
    _, row = compared(learnt, params={"model": "als", "als": als})
    params = Params.published(learnt.folder.document("live"), learnt.settings)
    assert params is not None
    [fold], settings = folds.tests(learnt.folder), learnt.settings
    items, spill = learnt.folder.dataset("items"), learnt.folder.scratch()
    with at(fold, params, settings, items, spill) as models:
        judge = judge_of(models, fold)
        hits = judge.hits(judge.lists(models.factors, 3))
        assert row["precision_at_3"] == metrics.precision_at_k(hits, 3).mean()
    assert row["difference"] > 0.1
    assert 0 < row["ci_low"] < row["ci_high"]


@pytest.mark.parametrize("model", ["als", "blend"])
def test_in_a_large_shop_the_live_model_goes_on_from_older_cuts_as_tonights_does(
    learnt: Job, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """For a model without training rows too."""
    params = replace(Params.read(learnt.folder.document("best_params")), model=model)
    fits = watch(monkeypatch)
    assert fitted_again(learnt, params) is not None
    n_older = len(folds.for_learning(learnt.folder, learnt.settings.ranking.windows))
    assert len(fits) == n_older + 1
    assert_each_goes_on(fits, None)


def test_a_live_reranker_of_other_parameters_is_taught_again(learnt: Job) -> None:
    weights = {**learnt.folder.document("best_params")["weights"], "half_life_days": 3.0}
    other = other_than(learnt)
    _, row = compared(learnt, params={"model": other, "weights": weights})
    assert row["model"] == other
    assert 0 < row["precision_at_3"] < 1


def test_a_live_rule_is_compared_as_it_was_published_with_its_gaps_filled(learnt: Job) -> None:
    """In the table own_most_bought knows nothing new; published it was ALS's list."""
    _, row = compared(learnt, params={"model": "own_most_bought"})
    assert sum(of_model(learnt, "own_most_bought")) == 0
    assert row["precision_at_3"] == pytest.approx(sum(of_model(learnt, "als")) / 20)
