"""DuckDB over a run's Parquet files: set work, out of core.

The SQL lives in `sql/transform/`, one statement a file, values bound as `$name`. The comment at a
file's head says what comes out, which tables it reads and which values it binds. The SQL compares
moments and takes `epoch()` of them; it never casts one to a date or a text, because that would
depend on the machine's time zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.config import ROOT
from pipeline.errors import DiskFull

BATCH = 128 * 1024
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FULL = ("No space left", "File too large", "Disk quota exceeded")
"""What an IOException says when the disk ends."""


@contextmanager
def connect(
    memory_gb: float = 1.0, threads: int = 0, spill: Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB that spills to `spill` beyond `memory_gb`.

    Raises DiskFull when neither the memory nor the room to spill is enough.
    """
    config: dict[str, str | bool | int | float | list[str]] = {"memory_limit": f"{int(memory_gb * 1000)}MB"}
    if threads:
        config["threads"] = threads
    if spill is not None:
        config["temp_directory"] = str(spill)
    connection = duckdb.connect(config=config)
    try:
        yield connection
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        told = str(error).splitlines()[0]
        if isinstance(error, duckdb.IOException) and not any(sign in told for sign in FULL):
            raise
        raise DiskFull(
            "the SQL engine ran out of memory, and of room to spill"
            if spill
            else "the SQL engine ran out of memory",
            found=told,
            promised=f"memory_limit_gb = {memory_gb:g}, and room beside the run folders for what is beyond",
            then="make room, or raise memory_limit_gb under [run] in config.toml, then run the stage again",
        ) from error
    finally:
        connection.close()


def _microseconds(moment: datetime) -> int:
    """Since the epoch, exactly: DuckDB reads a bound datetime in the machine's zone."""
    return (moment - EPOCH) // timedelta(microseconds=1)


@cache
def statement(name: str) -> str:
    """The text of `sql/transform/<name>.sql`."""
    return (ROOT / "sql" / "transform" / f"{name}.sql").read_text(encoding="utf-8")


def view(
    db: duckdb.DuckDBPyConnection,
    name: str,
    *files: Path,
    since: datetime | None = None,
    until: datetime | None = None,
) -> None:
    """Let the SQL see Parquet files as the table `name`; of events, those in `[since, until)` if told."""
    rows = db.read_parquet([str(file) for file in files])
    moment = duckdb.FunctionExpression("epoch_us", duckdb.ColumnExpression("occurred_at"))
    if since is not None:
        rows = rows.filter(moment >= duckdb.ConstantExpression(_microseconds(since)))
    if until is not None:
        rows = rows.filter(moment < duckdb.ConstantExpression(_microseconds(until)))
    rows.create_view(name, replace=True)


def rows(
    db: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, Any] | None = None
) -> pa.RecordBatchReader:
    """Run `sql/transform/<name>.sql` with the values it names; record batches, streamed."""
    return db.sql(statement(name), params=dict(values or {})).to_arrow_reader(BATCH)


def keep(
    db: duckdb.DuckDBPyConnection, table: str, name: str, values: Mapping[str, Any] | None = None
) -> None:
    """Run `sql/transform/<name>.sql` into the temporary table `table`."""
    db.execute(f"CREATE TEMP TABLE {table} AS {statement(name)}", dict(values or {}))
