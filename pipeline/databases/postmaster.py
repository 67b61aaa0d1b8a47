"""PostgreSQL over one data folder: made, started, found again, stopped.

As root its programs run as the account that owns the data folder, because PostgreSQL refuses to be
root. The background server holds none of the caller's file descriptors.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.databases.install import OWN_DATABASE, Account
from pipeline.databases.ports import is_free
from pipeline.errors import DatabaseError

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
"""Fit for two cores and a few GB. `wal_level` is minimal because nothing is replicated or archived;
no parallel hash, because its memory may outgrow the 64 MB of /dev/shm in a container."""


@dataclass(frozen=True)
class Postmaster:
    """One data folder and the programs that serve it.

    data:     the folder initdb makes; its path, links resolved, names the processes
    programs: a `pginstall` folder that `account` can read
    """

    data: Path
    programs: Path
    account: Account

    @property
    def name(self) -> str:
        """The cluster name: every process of this server carries it on its command line."""
        return "nightshelf-" + hashlib.sha256(str(self.data).encode()).hexdigest()[:12]

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    def initialise(self, password_file: Path, *, is_durable: bool) -> None:
        """Make the data folder: UTF-8, locale C, scram; whole or not at all."""
        unfinished = self.data.with_name("data.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        settings = SETTINGS if is_durable else {**SETTINGS, "fsync": "off", "full_page_writes": "off"}
        self._must(
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
        """The running server's process; None when there is none, whatever an old pid file says."""
        told = self._pid_file()
        return int(told[0]) if told and int(told[0]) in self.processes() else None

    def processes(self) -> set[int]:
        """Live processes of this server, backends that outlive a killed postmaster included."""
        return set(_commands_with(self.name.encode()))

    def start(self, port: int) -> bool:
        """Serve on 127.0.0.1:`port`; False when another process has the port.

        Waits first for the processes of a killed server to end, and puts away its pid file when
        the number has since gone to a zombie or a stranger: PostgreSQL would refuse for ever.
        """
        _until(lambda: not self.processes(), "the processes of the old server have not ended", self.log)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        if not is_free(port):
            return False
        options = f"-p {port} -c cluster_name={self.name}"
        done = self._run("pg_ctl", "start", "-w", "-t", "120", "-s", "-l", str(self.log), "-o", options)
        if done.returncode and is_free(port):
            raise self._failure("the embedded PostgreSQL did not start", done.stdout)
        return done.returncode == 0

    def wait_ready(self) -> int:
        """Wait until a server that is coming up takes connections; returns its port."""
        _until(lambda: self._pid_file()[7:8] == ["ready"], "the server does not become ready", self.log)
        return int(self._pid_file()[3])

    def stop(self) -> None:
        """End the server, sessions included; nothing when it does not run."""
        if self.pid() is not None:
            self._must("pg_ctl", "stop", "-w", "-t", "120", "-s", "-m", "fast")
        _until(lambda: not self.processes(), "the server's processes do not end", self.log)

    def _pid_file(self) -> list[str]:
        try:
            return [
                line.strip()
                for line in (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            ]
        except FileNotFoundError:
            return []

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        place = [] if program == "initdb" else [f"--pgdata={self.data}"]
        return self.account.run([str(self.programs / "bin" / program), *arguments, *place])

    def _must(self, program: str, *arguments: str) -> None:
        done = self._run(program, *arguments)
        if done.returncode:
            raise self._failure(f"{program} of the embedded PostgreSQL failed", done.stdout)

    def _failure(self, what: str, told: str) -> DatabaseError:
        log = self.log.read_text(errors="replace").splitlines()[-5:] if self.log.exists() else []
        found = " / ".join([*told.strip().splitlines()[-3:], *log])
        return DatabaseError(what, found=found, then=f"read {self.log}, or {OWN_DATABASE}")


def _commands_with(mark: bytes) -> Iterator[int]:
    """Processes whose command is a postgres that carries `mark`; command lines are open to every user."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        program = command.split(b"\0")[0].split(b":")[0].rsplit(b"/")[-1]
        if mark in command and program == b"postgres":
            yield int(path.parent.name)


def _until(condition: Any, what: str, log: Path, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise DatabaseError(what, promised=f"within {seconds:.0f} s", then=f"read {log}")
        time.sleep(0.05)
