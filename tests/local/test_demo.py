"""`make demo` as a newcomer has it: a night, then a second one, and Ctrl-C in it."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pipeline.__main__ import main
from pipeline.config import ROOT
from pipeline.contract.stages import STAGES
from pipeline.environment import child_environment
from pipeline.local.airflow import LocalAirflow

COMMAND = [sys.executable, "-m", "pipeline", "demo"]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home that every user reaches, as a checkout in /srv or /opt would be."""
    home = Path(tempfile.mkdtemp(prefix="nightshelf-demo-"))
    home.chmod(0o755)
    airflow = LocalAirflow(home)
    yield home
    airflow.stop()
    airflow.server.destroy()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    return child_environment(without="AIRFLOW_", NIGHTSHELF_HOME=str(home))


def n_trials(output: str) -> int:
    """Trials of the search, whole and pruned, as the line of `tune` counts them."""
    [line] = re.findall(r"^  tune: .*$", output, re.MULTILINE)
    return sum(map(int, re.findall(r" (\d+) (?:pruned|trials?)\b", line)))


@pytest.mark.slow
def test_a_night_and_what_apps_read(home: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    output = done.stdout
    for stage in STAGES:
        assert f"\n  {stage.name}: " in output
    assert n_trials(output) == 3
    assert "live: version 1, lists for 2,469 users" in output
    assert output.count("a buyer: SELECT") == 2
    assert "an unknown user: SELECT rank, item_id, source, reason FROM serving.recommend(-1, 5);" in output
    assert re.search(r"^ +als +0\.\d+", output, re.MULTILINE)
    assert Path(re.findall(r"^files: (.+)$", output, re.MULTILINE)[0], "receipts", "publish.json").exists()
    assert not LocalAirflow(home).is_running()
    [url] = re.findall(r"^psql: .*'(postgresql://[^']+)'$", output, re.MULTILINE)
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM serving.recommend(1, 10)").fetchone() == (10,)


@pytest.mark.slow
def test_ctrl_c_in_a_second_night_stops_what_it_started(home: Path, environment: dict[str, str]) -> None:
    """Once the data is read; tests/test_cli.py sees that a second night reuses the search of the first."""
    airflow = LocalAirflow(home)
    airflow.server.stop()
    process = subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_ctrl_c,
    )
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if line.startswith("  filter_purchasers: "):
            process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert "  filter_purchasers: " in output
    assert "  tune: " not in output
    assert not any(leader.members() for leader in airflow.leaders().values())
    assert not airflow.server.is_running()
    with psycopg.connect(_started(airflow)) as db:
        left = db.execute(
            "SELECT task_id FROM task_instance WHERE state IS NULL"
            " OR state NOT IN ('success', 'failed', 'skipped', 'upstream_failed')"
        ).fetchall()
        [(state, run_id)] = db.execute(
            "SELECT state, run_id FROM dag_run ORDER BY run_after DESC LIMIT 1"
        ).fetchall()
        published = db.execute(
            "SELECT state FROM task_instance WHERE run_id = %s AND task_id LIKE '%%publish'", [run_id]
        ).fetchall()
    assert left == []
    assert published in ([("skipped",)], [("failed",)], [("upstream_failed",)])
    assert state == "failed"


def _hear_ctrl_c() -> None:
    """As under a person's shell: a job in the background, as CI may be, ignores Ctrl-C with its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _started(airflow: LocalAirflow) -> str:
    airflow.server.start()
    return airflow.server.url("airflow")


def test_the_demo_leaves_a_user_s_own_databases_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", "postgresql://app:secret@db.shop.example/shop")
    assert main(["demo"]) == 1
    told = capsys.readouterr().err
    assert "NIGHTSHELF_SOURCE_URL" in told
    assert "secret" not in told


@pytest.mark.parametrize("target", ["up", "demo"])
def test_a_home_of_an_earlier_version_is_told_how_to_reset_it_before_airflow_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path, target: str
) -> None:
    """The command that the refusal names works as it stands; Airflow has no folder yet then."""
    monkeypatch.setenv("NIGHTSHELF_HOME", str(home / target))
    airflow = LocalAirflow()
    try:
        assert main(["migrate"]) == 0
        with psycopg.connect(airflow.server.url("serving"), autocommit=True) as db:
            db.execute("SET ROLE nightshelf_publisher")
            db.execute("UPDATE serving_storage.schema_info SET schema_version = 6")
        assert main([target]) == 1
        told = capsys.readouterr()
        assert "was made by an earlier development version" in told.err
        assert "python -m pipeline migrate --reset-serving" in told.err
        assert "starting Airflow" not in told.out
        assert "loading" not in told.out
        assert main(["migrate", "--reset-serving"]) == 0
        assert main(["migrate"]) == 0
    finally:
        airflow.server.destroy()
