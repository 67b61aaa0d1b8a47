"""Writes files atomically (beside their place, synced, renamed), and takes their checksums."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline import disk
from pipeline.times import utc


def write_whole(target: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a file beside `target`, then rename it to `target`.

    Raises DiskFull on a full disk, RunError on any other failure to write. The old file then stays, and no
    unfinished one is left.
    """
    unfinished = target.with_name(f".{target.name}.part")
    with disk.writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            fill(unfinished)
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)


def write_json(target: Path, content: Mapping[str, Any]) -> None:
    """Write `content` with sorted keys and without NaN: the same content, the same bytes."""
    text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False, default=_jsonable) + "\n"

    def fill(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    write_whole(target, fill)


def fingerprint(path: Path) -> dict[str, int | str]:
    """Size and SHA-256 of a file, and the rows of a Parquet file."""
    values: dict[str, int | str] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    if path.suffix == ".parquet":
        values["rows"] = pq.read_metadata(path).num_rows
    return values


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc(value).isoformat()
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in JSON")
