"""Run one stage on a run folder, and leave its receipt."""

from __future__ import annotations

import importlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from threadpoolctl import threadpool_limits

from pipeline import disk, progress
from pipeline.contract.stages import BY_NAME, after
from pipeline.engines.current import begun, used
from pipeline.errors import RunError
from pipeline.runs import receipts
from pipeline.runs.files import fingerprint, write_json
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Counts, Job
from pipeline.runs.kept import kept_by
from pipeline.runs.kept import remove as remove_kept
from pipeline.runs.memory import reset_peak


def run_stage(name: str, job: Job) -> Counts:
    """Run one stage on its run folder and leave its receipt; returns its counts, rows in and out first.

    Inputs are checked first. The stage's own receipt and those of all stages that depend on it
    go before it starts, so that a receipt never speaks of other data than lies there. Raises RunBusy
    when another process works on the run, DiskFull where the stage finds no room for what it writes.
    """
    if name not in BY_NAME:
        raise RunError(
            f"no stage `{name}`", promised=", ".join(BY_NAME), then="python -m pipeline run --help"
        )
    with disk.noticing(job.folder.path), job.folder.held(name):
        return _run(name, job)


def _run(name: str, job: Job) -> Counts:
    folder = job.folder
    folder.check(name)
    for stage in (name, *(s.name for s in after(name))):
        (folder.path / "receipts" / f"{stage}.json").unlink(missing_ok=True)
    module = importlib.import_module(f"pipeline.stages.{name}")
    reset_peak()
    started = time.perf_counter()
    try:
        # one thread for each matrix product: what is worth several works on several products side by side
        with (
            receipts.record_why_stopped(folder, name, job.config),
            threadpool_limits(1, "blas"),
            progress.shown(job.say, name),
            begun(job.settings.engine, f"nightshelf {folder.run_id} {name}", job.say) as engine,
            used(engine),
        ):
            kept = kept_by(folder, name, job.settings.model_dump(mode="json"))
            counts: Counts = module.run(replace(job, folder=folder.for_stage(name), kept=kept))
            usage = engine.usage()
    finally:
        shutil.rmtree(folder.path / "scratch", ignore_errors=True)
    receipt = leave_receipt(job, name, counts, time.perf_counter() - started, usage)
    remove_kept(folder)
    job.say(receipts.line(receipt))
    return dict(receipt["counts"])


def leave_receipt(
    job: Job, name: str, counts: Counts, seconds: float, usage: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Write down that stage `name` has finished, with the files it wrote as they lie there now.

    `rows_in` and `rows_out` are those of the datasets it reads and writes, unless `counts` tells others.
    """
    folder = job.folder
    files = {file: fingerprint(folder.path / file) for file in _written(folder, name)}
    receipt = {
        "stage": name,
        "counts": receipts.stage_counts(folder, BY_NAME[name].reads, files, counts),
        "files": files,
        "as_of": folder.as_of.isoformat(),
        "seed": job.settings.run.seed,
        "params": job.settings.model_dump(mode="json", by_alias=True),
        **receipts.machine(seconds),
        **(usage or {}),
    }
    write_json(folder.path / "receipts" / f"{name}.json", receipt)
    return receipt


def _written(folder: RunFolder, stage: str) -> list[str]:
    files = [folder.file(name) for name in BY_NAME[stage].writes]
    if "model" in BY_NAME[stage].writes:
        files += sorted(path for path in folder.path.glob("model/*") if path.suffix in (".npz", ".txt"))
    return [str(path.relative_to(folder.path)) for path in files if path.exists()]
