"""What a session with either database is told, whatever its login, its database or its server say.

A database or a login may carry settings of its own (ALTER DATABASE ... SET datestyle, ALTER ROLE ... SET
statement_timeout), and every session begins with them. On PostgreSQL they are set for one transaction:
behind a pooler the next transaction may get another server connection. They are never sent as `options` of
the connection, which poolers refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import sqlalchemy as sa
from sqlalchemy import exc

from pipeline.databases import connect, duckdb_files, failures
from pipeline.databases.embedded import silent
from pipeline.databases.watch import Watch
from pipeline.errors import SourceError, Unreachable

SILENT_MINUTES = 30.0
"""Minutes of silence after which the source database is given up, where no settings are at hand."""

MEMORY_GB = 1.0
"""What DuckDB may hold of a source in memory; beyond it spills."""

TELL = """
    SELECT pg_catalog.set_config(wished.name, wished.setting, true)
    FROM unnest(%(names)s::text[], %(settings)s::text[]) AS wished (name, setting)
    JOIN pg_catalog.pg_settings AS known ON known.name = wished.name
"""
"""Sets what this server knows of the wished settings; `transaction_timeout` is new in PostgreSQL 17."""


def postgresql(
    *, zone: str = "UTC", lock_ms: int, statement_ms: int, idle_ms: int, **more: str
) -> Mapping[str, str]:
    """Settings of one transaction on PostgreSQL.

    zone:         of times without one
    lock_ms:      milliseconds that a lock is waited for
    statement_ms: milliseconds that a statement may take; 0: no limit
    idle_ms:      milliseconds that the transaction may wait for the next statement
    more:         other settings, by name
    """
    return {
        "DateStyle": "ISO, YMD",
        "IntervalStyle": "postgres",
        "TimeZone": zone,
        "extra_float_digits": "3",
        "lock_timeout": str(lock_ms),
        "statement_timeout": str(statement_ms),
        "idle_in_transaction_session_timeout": str(idle_ms),
        "transaction_timeout": "0",
        **more,
    }


def tell_postgresql(connection: psycopg.Connection[Any], settings: Mapping[str, str]) -> None:
    """Set them until the transaction ends. Raises psycopg.Error where the server refuses a value."""
    connection.execute(TELL, {"names": list(settings), "settings": list(settings.values())})


@contextmanager
def source_session(
    url: str,
    *,
    silent_minutes: float = SILENT_MINUTES,
    zone: str = "UTC",
    is_read_only: bool = False,
    may_create: bool = False,
    say: Callable[[str], None] = silent,
) -> Iterator[tuple[sa.Connection, Watch]]:
    """A connection to the source database in one transaction that was told what it needs, and its watch.

    silent_minutes: minutes without an answer after which the connection is given up
    zone:           in which the server reads times without one
    is_read_only:   nothing may be written, and on PostgreSQL all reads see one snapshot
    may_create:     let SQLite create the file
    say:            takes a line while the server is silent

    Raises Unreachable, LoginRefused, or SourceError where the server lacks the zone. At the end the
    connection is dropped, not rolled back: it may be lost, or in the middle of an answer.
    """
    with Watch("the source database", 60 * silent_minutes, "source.silent_minutes", say) as watch:
        engine = connect.engine(url, may_create=may_create, watch=watch)
        if is_read_only and engine.dialect.name == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with _beside(engine) as spill:
            with connect.reaching(url, "source", watch), watch.waiting():
                db = engine.connect()
            try:
                with connect.reaching(url, "source", watch), watch.waiting():
                    _tell_source(db, url, zone, watch.limit, spill, is_read_only=is_read_only)
                yield db, watch
            finally:
                db.invalidate()
                db.close()


def _beside(engine: sa.Engine) -> AbstractContextManager[Path | None]:
    """For a DuckDB file, whose views may name other files: its folder is the working folder meanwhile."""
    is_file = engine.dialect.name == "duckdb"
    return duckdb_files.beside(Path(engine.url.database or "")) if is_file else nullcontext()


def _tell_source(
    db: sa.Connection, url: str, zone: str, seconds: float, spill: Path | None, *, is_read_only: bool
) -> None:
    """A load reads files while its transaction waits, for as long as that takes; a read does not."""
    try:
        if db.dialect.name == "postgresql":
            limit = max(1, round(1000 * seconds))
            idle = limit if is_read_only else 0
            tell_postgresql(
                psycopg_of(db), postgresql(zone=zone, lock_ms=limit, statement_ms=0, idle_ms=idle)
            )
        elif db.dialect.name in ("mysql", "mariadb"):
            tell_mysql(db, seconds)
            db.execute(sa.text("SET time_zone = :zone"), {"zone": "+00:00" if zone == "UTC" else zone})
        elif spill is not None:
            duckdb_files.bound(duckdb_of(db), MEMORY_GB, spill)
            duckdb_files.confine(duckdb_of(db), zone)
    except (exc.ProgrammingError, exc.OperationalError, psycopg.DataError, duckdb.Error) as error:
        if failures.named(error, url, "source") is not None:
            raise
        raise SourceError(
            f"the source database does not know the time zone {zone}",
            found=failures.words(error, url),
            promised="the zone that [source] timezone in config.toml names",
            then="load the server's time zone tables (mysql_tzinfo_to_sql), or set [source] timezone",
        ) from None


def psycopg_of(db: sa.Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under one of SQLAlchemy's. Raises Unreachable where it is closed."""
    connection = db.connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        raise Unreachable("the connection to the database is closed", then="run the same again")
    return connection


def duckdb_of(db: sa.Connection) -> duckdb.DuckDBPyConnection:
    """The DuckDB connection under one of SQLAlchemy's."""
    return db.connection.driver_connection  # type: ignore[return-value]


def tell_mysql(db: sa.Connection, silent_seconds: float) -> None:
    """Lift MySQL's and MariaDB's limits of a statement and a transaction; bound the wait for locks.

    silent_seconds: how long a lock is waited for, and how long the server waits for this side
    """
    seconds = str(max(1, round(silent_seconds)))
    wished = {
        "max_execution_time": "0",
        "max_statement_time": "0",
        "idle_transaction_timeout": "0",
        "idle_readonly_transaction_timeout": "0",
        "lock_wait_timeout": seconds,
        "net_write_timeout": seconds,
        "wait_timeout": seconds,
    }
    listed = ", ".join(f"'{name}'" for name in wished)
    known = db.exec_driver_sql(f"SHOW SESSION VARIABLES WHERE Variable_name IN ({listed})")
    for name in [row[0] for row in known]:
        db.exec_driver_sql(f"SET SESSION {name} = {wished[name]}")
