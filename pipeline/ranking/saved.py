"""The trained models in the run folder: written by `train`, read back by `evaluate` and `recommend`.

And the items' part of ALS as `tune` left it (the dataset `item_factors`), from which `train` goes on.

ALS is kept for the cuts of the test at which it is fitted, a week apart: `model/als.npz` for the oldest,
`model/als_2.npz` for the next one, and so on. The re-rankers are those of the oldest cut; `evaluate` fits
them anew where they have become a week old. The blend lies in the document `model`, the trees in
`model/trees.txt`, with the blend that they start from in the document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.errors import DamagedFile
from pipeline.models.als_factors import AlsFactors
from pipeline.models.item_factors import ItemFactors
from pipeline.ranking.blend import Blend
from pipeline.ranking.features import Scorer
from pipeline.ranking.reranker import fit_rerankers
from pipeline.ranking.trees import Trees
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Job
from pipeline.splits.folds import Fold, test_from
from pipeline.splits.history import History

ALS = "model/als"
OLDEST_ALS, TREES = f"{ALS}.npz", "model/trees.txt"


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
    scorers = fit_rerankers([job.folder.table("examples")], test_from(job.folder), job.settings)
    (job.folder.path / TREES).unlink(missing_ok=True)
    document: dict[str, object] = {key: None for storage in STORAGES.values() for key in storage.empty}
    for name, scorer in scorers.items():
        document |= STORAGES[name].write(job.folder, scorer)
    return document


def write_nothing(folder: RunFolder) -> dict[str, object]:
    """Where nobody can be measured no re-ranker is kept; what an earlier attempt left is removed."""
    (folder.path / TREES).unlink(missing_ok=True)
    return {key: None for storage in STORAGES.values() for key in storage.empty}


def read_scorers(folder: RunFolder) -> dict[str, Scorer]:
    """The scorers of the re-rankers that `train` fitted, by name."""
    document = folder.document("model")
    scorers = {name: storage.read(folder, document) for name, storage in STORAGES.items()}
    return {name: scorer for name, scorer in scorers.items() if scorer is not None}


def remove_factors(folder: RunFolder) -> None:
    """Remove what an earlier attempt left, which may have had more cuts."""
    for path in [folder.path / OLDEST_ALS, *folder.path.glob(f"{ALS}_*.npz")]:
        path.unlink(missing_ok=True)


def write_factors(folder: RunFolder, factors: AlsFactors, place: int) -> str:
    """Write ALS as fitted at a cut of the test; returns the file, for `cuts` of the document `model`.

    place: 0 is the oldest of those at which it is fitted
    """
    name = f"{ALS}_{place + 1}.npz" if place else OLDEST_ALS
    folder.write_file(name, factors.save)
    return name


def write_item_factors(folder: RunFolder, items: ItemFactors) -> None:
    """Write the items' part of ALS as `tune` fitted it last: the dataset `item_factors`."""
    vectors = pa.FixedSizeListArray.from_arrays(items.factors.ravel(), items.factors.shape[1])
    folder.write("item_factors", pa.table({"item_id": items.item_ids, "factors": vectors}))


def read_newest_factors(folder: RunFolder) -> ItemFactors | None:
    """The items' part of ALS as `train` fitted it last; None where it fitted none."""
    files = [cut["file"] for cut in folder.document("model")["cuts"] if cut["file"]]
    return AlsFactors.load_items(folder.path / files[-1]) if files else None


def read_item_factors(folder: RunFolder) -> ItemFactors | None:
    """The items' part of ALS as `tune` fitted it last; None where it fitted none, or knew no item."""
    if not folder.has("item_factors"):
        return None
    rows = folder.table("item_factors")
    if not rows.num_rows:
        return None
    ids, vectors = rows["item_id"].combine_chunks(), rows["factors"].combine_chunks().flatten().to_numpy()
    return ItemFactors(ids, vectors.reshape(len(ids), -1))


def read_factors(folder: RunFolder, fold: Fold, history: History, threads: int) -> AlsFactors:
    """ALS as `train` left it at `fold`, a cut of the test at which it is fitted.

    DamagedFile where its users or items are not those of `history`, or where there is none of that cut.
    """
    cuts = folder.document("model")["cuts"]
    of_cut = [cut["file"] for cut in cuts if cut["cut_at"] == fold.cut_at.isoformat()]
    then, at = f"python -m pipeline run train --run-id {folder.run_id}", fold.cut_at.isoformat()
    if not of_cut:
        found = ", ".join(cut["cut_at"] for cut in cuts)
        what = "`model` was fitted at other cuts than the test has"
        raise DamagedFile(what, found=found, promised=at, then=then)
    factors = AlsFactors.load(folder.path / of_cut[0], threads)
    if not (factors.user_ids.equals(history.user_ids) and factors.item_ids.equals(history.item_ids)):
        raise DamagedFile(
            f"{of_cut[0]} was trained on other events than the run holds before {at}",
            found=f"{len(factors.user_ids):,} users, {len(factors.item_ids):,} items",
            promised=f"{history.shape[0]:,} users, {history.shape[1]:,} items, the same ids",
            then=then,
        )
    return factors
