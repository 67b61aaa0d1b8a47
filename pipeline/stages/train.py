"""Fit the model that is measured: on everything before the test, with the parameters of `tune`."""

from __future__ import annotations

from datetime import datetime

from pipeline.files import utc
from pipeline.history import opened
from pipeline.params import Params
from pipeline.run import Counts, Job

FACTORS = "model/als.npz"


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `best_params` -> `model` (model.json and model/als.npz)."""
    folder, settings = job.folder, job.settings
    params = Params.read(folder.document("best_params"))
    cut_at = utc(datetime.fromisoformat(folder.document("split")["test_from"]))
    before = [folder.dataset("train"), folder.dataset("validation_set")]
    with opened(before, cut_at, settings.filter, settings.run, folder.scratch()) as history:
        factors = params.model(settings).fit(history)
        n_users, n_items = history.shape
    folder.write_file(FACTORS, factors.save)
    document = {**params.dump(), "cut_at": cut_at, "n_users": n_users, "n_items": n_items, "file": FACTORS}
    folder.write_document("model", document)
    return {"n_users": n_users, "n_items": n_items, "factors": params.als.factors}
