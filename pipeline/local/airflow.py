"""A local Airflow: API server with UI, scheduler, DAG processor and triggerer over the embedded PostgreSQL.

    <home>/airflow/local.json   port, password, secrets and who runs, mode 0600
    <home>/airflow/*.log        one log for each component; logs/ holds those of the tasks

For a first look and for the tests. In production Airflow is its own installation
(docker-compose.yml), and nothing here is used.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from pipeline import config
from pipeline.databases import ports
from pipeline.databases.embedded import Server
from pipeline.errors import AirflowError, SettingsError
from pipeline.local.api import Api
from pipeline.local.configuration import USER, configuration
from pipeline.local.processes import Leader, end, start
from pipeline.runs.files import held

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
    """

    def __init__(self, home: Path | None = None, *, is_scheduled: bool = True) -> None:
        self.home = (home or config.home()).absolute()
        self.folder = self.home / "airflow"
        self.server = Server(self.home)
        self.is_scheduled = is_scheduled

    @property
    def url(self) -> str:
        """Where UI and REST API answer."""
        return f"http://127.0.0.1:{self._known()['port']}"

    @property
    def password(self) -> str:
        """The password of user `admin`."""
        return str(self._known()["password"])

    def api(self) -> Api:
        """A client that logs in as `admin`."""
        return Api(self.url, USER, self.password)

    def start(self, say: Say) -> None:
        """Start what does not run and wait until every component is healthy.

        Raises AirflowError with the end of the component's log when one does not come up.
        """
        self.start_database(say)
        self.folder.mkdir(parents=True, exist_ok=True)
        known = self._known() or self._new(say)
        asked = {"is_scheduled": self.is_scheduled, "database_port": self.server.port}
        is_at_its_port = config.port("ui") in (None, known["port"])
        if not (self.is_running() and is_at_its_port and asked.items() <= known.items()):
            self.stop()
            self._take_port(known, say)
            self._migrate(known, say)
            say("starting Airflow")
            known |= asked | {"started_at": datetime.now(UTC).isoformat()}
            known["processes"] = {
                name: start(
                    [sys.executable, "-m", "airflow", *words],
                    self._fresh_log(name),
                    self.environment(),
                    self.folder,
                ).as_json()
                for name, words in COMPONENTS.items()
            }
            self._write(known)
        self._wait_healthy()

    def start_database(self, say: Say) -> None:
        """Start the embedded PostgreSQL; one that runs on another port than it should moves, Airflow stopped.

        Raises AirflowError or DatabaseError, with nothing started or stopped, where a port that is asked
        for by name (NIGHTSHELF_UI_PORT, NIGHTSHELF_POSTGRES_PORT) is somebody else's.
        """
        self._check_port()
        if self.server.must_move():
            say(f"the embedded PostgreSQL moves to port {config.port('postgres')}")
            self.stop()
            self.server.stop()
        self.server.start(say)

    def stop(self) -> None:
        """Stop every component and all it started; nothing when none runs."""
        leaders = self.leaders()
        end(leaders.values())
        if leaders:
            self._write({**self._known(), "processes": {}})

    def is_running(self) -> bool:
        """Whether every component's process runs."""
        leaders = self.leaders()
        return set(leaders) == set(COMPONENTS) and all(leader.is_alive() for leader in leaders.values())

    def keeps_the_schedule(self) -> bool:
        """Whether it runs and was started by `make up`, not by a demo."""
        return self.is_running() and bool(self._known()["is_scheduled"])

    @contextmanager
    def alone(self, doing: str) -> Iterator[None]:
        """Hold the home's lock while starting or playing. Raises AirflowError when another does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(held(self.folder / "lock", doing))
            except BlockingIOError as error:
                raise AirflowError(
                    f"another `{str(error) or doing}` is at work in {self.home}",
                    then="wait for it, or press Ctrl-C where it runs",
                ) from None
            yield

    def status(self) -> str:
        """One line for a person."""
        leaders = self.leaders()
        if not any(leader.is_alive() for leader in leaders.values()):
            return f"the local Airflow in {self.folder} is stopped"
        told = self.api().health()
        states = [f"{name} {told.get(name, {}).get('status') or 'does not answer'}" for name in HEALTHY]
        return f"the local Airflow in {self.folder} serves {self.url}: {', '.join(states)}"

    def environment(self) -> dict[str, str]:
        """Airflow's settings, for its components and for `airflow` commands."""
        settings = configuration(self.folder, self._known(), self.url, self.server.url("airflow"))
        return config.child_environment(
            without="AIRFLOW_",
            AIRFLOW_HOME=str(self.folder),
            NIGHTSHELF_HOME=str(self.home),
            NIGHTSHELF_SCHEDULE="on" if self.is_scheduled else "off",
            PYTHONPATH=str(config.ROOT),
            **settings,
            **self._connections(),
        )

    def _connections(self) -> dict[str, str]:
        """`AIRFLOW_CONN_*` for the embedded databases; a configured URL reaches the DAG as it is."""
        settings = config.load()
        ids = {"source": settings.source.connection, "serving": settings.serving.connection}
        return {
            f"AIRFLOW_CONN_{ids[name].upper()}": self.server.url(database)
            for name, database in (("source", "shop"), ("serving", "serving"))
            if config.configured_url("source" if name == "source" else "serving") is None
        }

    def _new(self, say: Say) -> dict[str, Any]:
        """Port, password and secrets, chosen once."""
        place = int(hashlib.sha256(str(self.folder).encode()).hexdigest(), 16)
        known = {
            "port": PORTS[place % len(PORTS)],
            "password": secrets.token_hex(8),
            "fernet_key": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "secret_key": secrets.token_hex(32),
            "jwt_secret": secrets.token_hex(32),
            "migrated": "",
            "is_scheduled": self.is_scheduled,
            "processes": {},
        }
        say(f"making a local Airflow in {self.folder}")
        self._write(known)
        return known

    def _check_port(self) -> None:
        """Raise AirflowError where the UI's port that is asked for is not to be had."""
        asked = config.port("ui")
        if asked is not None and asked == config.port("postgres"):
            raise SettingsError(
                f"the UI and the embedded PostgreSQL cannot share port {asked}",
                then="set NIGHTSHELF_UI_PORT or NIGHTSHELF_POSTGRES_PORT to another port, or unset it",
            )
        api_server = self.leaders().get("api-server")
        if not (api_server and api_server.members() and asked == self._known()["port"]):
            ports.check("ui", "Airflow's UI", AirflowError)

    def _take_port(self, known: dict[str, Any], say: Say) -> None:
        """The port asked for by name, else the remembered one, else a free one near it."""
        self._check_port()
        remembered = int(known["port"])
        port = next(filter(ports.is_free, ports.candidates("ui", remembered, PORTS)), None)
        if port is None:
            raise AirflowError("no free port for Airflow's UI", found=f"{remembered} and others are taken")
        if port != remembered:
            if port != config.port("ui"):
                say(f"port {remembered} is taken by another process: Airflow now listens on {port}")
            known["port"] = port
            self._write(known)

    def _migrate(self, known: dict[str, Any], say: Say) -> None:
        """Make or upgrade Airflow's tables, unless they are those this version of Airflow made."""
        if known["migrated"] and known["migrated"] == self._schema():
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
        known["migrated"] = self._schema()
        self._write(known)

    def _schema(self) -> str:
        """Airflow's version and the revision of its tables; empty when there are none."""
        with psycopg.connect(self.server.url("airflow"), connect_timeout=10) as db:
            try:
                found = db.execute("SELECT version_num FROM alembic_version").fetchone()
            except psycopg.errors.UndefinedTable:
                return ""
        return f"{version('apache-airflow-core')} {found[0]}" if found else ""

    def _wait_healthy(self) -> None:
        until, serves_tasks = time.monotonic() + START_SECONDS, False
        api = self.api()
        while True:
            for name, leader in self.leaders().items():
                if not leader.is_alive():
                    raise self._failure(f"{name} of the local Airflow ended", name)
            told = api.health()
            serves_tasks = serves_tasks or (bool(told) and api.serves_tasks())
            if serves_tasks and all(self._is_healthy(name, told.get(name, {})) for name in HEALTHY):
                return
            if time.monotonic() > until:
                raise self._failure(f"the local Airflow is not healthy: {told}", "api-server")
            time.sleep(0.1)

    def _is_healthy(self, component: str, told: dict[str, Any]) -> bool:
        """Whether it says so; the last heartbeat of one that was killed before this start does not count."""
        beat = told.get(f"latest_{component}_heartbeat")
        started = datetime.fromisoformat(self._known()["started_at"])
        is_fresh = beat is None or datetime.fromisoformat(beat) >= started
        return told.get("status") == "healthy" and is_fresh

    def _failure(self, what: str, component: str) -> AirflowError:
        log = self.folder / f"{component}.log"
        end = " / ".join(log.read_text(errors="replace").splitlines()[-8:])
        return AirflowError(what, found=end[-1500:], then=f"read {log}, then: make down")

    def _fresh_log(self, name: str) -> Path:
        log = self.folder / f"{name}.log"
        log.write_bytes(b"")
        return log

    def leaders(self) -> dict[str, Leader]:
        """The first process of each component, as it was started; it may have ended since."""
        return {name: Leader(**told) for name, told in self._known().get("processes", {}).items()}

    def _known(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "local.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def _write(self, known: dict[str, Any]) -> None:
        """Keep what is known, for nobody else to read."""
        for name, content in (("local.json", known), ("passwords.json", {USER: known["password"]})):
            handle, unfinished = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(handle, "w") as file:
                json.dump(content, file, indent=2)
            Path(unfinished).replace(self.folder / name)
