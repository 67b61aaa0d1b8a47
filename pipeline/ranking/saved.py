"""The fitted models in the run folder."""

from __future__ import annotations

from pipeline.ranking.blend import Blend
from pipeline.ranking.reranker import Scorer, fit_rerankers
from pipeline.ranking.trees import Trees
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Job

FACTORS, TREES = "model/als.npz", "model/trees.txt"


def write_rerankers(job: Job) -> dict[str, object]:
    """Write the trees; the blend, and what the trees go by, for the document."""
    found = fit_rerankers([job.folder.table("examples")], job.settings)
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
