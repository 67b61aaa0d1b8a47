"""Great Expectations over a dataset's Parquet file: what failed, how bad, how many rows, which.

The engine is DuckDB: it reads the file in place, in bounded memory, about ten times as fast as the
frame engine. Importing Great Expectations takes seconds, so it happens inside `check`.
"""

from __future__ import annotations

import atexit
import importlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy

from pipeline.errors import DiskFull, SettingsError
from pipeline.files import utc
from pipeline.suite import Expectation, Suite, build, load_suite

__all__ = ["Failure", "Result", "Suite", "check", "load_suite", "table"]

EXAMPLES = 3
BUFFERED = 1_000
"""Rows of an answer kept for GX, which never asks for more than 200."""
NAN_SEEN = {"disabled_optimizers": "statistics_propagation,filter_pushdown"}
"""DuckDB trusts a Parquet file's smallest and largest values, which leave NaN out (see parquet.py)."""

QUERY = "unexpected_rows_expectation"
UNIQUE = {
    "expect_column_values_to_be_unique": "column",
    "expect_compound_columns_to_be_unique": "column_list",
}


@dataclass(frozen=True)
class Failure:
    """One failed expectation.

    n_rows:   rows against it; for a query of rows that must not be, the rows it found; None when
              the table as a whole fails
    observed: what the table shows instead, for a table as a whole
    examples: at most EXAMPLES rows, column -> value as text; the same ones each time
    """

    type: str
    kwargs: Mapping[str, Any]
    severity: str
    description: str
    n_rows: int | None
    observed: str
    examples: tuple[Mapping[str, str], ...]

    def __str__(self) -> str:
        """One line: what was promised, how many rows broke it, the first of them."""
        first = f" (for instance {_row(self.examples[0])})" if self.examples else ""
        return f"{self.description}: {_amount(self)}{first}"


@dataclass(frozen=True)
class Result:
    """How one dataset met its suite. The same file and parameters give the same result."""

    suite: str
    n_rows: int
    n_expectations: int
    failed: tuple[Failure, ...]

    @property
    def is_success(self) -> bool:
        """No critical expectation failed; warnings do not count."""
        return not self.critical

    @property
    def critical(self) -> tuple[Failure, ...]:
        return tuple(f for f in self.failed if f.severity == "critical")

    def to_json(self) -> dict[str, Any]:
        """As `validation.json` and `decision.json` hold it."""
        return {
            "suite": self.suite,
            "success": self.is_success,
            "n_rows": self.n_rows,
            "n_expectations": self.n_expectations,
            "failed": [
                {
                    "expectation": f.description,
                    "severity": f.severity,
                    "n_rows": f.n_rows,
                    "observed": f.observed,
                    "examples": [dict(example) for example in f.examples],
                    "type": f.type,
                    "kwargs": dict(f.kwargs),
                }
                for f in self.failed
            ],
        }


def check(
    suite: Suite,
    parquet: Path,
    parameters: Mapping[str, datetime | float | str],
    docs_folder: Path | None = None,
    memory_gb: float = 1.0,
) -> Result:
    """Hold `parquet` against `suite`.

    parameters:  values of the suite's `$PARAMETER`s; times in any zone
    docs_folder: where Data Docs of this suite go, replacing those that are there

    Raises SettingsError when a parameter is missing or an expectation cannot be evaluated at all,
    DiskFull when there is no room to: none of them is ever taken for a pass.
    """
    if missing := sorted(suite.parameters - set(parameters)):
        raise SettingsError(
            f"{suite.path.parent.name}/{suite.path.name} asks for the parameter {', '.join(missing)}",
            promised=", ".join(sorted(parameters)) or "no parameters here",
            then=f"edit {suite.path}",
        )
    given = {name: _naive(value) for name, value in parameters.items() if name in suite.parameters}
    with _datasource(suite, parquet, memory_gb) as (context, source):
        outcomes = _validate(context, source, suite, given, pq.read_schema(parquet).names)
        failed = tuple(
            _failure(source, suite, expectation, outcome)
            for expectation, outcome in zip(suite.expectations, outcomes, strict=True)
            if not outcome.success
        )
        if docs_folder is not None:
            _write_docs(context, docs_folder)
    return Result(suite.name, pq.read_metadata(parquet).num_rows, len(suite.expectations), failed)


def table(*results: Result) -> str:
    """For a person: each dataset, then each failed expectation with its rows and examples."""
    lines = []
    for result in results:
        passed = result.n_expectations - len(result.failed)
        lines.append(
            f"{result.suite}: {result.n_rows:,} rows, {passed} of {result.n_expectations} expectations hold"
        )
        for failure in result.failed:
            lines.append(f"  {failure.severity:<8}  {_amount(failure):>24}  {failure.description}")
            lines += [f"{'':38}{_row(example)}" for example in failure.examples]
    return "\n".join(lines)


def _amount(failure: Failure) -> str:
    if failure.n_rows is None:
        return f"found {failure.observed}"
    return f"{failure.n_rows:,} {'row' if failure.n_rows == 1 else 'rows'} against it"


def _row(example: Mapping[str, str]) -> str:
    return ", ".join(f"{column} {value}" for column, value in example.items())


@contextmanager
def _datasource(suite: Suite, parquet: Path, memory_gb: float) -> Iterator[tuple[Any, Any]]:
    """A GX context and a DuckDB data source in which the file is a view named like its suite.

    The view lies in a database file beside the Parquet file, where DuckDB also spills.
    """
    context = _gx().get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = {"globally": False}
    with tempfile.TemporaryDirectory(dir=parquet.parent, prefix=".check-") as scratch:
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
                db.exec_driver_sql(
                    f"CREATE VIEW {suite.name} AS SELECT {_columns(parquet)} FROM {_literal(parquet)}"
                )
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
    clearing the types it has met, in `_datasource`).
    """
    atexit.register(vars(importlib.import_module("duckdb_engine")).clear)
    return importlib.import_module("great_expectations")


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


def _naive(value: Any) -> Any:
    return utc(value).replace(tzinfo=None) if isinstance(value, datetime) else value


def _validate(
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


def _failure(source: Any, suite: Suite, expectation: Expectation, outcome: Any) -> Failure:
    result = outcome.result
    if not result and "Out of Memory" in _reason(outcome.exception_info):
        raise DiskFull(
            f"no room to check `{suite.name}`",
            found=_reason(outcome.exception_info),
            promised="memory_limit_gb, and room beside the run folders for what is beyond",
            then="make room, or raise memory_limit_gb under [run] in config.toml, then run the stage again",
        )
    if not result:
        raise SettingsError(
            f"{suite.path.parent.name}/{suite.path.name}: `{expectation.description}` cannot be evaluated",
            found=_reason(outcome.exception_info),
            promised=f"an expectation that runs on DuckDB ({expectation.type})",
            then=f"edit {suite.path}",
        )
    n_rows = result.get("unexpected_count")
    examples = result.get("partial_unexpected_index_list") or []
    if expectation.type == QUERY:
        n_rows = result["observed_value"]
        examples = _ask(source, expectation.kwargs["unexpected_rows_query"].replace("{batch}", suite.name))
    elif expectation.type in UNIQUE:
        key = expectation.kwargs[UNIQUE[expectation.type]]
        columns = ", ".join(key) if isinstance(key, list) else key
        examples = _ask(
            source,
            f"SELECT {columns}, count(*) AS times FROM {suite.name} GROUP BY {columns} "
            f"HAVING count(*) > 1 ORDER BY {columns}",
        )
    return Failure(
        expectation.type,
        expectation.kwargs,
        expectation.severity,
        expectation.description,
        n_rows,
        "" if n_rows is not None else str(result.get("observed_value", "")),
        tuple({name: _shown(value) for name, value in row.items()} for row in examples[:EXAMPLES]),
    )


def _ask(source: Any, query: str) -> list[dict[str, Any]]:
    """The first rows of a query: GX's own examples of these come in no fixed order."""
    with source.get_execution_engine().engine.connect() as db:
        answer = db.exec_driver_sql(f"SELECT * FROM ({query}) LIMIT {EXAMPLES}")
        return [dict(row._mapping) for row in answer]


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat()
    return str(value)


def _reason(info: Any) -> str:
    """The first line of what GX caught."""
    if isinstance(info, Mapping):
        for each in (info, *info.values()):
            if isinstance(each, Mapping) and each.get("exception_message"):
                return str(each["exception_message"]).splitlines()[0]
    return str(info)


def _write_docs(context: Any, folder: Path) -> None:
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
