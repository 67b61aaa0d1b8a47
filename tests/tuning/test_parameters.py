"""pipeline/tuning/parameters.py and record.py: what the validation fold alone decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.evaluation.at_cut import at
from pipeline.evaluation.judge import Judge
from pipeline.models.params import HALF_LIVES, Params
from pipeline.runs.job import Job
from pipeline.splits import folds
from pipeline.tuning import parameters
from pipeline.tuning.parameters import GRID, choose_parameters
from pipeline.tuning.record import start_of
from pipeline.tuning.search import NOTHING_TRIED
from tests import tastes


def without_a_search(job: Job) -> Job:
    return replace(job, settings=tastes.settings_of(tune={**tastes.TUNE, "mode": "never"}))


def test_without_a_search_als_stays_as_configured_and_the_half_lives_are_chosen(learnt: Job) -> None:
    job = without_a_search(learnt)
    start = Params.configured(job.settings)
    chosen = choose_parameters(job, {}, start)
    assert chosen.search is NOTHING_TRIED
    assert chosen.why == "tune = never"
    assert (chosen.params.als, chosen.params.weights) == (start.als, start.weights)
    assert set(chosen.params.half_lives) == set(HALF_LIVES)
    assert set(chosen.params.half_lives.values()) <= {*GRID, *HALF_LIVES.values()}


def test_tuning_starts_from_the_live_parameters_where_they_can_be_read(learnt: Job) -> None:
    params = learnt.folder.document("best_params")
    live = {"version": 3, "params": params}
    start, origin = start_of(learnt, live)
    assert start == Params.published(live, learnt.settings)
    assert origin is live
    assert start_of(learnt, {"params": {"als": "?"}}) == (Params.configured(learnt.settings), {})


def test_of_many_buyers_a_search_looks_at_some_and_says_so(
    learnt: Job, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 buyers: one in four, and two who are measured; what ALS reaches is that of all of them."""
    monkeypatch.setattr(parameters, "SEARCHED", 10)
    job = replace(learnt, settings=tastes.settings_of(tune={**tastes.TUNE, "mode": "always"}))
    chosen = choose_parameters(job, {}, Params.configured(job.settings))
    assert 10 <= chosen.search.n_users <= 12
    assert chosen.n_buyers == 40
    assert any(line == f"tune: the search looks at {chosen.search.n_users} of 40 buyers" for line in said)
    assert len(chosen.search.complete) + chosen.search.n_pruned == 3
    fold = folds.for_search(job.folder)[0]
    with at(fold, chosen.params, job.settings, None, job.folder.scratch()) as models:
        assert len(models.factors.user_ids) == 40
        judge = Judge.of(models.history, *folds.for_search(job.folder), excludes_repeats=True)
        assert chosen.precision_at_3 == judge.precision_at_3(models.factors) > 0
