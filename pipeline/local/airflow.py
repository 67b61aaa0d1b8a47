"""A local Airflow: API server with UI, scheduler and DAG processor over the embedded PostgreSQL.

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
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from pipeline import config
from pipeline.embedded import Server
from pipeline.errors import AirflowError
from pipeline.files import held
from pipeline.local.api import Api
from pipeline.local.processes import Leader, end, start
from pipeline.postmaster import is_free

USER = "admin"
COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}
HEALTHY = ("metadatabase", "scheduler", "dag_processor")
FIRST_PORT, N_PORTS = 28_000, 4_000
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
        self.server.start(say)
        self.folder.mkdir(parents=True, exist_ok=True)
        known = self._known() or self._new(say)
        if self.is_running() and known["is_scheduled"] != self.is_scheduled:
            self.stop()
        if not self.is_running():
            self.stop()
            self._move_port(known, say)
            self._migrate(known, say)
            say("starting Airflow")
            known["is_scheduled"] = self.is_scheduled
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
        known = self._known()
        database = self.server.url("airflow")
        settings = {
            "CORE__DAGS_FOLDER": str(config.ROOT / "dags"),
            "CORE__PLUGINS_FOLDER": str(config.ROOT / "dags" / "plugins"),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "2",
            "CORE__FERNET_KEY": known["fernet_key"],
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.folder / "passwords.json"),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            "DATABASE__SQL_ALCHEMY_CONN": database.replace("postgresql:", "postgresql+psycopg2:", 1),
            "DATABASE__SQL_ALCHEMY_CONN_ASYNC": database.replace("postgresql:", "postgresql+asyncpg:", 1),
            "API__HOST": "127.0.0.1",
            "API__PORT": str(known["port"]),
            "API__BASE_URL": self.url,
            "API__SECRET_KEY": known["secret_key"],
            "API_AUTH__JWT_SECRET": known["jwt_secret"],
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
            "DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "LOGGING__COLORED_CONSOLE_LOG": "False",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        return config.child_environment(
            without="AIRFLOW_",
            AIRFLOW_HOME=str(self.folder),
            NIGHTSHELF_HOME=str(self.home),
            NIGHTSHELF_SCHEDULE="on" if self.is_scheduled else "off",
            PYTHONPATH=str(config.ROOT),
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
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
            "port": FIRST_PORT + place % N_PORTS,
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

    def _move_port(self, known: dict[str, Any], say: Say) -> None:
        asked = int(known["port"])
        for offset in range(50):
            port = FIRST_PORT + (asked - FIRST_PORT + offset * 7) % N_PORTS
            if is_free(port):
                if offset:
                    say(f"port {asked} is taken by another process: Airflow now listens on {port}")
                    known["port"] = port
                    self._write(known)
                return
        raise AirflowError("no free port for the local Airflow", found=f"{asked} and 49 others taken")

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
        until = time.monotonic() + START_SECONDS
        api = self.api()
        while True:
            for name, leader in self.leaders().items():
                if not leader.is_alive():
                    raise self._failure(f"{name} of the local Airflow ended", name)
            told = api.health()
            if all(told.get(name, {}).get("status") == "healthy" for name in HEALTHY):
                return
            if time.monotonic() > until:
                raise self._failure(f"the local Airflow is not healthy: {told}", "api-server")
            time.sleep(0.1)

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
