"""The command line: a whole night, one stage of it, loads, URLs; each error printed once, no traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from pipeline.__main__ import main
from pipeline.config import ROOT
from pipeline.contract.stages import STAGES

NIGHT = ["run", "--as-of", "last", "--tune", "never", "--window-days", "200"]


@pytest.fixture
def databases(
    shop_url: str, serving_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """A small made-up shop, and an empty serving database, whose URL is returned."""
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", shop_url)
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", serving_url)
    assert main(["load", "synthetic", "--events", "20000", "--seed", "1"]) == 0
    said = capsys.readouterr().out
    assert "20,000 events" in said
    assert 'proposed: run.repeat_purchases = "allow", split.test_days = ' in said
    return serving_url


@pytest.fixture
def runs(tmp_path: Path) -> Callable[[], list[str]]:
    """`runs()`: ids of the runs there are."""
    return lambda: sorted(path.parent.name for path in (tmp_path / "home" / "runs").glob("*/run.json"))


def test_a_night_and_then_one_stage_of_it(
    databases: str, runs: Callable[[], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(NIGHT) == 0
    output = capsys.readouterr().out
    [run_id] = runs()
    folder = tmp_path / "home" / "runs" / run_id
    for stage in STAGES:
        assert f"\n{stage.name}: " in output
    assert f"files: {folder}" in output
    with psycopg.connect(databases) as db:
        [live] = db.execute("SELECT version, n_users FROM serving.publications WHERE is_live").fetchall()
    assert f"live: version {live[0]}, lists for {live[1]:,} users" in output
    assert (
        len(re.findall("model +Precision@3", output)) == 3
    )  # both modes as evaluate says them, the published one at the end

    before = (folder / "train.parquet").read_bytes()
    assert main(["run", "split"]) == 0
    output = capsys.readouterr().out
    assert f" -m pipeline run tune --run-id {run_id}" in output
    assert (folder / "train.parquet").read_bytes() == before
    assert runs() == [run_id]
    overrides = json.loads((folder / "run.json").read_text())["overrides"]
    assert (overrides["tune"], overrides["window_days"]) == ("never", 200)

    assert main(["run", "publish"]) == 1
    assert "has not finished" in capsys.readouterr().err


@pytest.mark.slow
def test_a_second_night_reuses_the_search_of_the_first(
    databases: str, runs: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    searching = ["run", "--tune", "auto", "--trials", "2", "--window-days", "200"]
    assert main(searching) == 0
    assert re.search(r"^tune: .*\b2 trials\b.*source searched", capsys.readouterr().out, re.MULTILINE)
    for stage in [stage.name for stage in STAGES[:5]]:
        first = ["--as-of", "now", "--run-id", "second", *searching[1:]] if stage == "extract" else []
        assert main(["run", stage, *(first or ["--run-id", "second"])]) == 0
    [line] = re.findall(r"^tune: .* rows in.*$", capsys.readouterr().out, re.MULTILINE)
    assert "source reused" in line
    assert "trial" not in line


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["""-'it"s' 100%20 #1? [x]* {a,b} $HOME ü日""", "user_id=5", "%(x)s;&|"],
    ids=["signs", "key", "percent"],
)
def test_a_home_of_any_name_sees_a_whole_night(
    databases: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All stages twice, an erased user, the report; nothing lies beside the home afterwards."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("NIGHTSHELF_HOME", str(place / name))
    for arguments in (
        [*NIGHT, "--run-id", "first"],
        [*NIGHT, "--run-id", "second"],
        ["run", "gate", "--run-id", "second"],
        ["forget", "5"],
        ["report", "--run-id", "second"],
    ):
        assert main(arguments) == 0, capsys.readouterr()
    assert [path.name for path in place.iterdir()] == [name]
    assert (place / name / "runs" / "second" / "report.html").is_file()
    with psycopg.connect(databases) as db:
        assert db.execute("SELECT count(*) FROM serving.publications").fetchone() == (2,)
        assert db.execute("SELECT count(*) > 0 FROM serving.recommendations").fetchone() == (True,)


def test_a_dry_run_leaves_the_serving_database_alone(
    databases: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*NIGHT, "--dry-run", "--run-id", "rehearsal"]) == 0
    output = capsys.readouterr().out
    assert "publish: left out" in output
    assert "live: version" not in output
    with psycopg.connect(databases) as db:
        assert db.execute("SELECT to_regclass('serving.recommendations')").fetchone() == (None,)


def test_as_of_cuts_the_window_there(databases: str, tmp_path: Path) -> None:
    as_of = (datetime.now(UTC) - timedelta(days=30)).replace(microsecond=0)
    assert main(["run", "extract", "--as-of", as_of.isoformat(), "--run-id", "earlier"]) == 0
    about = json.loads((tmp_path / "home" / "runs" / "earlier" / "run.json").read_text())
    assert datetime.fromisoformat(about["as_of"]) == as_of


def test_a_stage_without_a_run_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "train"]) == 1
    assert "python -m pipeline run" in capsys.readouterr().err


def test_a_run_id_that_is_not_there_makes_no_folder(
    runs: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "train", "--run-id", "tpyo"]) == 1
    assert "no run 'tpyo'" in capsys.readouterr().err
    assert runs() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--window-days", "0"], "window_days"),
        (["run", "--as-of", "soon"], "'soon' is no time"),
        (["run", "--as-of", "0001-01-01"], "lies before every shop"),
        (["run", "--as-of", "9999-12-31"], "lies in the future"),
        (["run", "--as-of", "9999-12-31T23:59-23:00"], "is no time"),
        (["run", "--run-id", ""], "cannot be a folder name"),
        (["run", "--run-id", "night\n"], "cannot be a folder name"),
        (["run", "--run-id", "n" * 300], "cannot be a folder name"),
        (["run", "train", "--run-id", "n" * 300], "cannot be a folder name"),
        (["report", "--run-id", "../../etc"], "cannot be a folder name"),
        (["report", "--run-id", ""], "cannot be a folder name"),
        (["rollback", "--to", "9" * 4000], "cannot be put back"),
        (["load", "synthetic", "--events", "9" * 30], "a made-up shop needs events"),
        (["backtest", "--events", "nowhere.csv", "--json", "n" * 300], "File name too long"),
        (["backtest", "--events", "n" * 300], "File name too long"),
        (["load", "events", "n" * 300 + ".csv"], "File name too long"),
        (["run", "--config", "nowhere.toml"], "no settings file nowhere.toml"),
        (["url", "source", "--as", "reader"], "no role `reader`"),
        (["load", "events", "nowhere.csv"], "nowhere.csv"),
        (["load", "query", "nowhere.sql"], "no file nowhere.sql"),
        (["load", "query", "n" * 300], "File name too long"),
        (["backtest", "--query", "nowhere.sql"], "no file nowhere.sql"),
    ],
)
def test_an_error_is_told_once_without_a_traceback(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", "sqlite:////nowhere/shop.db")
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert words in err
    assert "Traceback" not in out + err


def test_an_unexpected_error_keeps_its_traceback(tmp_path: Path) -> None:
    code = "import pipeline.__main__ as m; m.COMMANDS['status'] = lambda *given: 1 / 0; m.main(['status'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "Traceback" in done.stderr


def test_url_prints_nothing_but_the_url(serving_url: str) -> None:
    environment = {**os.environ, "NIGHTSHELF_SERVING_URL": serving_url}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "url", "serving"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (f"{serving_url}\n", "")


def test_migrate_makes_the_schema_apps_read(databases: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate"]) == 0
    with psycopg.connect(databases) as db:
        assert db.execute("SELECT count(*) FROM serving.recommendations").fetchone() == (0,)
    assert main(["migrate", "--reset-serving"]) == 0
    assert "serving" in capsys.readouterr().out
