"""The command line of the night shift: publications, rollback, release."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import config
from pipeline.__main__ import main
from pipeline.runs.folder import RunFolder
from pipeline.serving import forgotten
from pipeline.serving.schema import VERSION
from pipeline.serving_commands import account
from tests.serving.nights import Shop


@pytest.fixture
def shop(serving_url: str, run_folder: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Versions 1 and 2 in the serving database of this environment."""
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", serving_url)
    shop = Shop(serving_url, config.load(), run_folder)
    for day in (1, 2):
        shop.publish(shop.night(day, {1: [10 + day]}))
    return shop


@pytest.fixture
def older(shop: Shop) -> Shop:
    """The same, recorded as made by an earlier development version, with user 1 forgotten."""
    forgotten.remember(shop.url, shop.settings, 1)
    with shop.connect("publisher") as db:
        db.execute("UPDATE serving_storage.schema_info SET schema_version = 6")
    return shop


@pytest.mark.parametrize(
    "command",
    [["migrate"], ["run", "--as-of", "2026-01-03"], ["rollback"], ["publications"], ["forget", "2"]],
)
def test_an_earlier_version_of_the_schema_is_refused_at_once(
    older: Shop, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A night is refused before it reads the source: there is none here."""
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", "postgresql://nobody:hush@127.0.0.1:1/none")
    assert main(command) == 1
    what, found, promised, then = capsys.readouterr().err.splitlines()
    assert what == "the serving schema `serving` was made by an earlier development version"
    assert (found.split(), promised.split()) == (
        ["found:", "version", "6"],
        ["promised:", "version", str(VERSION)],
    )
    assert re.match(r"  next:     \S*python -m pipeline migrate --reset-serving", then)
    assert older.lists() == [(1, 1, 12)]


def test_the_command_it_names_resets_it_and_the_next_night_publishes(
    older: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "--reset-serving"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "schema serving dropped",
        "schema serving_storage dropped",
        f"serving schema `serving` is at version {VERSION}",
    ]
    assert older.publish(older.night(3, {1: [13], 2: [14]})).version == 1
    assert older.lists() == [(2, 1, 14)]


def test_publications_marks_the_live_one(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publications"]) == 0
    heads, _, newest, oldest = capsys.readouterr().out.splitlines()
    assert heads.split() == [
        *("version", "state", "as", "of", "published", "Precision@3", "mode", "lists", "of"),
        *("users", "items", "run"),
    ]
    assert newest.split()[:3] == ["->", "2", "live"]
    assert oldest.split()[:4] == ["1", "stored", "2026-01-01", "00:00"]
    assert newest.split()[-5:] == ["0.2500", "exclude", "1", "1", "night-2"]


@pytest.fixture
def activated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell of a person who has activated the environment: `python` is the one that runs the tests."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("activated")
def test_rollback_hold_and_release(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollback", "--to", "1", "--hold"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "version 1 is live; before it was 2",
        "held: later nights are stored but not live, until python -m pipeline release",
    ]
    assert shop.lists() == [(1, 1, 11)]
    shop.publish(shop.night(3, {1: [13]}))
    assert main(["publications"]) == 0
    output = capsys.readouterr().out
    assert "held back" in output
    assert output.splitlines()[-1].startswith("held since ")
    assert account() in output
    assert main(["release"]) == 0
    assert capsys.readouterr().out == "the hold is over: version 3 is live; before it was 1\n"


@pytest.mark.usefixtures("activated")
def test_a_version_that_is_not_there_changes_nothing(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollback", "--to", "7"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "version 7 cannot be put back",
        "  found:    stored versions: 1, 2; live: 2",
        "  next:     choose a stored version from python -m pipeline publications",
    ]
    assert shop.lists() == [(1, 1, 12)]


@pytest.mark.parametrize("command", ["rollback", "release", "publications"])
def test_before_the_first_publication(
    serving_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", serving_url)
    assert main([command]) == 1
    assert "nothing was published yet" in capsys.readouterr().err


def test_tidy_says_what_went(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path))
    for folder in (tmp_path / "runs").iterdir():
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (0, 0))
    assert main(["tidy"]) == 0
    gone, output = capsys.readouterr().out.splitlines()
    assert gone.startswith("night-1 is removed, ")
    assert output.startswith("remove_old_runs: 1 removed, 1 kept, ")
    assert shop.lists() == [(1, 1, 12)]
