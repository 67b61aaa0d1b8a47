"""train on the shop of two tastes: what it leaves, and that the same input leaves the same bytes."""

from __future__ import annotations

import numpy as np

from pipeline.contract.features import FEATURES
from pipeline.models.als import AlsFactors
from pipeline.models.params import Params
from pipeline.ranking.saved import FACTORS, TREES, read_scorers
from pipeline.runs.files import sha256
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from pipeline.splits.history import opened


def test_als_is_fitted_on_all_before_the_test_with_tonights_parameters(learnt: Job) -> None:
    folder, settings = learnt.folder, learnt.settings
    params = Params.read(folder.document("best_params"))
    files, cut_at = folds.before_test(folder), folds.test_from(folder)
    with opened(files, cut_at, settings.filter, settings.run, folder.scratch()) as history:
        expected = params.als_model(settings).fit(history)
    saved = AlsFactors.load(folder.path / FACTORS)
    np.testing.assert_array_equal(saved.user_factors, expected.user_factors)
    np.testing.assert_array_equal(saved.item_factors, expected.item_factors)
    assert folder.document("model")["n_users"] == len(expected.user_ids)


def test_the_rerankers_it_leaves_are_read_back_as_they_were(learnt: Job) -> None:
    scorers = read_scorers(learnt.folder)
    assert list(scorers) == ["blend", "ranker"]
    features = np.zeros((3, len(FEATURES)), np.float32)
    again = read_scorers(learnt.folder)
    for name, scorer in scorers.items():
        np.testing.assert_array_equal(scorer.score(features), again[name].score(features))


def test_twice_is_the_same_bytes(learnt: Job) -> None:
    files = [learnt.folder.path / name for name in (FACTORS, TREES, "model.json")]
    before = [sha256(file) for file in files]
    run_stage("train", learnt)
    assert [sha256(file) for file in files] == before
