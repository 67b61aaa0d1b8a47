"""train on the shop of two tastes: what it leaves, and that the same input leaves the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.contract.features import FEATURES
from pipeline.models import als
from pipeline.models.als import LARGE
from pipeline.models.als_factors import AlsFactors
from pipeline.models.params import Params
from pipeline.ranking.saved import OLDEST_ALS, TREES, read_item_factors, read_scorers
from pipeline.runs.files import sha256, write_json
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from pipeline.splits.history import opened
from tests.shelf import give


def test_als_is_fitted_on_all_before_the_test_in_a_large_shop_from_where_tune_left_the_items(
    learnt: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, settings = learnt.folder, learnt.settings
    params = Params.read(folder.document("best_params"))
    files, cut_at = folds.before_test(folder), folds.test_from(folder)
    with opened(files, cut_at, settings.filter, settings.run, folder.scratch()) as history:
        at_random = params.als_model(settings).fit(history)
        monkeypatch.setattr(als, "LARGE", 0)
        gone_on = params.als_model(settings).fit(history, read_item_factors(folder))
    assert not np.array_equal(at_random.item_factors, gone_on.item_factors)
    assert folder.document("model")["n_users"] == len(at_random.user_ids)
    for expected, large in ((at_random, LARGE), (gone_on, 0)):
        monkeypatch.setattr(als, "LARGE", large)
        run_stage("train", learnt)
        saved = AlsFactors.load(folder.path / OLDEST_ALS)
        np.testing.assert_array_equal(saved.user_factors, expected.user_factors)
        np.testing.assert_array_equal(saved.item_factors, expected.item_factors)


def test_items_of_which_tune_knew_none_are_no_start(learnt: Job) -> None:
    """As in a shop that is younger than the validation."""
    rows = learnt.folder.table("item_factors")
    assert read_item_factors(learnt.folder).factors.shape == (rows.num_rows, 8)
    give(learnt.folder, item_factors=rows[:0])
    assert read_item_factors(learnt.folder) is None


def test_where_an_earlier_release_ran_tune_als_is_fitted_from_the_beginning(learnt: Job) -> None:
    folder, settings = learnt.folder, learnt.settings
    folder.drop("item_factors")
    receipt = folder.receipt("tune")
    del receipt["files"]["item_factors.parquet"]
    write_json(folder.path / "receipts" / "tune.json", receipt)
    run_stage("train", learnt)
    params = Params.read(folder.document("best_params"))
    files, cut_at = folds.before_test(folder), folds.test_from(folder)
    with opened(files, cut_at, settings.filter, settings.run, folder.scratch()) as history:
        expected = params.als_model(settings).fit(history)
    saved = AlsFactors.load(folder.path / OLDEST_ALS)
    np.testing.assert_array_equal(saved.user_factors, expected.user_factors)


def test_the_rerankers_it_leaves_are_read_back_as_they_were(learnt: Job) -> None:
    scorers = read_scorers(learnt.folder)
    assert list(scorers) == ["blend", "ranker"]
    features = np.zeros((3, len(FEATURES)), np.float32)
    again = read_scorers(learnt.folder)
    for name, scorer in scorers.items():
        np.testing.assert_array_equal(scorer.score(features), again[name].score(features))


def test_twice_is_the_same_bytes(learnt: Job) -> None:
    files = [learnt.folder.path / name for name in (OLDEST_ALS, TREES, "model.json")]
    before = [sha256(file) for file in files]
    run_stage("train", learnt)
    assert [sha256(file) for file in files] == before
