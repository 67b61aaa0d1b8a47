"""Connections to the two databases, and failures to connect as errors that never show a password."""

from __future__ import annotations

import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy
from psycopg.conninfo import make_conninfo
from sqlalchemy import exc
from sqlalchemy.pool import NullPool

from pipeline.databases.urls import HOW_TO_SET, Database, normalise, postgresql, scrub, shown
from pipeline.errors import LoginRefused, NightshelfError, SettingsError, Unreachable

CONNECT_SECONDS = 10
UNREACHABLE_STATES = ("08", "57P", "53300")
"""Beginnings of SQLSTATE codes: connection lost, server shutting down, too many connections."""

REFUSED_STATES = ("28", "3D")
"""Beginnings of SQLSTATE codes: login refused, no such database."""

REFUSED_MYSQL = (1044, 1045, 1049, 1130, 1698)
"""MySQL's error numbers: no right to the database, wrong password, no such database, host not allowed,
no password."""

REFUSED_WORDS = re.compile(
    r'authentication failed|no password supplied|(role|database) ".*" does not exist|pg_hba\.conf'
    r"|is not permitted to log in|permission denied"
)
"""libpq does not pass on the SQLSTATE of a failed connect, so its message is read. The messages of a server
in another language than English do not match: they become Unreachable, which is retried."""


def engine(url: str, which: Database = "source", *, may_create: bool = False) -> sqlalchemy.Engine:
    """An engine without a pool: a connection lives as long as it is used.

    may_create: let SQLite create the file. Otherwise LoginRefused is raised where it is missing.

    Raises SettingsError where the driver is not installed or the URL cannot be used.
    """
    parsed = normalise(url, which)
    dialect = parsed.get_backend_name()
    if dialect == "sqlite" and parsed.database and not may_create and not Path(parsed.database).exists():
        raise LoginRefused(f"the {which} database is no file", found=parsed.database, then=HOW_TO_SET[which])
    seconds = {"postgresql": "connect_timeout", "mysql": "connect_timeout", "mariadb": "connect_timeout"}
    arguments: dict[str, int | str] = {}
    if dialect in seconds and seconds[dialect] not in parsed.query:
        arguments[seconds[dialect]] = CONNECT_SECONDS
    if parsed.drivername == "postgresql+psycopg":
        arguments["client_encoding"] = "UTF8"
    try:
        return sqlalchemy.create_engine(parsed, poolclass=NullPool, connect_args=arguments)
    except (exc.NoSuchModuleError, ImportError) as error:
        raise SettingsError(
            f"no driver for `{parsed.drivername}`, which the URL of the {which} database names",
            found=scrub(str(error), url),
            then=f"pip install the driver, or {HOW_TO_SET[which]}",
        ) from None
    except (exc.ArgumentError, TypeError, ValueError) as error:
        raise SettingsError(
            f"the URL of the {which} database cannot be used",
            found=scrub(str(error), url),
            then=HOW_TO_SET[which],
        ) from None


@contextmanager
def reaching(url: str, which: Database) -> Iterator[None]:
    """Turn a failure to connect, or a lost connection, into an error that does not show the password.

    Raises LoginRefused where a retry cannot help, else Unreachable. Other errors of the block pass
    unchanged.
    """
    try:
        yield
    except (exc.DBAPIError, psycopg.Error) as error:
        if not _is_about_connecting(error):
            raise
        raise _connection_error(
            error.orig if isinstance(error, exc.DBAPIError) else error, url, which
        ) from None
    except (ConnectionError, TimeoutError, socket.gaierror) as error:
        raise _connection_error(error, url, which) from None


def psycopg_connect(url: str, which: Database = "serving", **options: Any) -> psycopg.Connection[Any]:
    """A psycopg connection; `options` are psycopg's own (autocommit, row_factory, ...).

    Raises SettingsError for a URL that is not one of PostgreSQL, LoginRefused or Unreachable.
    """
    parsed = postgresql(url, which)
    parameters: dict[str, Any] = {
        "host": parsed.host,
        "port": parsed.port,
        "user": parsed.username,
        "password": parsed.password,
        "dbname": parsed.database,
        "connect_timeout": CONNECT_SECONDS,
        **{k: v if isinstance(v, str) else ",".join(v) for k, v in parsed.query.items()},
        "client_encoding": "UTF8",
    }
    with reaching(url, which):
        try:
            conninfo = make_conninfo(**{k: v for k, v in parameters.items() if v is not None})
        except psycopg.ProgrammingError as error:
            raise SettingsError(
                f"the URL of the {which} database cannot be used",
                found=scrub(str(error), url),
                then=HOW_TO_SET[which],
            ) from None
        return psycopg.connect(conninfo, **options)


def _is_about_connecting(error: exc.DBAPIError | psycopg.Error) -> bool:
    """Whether the connection failed, as opposed to a statement on a working one."""
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated or error.statement is None:
            return True
        return isinstance(error.orig, psycopg.Error) and _is_about_connecting(error.orig)
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith((*UNREACHABLE_STATES, *REFUSED_STATES))


def _is_refusal(error: object) -> bool:
    """Whether a failure to connect will repeat itself however often it is tried."""
    if isinstance(error, sqlite3.Error):
        return True
    code = next(iter(getattr(error, "args", ())), None)
    if isinstance(code, int):
        return code in REFUSED_MYSQL
    state = getattr(error, "sqlstate", None)
    return state.startswith(REFUSED_STATES) if state else bool(REFUSED_WORDS.search(str(error)))


def _connection_error(error: object, url: str, which: Database) -> NightshelfError:
    found = " ".join(scrub(str(error), url).split())[:500]
    if _is_refusal(error):
        return LoginRefused(
            f"the {which} database refuses the login {shown(url)}",
            found=found,
            promised="a database of that name, and a login it accepts",
            then=HOW_TO_SET[which],
        )
    return Unreachable(
        f"the {which} database cannot be reached at {shown(url)}",
        found=found,
        promised="a database that answers",
        then=HOW_TO_SET[which],
    )
