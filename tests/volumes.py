"""Small volumes that are filled up, made read-only, or run out of files. Mounting takes root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MB = 1024 * 1024


@contextmanager
def volume(size: int, files: int = 0) -> Iterator[Path]:
    """A volume of `size` bytes, and of `files` files where that is not 0; everyone may enter it."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small volume takes root: run the tests as root (a container will do)")
    folder = Path(tempfile.mkdtemp(prefix="nightshelf-volume-"))
    options = f"size={size},nr_inodes={files},mode=755"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        folder.rmdir()
        pytest.skip(f"mounting is not allowed here (a container needs --cap-add SYS_ADMIN): {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def filled(folder: Path, room: int) -> Iterator[None]:
    """No more than `room` bytes are free on the volume for the time being."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - room)
    try:
        yield
    finally:
        ballast.unlink()


def make_read_only(folder: Path) -> None:
    """Nothing can be written to the volume any more."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


@contextmanager
def as_user(uid: int) -> Iterator[None]:
    """This process is another user for the time being, with that user's rights to files."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else for a while")
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
