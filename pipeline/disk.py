"""Says in one error why a file cannot be written: the volume is full, read-only, or belongs to somebody else.

Python says it by number (OSError), DuckDB and SQLite in words. Every other error passes unchanged.
"""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import DiskFull, NightshelfError, RunError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
READ_ONLY = errno.EROFS
FORBIDDEN = (errno.EACCES, errno.EPERM)
IN_WORDS = ("_duckdb", "sqlite3")
"""Modules whose errors have no number."""
WORDS_OF_FULL = ("database or disk is full", "Check free disk space")
"""What SQLite and PostgreSQL say of a full disk where they do not quote the operating system."""

ANOTHER_HOME = "set NIGHTSHELF_HOME to a folder that you may write to"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn any failure of the block to write at `path` into a NightshelfError; see `noticing`."""
    try:
        with noticing(path):
            yield
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:
        raise _obstacle(path) or RunError(
            f"{path} cannot be written", found=str(error), then=f"mend {path.parent}"
        ) from error


@contextmanager
def noticing(path: Path) -> Iterator[None]:
    """Turn a full disk into DiskFull, and a disk that may not be written to into RunError.

    path: what is named where the error names no file. All other errors pass unchanged.
    """
    try:
        yield
    except NightshelfError:
        raise
    except Exception as error:
        if refusal := explained(error, path):
            raise refusal from error
        raise


def explained(error: BaseException, path: Path) -> NightshelfError | None:
    """The refusal that `error`, or an error behind it, stands for; None where it is about something else."""
    visited: list[BaseException] = []
    queue = [error]
    while queue:
        current = queue.pop(0)
        visited.append(current)
        if number := _number(current):
            named = getattr(current, "filename", None)
            return _refusal(number, Path(os.fsdecode(named)) if isinstance(named, str | bytes) else path)
        context = None if current.__suppress_context__ else current.__context__
        behind = (getattr(current, "orig", None), current.__cause__, context)
        queue += [e for e in behind if isinstance(e, BaseException) and e not in visited]
    return None


def is_full(text: str) -> bool:
    """Whether the text of an error says that a disk is full."""
    return any(words in text for words in (*WORDS_OF_FULL, *map(os.strerror, FULL)))


def no_room(path: Path, why: str) -> DiskFull:
    """The error of a full disk: it names the file and its volume."""
    return DiskFull(
        f"no room for {path}",
        found=f"{why}; {volume(path)}",
        promised="the whole file, or what was there before",
        then="make room there (old runs lie in the folder of runs), then the same again",
    )


def refuse_too_little(path: Path, n_bytes: int, what: str) -> None:
    """DiskFull where fewer than `n_bytes` are free on the volume of `path`. what: needs them"""
    room = os.statvfs(path)
    if room.f_bavail * room.f_frsize < n_bytes:
        raise DiskFull(
            f"too little room in {path} for {what}",
            found=volume(path),
            promised=f"{n_bytes / 1e6:,.0f} MB free",
            then=f"make room there (old runs lie in {path.parent}), or move NIGHTSHELF_HOME to a larger one",
        )


def has_room(path: Path) -> bool:
    """Whether the volume of `path` has room for anything at all."""
    room = os.statvfs(path)
    return bool(room.f_bavail and (room.f_favail or not room.f_files))


def volume(path: Path) -> str:
    """The volume that `path` lies on, and what is free on it at the moment."""
    mount = Path(os.path.realpath(path))
    while not os.path.ismount(mount):
        mount = mount.parent
    room = os.statvfs(mount)
    free, size = (n * room.f_frsize / 1e6 for n in (room.f_bavail, room.f_blocks))
    files = f", 0 of {room.f_files:,} files" if room.f_files and not room.f_favail else ""
    return f"the volume {mount} has {free:,.1f} of {size:,.1f} MB free{files}"


def _number(error: BaseException) -> int:
    """The number of the operating system's error, where it is one that `_refusal` explains; else 0."""
    known = (*FULL, READ_ONLY, *FORBIDDEN)
    if isinstance(error, OSError):
        return error.errno if error.errno in known else 0
    if type(error).__module__ not in IN_WORDS:
        return 0
    text = str(error)
    if is_full(text):
        return next((number for number in FULL if os.strerror(number) in text), errno.ENOSPC)
    return next((number for number in known if os.strerror(number) in text), 0)


def _refusal(number: int, path: Path) -> NightshelfError:
    why = os.strerror(number)
    if number in FULL:
        return no_room(path, why)
    if number == READ_ONLY:
        return RunError(
            f"{path} cannot be written",
            found=f"{why}; {volume(path)}",
            then=f"mount it anew, or {ANOTHER_HOME}",
        )
    return RunError(
        f"no access to {path}",
        found=f"{why}; {_owner(path)}",
        then="run as that user, or let yours in; if it is in the home: or set NIGHTSHELF_HOME to another one",
    )


def _owner(path: Path) -> str:
    """Whose the nearest part of `path` is that can be looked at, and who asks."""
    for part in (path, *path.parents):
        try:
            about = part.stat()
        except OSError:
            continue
        mode = about.st_mode & 0o7777
        return f"{part} is of {account(about.st_uid)}, mode {mode:04o}; you are {account(os.geteuid())}"
    return f"you are {account(os.geteuid())}"


def account(uid: int) -> str:
    """The name of a user; the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _obstacle(path: Path) -> RunError | None:
    """The part of `path` that is a link to nowhere, or a file where a folder must be; None without one."""
    for part in reversed((path, *path.parents)):
        is_there = part.exists()
        if part.is_symlink() and not is_there:
            return RunError(
                f"{part} is a link to {part.readlink()}, which is not there",
                promised="a folder",
                then="make that folder (or mount its volume), or remove the link",
            )
        if is_there and part != path and not part.is_dir():
            return RunError(
                f"{part} is no folder", promised="a folder", then=f"move it away, or {ANOTHER_HOME}"
            )
    return None
