"""Starts background processes that outlive their caller, and ends them with everything they started.

Each process leads a session of its own. All that it starts belongs to the same session, whatever process
groups are made, so ending the session ends exactly these. Linux only (`/proc`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

TICK_SECONDS = 0.05


@dataclass(frozen=True)
class Leader:
    """The first process of a session.

    started: clock ticks since boot; with `boot` it tells the process from a later one of the same number
    boot:    id of the boot of this machine
    """

    pid: int
    started: int
    boot: str

    def as_json(self) -> dict[str, Any]:
        """Its fields, from which it can be made again."""
        return asdict(self)

    def members(self) -> list[int]:
        """Live processes of the session, the leader among them while it lives; zombies do not count."""
        if self.boot != _boot():
            return []
        alive = {pid: stat for pid, stat in _processes() if stat.session == self.pid and stat.state != "Z"}
        leader = alive.get(self.pid)
        if leader and leader.started != self.started:
            return []
        return [pid for pid, stat in alive.items() if stat.started >= self.started]

    def is_alive(self) -> bool:
        """Whether the leader itself runs."""
        return self.pid in self.members()

    def end(self) -> None:
        """Ask every process of the session to end, wait, then kill what is left."""
        end([self])


def end(leaders: Collection[Leader], patience_seconds: float = 15.0) -> None:
    """End several sessions at once; processes that do not end within `patience_seconds` are killed."""
    for kind, seconds in ((signal.SIGTERM, patience_seconds), (signal.SIGKILL, 10.0)):
        for pid in _all_members(leaders):
            _send(pid, kind)
        until = time.monotonic() + seconds
        while _all_members(leaders) and time.monotonic() < until:
            for leader in leaders:
                _reap(leader.pid)
            time.sleep(TICK_SECONDS)


def _all_members(leaders: Collection[Leader]) -> list[int]:
    return [pid for leader in leaders for pid in leader.members()]


def start(command: list[str], log: Path, environment: Mapping[str, str], folder: Path) -> Leader:
    """Start `command` in the background; it inherits no file descriptor, and its output goes to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
            close_fds=True,
        )
    process.returncode = 0  # keeps Popen from warning that the process still runs
    return Leader(process.pid, _stat(process.pid).started, _boot())


@dataclass(frozen=True)
class _Stat:
    """The fields of `/proc/<pid>/stat` that are used."""

    state: str
    session: int
    started: int


def _stat(pid: int) -> _Stat:
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return _Stat(fields[0], int(fields[3]), int(fields[19]))


def _processes() -> list[tuple[int, _Stat]]:
    processes = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                processes.append((int(path.name), _stat(int(path.name))))
            except (OSError, IndexError):
                continue
    return processes


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _send(pid: int, kind: signal.Signals) -> None:
    try:
        os.kill(pid, kind)
    except ProcessLookupError:
        return


def _reap(pid: int) -> None:
    """Collect the exit status of a child of this process that has ended, so that no zombie stays."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
