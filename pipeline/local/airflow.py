"""A local Airflow: API server with UI, scheduler, DAG processor and triggerer, on the embedded PostgreSQL.

    <home>/airflow/local.json   port, password, secrets and running processes, mode 0600
    <home>/airflow/*.log        one log for each component; logs/ holds those of the tasks

The folder is a link to another where its path has a `%` or `$`, which Airflow's configuration expands.

For a first look and for the tests. In production Airflow is an installation of its own
(docker-compose.yml), and this module is not used.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg

from pipeline import config, disk, environment, locks
from pipeline.databases import ports
from pipeline.databases.embedded import Server
from pipeline.databases.install import Account, folder_elsewhere
from pipeline.errors import AirflowError, SettingsError
from pipeline.home import make_home
from pipeline.local.api import Api
from pipeline.local.configuration import USER, configuration
from pipeline.local.processes import Leader, end, start

COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")
PORTS = range(28_000, 32_000)
START_SECONDS = 120.0
Say = Callable[[str], None]


class LocalAirflow:
    """The Airflow of one home folder.

    is_scheduled: False keeps the nightly DAG off the clock, so that only what is triggered runs
    variables: more of the environment of its components, and so of its tasks
    """

    def __init__(
        self,
        home: Path | None = None,
        *,
        is_scheduled: bool = True,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.home = (home or config.home()).absolute()
        self.folder = self.home / "airflow"
        self.server = Server(self.home)
        self.is_scheduled = is_scheduled
        self.variables = dict(variables)

    @property
    def url(self) -> str:
        """Where UI and REST API answer."""
        return f"http://127.0.0.1:{self._state()['port']}"

    @property
    def password(self) -> str:
        """The password of user `admin`."""
        return str(self._state()["password"])

    def api(self) -> Api:
        """A client that logs in as `admin`."""
        return Api(self.url, USER, self.password)

    def start(self, say: Say, *, stays: bool = False) -> None:
        """Start the components that do not run and wait until all are healthy.

        stays: it runs on when the command that starts it has ended, which `stays_up` tells the next one

        Raises AirflowError with the end of a component's log where that does not start.
        """
        self.start_database(say)
        self._make_folder()
        state = self._state() or self._new_state(say)
        asked = {"is_scheduled": self.is_scheduled, "database_port": self.server.port}
        has_its_port = environment.port("ui") in (None, state["port"])
        has_its_variables = state.get("variables", {}) == self.variables
        is_as_asked = has_its_port and has_its_variables and asked.items() <= state.items()
        if not (self.is_running() and is_as_asked):
            self.stop()
            self._take_port(state, say)
            self._migrate(state, say)
            say("starting Airflow")
            state |= asked | {"stays": stays, "started_at": datetime.now(UTC).isoformat()}
            state["variables"] = self.variables
            state["processes"] = {
                name: start(
                    [sys.executable, "-m", "airflow", *words],
                    self._fresh_log(name),
                    self.environment(),
                    self.folder,
                ).as_json()
                for name, words in COMPONENTS.items()
            }
            self._write(state)
        elif state.get("stays") != stays:
            self._write(state | {"stays": stays})
        self._wait_healthy()

    def start_database(self, say: Say) -> None:
        """Start the embedded PostgreSQL. To move it to another port, Airflow is stopped first.

        Raises AirflowError or DatabaseError, with nothing started or stopped, where another process has
        the port that NIGHTSHELF_UI_PORT or NIGHTSHELF_POSTGRES_PORT asks for.
        """
        self._check_port()
        if self.server.must_move():
            say(f"the embedded PostgreSQL moves to port {environment.port('postgres')}")
            self.stop()
            self.server.stop()
        self.server.start(say)

    def stop(self) -> None:
        """Stop every component with all processes that it started; does nothing when none runs."""
        leaders = self.leaders()
        end(leaders.values())
        if leaders:
            self._write({**self._state(), "processes": {}})

    def is_running(self) -> bool:
        """Whether every component's process runs."""
        leaders = self.leaders()
        return set(leaders) == set(COMPONENTS) and all(leader.is_alive() for leader in leaders.values())

    def stays_up(self) -> bool:
        """Whether it runs because of `make up`, not of a `make demo` that was killed."""
        return self.is_running() and bool(self._state().get("stays"))

    def is_on_schedule(self) -> bool:
        """Whether it runs with the schedule on, so that it begins nights by itself."""
        return self.is_running() and bool(self._state()["is_scheduled"])

    @contextmanager
    def alone(self, doing: str) -> Iterator[None]:
        """Hold the lock of this home during the block. Raises AirflowError where another process has it.

        doing: the command, for the message of the other process
        """
        self._make_folder()
        with ExitStack() as stack:
            try:
                stack.enter_context(locks.held(self.folder / "lock", doing))
            except locks.Taken as error:
                raise AirflowError(
                    f"another process is at work in {self.home}",
                    found=f"{error} holds {self.folder / 'lock'}",
                    then="wait for it, or press Ctrl-C where it runs",
                ) from None
            yield

    def status(self) -> str:
        """One line for a person."""
        leaders = self.leaders()
        if not any(leader.is_alive() for leader in leaders.values()):
            return f"the local Airflow in {self.folder} is stopped"
        health = self.api().health()
        states = [f"{name} {health.get(name, {}).get('status') or 'does not answer'}" for name in HEALTHY]
        return f"the local Airflow in {self.folder} serves {self.url}: {', '.join(states)}"

    def environment(self) -> dict[str, str]:
        """The environment of Airflow's components and of `airflow` commands."""
        folder = self.folder.resolve()
        settings = configuration(folder, self._state(), self.url, self.server.url("airflow"))
        changes = {
            "AIRFLOW_HOME": str(folder),
            "NIGHTSHELF_HOME": str(self.home),
            "NIGHTSHELF_SCHEDULE": "on" if self.is_scheduled else "off",
            "PYTHONPATH": str(config.ROOT),
        }
        more = settings | self._connections() | self.variables
        return environment.child_environment(without="AIRFLOW_", **changes, **more)

    def _make_folder(self) -> None:
        """Make AIRFLOW_HOME; a link to a folder elsewhere where its path has what Airflow expands."""
        make_home(self.home)
        with disk.writing(self.folder):
            if self.folder.exists():
                return
            if re.search("[%$]", str(self.folder)):
                self.folder.unlink(missing_ok=True)
                self.folder.symlink_to(folder_elsewhere(Account()))
            else:
                self.folder.mkdir()

    def _connections(self) -> dict[str, str]:
        """`AIRFLOW_CONN_*` for the embedded databases; the DAG reads configured URLs from the environment."""
        settings = config.load()
        ids = {"source": settings.source.connection, "serving": settings.serving.connection}
        return {
            f"AIRFLOW_CONN_{ids[name].upper()}": self.server.url(database)
            for name, database in (("source", "shop"), ("serving", "serving"))
            if environment.configured_url("source" if name == "source" else "serving") is None
        }

    def _new_state(self, say: Say) -> dict[str, Any]:
        """Choose port, password and secrets, once for this home."""
        state = {
            "port": ports.preferred(self.folder, PORTS),
            "password": secrets.token_hex(8),
            "fernet_key": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "secret_key": secrets.token_hex(32),
            "jwt_secret": secrets.token_hex(32),
            "migrated": "",
            "is_scheduled": self.is_scheduled,
            "processes": {},
        }
        say(f"making a local Airflow in {self.folder}")
        self._write(state)
        return state

    def _check_port(self) -> None:
        """Raise AirflowError where another process has the port that NIGHTSHELF_UI_PORT asks for.

        Raises SettingsError where PostgreSQL is to have the same port.
        """
        asked = environment.port("ui")
        if asked is not None and asked == environment.port("postgres"):
            raise SettingsError(
                f"the UI and the embedded PostgreSQL cannot share port {asked}",
                then="set NIGHTSHELF_UI_PORT or NIGHTSHELF_POSTGRES_PORT to another port, or unset it",
            )
        api_server = self.leaders().get("api-server")
        if not (api_server and api_server.members() and asked == self._state()["port"]):
            ports.check("ui", "Airflow's UI", AirflowError)

    def _take_port(self, state: dict[str, Any], say: Say) -> None:
        """Settle on a port: the one that is asked for, else the remembered one, else another that is free."""
        self._check_port()
        remembered = int(state["port"])
        port = next(filter(ports.is_free, ports.candidates("ui", remembered, PORTS)), None)
        if port is None:
            raise AirflowError("no free port for Airflow's UI", found=f"{remembered} and others are taken")
        if port != remembered:
            if port != environment.port("ui"):
                say(f"port {remembered} is taken by another process: Airflow now listens on {port}")
            state["port"] = port
            self._write(state)

    def _migrate(self, state: dict[str, Any], say: Say) -> None:
        """Create or upgrade Airflow's tables, unless this version of Airflow has done so before."""
        if state["migrated"] and state["migrated"] == self._schema():
            return
        say("making Airflow's tables")
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=self.environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AirflowError("airflow db migrate failed", found=done.stdout[-1500:], then="make down")
        state["migrated"] = self._schema()
        self._write(state)

    def _schema(self) -> str:
        """Airflow's version and the revision of its tables; empty without tables."""
        with psycopg.connect(self.server.url("airflow"), connect_timeout=10) as db:
            try:
                revision = db.execute("SELECT version_num FROM alembic_version").fetchone()
            except psycopg.errors.UndefinedTable:
                return ""
        return f"{version('apache-airflow-core')} {revision[0]}" if revision else ""

    def _wait_healthy(self) -> None:
        """Wait until every component is healthy. Raises AirflowError when one ends or time is up."""
        until, serves_tasks = time.monotonic() + START_SECONDS, False
        api = self.api()
        while True:
            for name, leader in self.leaders().items():
                if not leader.is_alive():
                    raise self._failure(f"{name} of the local Airflow ended", name)
            health = api.health()
            serves_tasks = serves_tasks or (bool(health) and api.serves_tasks())
            if serves_tasks and all(self._is_healthy(name, health.get(name, {})) for name in HEALTHY):
                return
            if time.monotonic() > until:
                raise self._failure(f"the local Airflow is not healthy: {health}", "api-server")
            time.sleep(0.1)

    def _is_healthy(self, component: str, report: dict[str, Any]) -> bool:
        """Whether a component reports health, with a heartbeat since this start.

        An older heartbeat is that of a component that was killed.
        """
        beat = report.get(f"latest_{component}_heartbeat")
        started = datetime.fromisoformat(self._state()["started_at"])
        is_fresh = beat is None or datetime.fromisoformat(beat) >= started
        return report.get("status") == "healthy" and is_fresh

    def _failure(self, what: str, component: str) -> AirflowError:
        log = self.folder / f"{component}.log"
        end = " / ".join(log.read_text(errors="replace").splitlines()[-8:])
        return AirflowError(what, found=end[-1500:], then=f"read {log}, then: make down")

    def _fresh_log(self, name: str) -> Path:
        log = self.folder / f"{name}.log"
        log.write_bytes(b"")
        return log

    def leaders(self) -> dict[str, Leader]:
        """The first process of each component, as it was started. It may have ended since."""
        return {name: Leader(**process) for name, process in self._state().get("processes", {}).items()}

    def _state(self) -> dict[str, Any]:
        """The content of local.json; empty where there is no local Airflow yet."""
        try:
            state: dict[str, Any] = json.loads((self.folder / "local.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return state

    def _write(self, state: dict[str, Any]) -> None:
        """Replace local.json and Airflow's file of passwords; only their owner may read them."""
        for name, content in (("local.json", state), ("passwords.json", {USER: state["password"]})):
            handle, unfinished = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(handle, "w") as file:
                json.dump(content, file, indent=2)
            Path(unfinished).replace(self.folder / name)
