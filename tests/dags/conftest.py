"""A home of its own for the Airflow of these tests; set before anything imports Airflow."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import config
from pipeline.config import ROOT
from pipeline.loading import load

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
def dag(bag: Any) -> Any:
    """The nightly DAG."""
    return bag.dags["recommendations"]


@pytest.fixture
def shop(shop_url: str, serving_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small shop behind the Airflow connections; returns the serving database's URL."""
    now = datetime.now(UTC)
    load("synthetic", shop_url, now=now, say=str, settings=config.load(), n_events=20_000, seed=1)
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", shop_url)
    monkeypatch.setenv("AIRFLOW_CONN_SERVING", serving_url)
    return serving_url
