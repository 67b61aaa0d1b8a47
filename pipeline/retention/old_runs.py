"""Removes run folders that no stage has worked on for `run.keep_runs_days`.

A rollback needs no run folder, because the lists are stored in the serving database. The folder of the run
whose lists are live is kept whatever its age: it holds the report and metrics of those lists.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline import config
from pipeline.config import Settings
from pipeline.errors import RunBusy
from pipeline.runs.folder import RunFolder, latest, touched
from pipeline.runs.job import Counts
from pipeline.serving import read_live


def remove_old_runs(
    settings: Settings, serving_url: str, *, now: datetime, say: Callable[[str], None]
) -> Counts:
    """Remove old run folders; returns `n_removed`, `n_kept` and `mb_freed`.

    A run that a stage works on stays, and nothing is removed while no lists are live. Raises Unreachable or
    ServingError, with nothing removed, where the live run cannot be read.
    """
    folders, days = latest(config.runs_folder(settings)), settings.run.keep_runs_days
    before = (now - timedelta(days=days)).timestamp() * 1e9
    old = [path for path in folders if days and not path.is_symlink() and touched(path) < before]
    live = read_live(serving_url, settings, say=say).get("run_id") if old else None
    if live is None:
        old = []
    freed = [_remove(path, settings, before, say) for path in old if path.name != live]
    n_removed = sum(n_bytes is not None for n_bytes in freed)
    mb_freed = sum(n_bytes or 0 for n_bytes in freed) // 1_000_000
    say(f"remove_old_runs: {n_removed:,} removed, {len(folders) - n_removed:,} kept, {mb_freed:,} MB freed")
    return {"n_removed": n_removed, "n_kept": len(folders) - n_removed, "mb_freed": mb_freed}


def _remove(path: Path, settings: Settings, before: float, say: Callable[[str], None]) -> int | None:
    """Remove one run folder; returns the bytes freed, None where a stage works on it or has since `before`.

    `run.json` is removed last, so that the rest is removed next time where the process is killed.
    """
    folder = RunFolder(path, settings.ids.model_dump(), datetime.min.replace(tzinfo=UTC))
    try:
        with folder.held("remove_old_runs"):
            if (path / "receipts").exists() and touched(path / "receipts") >= before:
                return None
            n_bytes = sum(file.lstat().st_size for file in path.rglob("*"))
            for part in path.iterdir():
                if part.is_dir() and not part.is_symlink():
                    shutil.rmtree(part)
                elif part.name not in ("run.json", "lock"):
                    part.unlink()
            shutil.rmtree(path)
    except RunBusy as error:
        say(f"{path.name} stays: {error.found}")
        return None
    except FileNotFoundError:
        return None  # another process removed it first
    say(f"{path.name} is removed, {n_bytes / 1e6:,.0f} MB")
    return n_bytes
