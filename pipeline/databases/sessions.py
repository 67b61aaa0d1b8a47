"""What a session with either database is told, whatever its login, its database or its server say.

A database or a login may carry settings of its own (ALTER DATABASE ... SET datestyle, ALTER ROLE ... SET
statement_timeout), and every session begins with them. On PostgreSQL they are set for one transaction:
behind a pooler the next transaction may get another server connection. They are never sent as `options` of
the connection, which poolers refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
import sqlalchemy as sa

from pipeline.errors import Unreachable

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


def psycopg_of(db: sa.Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under one of SQLAlchemy's. Raises Unreachable where it is closed."""
    connection = db.connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        raise Unreachable("the connection to the database is closed", then="run the same again")
    return connection


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
