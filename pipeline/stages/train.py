"""Fit the models that are measured: ALS at cuts of the test, re-rankers on the training rows before it.

The parameters are those of `tune`. The rules need no training and are counted where they are judged.
"""

from __future__ import annotations

from typing import Any

from pipeline.models.params import Params
from pipeline.ranking.saved import (
    read_item_factors,
    remove_factors,
    write_factors,
    write_nothing,
    write_rerankers,
)
from pipeline.runs.job import Counts, Job
from pipeline.splits import folds
from pipeline.splits.history import opened


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `test`, `best_params`, `examples`, `item_factors` -> `model` (and model/*).

    In a large shop ALS goes on from where `tune`, or the cut before, left the items.

    `cuts` in the document says of each cut of the test at which ALS is fitted, a week apart, how many users
    and items it knows there, and in which file it lies (null where nobody can be measured: then nothing is
    fitted). What lies in `test` before a cut is known at it.
    """
    folder, settings = job.folder, job.settings
    params = Params.read(folder.document("best_params"))
    cuts, is_unjudged = folds.for_fitting(folder), folds.is_unjudged(folder)
    remove_factors(folder)
    at: list[dict[str, Any]] = []
    als, start = params.als_model(settings), read_item_factors(folder)
    for place, fold in enumerate(cuts[:1] if is_unjudged else cuts):
        with opened(fold.before, fold.cut_at, settings.filter, settings.run, folder.scratch()) as history:
            n_users, n_items = history.shape
            file = None
            if not is_unjudged:
                factors = als.fit(history, start)
                file, start = write_factors(folder, factors, place), factors.of_items()
                del factors  # of all users, beside whom the next cut's have to fit into memory
        at.append({"cut_at": fold.cut_at, "n_users": n_users, "n_items": n_items, "file": file})
    rerankers = write_nothing(folder) if is_unjudged else write_rerankers(job)
    oldest = {name: at[0][name] for name in ("cut_at", "n_users", "n_items")}
    folder.write_document("model", {**params.dump(), **oldest, "cuts": at, **rerankers})
    size = {"n_users": at[-1]["n_users"], "n_items": at[-1]["n_items"], "factors": params.als.factors}
    return {**size, **({"n_cuts": len(at)} if len(at) > 1 else {})}
