"""Fit the models that are measured: ALS on everything before the test, second steps on the examples.

The parameters are those of `tune`. The rules need no training and are counted where they are judged.
"""

from __future__ import annotations

from pipeline import folds
from pipeline.history import opened
from pipeline.models.blend import Blend
from pipeline.models.second_step import Scorer
from pipeline.models.trees import Trees
from pipeline.params import Params
from pipeline.run import Counts, Job, RunFolder
from pipeline.standing import second_steps

FACTORS, TREES = "model/als.npz", "model/trees.txt"


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `best_params`, `examples` -> `model` (model.json and model/*)."""
    folder, settings = job.folder, job.settings
    params = Params.read(folder.document("best_params"))
    fold = folds.test(folder)
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, folder.scratch()) as history:
        factors = params.als_model(settings).fit(history)
        n_users, n_items = history.shape
    folder.write_file(FACTORS, factors.save)
    size = {"n_users": n_users, "n_items": n_items}
    second = _second_steps(job)
    folder.write_document("model", {**params.dump(), "cut_at": fold.cut_at, **size, **second})
    return {**size, "factors": params.als.factors}


def _second_steps(job: Job) -> dict[str, object]:
    """Write the trees; the blend, and what the trees go by, for the document."""
    found = second_steps([job.folder.table("examples")], job.settings)
    (job.folder.path / TREES).unlink(missing_ok=True)
    told: dict[str, object] = {"blend": None, "importance": None}
    for scorer in found.values():
        if isinstance(scorer, Blend):
            told["blend"] = scorer.dump()
        if isinstance(scorer, Trees):
            start = scorer.start.dump() if scorer.start else None
            told |= {"start": start, "importance": scorer.importance()}
            job.folder.write_file(TREES, scorer.save)
    return told


def read_scorers(folder: RunFolder) -> dict[str, Scorer]:
    """The second steps that `train` left."""
    told = folder.document("model")
    found: dict[str, Scorer] = {}
    if told["blend"]:
        found["blend"] = Blend(**told["blend"])
    if told["importance"]:
        found["ranker"] = Trees.load(folder.path / TREES, Blend(**told["start"]) if told["start"] else None)
    return found
