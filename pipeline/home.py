"""Who may read what Nightshelf writes: its own user, and the group where NIGHTSHELF_UMASK says so.

The modes of a home that is there stay as they are.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeline import disk, environment

PASS = 0o011
"""Others may go through a folder, and read nothing in it."""


def keep_private() -> None:
    """Let new files of this process, and of those that it starts, have the rights of NIGHTSHELF_UMASK.

    Called where a process of Nightshelf begins: a command, a task of Airflow. Raises SettingsError.
    """
    os.umask(environment.umask())


def make_home(home: Path) -> None:
    """Make the home folder and the parents that are missing; one that is there is left alone.

    Root's can be passed through, because the embedded PostgreSQL then runs as another user. Raises DiskFull,
    RunError.
    """
    with disk.writing(home / "runs"):
        for folder in reversed([path for path in (home, *home.parents) if not os.path.lexists(path)]):
            folder.mkdir(0o777 & ~environment.umask(), exist_ok=True)
            if os.geteuid() == 0:
                let_pass(folder)
        home.mkdir(exist_ok=True)


def let_pass(folder: Path) -> None:
    """Let every user go through a folder, without listing what is in it."""
    folder.chmod(folder.stat().st_mode | PASS)
