"""Creates, starts, finds and stops the PostgreSQL server of one data folder.

Where the caller is root, the programs run as the owner of the data folder, because PostgreSQL refuses to
run as root. The server in the background inherits none of the caller's file descriptors.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import disk
from pipeline.databases.install import OWN_DATABASE, Account
from pipeline.databases.ports import is_free
from pipeline.errors import DatabaseError, NightshelfError

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "192MB",
    "maintenance_work_mem": "256MB",
    "work_mem": "16MB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "enable_parallel_hash": "off",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Sized for two cores and a few GB of memory. `wal_level` is minimal because nothing is replicated
or archived. Parallel hash is off because its memory can exceed the 64 MB that /dev/shm has in a container."""
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "wal_init_zero": "off"}
"""What a server gives up that need not survive a power cut."""


@dataclass(frozen=True)
class Postmaster:
    """One data folder and the programs that serve it.

    data:     the folder that initdb creates; its path, with links resolved, names the processes
    programs: a `pginstall` folder that `account` can read
    """

    data: Path
    programs: Path
    account: Account

    @property
    def name(self) -> str:
        """The cluster name, which stands in the command line of every process of this server."""
        return "nightshelf-" + hashlib.sha256(str(self.data).encode()).hexdigest()[:12]

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.data / "server.log"

    def initialise(self, password_file: Path, *, is_durable: bool) -> None:
        """Create the data folder, whole or not at all: UTF-8, locale C, scram-sha-256 passwords.

        password_file: holds the superuser's password
        is_durable:    False: as NOT_DURABLE says, for tests only
        """
        unfinished = self.data.with_name("data.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        settings = SETTINGS if is_durable else {**SETTINGS, **NOT_DURABLE}
        self._run_or_raise(
            "initdb",
            f"--pgdata={unfinished}",
            "--username=postgres",
            f"--pwfile={password_file}",
            "--encoding=UTF8",
            "--locale=C",
            "--auth=scram-sha-256",
            *([] if is_durable else ["--no-sync"]),
            *(f"--set={key}={value}" for key, value in settings.items()),
        )
        unfinished.rename(self.data)

    def pid(self) -> int | None:
        """The process id of the running server; None when it does not run, whatever an old pid file says."""
        lines = self._pid_file()
        return int(lines[0]) if lines and int(lines[0]) in self.processes() else None

    def processes(self) -> set[int]:
        """Process ids of this server, including backends that outlive a killed postmaster."""
        return set(_commands_with(self.name.encode()))

    def start(self, port: int) -> bool:
        """Serve on 127.0.0.1:`port`; False when another process has the port.

        First waits until the processes of a killed server have ended, then removes its pid file:
        PostgreSQL would refuse to start for as long as another process, or a zombie, has that number.
        """
        _wait_until(lambda: not self.processes(), "the processes of the old server have not ended", self.log)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        if not is_free(port):
            return False
        options = f"-p {port} -c cluster_name={self.name}"
        done = self._run("pg_ctl", "start", "-w", "-t", "120", "-s", "-l", str(self.log), "-o", options)
        if done.returncode and is_free(port):
            raise self._failure("the embedded PostgreSQL did not start", done.stdout)
        return done.returncode == 0

    def wait_ready(self) -> int:
        """Wait until a server that is starting accepts connections; returns its port."""
        _wait_until(lambda: self._pid_file()[7:8] == ["ready"], "the server does not become ready", self.log)
        return int(self._pid_file()[3])

    def stop(self) -> None:
        """Stop the server and end its sessions; does nothing when it does not run."""
        if self.pid() is not None:
            self._run_or_raise("pg_ctl", "stop", "-w", "-t", "120", "-s", "-m", "fast")
        _wait_until(lambda: not self.processes(), "the server's processes do not end", self.log)

    def _pid_file(self) -> list[str]:
        """Lines of postmaster.pid, among them [0] process id, [3] port, [7] state; empty without the file."""
        try:
            return [
                line.strip()
                for line in (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            ]
        except FileNotFoundError:
            return []

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        data = [] if program == "initdb" else [f"--pgdata={self.data}"]
        return self.account.run([str(self.programs / "bin" / program), *arguments, *data])

    def _run_or_raise(self, program: str, *arguments: str) -> None:
        done = self._run(program, *arguments)
        if done.returncode:
            raise self._failure(f"{program} of the embedded PostgreSQL failed", done.stdout)

    def _failure(self, what: str, output: str) -> NightshelfError:
        log = self.log.read_text(errors="replace").splitlines()[-5:] if self.log.exists() else []
        found = " / ".join([*output.strip().splitlines()[-3:], *log])
        if full := [line for line in (*output.splitlines(), *log) if disk.is_full(line)]:
            return disk.no_room(self.data, full[-1].strip())
        if not disk.has_room(self.data.parent):
            return disk.no_room(self.data, found)
        return DatabaseError(what, found=found, then=f"read {self.log}, or {OWN_DATABASE}")


def _commands_with(mark: bytes) -> Iterator[int]:
    """Ids of the postgres processes whose command line holds `mark`; every user may read command lines."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        program = command.split(b"\0")[0].split(b":")[0].rsplit(b"/")[-1]
        if mark in command and program == b"postgres":
            yield int(path.parent.name)


def _wait_until(condition: Callable[[], object], what: str, log: Path, seconds: float = 60.0) -> None:
    """Raise DatabaseError, which says `what`, where `condition` does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise DatabaseError(what, promised=f"within {seconds:.0f} s", then=f"read {log}")
        time.sleep(0.05)
