"""Writes files atomically (beside their place, synced, renamed), locks them, and takes their checksums."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.errors import DiskFull, RunError
from pipeline.times import utc


def write_whole(target: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a file beside `target`, then rename it to `target`.

    Raises DiskFull on a full disk, RunError on any other failure to write. The old file then stays, and no
    unfinished one is left.
    """
    unfinished = target.with_name(f".{target.name}.part")
    with _disk(target):
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


@contextmanager
def held(lock: Path, doing: str) -> Iterator[None]:
    """Hold a lock on the file `lock` during the block; a process that dies releases it.

    doing: written into the file, for the message of another process

    Raises BlockingIOError with the holder's `doing` when another process has the lock.
    """
    with lock.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise BlockingIOError(file.read().strip()) from None
        file.truncate(0)
        file.write(doing)
        file.flush()
        yield


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


@contextmanager
def _disk(target: Path) -> Iterator[None]:
    """Turn a failure to write `target` into DiskFull on a full disk, else into RunError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise RunError(
                f"{target} cannot be written", found=str(error), then=f"mend {target.parent}"
            ) from error
        raise DiskFull(
            f"no room for {target}",
            found=os.strerror(error.errno or 0),
            promised="the whole file, or what was there before",
            then="make room (old runs lie beside this one), then run the stage again",
        ) from error


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc(value).isoformat()
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in JSON")
