"""A home of its own for the Airflow of these tests; set before anything imports Airflow."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import ROOT

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
