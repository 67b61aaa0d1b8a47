"""Run Great Expectations (GX) on DuckDB, with every workaround that the two need together.

GX fetches the rows of a query after it has closed the connection. DuckDB passes times with a time zone to
Python only through pytz, and filters by a Parquet file's minima and maxima, which leave NaN out.
Importing GX takes seconds, so it is imported on first use.
"""

from __future__ import annotations

import atexit
import importlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy

from pipeline import disk, progress
from pipeline.engine import parquet
from pipeline.validation.suites import Expectation, Suite, build, quiet_import

EXAMPLES = 3
BUFFERED = 1_000
"""Rows of a query kept for GX, which never asks for more than 200."""

NAN_SEEN = {"disabled_optimizers": "statistics_propagation,filter_pushdown"}
"""Settings with which DuckDB finds NaN though a Parquet file's minima and maxima leave it out."""


@contextmanager
def datasource(suite: Suite, files: Mapping[str, Path], memory_gb: float) -> Iterator[tuple[Any, Any]]:
    """A GX context and a DuckDB data source with a view of each Parquet file, by name.

    files:     name -> Parquet file; one has the suite's name
    memory_gb: DuckDB's memory

    The database with the views is in memory; DuckDB spills to a temporary folder beside the suite's file.
    """
    context = _gx().get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = {"globally": False}
    folder = files[suite.name].parent
    with (
        disk.noticing(folder),
        tempfile.TemporaryDirectory(dir=folder, prefix=".check-") as scratch,
        progress.step(f"check of {suite.name}", unit="queries") as done,
    ):
        limits = {"memory_limit": f"{int(memory_gb * 1000)}MB", "temp_directory": scratch}
        source = context.data_sources.add_sql(
            name=suite.name,
            connection_string=f"duckdb:///:memory:{Path(scratch).name}",
            create_temp_table=False,
            kwargs={"connect_args": {"config": {**NAN_SEEN, **limits}}},
        )
        engine = source.get_execution_engine().engine

        def after(*told: Any) -> None:
            _keep_rows(*told)
            done(1)

        sqlalchemy.event.listen(engine, "after_cursor_execute", after)
        try:
            with engine.connect() as db:
                for name, file in files.items():
                    db.exec_driver_sql(f"CREATE VIEW {name} AS SELECT {_columns(file)} FROM {parquet(file)}")
                db.commit()
            yield context, source
        finally:
            sqlalchemy.event.remove(engine, "after_cursor_execute", after)
            for opened in (engine, source.get_engine()):  # GX looks at the tables through one of its own
                opened.dispose()
            engine.dialect._type_memos.clear()


@cache
def _gx() -> Any:
    """The module of Great Expectations, imported once.

    It keeps SQLAlchemy's classes, and through them DuckDB, alive past the end of the interpreter; DuckDB then
    prints forty lines about leaks. Emptying the dialect's module at exit prevents that, together with
    clearing the types that the dialect has cached (in `datasource`).
    """
    atexit.register(vars(importlib.import_module("duckdb_engine")).clear)
    return quiet_import("great_expectations")


def _keep_rows(_: Any, cursor: Any, __: str, ___: Any, execution: Any, ____: bool) -> None:
    """Fetch rows as soon as a query has run: GX reads them after it has closed the connection."""
    if cursor.description:
        execution.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(
            cursor, initial_buffer=cursor.fetchmany(BUFFERED)
        )


def _columns(file: Path) -> str:
    """The columns to select; times as UTC without a time zone, which would need pytz (see above)."""
    return ", ".join(
        f'make_timestamp(epoch_us("{field.name}")) AS "{field.name}"'
        if pa.types.is_timestamp(field.type)
        else f'"{field.name}"'
        for field in pq.read_schema(file)
    )


def validate(
    context: Any, source: Any, suite: Suite, parameters: Mapping[str, Any], columns: list[str]
) -> list[Any]:
    """One GX result for each expectation, in the suite's order; of those that hold, only that they do.

    GX looks for rows that break an expectation even where it has counted none, and reads the whole table for
    each. So it is first asked what holds, then for the rows of what does not.
    """
    batch = source.add_table_asset(suite.name, table_name=suite.name).add_batch_definition_whole_table("all")
    entries = list(enumerate(suite.expectations, start=1))
    outcomes = _run(context, batch, suite, entries, parameters, {"result_format": "BOOLEAN_ONLY"})
    failed = [entry for entry, outcome in zip(entries, outcomes, strict=True) if not outcome.success]
    if failed:
        told = {
            "result_format": "SUMMARY",
            "partial_unexpected_count": EXAMPLES,
            "unexpected_index_column_names": columns,
        }
        for (place, _), outcome in zip(
            failed, _run(context, batch, suite, failed, parameters, told), strict=True
        ):
            outcomes[place - 1] = outcome
    return outcomes


def _run(
    context: Any,
    batch: Any,
    suite: Suite,
    entries: Sequence[tuple[int, Expectation]],
    parameters: Mapping[str, Any],
    told: Mapping[str, Any],
) -> list[Any]:
    """One GX result for each of `entries`: expectations with their places in the suite. told: GX's format"""
    gx = _gx()
    built = [build(suite.path, f"entry {place}", entry) for place, entry in entries]
    name = f"{suite.name}, {told['result_format']}"
    stored = context.suites.add(gx.ExpectationSuite(name=name, expectations=built))
    definition = gx.ValidationDefinition(name=name, data=batch, suite=stored)
    run = context.validation_definitions.add(definition).run
    outcome = run(expectation_parameters=dict(parameters), result_format=dict(told))
    by_id = {result.expectation_config.id: result for result in outcome.results}
    return [by_id[expectation.id] for expectation in stored.expectations]


def first_rows(source: Any, query: str) -> list[dict[str, Any]]:
    """The first EXAMPLES rows of `query`, in its order: GX's own examples come in no fixed order."""
    with source.get_execution_engine().engine.connect() as db:
        rows = db.exec_driver_sql(f"SELECT * FROM ({query}) LIMIT {EXAMPLES}")
        return [dict(row._mapping) for row in rows]


def reason(info: Any) -> str:
    """The first line of the exception that GX caught; `info` is the `exception_info` of a GX result."""
    if isinstance(info, Mapping):
        for part in (info, *info.values()):
            if isinstance(part, Mapping) and part.get("exception_message"):
                return str(part["exception_message"]).splitlines()[0]
    return str(info)
