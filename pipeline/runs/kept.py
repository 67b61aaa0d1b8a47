"""What a stage has worked out so far, kept in the run folder: an attempt that was killed is not lost.

    <runs>/<run_id>/kept/<stage>-<hash>/<name>

The hash is of all that the work depends on: the files that the stage reads, the settings, the program. What
has another hash is removed when the stage begins anew, and everything when it has finished.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Generic, TypeVar
from zipfile import BadZipFile

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import ROOT
from pipeline.contract.stages import BY_NAME
from pipeline.runs.files import write_whole
from pipeline.runs.folder import RunFolder

FOLDER = "kept"
PROGRAM = ("pipeline/**/*.py", "sql/transform/*.sql", "requirements*.txt")
"""Files whose contents are the program's part in what is worked out."""
DAMAGED = (OSError, EOFError, ValueError, KeyError, BadZipFile)
"""What NumPy and Arrow raise of a file that was cut off."""

T = TypeVar("T")


@dataclass(frozen=True)
class Form(Generic[T]):
    """How something is kept in a file. suffix: of the file's name"""

    suffix: str
    write: Callable[[T, Path], None]
    read: Callable[[Path], T]


@dataclass(frozen=True)
class Kept:
    """What a stage keeps. folder: where; None: nowhere, so that everything is worked out anew"""

    folder: Path | None = None

    def once(self, name: str, form: Form[T], work: Callable[[], T]) -> T:
        """What `work` returns, or returned in an attempt before."""
        if self.folder is None:
            return work()
        path = self.folder / f"{name}{form.suffix}"
        if path.exists():
            try:
                return form.read(path)
            except DAMAGED:  # it is worked out anew
                path.unlink()
        result = work()
        write_whole(path, partial(form.write, result))
        return result

    def has(self, name: str, form: Form[T]) -> bool:
        """Whether `once` would read it."""
        return self.folder is not None and (self.folder / f"{name}{form.suffix}").exists()

    def of(self, values: Mapping[str, object]) -> Kept:
        """A folder of its own, for work that depends on `values` too."""
        return self.within(_digest(values))

    def within(self, name: str) -> Kept:
        """A folder of its own, for other work of the same stage."""
        return self if self.folder is None else replace(self, folder=self.folder / name)


NOT_KEPT = Kept()
"""Keeps nothing."""


def _write_table(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="lz4")


TABLE: Form[pa.Table] = Form(".parquet", _write_table, pq.read_table)


def kept_by(folder: RunFolder, stage: str, settings: Mapping[str, object]) -> Kept:
    """What `stage` keeps, less what depends on other inputs than it has now."""
    files = {name: folder.receipt(name).get("files", {}) for name in BY_NAME}
    inputs = {"files": files, "settings": settings, "as_of": folder.as_of.isoformat(), "program": _program()}
    own = folder.path / FOLDER / f"{stage}-{_digest(inputs)}"
    for other in (folder.path / FOLDER).glob("*"):
        if other != own:
            shutil.rmtree(other, ignore_errors=True)
    return Kept(own)


def _digest(values: Mapping[str, object]) -> str:
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def remove(folder: RunFolder) -> None:
    """Remove all that is kept."""
    shutil.rmtree(folder.path / FOLDER, ignore_errors=True)


@cache
def _program() -> str:
    """A hash of the program's own files, and of the libraries' versions."""
    program = hashlib.sha256()
    for pattern in PROGRAM:
        for path in sorted(ROOT.glob(pattern)):
            program.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return program.hexdigest()
