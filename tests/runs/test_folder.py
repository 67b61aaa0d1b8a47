"""The run folder: whole files or none, receipts that tell the truth, damage named before it is used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import ROOT
from pipeline.errors import (
    RunBusy,
    RunError,
)
from pipeline.rollback_form import FILE
from pipeline.runs.folder import RunFolder, latest
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from tests.shelf import day, events, give

SHOP = events((1, 5, 0), (1, 6, 60), (1, 7, 90), (2, 5, 1), (2, 6, 61), (2, 8, 91))


@pytest.mark.parametrize(
    "run_id",
    [
        *("../up", "a/b", "", ".", "..", ".hidden", "a b", "a\\b", "/etc"),
        *(
            "night\n",
            "\nnight",
            "ni\tght",
            "night\0",
            "night\x1b[2J",
            "n\u00efght",
            "\u202enight",
            "night\udcff",
        ),
        *("x" * 201, "x" * 300, "x" * 5000),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_a_run_id_that_is_no_folder_name_is_refused(
    run_folder: Callable[..., RunFolder], tmp_path: Path, run_id: str
) -> None:
    for attempt in (
        lambda: run_folder(run_id),
        lambda: RunFolder.open(tmp_path / "runs", run_id, {}),
        lambda: RunFolder.exists(tmp_path / "runs", run_id),
    ):
        with pytest.raises(RunError, match="cannot be a folder name") as refused:
            attempt()
        assert str(refused.value).isprintable() or "\n  promised" in str(refused.value)
        assert len(str(refused.value)) < 400
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("run_id", ["manual__2026-11-21T01:05:00+00:00_a~b", "x" * 200, "latest", "lock"])
def test_a_run_id_that_is_a_folder_name_is_taken(run_folder: Callable[..., RunFolder], run_id: str) -> None:
    assert run_folder(run_id).path.is_dir()


@pytest.mark.parametrize("inside", ["", "books/night/run.json", "postgresql.conf"])
def test_a_run_id_that_something_else_beside_the_runs_has_is_refused(
    run_folder: Callable[..., RunFolder], tmp_path: Path, inside: str
) -> None:
    """A file; a folder in which another shop's runs lie; any other folder."""
    path = tmp_path / "runs" / "taken" / inside
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(RunError, match="'taken' is the name of something else") as refused:
        run_folder("taken")
    assert refused.value.found.startswith("a folder that is no run" if inside else "a file")
    assert path.read_text() == "mine"


def test_a_run_never_takes_the_place_of_the_choices_of_a_form(run_folder: Callable[..., RunFolder]) -> None:
    with pytest.raises(RunError, match="is the name of something else"):
        run_folder(FILE.format("serving"))


def test_a_run_that_was_cut_off_at_its_first_file_can_begin_again(
    run_folder: Callable[..., RunFolder], tmp_path: Path
) -> None:
    (tmp_path / "runs" / "night").mkdir(parents=True)
    (tmp_path / "runs" / "night" / ".run.json.part").write_text("{")
    assert (run_folder().path / "run.json").is_file()


def test_a_run_keeps_the_as_of_it_began_with(run_folder: Callable[..., RunFolder], tmp_path: Path) -> None:
    first = run_folder(overrides={"window_days": 30})
    give(first, live={})
    opened = RunFolder.open(tmp_path / "runs", "night", first.ids)
    assert (opened.as_of, dict(opened.overrides)) == (first.as_of, {"window_days": 30})
    with pytest.raises(RunError, match="other settings"):
        run_folder(as_of=day(1), overrides={"window_days": 30})
    with pytest.raises(RunError, match="no run 'nothing'"):
        RunFolder.open(tmp_path / "runs", "nothing", first.ids)
    with pytest.raises(RunError, match="other settings") as caught:
        RunFolder.open(tmp_path / "runs", "night", {"user": "text", "item": "integer"})
    assert "--config" in caught.value.then


def test_a_run_of_which_nothing_is_there_yet_takes_on_other_ids(
    run_folder: Callable[..., RunFolder], tmp_path: Path
) -> None:
    """`extract` refused the ids, and said to mend [ids] and run it again."""
    run_folder()
    ids = {"user": "text", "item": "integer"}
    for _ in range(2):
        assert RunFolder.open(tmp_path / "runs", "night", ids).ids == ids
    give(RunFolder.open(tmp_path / "runs", "night", ids), live={})
    with pytest.raises(RunError, match="other settings"):
        RunFolder.open(tmp_path / "runs", "night", {"user": "integer", "item": "integer"})


HOLD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline.runs.folder import RunFolder
with RunFolder.open(Path(sys.argv[1]), "night", {"user": "integer", "item": "integer"}).held("train"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_never_work_on_one_run(job: Callable[..., Job], tmp_path: Path) -> None:
    """A retry beside a task that is not dead yet, or a terminal beside Airflow; a dead one holds nothing."""
    night = job(as_of=day(100))
    give(night.folder, purchaser_events=SHOP)
    command = [sys.executable, "-c", HOLD, str(tmp_path / "runs")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunBusy, match="is being worked on") as caught:
            run_stage("split", night)
        assert f"train, process {other.pid}" in caught.value.found
        other.kill()
    run_stage("split", night)


def test_the_latest_run_comes_first(run_folder: Callable[..., RunFolder], tmp_path: Path) -> None:
    one, two = run_folder("one"), run_folder("two")
    give(two, live={})
    give(one, live={})
    assert [path.name for path in latest(tmp_path / "runs")] == ["one", "two"]
