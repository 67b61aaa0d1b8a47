"""A disk that cannot be written to: full, out of files, read-only, of somebody else, or no folder at all."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline import disk, locks
from pipeline.__main__ import main
from pipeline.errors import DiskFull, NightshelfError, RunError
from pipeline.home import make_home
from pipeline.runs.files import write_json
from tests.volumes import MB, as_user, filled, make_read_only, volume

NOBODY = 65534


def write_with_duckdb(folder: Path) -> None:
    (folder / "view.duckdb").unlink(missing_ok=True)
    duckdb.connect(str(folder / "view.duckdb")).execute("CREATE TABLE numbers AS SELECT 1").close()


def take_the_lock(folder: Path) -> None:
    with locks.held(folder / "lock", "train"):
        pass


def write_a_document(folder: Path) -> None:
    write_json(folder / "run.json", {"as_of": 1})


WRITERS = [write_with_duckdb, take_the_lock, write_a_document, make_home]


def refusal(writer: Callable[[Path], None], folder: Path) -> NightshelfError:
    """What is raised where `writer` may write nothing more."""
    with pytest.raises(NightshelfError) as caught, disk.noticing(folder):
        writer(folder / "home" if writer is make_home else folder)
    return caught.value


@pytest.mark.parametrize("writer", [w for w in WRITERS if w is not make_home])
def test_no_room_is_told_with_the_volume_and_tried_again(writer: Callable[[Path], None]) -> None:
    with volume(MB) as folder:
        with filled(folder, 0):
            error = refusal(writer, folder)
            assert isinstance(error, DiskFull)
            assert str(folder) in error.what
            assert f"the volume {folder} has 0.0 of 1.0 MB free" in error.found
        writer(folder)


@pytest.mark.parametrize("writer", WRITERS)
def test_no_file_more_is_told_as_well(writer: Callable[[Path], None]) -> None:
    with volume(MB, files=2) as folder:
        (folder / "last").touch()
        error = refusal(writer, folder)
        assert isinstance(error, DiskFull)
        assert "MB free, 0 of 2 files" in error.found


@pytest.mark.parametrize("writer", WRITERS)
def test_a_read_only_volume_is_no_full_one(writer: Callable[[Path], None]) -> None:
    with volume(MB) as folder:
        make_read_only(folder)
        error = refusal(writer, folder)
        assert isinstance(error, RunError)
        assert not error.can_retry
        assert "Read-only file system; the volume" in error.found
        assert "NIGHTSHELF_HOME" in error.then


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_of_somebody_else_is_told_with_both_names(
    writer: Callable[[Path], None],
) -> None:
    with volume(MB) as folder, as_user(NOBODY):
        error = refusal(writer, folder)
    assert not error.can_retry
    assert "you are nobody" in error.found
    assert f"{folder} is of root, mode 0755" in error.found


def test_sqlite_says_it_in_words_of_its_own() -> None:
    with volume(MB) as folder, closing(sqlite3.connect(folder / "shop.db")) as db:
        db.execute("CREATE TABLE numbers (n text)")
        with filled(folder, 0), pytest.raises(DiskFull, match=f"no room for {folder}"), disk.noticing(folder):
            db.execute("INSERT INTO numbers VALUES (?)", ["x" * MB])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_quota_is_a_full_disk(tmp_path: Path, number: int) -> None:
    with pytest.raises(DiskFull) as caught, disk.writing(tmp_path / "train.parquet"):
        raise OSError(number, os.strerror(number))
    assert caught.value.what == f"no room for {tmp_path / 'train.parquet'}"
    assert caught.value.found.startswith(f"{os.strerror(number)}; the volume ")


def test_what_lies_behind_an_error_is_found(tmp_path: Path) -> None:
    def fail() -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "model" / "als.npz"))
        except OSError as error:
            raise ValueError("the archive cannot be closed") from error

    with pytest.raises(DiskFull, match=r"no room for .*model/als\.npz"), disk.noticing(tmp_path):
        fail()


@pytest.mark.parametrize(
    "error", [ConnectionResetError(104, "reset"), TimeoutError(), socket.gaierror(-2, "?")]
)
def test_a_network_is_no_disk(tmp_path: Path, error: OSError) -> None:
    with pytest.raises(type(error)), disk.noticing(tmp_path):
        raise error


def test_a_home_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    (tmp_path / "home").write_text("not a folder")
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "home"))
    assert told(capsys).startswith(f"{tmp_path / 'home'} is no folder\n")


def test_a_home_below_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "file" / "home"))
    assert told(capsys).startswith(f"{tmp_path / 'file'} is no folder\n")


@pytest.mark.parametrize("part", ["home", "home/runs"])
def test_a_link_to_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, part: str) -> None:
    link = tmp_path / part
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "volume")
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "home"))
    text = told(capsys)
    assert text.startswith(f"{link} is a link to {tmp_path / 'volume'}, which is not there\n")
    assert "mount its volume" in text
    (tmp_path / "volume").mkdir()
    assert "is a link" not in told(capsys)


def told(capsys: Any) -> str:
    """What a first stage says where it cannot begin: one error, with no database reached."""
    assert main(["run", "extract", "--as-of", "2026-01-01"]) == 1
    text = str(capsys.readouterr().err)
    assert "Traceback" not in text
    return text
