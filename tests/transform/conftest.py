"""Each test of a statement runs on every engine: in DuckDB, and, with the mark `spark`, in Spark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline import engine
from pipeline.config import Run
from pipeline.engines.current import used
from pipeline.engines.local import DuckTables, Local
from pipeline.engines.tables import Engine, Tables

ENGINES = ["duckdb", pytest.param("spark", marks=pytest.mark.spark)]


class Elsewhere(Local):
    """This machine, in a time zone that no result may depend on."""

    @contextmanager
    def tables(self, run: Run, spill: Path) -> Iterator[Tables]:
        with engine.connect(spill=spill) as db:
            db.execute("SET TimeZone = 'Asia/Kathmandu'")
            yield DuckTables(db, run.memory_limit_gb)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "rows_out" in vars(metafunc.module):
        metafunc.parametrize("on_engine", ENGINES, indirect=True)


@pytest.fixture(autouse=True)
def on_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """The engine that `rows_out` asks."""
    is_spark = getattr(request, "param", "duckdb") == "spark"
    asked: Engine = request.getfixturevalue("spark") if is_spark else Elsewhere()
    with used(asked):
        yield
