"""The run folder: checked reads and atomic writes of a run's datasets and documents.

    <runs>/<run_id>/run.json               run id, as_of, what the form overrode
    <runs>/<run_id>/<dataset>.parquet      exactly the schema and key of contract/datasets.py
    <runs>/<run_id>/<name>.json            documents; model/* beside model.json
    <runs>/<run_id>/receipts/<stage>.json  written last: the stage finished
    <runs>/<run_id>/stopped.json           the stage that the data stopped, and why

A receipt holds the size and SHA-256 of every file its stage wrote; the next stage checks them
before it reads, so a file that was cut off or damaged is named and never learnt from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import disk, locks
from pipeline.contract.datasets import DATASETS, DOCUMENTS
from pipeline.contract.stages import BY_NAME
from pipeline.errors import ContractBroken, DamagedFile, RunBusy, RunError, shortened
from pipeline.runs import parquet
from pipeline.runs.files import sha256, write_json, write_whole
from pipeline.runs.parquet import Rows
from pipeline.times import utc

RUN_ID = re.compile(r"[A-Za-z0-9_~+-][A-Za-z0-9_.~:+-]{0,199}")
CHOICES = re.compile(r"publications\..*\.json")
"""Files of rollback_form.py, which lie beside the run folders."""
LEFTOVERS = {"lock", ".run.json.part"}
"""What a process that was killed leaves of a run that it began or removed."""


@dataclass(frozen=True)
class RunFolder:
    """One run on disk.

    path:  the folder
    ids:   `{"user": ..., "item": ...}`, the id types its datasets are written in
    as_of: end of the window (exclusive), UTC
    overrides: form fields that win over config.toml for this run
    stage: the stage that is given the folder, see `for_stage`
    """

    path: Path
    ids: Mapping[str, Any]
    as_of: datetime
    overrides: Mapping[str, object] = field(default_factory=dict)
    stage: str = ""

    @property
    def run_id(self) -> str:
        return self.path.name

    @classmethod
    def create(
        cls, runs: Path, run_id: str, as_of: datetime, ids: Mapping[str, Any], overrides: Mapping[str, object]
    ) -> RunFolder:
        """Make the folder, or open it where a stage of this run has finished before, for the same as_of.

        A run keeps the as_of and the form fields it began with. Raises RunError when the name cannot
        be a folder, something else has that name, or the run exists with another as_of.
        """
        check_run_id(run_id)
        path = runs / run_id
        _refuse_taken(path)
        if (path / "receipts").is_dir():
            there = cls.open(runs, run_id, ids)
            if there.as_of != utc(as_of):
                raise there.differs(f"as_of {there.as_of.isoformat()}", f"as_of {utc(as_of).isoformat()}")
            return there
        folder = cls(path, ids, utc(as_of), dict(overrides))
        about = {"run_id": run_id, "as_of": folder.as_of, "ids": dict(ids), "overrides": dict(overrides)}
        write_json(path / "run.json", about)
        return folder

    @staticmethod
    def exists(runs: Path, run_id: str) -> bool:
        """Whether a run has begun. Raises RunError where no run can have that name."""
        check_run_id(run_id)
        return (runs / run_id / "run.json").exists()

    @classmethod
    def open(cls, runs: Path, run_id: str, ids: Mapping[str, Any]) -> RunFolder:
        """An existing run; one of which no stage has finished takes on other `ids`.

        Raises RunError when there is none of that name, or it has data with other ids.
        """
        path = runs / run_id
        if not cls.exists(runs, run_id):
            raise RunError(
                f"no run {run_id!r} under {runs}",
                found=", ".join(p.name for p in latest(runs)[:5]) or "no runs at all",
                then="python -m pipeline run",
            )
        try:
            about = json.loads((path / "run.json").read_text(encoding="utf-8"))
            folder = cls(path, ids, datetime.fromisoformat(about["as_of"]), about["overrides"])
            begun_with = about["ids"]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedFile(
                f"{path / 'run.json'} is damaged",
                found=str(error),
                then="start a new run: python -m pipeline run",
            ) from error
        if begun_with != dict(ids):
            if (path / "receipts").is_dir():
                raise folder.differs(f"[ids] {begun_with}", f"[ids] {dict(ids)}")
            write_json(path / "run.json", {**about, "ids": dict(ids)})
        return folder

    def differs(self, found: str, asked: str) -> RunError:
        """The refusal to go on with this run under other settings than it began with."""
        return RunError(
            f"run {self.run_id} exists with other settings",
            found=found,
            promised=asked,
            then="choose another --run-id (in Airflow: trigger a new run), or go on with the --config,"
            " as_of and form it began with",
        )

    @contextmanager
    def held(self, doing: str) -> Iterator[None]:
        """Keep every other process out of the run. Raises RunBusy when one is in it already."""
        with ExitStack() as stack:
            try:
                stack.enter_context(locks.held(self.path / "lock", doing))
            except locks.Taken as error:
                raise RunBusy(
                    f"run {self.run_id} is being worked on",
                    found=f"{error} holds {self.path / 'lock'}",
                    promised="one stage at a time",
                    then="wait for it, or choose another run with --run-id",
                ) from None
            yield

    def for_stage(self, stage: str) -> RunFolder:
        """The same folder, which gives `stage` only what contract/stages.py says it reads and writes.

        "": everything, for the pages of a run.
        """
        return replace(self, stage=stage)

    def _refuse_undeclared(self, name: str) -> None:
        """An undeclared input would not be checked first, and a change of it would not rerun the stage."""
        stage = BY_NAME[self.stage]
        if name not in (*stage.reads, *stage.writes):
            raise ContractBroken(
                f"{self.stage} uses `{name}`, which it has not declared",
                found=", ".join((*stage.reads, *stage.writes)),
                promised="every dataset and document that a stage reads or writes",
                then="add it to the stage's entry in pipeline/contract/stages.py",
            )

    def file(self, name: str) -> Path:
        """Where the dataset or document `name` lies, whether it is there or not.

        Raises ContractBroken where a stage has not declared it.
        """
        if self.stage:
            self._refuse_undeclared(name)
        return self.path / (f"{name}.parquet" if name in DATASETS else f"{name}.json")

    def has(self, name: str) -> bool:
        """Whether the finished stage wrote it (an optional dataset may be absent)."""
        return self.file(name).name in self.receipt(_writer(name)).get("files", {})

    def receipt(self, stage: str) -> dict[str, Any]:
        """The receipt of a finished stage; empty when it has not finished."""
        try:
            receipt: dict[str, Any] = json.loads(
                (self.path / "receipts" / f"{stage}.json").read_text(encoding="utf-8")
            )
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise DamagedFile(
                f"the receipt of {stage} in run {self.run_id} is damaged",
                found=str(error),
                then=self._again(stage),
            ) from error
        return receipt

    def dataset(self, name: str) -> Path:
        """Path of a dataset's Parquet file; RunError when its stage has not written it."""
        if not self.has(name):
            raise RunError(
                f"run {self.run_id} has no `{name}`",
                promised=f"stage {_writer(name)} writes it",
                then=self._again(_writer(name)),
            )
        return self.file(name)

    def optional(self, name: str) -> Path | None:
        """Path of a dataset's Parquet file; None where its stage has not written it."""
        return self.dataset(name) if self.has(name) else None

    def rows(self, name: str) -> int:
        """How many rows a dataset has, by its writer's receipt; 0 where the shop has none of it."""
        return int(self.receipt(_writer(name)).get("files", {}).get(self.file(name).name, {}).get("rows", 0))

    def table(self, name: str) -> pa.Table:
        """A small dataset, whole."""
        return pq.read_table(self.dataset(name))

    def document(self, name: str) -> dict[str, Any]:
        """A JSON document another stage wrote."""
        try:
            content: dict[str, Any] = json.loads(self.file(name).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError) as error:
            raise DamagedFile(
                f"{self.file(name)} is missing or damaged", found=str(error), then=self._again(_writer(name))
            ) from error
        return content

    def check(self, stage: str) -> None:
        """Refuse when a stage before `stage` has not finished, or one of its files changed since.

        And when another version of this program wrote a dataset, with other columns than the contract's.
        """
        for name in BY_NAME[stage].reads:
            writer = _writer(name)
            receipt = self.receipt(writer)
            if not receipt:
                raise RunError(
                    f"{stage} cannot start: {writer} has not finished in run {self.run_id}",
                    promised=f"a receipt {self.path / 'receipts' / (writer + '.json')}",
                    then=self._again(writer),
                )
            for file, written in receipt["files"].items():
                if file.split("/")[0].split(".")[0] == name:
                    self._check_file(writer, file, written)
                    if name in DATASETS:
                        self._check_columns(name)

    def _check_file(self, writer: str, file: str, written: Mapping[str, Any]) -> None:
        path = self.path / file
        size = path.stat().st_size if path.exists() else None
        if size != written["bytes"] or sha256(path) != written["sha256"]:
            raise DamagedFile(
                f"{path} is not the file that {writer} wrote",
                found="no file" if size is None else f"{size:,} bytes",
                promised=f"{written['bytes']:,} bytes, SHA-256 {written['sha256'][:12]}...",
                then=self._again(writer),
            )

    def _check_columns(self, name: str) -> None:
        there, wanted = pq.read_schema(self.file(name)).names, list(DATASETS[name].columns)
        if set(there) != set(wanted):
            lacking = [column for column in wanted if column not in there]
            raise DamagedFile(
                f"another version of this program wrote `{name}` of run {self.run_id}",
                found=f"no {', '.join(lacking)}" if lacking else ", ".join(there),
                promised=", ".join(wanted),
                then="start a new run: python -m pipeline run",
            )

    def _again(self, stage: str) -> str:
        return f"python -m pipeline run {stage} --run-id {self.run_id}"

    def write(self, name: str, rows: Rows, total: int | None = None) -> int:
        """Write a dataset beside its place, check it, rename it; returns the number of rows.

        total: how many there will be, for the progress that is shown; None: nobody knows
        Columns are cast safely to contract/datasets.py's schema. Raises ContractBroken on another column,
        a type that loses something, a null where none may be, or a doubled key; DiskFull when the
        disk ends. In every case what was there before stays. The bytes depend on the rows alone.
        """
        dataset = DATASETS[name]
        return parquet.write(dataset, dataset.schema(self.ids), rows, self.file(name), total)

    def write_document(self, name: str, content: Mapping[str, Any]) -> None:
        """Write `<name>.json`: sorted keys, no NaN."""
        if name not in DOCUMENTS:
            raise ContractBroken(
                f"no document `{name}` in contract/datasets.py", promised=", ".join(DOCUMENTS)
            )
        write_json(self.file(name), content)

    def write_file(self, relative: str, fill: Callable[[Path], None]) -> None:
        """Let `fill` write any other file of the run (`model/als.npz`, a page), whole or not at all."""
        write_whole(self.path / relative, fill)

    def drop(self, name: str) -> None:
        """Remove an optional dataset that an earlier attempt of the same stage wrote."""
        self.file(name).unlink(missing_ok=True)

    def scratch(self) -> Path:
        """A folder inside the run for what does not outlive a stage (spill files)."""
        path = self.path / "scratch"
        with disk.writing(path):
            path.mkdir(exist_ok=True)
        return path


def latest(runs: Path) -> list[Path]:
    """Run folders under `runs`, the one worked on last first."""
    folders = [path.parent for path in runs.glob("*/run.json")]
    return sorted(folders, key=lambda path: (touched(path), path.name), reverse=True)


def check_run_id(run_id: str) -> None:
    """Raise RunError where `run_id` cannot name a run's folder."""
    if not RUN_ID.fullmatch(run_id):
        raise RunError(
            f"run id {shortened(repr(run_id))} cannot be a folder name",
            promised="1 to 200 letters, digits and _ . : + - ~, not beginning with . or :",
            then="choose another run id (in Airflow: trigger a new run)",
        )


def _refuse_taken(path: Path) -> None:
    """Raise RunError where a file, or a folder that is no run (as another shop's runs), has that name."""
    if path.is_dir():
        there = {inside.name for inside in path.iterdir()}
        if there & {"run.json", "receipts"} or there <= LEFTOVERS:
            return
        found = f"a folder that is no run: it holds {min(there - LEFTOVERS)}"
    elif path.exists() or path.is_symlink() or CHOICES.fullmatch(path.name):
        found = "a file"
    else:
        return
    raise RunError(
        f"run id {path.name!r} is the name of something else in {path.parent}",
        found=found,
        promised="a name that no other file or folder there has",
        then="choose another run id (in Airflow: trigger a new run)",
    )


def _writer(name: str) -> str:
    return DATASETS[name].stage if name in DATASETS else DOCUMENTS[name]


def touched(path: Path) -> int:
    """When the run's folder or its receipts last changed, ns since the epoch."""
    return max((p.stat().st_mtime_ns for p in (path, path / "receipts") if p.exists()), default=0)
