"""Real parts for every test: a PostgreSQL of the tests' own, empty databases, run folders, jobs."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pipeline import config
from pipeline.config import Settings
from pipeline.databases.embedded import PREFIX, Server
from pipeline.engines.current import begun
from pipeline.engines.tables import Engine
from pipeline.loading import load
from pipeline.local.airflow import LocalAirflow
from pipeline.local.servers import unpause
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Databases, Job
from pipeline.settings import Engine as EngineSettings
from tests import tastes

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST = (
    "tests/local/test_demo.py",
    "tests/local/test_nights.py",
    "tests/local/test_up.py",
    "tests/test_browser.py",
    "tests/docs/test_commands.py",
    "tests/stages/test_gate.py",
    "tests/service/test_load.py",
)
"""Files that take a minute or more. They begin first, or one worker would end long after the others."""


UMASK = os.umask(0)
os.umask(UMASK)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """A command that runs in the process of the tests sets its umask; the next test has the usual one."""
    os.umask(UMASK)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files of LONGEST first, all others in their order."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(LONGEST)))


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's `.nightshelf` or the databases of the user's environment."""
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "home"))
    for secret in ("SOURCE_URL", "SERVING_URL", "READER_URL", "REDIS_URL", "SERVICE_TOKENS"):
        monkeypatch.delenv(f"NIGHTSHELF_{secret}", raising=False)
        monkeypatch.delenv(f"NIGHTSHELF_{secret}_FILE", raising=False)
    monkeypatch.delenv("NIGHTSHELF_READER_SECRET", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _free_ports() -> Iterator[None]:
    """No server of the tests takes a port that the user asks for by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NIGHTSHELF_UI_PORT", raising=False)
        patch.delenv("NIGHTSHELF_POSTGRES_PORT", raising=False)
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """An embedded server for the whole test run, in a folder that its user reaches."""
    home = Path(tempfile.mkdtemp(prefix="nightshelf-tests-"))
    home.chmod(0o755)
    server = Server(home, is_durable=False)
    try:
        server.start()
        yield server
    finally:
        server.destroy()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def local_airflow() -> Iterator[LocalAirflow]:
    """A real local Airflow over a small made-up shop, off the clock, its nightly DAG unpaused.

    One for each file: at rest it takes a third of a core from all tests that follow.
    """
    home = Path(tempfile.mkdtemp(prefix="nightshelf-airflow-"))
    home.chmod(0o755)
    airflow = LocalAirflow(home, is_scheduled=False)
    settings, now = config.load(), datetime.now(UTC)
    try:
        airflow.server.start()
        shop = airflow.server.url("shop")
        load("synthetic", shop, now=now, say=str, settings=settings, n_events=20_000, seed=1)
        airflow.start(str)
        unpause(airflow.api())
        yield airflow
    finally:
        airflow.stop()
        airflow.server.destroy()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def new_database(server: Server) -> Iterator[Callable[[], str]]:
    """`new_database()` makes an empty database and returns its owner's URL; dropped after the test."""
    names: list[str] = []

    def make() -> str:
        name = f"t_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(server.admin_url(), autocommit=True) as db:
            server.create_database(name, owner=f"{PREFIX}_owner", db=db)
        names.append(name)
        return server.url(name)

    yield make
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        for name in names:
            db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def shop_url(new_database: Callable[[], str]) -> str:
    """An empty source database, as its owner."""
    return new_database()


@pytest.fixture
def serving_url(new_database: Callable[[], str]) -> str:
    """An empty serving database, as its owner. Roles are server-wide: pass a `role_prefix` of your own."""
    return new_database()


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """`make_settings(ids={"user": "text"}, run={"window_days": 30})`: config.toml with sections changed."""

    def make(**sections: dict[str, Any]) -> Settings:
        values = config.load().model_dump(by_alias=True)
        for section, changes in sections.items():
            values[section] = {**values[section], **changes}
        return Settings.model_validate(values)

    return make


@pytest.fixture
def said() -> list[str]:
    """What the jobs of this test said."""
    return []


@pytest.fixture
def run_folder(tmp_path: Path) -> Callable[..., RunFolder]:
    """`run_folder("night", as_of=..., settings=...)`: a run under the test's own folder."""

    def make(
        run_id: str = "night",
        *,
        as_of: datetime = AS_OF,
        settings: Settings | None = None,
        overrides: dict[str, object] | None = None,
    ) -> RunFolder:
        ids = (settings or config.load()).ids.model_dump()
        return RunFolder.create(tmp_path / "runs", run_id, as_of, ids, overrides or {})

    return make


@pytest.fixture
def job(run_folder: Callable[..., RunFolder], said: list[str]) -> Callable[..., Job]:
    """`job(source=url, serving=url, settings=..., as_of=..., now=..., force=...)`: a stage's job."""

    def make(
        *,
        source: str = "",
        serving: str = "",
        settings: Settings | None = None,
        folder: RunFolder | None = None,
        as_of: datetime = AS_OF,
        now: datetime | None = None,
        force: bool = False,
        run_id: str = "night",
    ) -> Job:
        settings = settings or config.load()
        return Job(
            folder=folder or run_folder(run_id, as_of=as_of, settings=settings),
            settings=settings,
            databases=Databases(source=lambda: source, serving=lambda: serving),
            now=now or as_of,
            say=said.append,
            force=force,
        )

    return make


@pytest.fixture(scope="session")
def learnt_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a night on the shop of two tastes lies that has come as far as `recommend`."""
    path = tmp_path_factory.mktemp("learnt")
    tastes.night_at(path, *tastes.LEARNING)
    return path


@pytest.fixture
def learnt(learnt_once: Path, tmp_path: Path, said: list[str]) -> Job:
    """A copy of that night, to go on with from any stage."""
    shutil.copytree(learnt_once, tmp_path / "learnt")
    return tastes.job_at(tmp_path / "learnt", said.append)


@pytest.fixture(scope="session")
def spark() -> Iterator[Engine]:
    """Apache Spark in this process, with one core, for tests that have the mark `spark`."""
    conf = (
        "spark.ui.enabled=false",
        "spark.driver.host=127.0.0.1",
        "spark.driver.bindAddress=127.0.0.1",
        "spark.sql.shuffle.partitions=2",
        "spark.sql.adaptive.enabled=false",  # re-planning takes longer than the tests' few rows
        "spark.sql.codegen.wholeStage=false",
    )
    settings = EngineSettings(kind="spark", master="local[1]", conf=conf)
    with begun(settings, "tests", lambda line: None) as engine:
        yield engine
