"""The trained models in the run folder: written by `train`, read back by `evaluate`.

ALS is `model/als.npz`. Of the re-rankers the blend lies in the document `model`, the trees in
`model/trees.txt`, with the blend that they start from in the document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import DamagedFile
from pipeline.models.als import AlsFactors
from pipeline.ranking.blend import Blend
from pipeline.ranking.reranker import Scorer, fit_rerankers
from pipeline.ranking.trees import Trees
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Job
from pipeline.splits.history import History

FACTORS, TREES = "model/als.npz", "model/trees.txt"


@dataclass(frozen=True)
class Storage:
    """How the scorer of one re-ranker is stored.

    empty: its keys of the document `model` where it was not fitted
    write: the scorer to the run folder; returns its keys of the document
    read:  the scorer from the run folder and the document; None where it was not fitted
    """

    empty: Mapping[str, None]
    write: Callable[[RunFolder, Any], dict[str, object]]
    read: Callable[[RunFolder, Mapping[str, Any]], Scorer | None]


def _write_blend(folder: RunFolder, blend: Blend) -> dict[str, object]:
    return {"blend": blend.dump()}


def _read_blend(folder: RunFolder, document: Mapping[str, Any]) -> Blend | None:
    return Blend(**document["blend"]) if document["blend"] else None


def _write_trees(folder: RunFolder, trees: Trees) -> dict[str, object]:
    folder.write_file(TREES, trees.save)
    return {"start": trees.start.dump() if trees.start else None, "importance": trees.importance()}


def _read_trees(folder: RunFolder, document: Mapping[str, Any]) -> Trees | None:
    if not document["importance"]:
        return None
    start = Blend(**document["start"]) if document["start"] else None
    return Trees.load(folder.path / TREES, start)


STORAGES: Mapping[str, Storage] = {
    "blend": Storage({"blend": None}, _write_blend, _read_blend),
    "ranker": Storage({"importance": None}, _write_trees, _read_trees),
}
"""How each re-ranker of the catalogue is stored."""


def write_rerankers(job: Job) -> dict[str, object]:
    """Fit the re-rankers on `examples` and write them; returns their keys of the document `model`."""
    scorers = fit_rerankers([job.folder.table("examples")], job.settings)
    (job.folder.path / TREES).unlink(missing_ok=True)
    document: dict[str, object] = {key: None for storage in STORAGES.values() for key in storage.empty}
    for name, scorer in scorers.items():
        document |= STORAGES[name].write(job.folder, scorer)
    return document


def write_nothing(folder: RunFolder) -> dict[str, object]:
    """Where nobody can be measured no model is kept for it; what an earlier attempt left is removed."""
    for name in (FACTORS, TREES):
        (folder.path / name).unlink(missing_ok=True)
    return {key: None for storage in STORAGES.values() for key in storage.empty}


def read_scorers(folder: RunFolder) -> dict[str, Scorer]:
    """The scorers of the re-rankers that `train` fitted, by name."""
    document = folder.document("model")
    scorers = {name: storage.read(folder, document) for name, storage in STORAGES.items()}
    return {name: scorer for name, scorer in scorers.items() if scorer is not None}


def write_factors(folder: RunFolder, factors: AlsFactors) -> None:
    """Write ALS."""
    folder.write_file(FACTORS, factors.save)


def read_factors(folder: RunFolder, history: History, threads: int) -> AlsFactors:
    """ALS as `train` left it; DamagedFile where its users or items are not those of `history`."""
    factors = AlsFactors.load(folder.path / FACTORS, threads)
    if not (factors.user_ids.equals(history.user_ids) and factors.item_ids.equals(history.item_ids)):
        raise DamagedFile(
            f"{FACTORS} was trained on other events than `train` and `validation_set` hold",
            found=f"{len(factors.user_ids):,} users, {len(factors.item_ids):,} items",
            promised=f"{history.shape[0]:,} users, {history.shape[1]:,} items, the same ids",
            then=f"python -m pipeline run train --run-id {folder.run_id}",
        )
    return factors
