"""Who may read what Nightshelf writes: its own user, and the group where that is asked for."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import home
from pipeline.config import ROOT
from pipeline.environment import child_environment
from pipeline.local.configuration import configuration
from tests.volumes import as_user

EVENTS = "user_id,item_id,event_type,occurred_at\n" + "".join(
    f"{user},{item},purchase,2026-01-{day:02}T12:00:00\n"
    for user in range(1, 9)
    for item, day in ((user % 3, 2), (user % 4 + 3, 15), (user % 5 + 7, 28))
)


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Each file and folder below `folder`, and itself, with its mode."""
    return {str(path): stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}


def command(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command of ours from a shell with the usual umask; nobody answers for other databases."""
    ours = {
        "NIGHTSHELF_HOME": str(folder),
        "NIGHTSHELF_SOURCE_URL": "sqlite:////nowhere/shop.db",
        "NIGHTSHELF_SERVING_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    }
    environment = child_environment(without="NIGHTSHELF_", **(ours | variables))
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def passable() -> int:
    """What others may do with a home of root's, whose PostgreSQL is another user: go through it."""
    return home.PASS if os.geteuid() == 0 else 0


@pytest.mark.parametrize(
    ("umask", "folder", "file"), [("", 0o700, 0o600), ("027", 0o750, 0o640), ("007", 0o770, 0o660)]
)
def test_what_a_command_writes(tmp_path: Path, umask: str, folder: int, file: int) -> None:
    new = tmp_path / "new" / "home"
    done = command(new, "run", "extract", "--as-of", "2026-02-01", NIGHTSHELF_UMASK=umask)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert (new / "runs").is_dir()
    for path, mode in modes(new.parent).items():
        if Path(path) in (new, new.parent):
            assert mode == folder | passable(), path
        else:
            assert mode == (folder if Path(path).is_dir() else file), path


def test_the_modes_of_a_home_that_is_there_stay(tmp_path: Path) -> None:
    old = tmp_path / "home"
    (old / "runs" / "kept").mkdir(parents=True)
    (old / "runs" / "kept" / "report.html").touch()
    before = modes(old)
    done = command(old, "run", "extract", "--as-of", "2026-02-01")
    assert "cannot be reached" in done.stderr
    assert before.items() <= modes(old).items()
    assert {mode & 0o077 for path, mode in modes(old).items() if path not in before} == {0}


def test_another_umask_is_refused_by_name(tmp_path: Path) -> None:
    for wrong in ("022", "77", "private"):
        done = command(tmp_path / "home", "run", NIGHTSHELF_UMASK=wrong)
        assert done.returncode == 1
        assert done.stderr.startswith("NIGHTSHELF_UMASK says nothing of whom to let read")
        assert "077 (nobody else), 027" in done.stderr
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(("umask", "folders", "files"), [("", "0o700", "0o600"), ("007", "0o770", "0o660")])
def test_airflows_logs_have_the_same_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: str, folders: str, files: str
) -> None:
    monkeypatch.setenv("NIGHTSHELF_UMASK", umask)
    state = dict.fromkeys(("fernet_key", "port", "secret_key", "jwt_secret"), "")
    settings = configuration(tmp_path, state, "", "")
    assert settings["AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS"] == folders
    assert settings["AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS"] == files


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a while")
def test_another_user_goes_through_roots_home_and_reads_nothing() -> None:
    from tests.volumes import MB, volume

    with volume(MB) as folder:
        home.make_home(folder / "home")
        (folder / "home" / "postgres").mkdir()
        (folder / "home" / "postgres").chmod(0o777)
        with as_user(65534):
            (folder / "home" / "postgres" / "data").mkdir()
            with pytest.raises(PermissionError):
                list((folder / "home").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_a_home_that_a_load_of_files_has_made_holds_the_server(tmp_path: Path) -> None:
    """A first load into the shop's own database makes the home; the server's data must lie in it as well."""
    (tmp_path / "events.csv").write_text("user_id,item_id,event_type,occurred_at\n1,2,purchase,2026-01-01\n")
    shop = f"sqlite:///{tmp_path / 'shop.db'}"
    place = tmp_path / "home"
    done = command(place, "load", "events", str(tmp_path / "events.csv"), NIGHTSHELF_SOURCE_URL=shop)
    assert done.returncode == 0, done.stderr
    assert oct(place.stat().st_mode & 0o777) == "0o711"
