"""pipeline/ranking/fitted.py, reranker.py and saved.py: the models at one cut."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.contract.features import FEATURES
from pipeline.evaluation.at_cut import trained
from pipeline.models.catalog import is_reranker, rerankers
from pipeline.ranking.fitted import FittedModels
from pipeline.ranking.reranker import FITTERS, Reranker, fit_rerankers
from pipeline.ranking.saved import STORAGES, read_scorers
from pipeline.runs.job import Job
from pipeline.splits import folds
from pipeline.splits.holdout import hold_out
from tests.shelf import day
from tests.tastes import RACED


def training_rows(models: FittedModels, job: Job) -> pa.Table:
    [fold] = folds.tests(job.folder)
    held_out = hold_out(models.history, fold.later, is_repeat_relevant=False)
    return models.training_rows(held_out, fold)


def test_every_reranker_of_the_catalogue_can_be_fitted_and_stored() -> None:
    assert set(rerankers()) == set(FITTERS) == set(STORAGES)


def test_each_model_ranks_and_a_reranker_needs_its_scorer(learnt: Job) -> None:
    scorers = read_scorers(learnt.folder)
    with trained(learnt.folder, learnt.settings, folds.tests(learnt.folder)[0]) as models:
        rankers = dict(models.rankers(scorers))
        assert list(rankers) == list(RACED)
        assert [name for name, ranker in rankers.items() if isinstance(ranker, Reranker)] == list(rerankers())
        for ranker in rankers.values():
            assert ranker.top_n(np.arange(3), 2, models.history.purchases()).items.shape == (3, 2)
        assert not [name for name, _ in models.rankers({}) if is_reranker(name)]
        with pytest.raises(KeyError):
            models.ranker("ranker")


def test_training_rows_are_candidates_of_the_held_out_users_with_their_labels(learnt: Job) -> None:
    with trained(learnt.folder, learnt.settings, folds.tests(learnt.folder)[0]) as models:
        rows = training_rows(models, learnt)
    assert rows.column_names == ["cut_at", "user_id", "item_id", "bought_at", "is_drawn", *FEATURES]
    assert rows.to_pandas().equals(learnt.folder.table("latest_examples").to_pandas())


def test_a_reranker_that_has_one_label_only_is_not_fitted(learnt: Job) -> None:
    rows = learnt.folder.table("examples")
    bought, until = rows.filter(rows["bought_at"].is_valid()), day(86)
    assert fit_rerankers([bought], until, learnt.settings) == {}
    assert fit_rerankers([], until, learnt.settings) == {}
    assert fit_rerankers([rows], day(0), learnt.settings) == {}, "before anything was bought"
    assert set(fit_rerankers([rows], until, learnt.settings)) == set(rerankers())
