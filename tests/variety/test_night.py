"""A whole night with variety, on the shop of two tastes: chosen, judged and published alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from pipeline.contract.datasets import PUBLISHED
from pipeline.evaluation import comparison
from pipeline.evaluation.at_cut import judge_of, trained
from pipeline.evaluation.comparison import opponents
from pipeline.models.params import Params, Variety
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from tests import tastes
from tests.shelf import give

MODE = "exclude"


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """As far as `recommend`; the shop is small, so that fewer purchases have to do, and any loss is allowed.
    No rule replaces a model that so much variety makes worse.
    """
    monkeypatch.setattr("pipeline.tuning.variety.FEWEST_HITS", 10)
    recommend = {"list_length": 5, "max_precision_loss": 1.0}
    return tastes.night_at(tmp_path, *tastes.LEARNING, recommend=recommend, gate={"on_loss": "refuse"})


def test_what_is_chosen_is_judged_and_published(night: Job) -> None:
    folder = night.folder
    document = folder.document("best_params")
    assert document["variety"]["strength"] == 3.0
    raced = {row["model"]: row["precision_at_3"] for row in document["race"]}
    assert document["variety_tried"][0]["precision_at_3"] == pytest.approx(raced[document["model"]])
    assert folder.receipt("tune")["counts"]["variety"] == 3.0
    lists = folder.table("recommendations").to_pylist()
    assert {row["model_rank"] for row in lists} > {1, 2, 3}
    assert any(row["rank"] != row["model_rank"] for row in lists)
    for user in {row["user_id"] for row in lists}:
        scores = [row["score"] for row in lists if row["user_id"] == user]
        assert scores == sorted(scores, reverse=True)


def test_judged_lists_are_those_of_the_chosen_variety(night: Job) -> None:
    folder, params = night.folder, Params.read(night.folder.document("best_params"))
    rows = folder.table("metrics").to_pylist()
    [told] = [r["precision_at_3"] for r in rows if (r["model"], r["repeat_purchases"]) == (PUBLISHED, MODE)]
    [fold] = folds.tests(folder)
    with trained(folder, night.settings, fold) as models:
        judge = judge_of(models, fold)
        lists = judge.lists(models.published(params.model, models.ranker(params.model)))
        assert judge.scores(lists)["precision_at_3"].mean() == pytest.approx(told)
        other = judge.lists(models.published("popular", models.ranker("popular")))
        assert np.array_equal(other, judge.lists(models.filled(models.ranker("popular")))), "a rule has none"


def test_the_same_night_leaves_the_same_lists(night: Job) -> None:
    before = night.folder.dataset("recommendations").read_bytes()
    for stage in ("tune", "train", "evaluate", "recommend"):
        run_stage(stage, night)
    assert night.folder.dataset("recommendations").read_bytes() == before


def test_live_lists_of_another_variety_are_fitted_again_to_be_compared_with(night: Job) -> None:
    """The live lists have none: theirs is the model's own Precision@3, as far as slots are filled alike."""
    folder = night.folder
    params = Params.read(folder.document("best_params"))
    live = {"version": 1, "as_of": folder.as_of.isoformat(), "repeat_purchases": MODE}
    rows = folder.table("user_metrics")
    users = {
        name: {"precision_at_3": rows.filter(pc.equal(rows["model"], name))["precision_at_3"].to_numpy()}
        for name in pc.unique(rows["model"]).to_pylist()
    }
    compared = {}
    for variety in (params.variety, Variety()):
        give(folder, live={**live, "params": params.but(variety=variety).dump()})
        found = opponents(night, users).live
        assert found is not None
        compared[variety] = found.values.mean()
    assert compared[params.variety] == users[PUBLISHED]["precision_at_3"].mean()
    assert compared[Variety()] == pytest.approx(users[params.model]["precision_at_3"].mean())


@pytest.mark.parametrize("model", ["als", "ranker", "popular"])
def test_live_lists_of_tonights_models_are_judged_with_them_and_nothing_is_fitted_again(
    night: Job, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """The number is that of fitting again, for each measurement."""
    folder = night.folder
    params = Params.read(folder.document("best_params")).but(model=model, variety=Variety(0.5))
    live = {"version": 1, "as_of": folder.as_of.isoformat(), "repeat_purchases": MODE}
    give(folder, live={**live, "params": params.dump()})
    again = comparison.fitted_again(night, params)
    assert again is not None
    monkeypatch.setattr(comparison, "fitted_again", lambda *_: pytest.fail("fitted again"))
    run_stage("evaluate", night)
    [row] = [row for row in folder.document("comparison")["against"] if row["against"] == "live"]
    assert row["model"] == model
    assert row["precision_at_3"] == pytest.approx(again.mean(), abs=1e-12)
    assert "live" not in folder.table("metrics")["model"].to_pylist()
