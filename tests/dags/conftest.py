"""What the tests of the DAGs share; Airflow gets a home of its own before anything imports it."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import config
from pipeline.config import ROOT
from pipeline.loading import load
from tests.dags.alert_settings import HOOK_TOKEN, MAIL_PASSWORD, TOKEN, write_settings
from tests.receivers import MailServer, WebServer, mail_server, web_server

HOME = Path(tempfile.mkdtemp(prefix="nightshelf-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{HOME / 'airflow.db'}",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
)


@pytest.fixture(scope="session")
def airflow_tables() -> None:
    """Airflow's own tables, for runs."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def bag() -> Any:
    """Every DAG file, read as Airflow reads it."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(ROOT / "dags"))


@pytest.fixture
def dag() -> Any:
    """The nightly DAG, read anew: `dag.test` leaves the parameters of its run in the DAG."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(ROOT / "dags" / "recommendations.py")).dags["recommendations"]


@pytest.fixture
def shop(shop_url: str, serving_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small shop behind the Airflow connections; returns the serving database's URL."""
    now = datetime.now(UTC)
    load("synthetic", shop_url, now=now, say=str, settings=config.load(), n_events=20_000, seed=1)
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", shop_url)
    monkeypatch.setenv("AIRFLOW_CONN_SERVING", serving_url)
    return serving_url


@pytest.fixture
def webhook() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def slack() -> Iterator[WebServer]:
    """The server behind the Slack channel."""
    with web_server() as server:
        yield server


@pytest.fixture
def mailbox() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`connect("ops_hook", conn_type="http", host=...)`: an Airflow connection."""

    def make(connection_id: str, **fields: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{connection_id.upper()}", json.dumps(fields))

    return make


@pytest.fixture
def connected(
    connect: Callable[..., None], webhook: WebServer, slack: WebServer, mailbox: MailServer, serving_url: str
) -> None:
    """All three channels, and the database that the last task looks at."""
    connect(
        "ops_hook",
        conn_type="http",
        host=f"{webhook.url}/hooks/{HOOK_TOKEN}",
        extra={"X-Team": "night shift"},
    )
    connect("ops_slack", conn_type="slackwebhook", host=f"{slack.url}/services", password=TOKEN)
    connect(
        "ops_mail",
        conn_type="smtp",
        host="127.0.0.1",
        port=mailbox.port,
        login="nightshelf",
        password=MAIL_PASSWORD,
        extra={"from_email": "airflow@shop.example", "disable_ssl": True, "disable_tls": True},
    )
    connect("serving", conn_type="postgres", **_parts(serving_url))


def _parts(url: str) -> dict[str, Any]:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    place = {"host": parts.hostname, "port": parts.port, "schema": parts.path[1:]}
    return {**place, "login": parts.username, "password": parts.password}


@pytest.fixture
def nightly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`nightly(webhook="ops_hook")`: the nightly DAG of a shop with these [alerts]."""
    from airflow.dag_processing.dagbag import DagBag  # here: it sets up logging, before caplog listens

    def make(**alerts: object) -> Any:
        write_settings(tmp_path / "settings", **alerts)
        monkeypatch.setenv("NIGHTSHELF_CONFIG", str(tmp_path / "settings"))
        bag = DagBag(dag_folder=str(ROOT / "dags" / "recommendations.py"))
        assert bag.import_errors == {}
        return bag.dags["recommendations"]

    return make
