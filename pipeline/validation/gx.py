"""Great Expectations over DuckDB: the care it needs, in one place.

GX fetches an answer when the connection is closed already; DuckDB hands times with zone to Python
only through pytz, and trusts a Parquet file's smallest and largest values, which leave NaN out.
Importing GX takes seconds, so it happens on first use.
"""

from __future__ import annotations

import atexit
import importlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy

from pipeline.validation.suites import Suite, build, imported

EXAMPLES = 3
BUFFERED = 1_000
"""Rows of an answer kept for GX, which never asks for more than 200."""

NAN_SEEN = {"disabled_optimizers": "statistics_propagation,filter_pushdown"}
"""DuckDB trusts a Parquet file's smallest and largest values, which leave NaN out (see parquet.py)."""


@contextmanager
def datasource(suite: Suite, files: Mapping[str, Path], memory_gb: float) -> Iterator[tuple[Any, Any]]:
    """A GX context and a DuckDB data source in which every Parquet file is a view of its name.

    The views lie in a database file beside the one that the suite is of, where DuckDB also spills.
    """
    context = _gx().get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = {"globally": False}
    with tempfile.TemporaryDirectory(dir=files[suite.name].parent, prefix=".check-") as scratch:
        source = context.data_sources.add_sql(
            name=suite.name,
            connection_string=f"duckdb:///{scratch}/view.duckdb",
            create_temp_table=False,
            kwargs={"connect_args": {"config": {**NAN_SEEN, "memory_limit": f"{int(memory_gb * 1000)}MB"}}},
        )
        engine = source.get_execution_engine().engine
        sqlalchemy.event.listen(engine, "after_cursor_execute", _keep_rows)
        try:
            with engine.connect() as db:
                for name, file in files.items():
                    db.exec_driver_sql(f"CREATE VIEW {name} AS SELECT {_columns(file)} FROM {_literal(file)}")
                db.commit()
            yield context, source
        finally:
            sqlalchemy.event.remove(engine, "after_cursor_execute", _keep_rows)
            engine.dispose()
            engine.dialect._type_memos.clear()


@cache
def _gx() -> Any:
    """Great Expectations, once.

    It keeps SQLAlchemy's classes alive past the end of the interpreter, and through them DuckDB,
    which then prints forty lines about leaks; emptying the dialect's module at exit lets it go (and
    clearing the types it has met, in `datasource`).
    """
    atexit.register(vars(importlib.import_module("duckdb_engine")).clear)
    return imported("great_expectations")


def _keep_rows(_: Any, cursor: Any, __: str, ___: Any, execution: Any, ____: bool) -> None:
    """Fetch an answer at once: GX asks for it when the connection is closed already."""
    if cursor.description:
        execution.cursor_fetch_strategy = FullyBufferedCursorFetchStrategy(
            cursor, initial_buffer=cursor.fetchmany(BUFFERED)
        )


def _columns(parquet: Path) -> str:
    """Times as UTC without zone: DuckDB hands a time with zone to Python only through pytz."""
    return ", ".join(
        f'make_timestamp(epoch_us("{field.name}")) AS "{field.name}"'
        if pa.types.is_timestamp(field.type)
        else f'"{field.name}"'
        for field in pq.read_schema(parquet)
    )


def _literal(parquet: Path) -> str:
    return "read_parquet('" + str(parquet).replace("'", "''") + "')"


def validate(
    context: Any, source: Any, suite: Suite, parameters: Mapping[str, Any], columns: list[str]
) -> list[Any]:
    """One GX result for each expectation, in the suite's order."""
    gx = _gx()
    batch = source.add_table_asset(suite.name, table_name=suite.name).add_batch_definition_whole_table("all")
    entries = [build(suite.path, f"entry {i}", each) for i, each in enumerate(suite.expectations, start=1)]
    stored = context.suites.add(gx.ExpectationSuite(name=suite.name, expectations=entries))
    definition = gx.ValidationDefinition(name=suite.name, data=batch, suite=stored)
    outcome = context.validation_definitions.add(definition).run(
        expectation_parameters=dict(parameters),
        result_format={
            "result_format": "SUMMARY",
            "partial_unexpected_count": EXAMPLES,
            "unexpected_index_column_names": columns,
        },
    )
    found = {each.expectation_config.id: each for each in outcome.results}
    return [found[each.id] for each in stored.expectations]


def ask(source: Any, query: str) -> list[dict[str, Any]]:
    """The first rows of a query: GX's own examples of these come in no fixed order."""
    with source.get_execution_engine().engine.connect() as db:
        answer = db.exec_driver_sql(f"SELECT * FROM ({query}) LIMIT {EXAMPLES}")
        return [dict(row._mapping) for row in answer]


def reason(info: Any) -> str:
    """The first line of what GX caught."""
    if isinstance(info, Mapping):
        for each in (info, *info.values()):
            if isinstance(each, Mapping) and each.get("exception_message"):
                return str(each["exception_message"]).splitlines()[0]
    return str(info)


def write_docs(context: Any, folder: Path) -> None:
    """Data Docs of the last validation; GX's animated help pictures (4 MB) are left out."""
    shutil.rmtree(folder, ignore_errors=True)
    context.add_data_docs_site(
        site_name="run",
        site_config={
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(folder.absolute()),
            },
        },
    )
    context.build_data_docs(site_names=["run"])
    for picture in (folder / "static" / "images").glob("*.gif"):
        picture.unlink()
