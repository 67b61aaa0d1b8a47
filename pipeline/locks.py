"""Locks on files. Whoever holds one is named; nobody waits for one without a word, or without end."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import disk

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1


class Taken(Exception):
    """Another process holds the lock; the text says which one."""


@contextmanager
def held(lock: Path, doing: str, *, patience: float = 0.0) -> Iterator[None]:
    """Hold a lock on the file `lock` during the block; a process that dies releases it.

    doing:    written into the file with the process id, for the message of another process
    patience: seconds to wait while another process has it, after a line in the log

    Raises Taken, which names the holder; DiskFull or RunError where the file cannot be written.
    """
    with disk.writing(lock):
        file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _take(file, lock, patience)
        with disk.writing(lock):
            os.ftruncate(file, 0)
            os.write(file, f"{doing}, process {os.getpid()}".encode())
        yield
    finally:
        os.close(file)


def _take(file: int, lock: Path, patience: float) -> None:
    until, is_told = time.monotonic() + patience, False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise Taken(holder(lock)) from None
        else:
            return
        if not is_told:
            log.warning("waiting for %s, which holds %s", holder(lock), lock)
            is_told = True
        time.sleep(TICK_SECONDS)


def holder(lock: Path) -> str:
    """Who holds the lock: what it has written into the file, else its process, program and user.

    The text in the file is that of the last holder that wrote one: another program writes none. Where the
    kernel does not tell the process (it is in another container, or on another machine) the text is believed.
    """
    text = lock.read_text(encoding="utf-8", errors="replace").strip()[:200]
    pid = _pid(lock)
    if pid is None:
        return text or "another process"
    if text.endswith(f"process {pid}"):
        return text
    try:
        program = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
        return f"process {pid} ({program} of {disk.account(Path(f'/proc/{pid}').stat().st_uid)})"
    except OSError:
        return f"process {pid}"


def _pid(lock: Path) -> int | None:
    """The process that has locked the file; None where the kernel does not tell it.

    The table has the process that took the lock. Where that one has ended, a child of it holds the file open.
    """
    about = lock.stat()
    inode = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    try:
        rows = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    except OSError:
        return None
    takers = [int(row[4]) for row in rows if row[1:2] == ["FLOCK"] and row[5:6] == [inode]]
    alive = [pid for pid in takers if Path(f"/proc/{pid}").exists()]
    return next(iter(alive or _open_in(about)), None) if any(pid > 0 for pid in takers) else None


def _open_in(about: os.stat_result) -> Iterator[int]:
    """Other processes, of those that may be looked at, that have the file open."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.path.samestat(link.stat(), about) and link.parts[2] != str(os.getpid()):
                yield int(link.parts[2])
        except OSError:
            continue
