"""Fit the models that are measured: ALS on everything before the test, re-rankers on the training rows.

The parameters are those of `tune`. The rules need no training and are counted where they are judged.
"""

from __future__ import annotations

from pipeline.models.params import Params
from pipeline.ranking.saved import write_factors, write_nothing, write_rerankers
from pipeline.runs.job import Counts, Job
from pipeline.splits import folds
from pipeline.splits.history import opened


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `best_params`, `examples` -> `model` (model.json and model/*).

    Where nobody can be measured, nothing is fitted.
    """
    folder, settings = job.folder, job.settings
    params = Params.read(folder.document("best_params"))
    events, cut_at = folds.before_test(folder), folds.test_from(folder)
    with opened(events, cut_at, settings.filter, settings.run, folder.scratch()) as history:
        n_users, n_items = history.shape
        factors = None if folds.is_unjudged(folder) else params.als_model(settings).fit(history)
    size = {"n_users": n_users, "n_items": n_items}
    if factors is None:
        rerankers = write_nothing(folder)
    else:
        write_factors(folder, factors)
        rerankers = write_rerankers(job)
    folder.write_document("model", {**params.dump(), "cut_at": cut_at, **size, **rerankers})
    return {**size, "factors": params.als.factors}
