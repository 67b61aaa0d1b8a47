"""Locks on files: whoever holds one is named, whether it is a process of ours or not."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline import disk
from pipeline.locks import Taken, held

NOBODY = 65534


@contextmanager
def foreign(lock: Path, seconds: int = 60, *, uid: int | None = None) -> Iterator[str]:
    """Another program holds the lock for `seconds`: its process, program and user."""
    script = f"exec 9< {lock} && flock 9 && echo held && exec sleep {seconds}"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, user=uid, group=uid) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        while Path(f"/proc/{process.pid}/comm").read_text() != "sleep\n":
            pass
        try:
            yield f"process {process.pid} (sleep of {disk.account(os.geteuid() if uid is None else uid)})"
        finally:
            process.kill()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock that an earlier process has let go."""
    (tmp_path / "lock").write_text("train, process 1")
    return tmp_path / "lock"


def test_two_of_our_own(lock: Path) -> None:
    with held(lock, "tune"), pytest.raises(Taken) as caught, held(lock, "evaluate"):
        pass
    assert str(caught.value) == f"tune, process {os.getpid()}"
    with held(lock, "evaluate"):
        assert lock.read_text() == f"evaluate, process {os.getpid()}"


def test_a_foreign_holder_is_named_and_what_an_earlier_one_wrote_is_not_believed(lock: Path) -> None:
    with foreign(lock) as holder, pytest.raises(Taken) as caught, held(lock, "evaluate"):
        pass
    assert str(caught.value) == holder
    with held(lock, "evaluate"):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of another user")
def test_a_holder_of_another_user_is_named() -> None:
    with tempfile.NamedTemporaryFile() as file:
        lock = Path(file.name)
        lock.chmod(0o644)
        with foreign(lock, uid=NOBODY) as holder, pytest.raises(Taken) as caught, held(lock, "train"):
            pass
        assert str(caught.value) == holder
        assert "sleep of nobody" in holder


def test_waiting_is_said_and_ends(lock: Path, caplog: pytest.LogCaptureFixture) -> None:
    with foreign(lock) as holder, pytest.raises(Taken), held(lock, "start", patience=0.3):
        pass
    assert caplog.messages == [f"waiting for {holder}, which holds {lock}"]


def test_who_waits_goes_on_when_the_lock_is_free(lock: Path, caplog: pytest.LogCaptureFixture) -> None:
    with foreign(lock, 1), held(lock, "start", patience=60):
        assert lock.read_text() == f"start, process {os.getpid()}"
    assert len(caplog.messages) == 1
