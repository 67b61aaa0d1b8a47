"""Erases one user from one run folder: rewrites every file that holds rows of the user.

The new file is written beside the old one, its checksum is put into the receipt of its stage, then it
replaces the old one. Where the process is killed between the last two steps, the run refuses that file
until the user is erased again, which writes the same bytes. The datasets, in which the user is looked for,
are replaced last.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import engine
from pipeline.contract.datasets import DATASETS, USER, Dataset
from pipeline.errors import DamagedFile, RunError
from pipeline.models.als_factors import AlsFactors
from pipeline.runs import parquet
from pipeline.runs.files import fingerprint, write_json, write_whole
from pipeline.runs.folder import RunFolder
from pipeline.runs.pages import PAGE, VALIDATION
from pipeline.validation import example_rows

LEFTOVERS = ("scratch", "kept", ".check-*", ".*.part", "*/.*.part")
"""Files that a killed stage leaves in a run folder; no stage reads them."""

PAGES = (PAGE, VALIDATION, "data_docs")
"""Pages of a run that show rows. `data_docs` are those that earlier versions let Great Expectations write."""

BEFORE_TEST = ("train", "validation_set")
"""The datasets before the test."""


@dataclass(frozen=True)
class Erased:
    """What was erased: files that were changed or removed, rows of datasets."""

    n_files: int
    n_rows: int


def erase(folder: RunFolder, user: int | str, now: datetime) -> Erased:
    """Erase `user`, an id in the id type of the run, from every file of the run; other rows stay.

    Receipts get the checksums of the new files and the time of the change, so that the run can be continued.
    What ALS left of the items, which the user has taught too, goes whole.
    Pages that show rows (PAGES) are removed. Raises RunBusy where a stage is at work, DamagedFile where a
    file cannot be read, RunError, DiskFull.
    """
    try:
        with _as_recent(folder.path), folder.held("forget"):
            for path in [path for pattern in LEFTOVERS for path in folder.path.glob(pattern)]:
                _remove(path)
            try:
                return _erase(folder, user, now)
            finally:
                shutil.rmtree(folder.path / "scratch", ignore_errors=True)
    except OSError as error:
        raise RunError(
            f"{folder.path} cannot be changed",
            found=os.strerror(error.errno or 0),
            then=f"mend {folder.path}",
        ) from None


def _erase(folder: RunFolder, user: int | str, now: datetime) -> Erased:
    datasets = {path: n for path in sorted(folder.path.glob("*.parquet")) if (n := _n_rows(path, user))}
    new: dict[Path, Callable[[Path], object]] = {}
    for path in sorted(folder.path.glob("*.json")):
        if content := _without_examples(path, str(user)):
            new[path] = partial(write_json, content=content)
    for path in sorted(folder.path.glob("model/*.npz")):
        if factors := _without_factors(folder, path, user):
            new[path] = partial(write_whole, fill=factors.save)
    vectors = folder.file("item_factors")
    if datasets and vectors.exists() and pq.read_metadata(vectors).num_rows:
        new[vectors] = partial(_write_no_rows, vectors)
    pages = [folder.path / page for page in PAGES]
    removed = [path for path in pages if path.exists()] if datasets or new else []
    for path in removed:
        _remove(path)
    new |= {path: partial(_write_rows, path, user) for path in datasets}
    for path, fill in new.items():
        _replace(folder, path, fill, now)
    return Erased(len(new) + len(removed), sum(datasets.values()))


def _n_rows(path: Path, user: int | str) -> int:
    """The number of the user's rows in a dataset; 0 where it has no users."""
    with _reading(path):
        if USER not in pq.read_schema(path).names:
            return 0
        with engine.connect() as db:
            query = f"SELECT count(*) FROM {engine.parquet(path)} WHERE user_id = $user"
            count = db.execute(query, {"user": user}).fetchone()
    return int(count[0]) if count else 0


def _write_rows(path: Path, user: int | str, target: Path) -> None:
    """Write the rows of the other users to `target`, in the order and columns of the file."""
    dataset = DATASETS.get(path.stem, Dataset(path.stem, "", {}))
    with _reading(path), pq.ParquetFile(path) as file:
        parquet.write(dataset, file.schema_arrow, _others(file, user), target)


def _write_no_rows(path: Path, target: Path) -> None:
    """Write a file without rows: ALS is then fitted from the beginning, not from what the user taught."""
    with _reading(path):
        schema = pq.read_schema(path)
    parquet.write(DATASETS[path.stem], schema, schema.empty_table(), target)


def _others(file: pq.ParquetFile, user: int | str) -> Iterator[pa.RecordBatch]:
    for batch in file.iter_batches(engine.BATCH):
        users = batch.column(USER)
        is_other = pc.not_equal(users, pa.scalar(user, users.type))
        yield batch.filter(pc.fill_null(is_other, True))


def _without_examples(path: Path, user: str) -> dict[str, object] | None:
    """The document without examples of the user; None where it has none."""
    with _reading(path):
        content = json.loads(path.read_text(encoding="utf-8"))
    cleaned = example_rows.without(content, user)
    return cleaned if cleaned != content else None


def _without_factors(folder: RunFolder, path: Path, user: int | str) -> AlsFactors | None:
    """The model without the user and without items that nobody else touched; None: the user is not in it."""
    with _reading(path):
        with np.load(path, allow_pickle=False) as file:
            is_other = np.asarray(file["user_ids"] != user)
        if is_other.all():
            return None
        factors = AlsFactors.load(path)
    users, items = factors.user_ids.filter(pa.array(is_other)), factors.item_ids
    is_known = pc.is_in(items, value_set=_items_of(folder, path, users, items))
    return AlsFactors(
        factors.user_factors[is_other],
        factors.item_factors[is_known.to_numpy(zero_copy_only=False)],
        users,
        items.filter(is_known),
    )


def _items_of(folder: RunFolder, path: Path, users: pa.Array, items: pa.Array) -> pa.Array:
    """Items in the data that the model in the file `path` was fitted on, of `users`; all `items` where that
    data is no longer in the folder."""
    files, cut_at = _learnt_from(folder, path)
    if not all(file.exists() for file in files):
        return items
    with _reading(*files), engine.connect(spill=folder.scratch()) as db:
        engine.view(db, "history", *files, until=cut_at)
        db.register("users", pa.table({USER: users}))
        query = "SELECT DISTINCT item_id FROM history WHERE user_id IN (SELECT user_id FROM users)"
        return db.sql(query).to_arrow_table()["item_id"].combine_chunks().cast(items.type)


def _learnt_from(folder: RunFolder, path: Path) -> tuple[list[Path], datetime | None]:
    """What the model in the file `path` was fitted on: files, and before when.

    The document `model` says at which cut of the test. Where it does not (a stage was killed before it wrote
    it, or the run is of an earlier version), that is everything before the test.
    """
    content, file = {}, str(path.relative_to(folder.path))
    if folder.file("model").exists():
        with _reading(folder.file("model")):
            content = json.loads(folder.file("model").read_text(encoding="utf-8"))
    cuts = [cut["cut_at"] for cut in content.get("cuts", []) if cut["file"] == file]
    before_test = [folder.file(name) for name in BEFORE_TEST]
    return (
        ([*before_test, folder.file("test")], datetime.fromisoformat(cuts[0]))
        if cuts
        else (before_test, None)
    )


def _replace(folder: RunFolder, path: Path, fill: Callable[[Path], object], now: datetime) -> None:
    """Replace a file by what `fill` writes, and its checksum in the receipts that name the old file.

    A receipt with another checksum stays: the file was damaged before, and stays refused.
    """
    relative = str(path.relative_to(folder.path))
    target = folder.scratch() / path.name
    fill(target)
    old, new = fingerprint(path), fingerprint(target)
    for file in sorted((folder.path / "receipts").glob("*.json")):
        receipt = folder.receipt(file.stem)
        if receipt.get("files", {}).get(relative) == old:
            receipt["files"][relative] = new
            write_json(file, {**receipt, "user_forgotten_at": now})
    target.replace(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _as_recent(path: Path) -> Iterator[None]:
    """Restore the folder's times after the block: `run STAGE` continues the run that was worked on last."""
    folders = [folder for folder in (path, path / "receipts") if folder.exists()]
    times = [folder.stat() for folder in folders]
    try:
        yield
    finally:
        for folder, time in zip(folders, times, strict=True):
            os.utime(folder, ns=(time.st_atime_ns, time.st_mtime_ns))


@contextmanager
def _reading(*paths: Path) -> Iterator[None]:
    """Turn a failure to read into DamagedFile, which shows no value of the file."""
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, duckdb.Error) as error:
        raise DamagedFile(
            f"{' or '.join(map(str, paths))} cannot be read: it may hold the user",
            found=type(error).__name__,
            then=f"delete {paths[0].parent}",
        ) from None
