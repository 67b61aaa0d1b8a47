"""pipeline/evaluation/all_models.py and at_cut.py: every model on the same users, in both modes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.evaluation.all_models import PUBLISHED, Judged, judge_at, pool
from pipeline.evaluation.at_cut import trained
from pipeline.models.catalog import is_reranker
from pipeline.ranking.saved import read_scorers
from pipeline.runs.job import Job
from pipeline.splits import folds
from tests.tastes import RACED


def judged_at_all_cuts(job: Job) -> Judged:
    cuts = []
    for fold in folds.tests(job.folder):
        with trained(job.folder, job.settings, fold) as models:
            cuts.append(judge_at(models, read_scorers(job.folder), fold))
    return pool(cuts, job.settings.run.repeat_purchases, job.settings.run.seed)


def test_every_model_is_judged_in_the_published_mode_and_all_but_rerankers_in_the_other(learnt: Job) -> None:
    judged = judged_at_all_cuts(learnt)
    mode = learnt.settings.run.repeat_purchases
    other = {"exclude": "allow", "allow": "exclude"}[mode]
    names = {row["model"] for row in judged.of_mode(mode)}
    assert names == {*RACED, PUBLISHED}
    assert {row["model"] for row in judged.of_mode(other)} == {
        name for name in RACED if not is_reranker(name)
    }
    n_users = {row["n_users"] for row in judged.of_mode(mode)}
    assert len(n_users) == 1, "all on the same users"
    for row in judged.of_mode(mode):
        mean = float(np.mean(judged.users[str(row["model"])]["precision_at_3"]))
        assert row["precision_at_3"] == mean


def test_it_says_what_the_stage_wrote_down(learnt: Job) -> None:
    judged = judged_at_all_cuts(learnt)
    counts = judged.counts(learnt.settings.run.repeat_purchases)
    receipt = learnt.folder.receipt("evaluate")["counts"]
    assert counts["best_rule"] == receipt["best_rule"]
    assert counts["n_measured_users"] == receipt["n_measured_users"]


def test_the_other_mode_is_judged_by_some_of_many_buyers(learnt: Job) -> None:
    ranking = learnt.settings.ranking.model_copy(update={"most_users": 5})
    job = replace(learnt, settings=learnt.settings.model_copy(update={"ranking": ranking}))
    judged = judged_at_all_cuts(job)
    assert {row["n_users"] for row in judged.of_mode("allow")} == {5}
    assert judged.of_mode("exclude") == judged_at_all_cuts(learnt).of_mode("exclude")
    assert {row["n_users"] for row in judged.of_mode("exclude")} != {5}
