"""`make up` and `make down` as a person has them: ports of their choice, an ordinary user, bystanders."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
import pytest

from pipeline import config
from pipeline.config import ROOT
from pipeline.contract.stages import STAGES
from pipeline.databases.embedded import Server
from pipeline.environment import LocalServer, child_environment, port_variable
from pipeline.errors import AirflowError, DatabaseError, SettingsError, Unreachable
from pipeline.local.airflow import COMPONENTS, LocalAirflow
from pipeline.local.api import Api
from pipeline.local.servers import DAG_ID

NOBODY = 65_534
ENDING = re.compile(r"UI: (http://127\.0\.0\.1:(\d+))\nUser: (\w+)\nPassword: (\w+)\n\Z")


@dataclass
class Person:
    """Somebody with a home of their own and a shop that no night is due for.

    command: what runs Python as that person
    """

    home: Path
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)

    def make(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`make up` or `make down`: the command behind it, with further variables."""
        return subprocess.run(
            [*self.command, "-m", "pipeline", *words],
            cwd=ROOT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def airflow(self) -> LocalAirflow:
        return LocalAirflow(self.home)

    def pids(self) -> set[int]:
        """Every process of the local servers."""
        members = [pid for leader in self.airflow.leaders().values() for pid in leader.members()]
        return {*members, self.airflow.server.pid() or 0} - {0}


@pytest.fixture(scope="module")
def new_person() -> Iterator[Callable[..., Person]]:
    """`new_person(uid=..., events=...)`: a person with a shop; their servers and home go in the end."""
    with ExitStack() as stack:

        def make(uid: int | None = None, events: int = 5_000) -> Person:
            home = Path(tempfile.mkdtemp(prefix="nightshelf-up-"))
            home.chmod(0o755)
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            off_the_clock = home / "config.toml"
            off_the_clock.write_text(config.path().read_text().replace('cron = "@daily"', 'cron = ""'))
            command = [sys.executable] if uid is None else _python_of(uid, home)
            if uid is not None:
                os.chown(home, uid, uid)
            variables = {"NIGHTSHELF_HOME": str(home), "NIGHTSHELF_CONFIG": str(home), "HOME": str(home)}
            person = Person(home, command, child_environment(without="NIGHTSHELF_", **variables))
            stack.callback(person.airflow.server.destroy)
            stack.callback(person.airflow.stop)
            loaded = subprocess.run(
                [*command, "-m", "pipeline", "load", "synthetic", "--events", str(events)],
                cwd=ROOT,
                env=person.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert loaded.returncode == 0, loaded.stdout + loaded.stderr
            return person

        yield make


def _python_of(uid: int, home: Path) -> list[str]:
    """Run as `uid` a Python that every user may run, with this environment's packages."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    program = shutil.which(version, path="/usr/bin:/usr/local/bin")
    if os.geteuid() != 0 or shutil.which("setpriv") is None or program is None:
        pytest.skip(f"needs root, setpriv and a {version} that every user may run")
    subprocess.run([program, "-m", "venv", "--without-pip", str(home / "venv")], check=True)
    [packages] = (home / "venv").glob("lib/python*/site-packages")
    packages_here = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "packages.pth").write_text("\n".join(packages_here))
    command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", str(home / "venv/bin/python")]
    if subprocess.run([*command, "-c", "import airflow"], cwd=ROOT, check=False).returncode:
        pytest.skip("other users cannot read this checkout or its packages")
    return command


@pytest.fixture(scope="module")
def anna(new_person: Callable[..., Person]) -> Person:
    """Whoever runs the tests."""
    return new_person()


@pytest.fixture
def two_ports() -> tuple[str, str]:
    """Two ports that nobody listens on."""
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return str(first.getsockname()[1]), str(second.getsockname()[1])


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another process listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def address_and_client(done: subprocess.CompletedProcess[str]) -> tuple[str, int, Api]:
    """URL, port and a client from the last three lines of `make up`."""
    assert done.returncode == 0, done.stdout + done.stderr
    ending = ENDING.search(done.stdout)
    assert ending, done.stdout
    return ending[1], int(ending[2]), Api(ending[1], ending[3], ending[4])


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has waited for yet does not."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def assert_healthy(api: Api) -> None:
    health = api.health()
    assert {name: part["status"] for name, part in health.items()} == dict.fromkeys(
        ("metadatabase", "scheduler", "dag_processor", "triggerer"), "healthy"
    )


@pytest.mark.slow
def test_up_says_where_and_returns_when_all_is_healthy(anna: Person) -> None:
    _, _, api = address_and_client(anna.make("up"))
    assert_healthy(api)
    assert api.serves_tasks()
    assert api.get("/dags/recommendations")["is_paused"] is False
    assert set(anna.airflow.leaders()) == set(COMPONENTS)


@pytest.mark.slow
def test_up_again_starts_nothing_anew(anna: Person) -> None:
    address_and_client(anna.make("up"))
    before = anna.airflow.leaders(), anna.airflow.server.pid()
    address_and_client(anna.make("up"))
    assert (anna.airflow.leaders(), anna.airflow.server.pid()) == before


@pytest.mark.slow
def test_other_ports_move_what_runs_and_are_remembered(anna: Person, two_ports: tuple[str, str]) -> None:
    ui, postgres = two_ports
    old_url, _, _ = address_and_client(anna.make("up"))
    old_database = anna.airflow.server.url("serving")
    done = anna.make("up", NIGHTSHELF_UI_PORT=ui, NIGHTSHELF_POSTGRES_PORT=postgres)
    _, port, api = address_and_client(done)
    assert (port, anna.airflow.server.port) == (int(ui), int(postgres))
    assert f"moves to port {postgres}" in done.stdout
    assert_healthy(api)
    with pytest.raises(Unreachable):
        Api(old_url, "admin", "").get("/dags")
    assert not Api(old_url, "admin", "").serves_tasks()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(old_database)
    before = anna.airflow.leaders(), anna.airflow.server.pid()
    assert address_and_client(anna.make("up"))[1] == int(ui)
    assert (anna.airflow.leaders(), anna.airflow.server.pid()) == before


@pytest.mark.slow
@pytest.mark.parametrize(("name", "what"), [("UI", "Airflow's UI"), ("POSTGRES", "the embedded PostgreSQL")])
def test_a_port_of_somebody_else_is_told_and_what_runs_stays(
    anna: Person, taken: int, name: str, what: str
) -> None:
    address_and_client(anna.make("up"))
    before = anna.airflow.leaders(), anna.airflow.server.pid()
    done = anna.make("up", **{f"NIGHTSHELF_{name}_PORT": str(taken)})
    assert done.returncode == 1
    assert f"port {taken} is in use by another process" in done.stderr
    assert f"NIGHTSHELF_{name}_PORT={taken} asks for it for {what}" in done.stderr
    assert (anna.airflow.leaders(), anna.airflow.server.pid()) == before


@pytest.mark.slow
def test_a_killed_scheduler_s_last_heartbeat_does_not_pass_for_health(anna: Person) -> None:
    address_and_client(anna.make("up"))
    for pid in anna.airflow.leaders()["scheduler"].members():
        os.kill(pid, signal.SIGKILL)
    killed_at = datetime.now(UTC)
    _, _, api = address_and_client(anna.make("up"))
    beat = api.health()["scheduler"]["latest_scheduler_heartbeat"]
    assert datetime.fromisoformat(beat) > killed_at


@pytest.mark.slow
def test_down_stops_all_of_it_and_nothing_else(anna: Person, server: Server) -> None:
    _, _, api = address_and_client(anna.make("up"))
    pids = anna.pids()
    assert len(pids) > len(COMPONENTS)
    runs = f"/dags/{DAG_ID}/dagRuns"
    run_id = api.post(runs, {"logical_date": None, "conf": {"tune": "never"}})["dag_run_id"]
    with subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.pause()"], env=anna.environment, cwd=anna.airflow.folder
    ) as bystander:
        try:
            done = anna.make("down")
            assert done.returncode == 0
            [interrupted, *others] = done.stdout.splitlines()
            assert interrupted.startswith(f"run {run_id} of {DAG_ID} ")
            assert interrupted.endswith("; after make up it goes on from there")
            assert [line.rpartition(" is ")[2] for line in others] == ["stopped", "stopped"]
            assert not [pid for pid in pids if is_alive(pid)]
            assert bystander.poll() is None
            assert server.is_running()
        finally:
            bystander.kill()
    done = anna.make("down")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)


@pytest.mark.slow
def test_a_night_older_than_what_is_live_is_skipped_and_a_trigger_starts_at_once(
    new_person: Callable[..., Person],
) -> None:
    person = new_person(events=20_000)
    (person.home / "config.toml").write_text(config.path().read_text())  # the clock is on again
    published = person.make("run", "--tune", "never")
    assert published.returncode == 0, published.stdout + published.stderr
    _, _, api = address_and_client(person.make("up"))
    runs = f"/dags/{DAG_ID}/dagRuns"
    triggered = api.post(runs, {"logical_date": None, "conf": {"dry_run": True}})["dag_run_id"]
    wait_for_task(api, triggered, "extract", "success")
    [night] = [run for run in api.get(runs)["dag_runs"] if run["run_type"] == "scheduled"]
    assert night["state"] == "success"
    path = f"{runs}/{quote(night['dag_run_id'], safe='')}/taskInstances"
    states = {task["task_id"]: task["state"] for task in api.get(path)["task_instances"]}
    assert states.pop("remove_old_runs") == "success"
    assert states == {stage.name: "skipped" for stage in STAGES}
    log = api.get(f"{path}/extract/logs/1?full_content=true")["content"]
    assert "nothing to do: this night ends at " in str(log)
    assert api.get("/assets/events")["asset_events"] == [], "no lists went live"
    assert not (person.home / "runs" / night["dag_run_id"]).exists()


def wait_for_task(api: Api, run_id: str, task: str, state: str) -> None:
    """Return when a task of a nightly run is in `state`."""
    path = f"/dags/{DAG_ID}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task}"
    until = time.monotonic() + 300
    while (found := api.get(path)["state"]) != state and time.monotonic() < until:
        time.sleep(0.5)
    assert found == state


@pytest.mark.slow
def test_without_a_schedule_no_night_begins_and_what_is_triggered_runs(
    new_person: Callable[..., Person],
) -> None:
    person = new_person()
    (person.home / "config.toml").write_text(config.path().read_text())  # the clock is on again
    done = person.make("up", NIGHTSHELF_SCHEDULE="off")
    _, _, api = address_and_client(done)
    assert "NIGHTSHELF_SCHEDULE is off: no night begins by itself" in done.stdout
    dag = api.get(f"/dags/{DAG_ID}")
    assert (dag["is_paused"], dag["timetable_summary"]) == (False, None)
    runs = f"/dags/{DAG_ID}/dagRuns"
    run_id = api.post(runs, {"logical_date": None, "conf": {"dry_run": True}})["dag_run_id"]
    wait_for_task(api, run_id, "extract", "success")
    assert [run["dag_run_id"] for run in api.get(runs)["dag_runs"]] == [run_id]
    before = person.airflow.leaders()
    assert person.airflow.stays_up()
    assert not person.airflow.is_on_schedule()
    address_and_client(person.make("up", NIGHTSHELF_SCHEDULE="OFF"))
    assert person.airflow.leaders() == before, "nothing has changed"
    done = person.make("up", NIGHTSHELF_SCHEDULE="no")
    assert done.returncode == 1
    assert "NIGHTSHELF_SCHEDULE is neither on nor off" in done.stderr
    assert person.airflow.leaders() == before


@pytest.mark.slow
def test_an_ordinary_user_has_the_same(new_person: Callable[..., Person]) -> None:
    person = new_person(NOBODY)
    _, _, api = address_and_client(person.make("up"))
    assert_healthy(api)
    assert _owners(person.pids()) == {NOBODY}
    pids = person.pids()
    assert person.make("down").returncode == 0
    assert not [pid for pid in pids if is_alive(pid)]
    assert {path.stat().st_uid for path in (person.home / "airflow").rglob("*")} == {NOBODY}


def _owners(pids: set[int]) -> set[int]:
    """The users of these processes. The scheduler's helpers come and go: one that has ended has none."""
    users = set()
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            users.add(psutil.Process(pid).uids().effective)
    return users


@pytest.mark.parametrize("server", ["ui", "postgres"])
def test_a_taken_port_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int, server: LocalServer
) -> None:
    monkeypatch.setenv(port_variable(server), str(taken))
    airflow = LocalAirflow(tmp_path / "home")
    with pytest.raises((AirflowError, DatabaseError), match=f"port {taken} is in use"):
        airflow.start(str)
    assert not (tmp_path / "home").exists()


def test_one_port_for_both_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_ports: tuple[str, str]
) -> None:
    monkeypatch.setenv("NIGHTSHELF_UI_PORT", two_ports[0])
    monkeypatch.setenv("NIGHTSHELF_POSTGRES_PORT", two_ports[0])
    with pytest.raises(SettingsError, match=f"cannot share port {two_ports[0]}"):
        LocalAirflow(tmp_path / "home").start(str)
