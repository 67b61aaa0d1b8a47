"""What a door has to have installed: nothing of a night."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pipeline.config import ROOT

NOT_FOR_A_DOOR = {
    "airflow", "adbc_driver_postgresql", "croniter", "duckdb", "great_expectations", "implicit", "jinja2",
    "lightgbm", "numpy", "optuna", "pandas", "pyarrow", "scipy", "sqlalchemy",
}  # fmt: skip
OF_READING = {"psycopg", "psycopg_binary", "pydantic", "pydantic_core", "pydantic_settings"}


def loaded_by(module: str) -> set[str]:
    """The packages of a fresh interpreter that has imported `module`."""
    code = f"import {module}, json, sys; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "module", ["pipeline.reading", "pipeline.reading.answers", "pipeline.service.__main__"]
)
def test_a_door_loads_nothing_of_a_night(module: str) -> None:
    packages = loaded_by(module)
    assert "psycopg" in packages or module.endswith("answers")
    assert not packages & NOT_FOR_A_DOOR


def test_reading_loads_no_web_framework_either() -> None:
    assert not loaded_by("pipeline.reading.shop") & {"fastapi", "starlette", "uvicorn", "psycopg_pool"}


def test_these_packages_would_be_seen() -> None:
    assert loaded_by("pipeline.serving") & NOT_FOR_A_DOOR
