"""Runs SQL over a run's Parquet files in DuckDB, which spills to disk beyond its memory limit.

The statements lie in `sql/transform/`, one a file, values bound as `$name`. They compare times and take
`epoch()` of them, but never cast one to a date or a text: that would depend on the machine's time zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline import disk, progress
from pipeline.config import ROOT
from pipeline.errors import DiskFull, SettingsError
from pipeline.times import microseconds

BATCH = 128 * 1024
"""Rows of a record batch that is read."""


@contextmanager
def connect(
    memory_gb: float = 1.0, threads: int = 0, spill: Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB that spills to `spill` beyond `memory_gb`. Its times are given out in UTC.

    Raises DiskFull when neither the memory nor the room to spill is enough.
    """
    config: dict[str, str | bool | int | float | list[str]] = {"memory_limit": f"{int(memory_gb * 1000)}MB"}
    if threads:
        config["threads"] = threads
    if spill is not None:
        config["temp_directory"] = _for_duckdb(spill)
    connection = duckdb.connect(config=config)
    connection.execute("SET TimeZone = 'UTC'")  # in others, the first and the last day of all are no dates
    connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
    try:
        yield connection
    except duckdb.IOException as error:
        raise disk.explained(error, spill or Path.cwd()) or error from error
    except duckdb.OutOfMemoryException as error:
        message = str(error).splitlines()[0]
        raise DiskFull(
            "the SQL engine ran out of memory, and of room to spill"
            if spill
            else "the SQL engine ran out of memory",
            found=f"{message}; {disk.volume(spill)}" if spill else message,
            promised=f"memory_limit_gb = {memory_gb:g}, and room beside the run folders for what is beyond",
            then="make room, or raise memory_limit_gb under [run] in config.toml, then run the stage again",
        ) from error
    finally:
        connection.close()


@cache
def statement(name: str) -> str:
    """The text of `sql/transform/<name>.sql`."""
    return (ROOT / "sql" / "transform" / f"{name}.sql").read_text(encoding="utf-8")


def parquet(*files: Path) -> str:
    """SQL for the rows of Parquet files, each read under exactly its name.

    DuckDB takes `*`, `?` and `[` in a path for a pattern, and `shop=1` in a folder's name for a column.
    Raises SettingsError where it cannot open a path at all.
    """
    paths = ", ".join(_literal(re.sub(r"([*?\[])", r"[\1]", _for_duckdb(file))) for file in files)
    return f"read_parquet([{paths}], hive_partitioning = false)"


def _for_duckdb(path: Path) -> str:
    """The absolute path as text. Raises SettingsError for characters that DuckDB reads as something else."""
    text = str(path.absolute())
    if re.search(r"[\\\ud800-\udfff]", text):
        raise SettingsError(
            f"the SQL engine cannot open {text!a}",
            found="a backslash, or bytes that are no UTF-8, in its path",
            promised="any other characters",
            then="rename that file or folder (NIGHTSHELF_HOME, if it lies there), then try again",
        )
    return text


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def view(
    db: duckdb.DuckDBPyConnection,
    name: str,
    *files: Path,
    since: datetime | None = None,
    until: datetime | None = None,
    users: tuple[object, object] = (None, None),
) -> None:
    """Make Parquet files visible to SQL as table `name`; of events, those in `[since, until)` where given.

    users: (first, end), as ids: of events, those of the users in `[first, end)`; None: no such bound. Events
           without a user come last
    """
    rows = db.sql(f"FROM {parquet(*files)}")
    # DuckDB would read a bound datetime in the machine's time zone
    moment = duckdb.FunctionExpression("epoch_us", duckdb.ColumnExpression("occurred_at"))
    if since is not None:
        rows = rows.filter(moment >= duckdb.ConstantExpression(microseconds(since)))
    if until is not None:
        rows = rows.filter(moment < duckdb.ConstantExpression(microseconds(until)))
    user, (first, end) = duckdb.ColumnExpression("user_id"), users
    if first is not None:
        follows = user >= duckdb.ConstantExpression(first)
        rows = rows.filter(follows if end is not None else follows | user.isnull())
    if end is not None:
        rows = rows.filter(user < duckdb.ConstantExpression(end))
    rows.create_view(name, replace=True)


def rows(
    db: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, Any] | None = None
) -> pa.RecordBatchReader:
    """The rows of `sql/transform/<name>.sql` with the values that it binds, streamed in batches of BATCH."""
    with progress.watched(name, db.query_progress):
        return db.sql(statement(name), params=dict(values or {})).to_arrow_reader(BATCH)


def show(
    db: duckdb.DuckDBPyConnection, table: str, name: str, values: Mapping[str, Any] | None = None
) -> None:
    """Let statements read the rows of `sql/transform/<name>.sql` as `table`, worked out anew by each."""
    db.sql(statement(name), params=dict(values or {})).create_view(table, replace=True)


def keep(
    db: duckdb.DuckDBPyConnection, table: str, name: str, values: Mapping[str, Any] | None = None
) -> None:
    """Store the rows of `sql/transform/<name>.sql` in the temporary table `table`."""
    with progress.watched(name, db.query_progress):
        db.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {statement(name)}", dict(values or {}))
