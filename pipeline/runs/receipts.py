"""Builds a stage's receipt and its line in the log, and records why the data stopped a stage."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline import advice
from pipeline.errors import DataError
from pipeline.runs.files import write_json
from pipeline.runs.folder import RunFolder
from pipeline.runs.memory import peak_mb

PACKAGES = ("implicit", "lightgbm", "numpy", "scipy", "pandas", "pyarrow", "duckdb", "sqlalchemy")
STOPPED = "stopped.json"
ROWS = ("rows_in", "rows_out")
MADE = {
    *("n_train", "n_validation_set", "n_test", "n_measured_users", "n_users", "n_items", "n_purchases"),
    *("n_session_orders", "n_recommendations", "n_popular", "n_similar", "n_also_bought"),
}
"""Counts of what a stage makes, where 0 is news. The others count what is odd or left out: 0 goes unsaid."""


def machine(seconds: float) -> dict[str, Any]:
    """The part of a receipt about the machine: duration, peak memory, end, versions of packages."""
    return {
        "seconds": round(seconds, 3),
        "peak_memory_mb": peak_mb(),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
    }


@contextmanager
def record_why_stopped(folder: RunFolder, stage: str, config: Path | None = None) -> Iterator[None]:
    """Write `stopped.json` where the block raises a DataError; the next stage of the run removes it.

    config: the settings file that its next step has to name

    It leaves out the error's `found`, which may be a row of a user.
    """
    path = folder.path / STOPPED
    path.unlink(missing_ok=True)
    try:
        yield
    except DataError as error:
        then = advice.in_files(advice.in_commands(error.then, config), config)
        write_json(path, {"stage": stage, "what": error.what, "then": then})
        raise


def why_stopped(folder: RunFolder) -> dict[str, str]:
    """`stage`, `what` and `then` of a run that the data stopped; empty for any other."""
    try:
        reason: dict[str, str] = json.loads((folder.path / STOPPED).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return reason


def stage_counts(
    folder: RunFolder, reads: Iterable[str], files: Mapping[str, Any], counts: Mapping[str, Any]
) -> dict[str, Any]:
    """The counts of a stage after its rows in and out; floats are rounded to four digits.

    reads: names of the datasets and documents that it reads; documents count no rows
    files: fingerprints of the files that it wrote
    """
    rows_in = sum(folder.rows(name) for name in reads)
    rows_out = sum(file.get("rows", 0) for file in files.values())
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in {"rows_in": rows_in, "rows_out": rows_out, **counts}.items()
    }


def line(receipt: Mapping[str, Any]) -> str:
    """`stage: rows in, rows out, seconds, peak memory; counts`: the log line of a finished stage."""
    counts = receipt["counts"]
    cost = f"{receipt['seconds']:,.1f} s, {receipt['peak_memory_mb']:,} MB"
    rows = f"{counts['rows_in']:,} rows in, {counts['rows_out']:,} out"
    return "; ".join(
        part for part in (f"{receipt['stage']}: {rows}, {cost}", counts_in_words(counts)) if part
    )


def counts_in_words(counts: Mapping[str, Any]) -> str:
    """Counts in words, without rows, empty ones and zeros that are no news: `model ranker, 3 trials`."""
    return ", ".join(_in_words(name, value) for name, value in counts.items() if _is_news(name, value))


def _is_news(name: str, value: object) -> bool:
    if name in ROWS or value == "":
        return False
    return value != 0 or not name.startswith("n_") or name in MADE


def _in_words(name: str, value: object) -> str:
    number = f"{value:,}" if isinstance(value, int) else str(value)
    if not name.startswith("n_"):
        return f"{name} {number}"
    what = name.removeprefix("n_").replace("_", " ")
    return f"{number} {what.removesuffix('s') if value == 1 else what}"
