"""Connections to the two databases, and failures to connect as errors that never show a password."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy
from psycopg.conninfo import make_conninfo
from sqlalchemy import Dialect, exc
from sqlalchemy.pool import NullPool

from pipeline.databases import failures
from pipeline.databases.urls import HOW_TO_SET, Database, normalise, postgresql, scrub
from pipeline.databases.watch import Watch, WatchedConnection
from pipeline.errors import LoginRefused, SettingsError

CONNECT_SECONDS = 10

FILES = ("sqlite", "duckdb")
"""Dialects whose databases are files."""

UNUSABLE = (exc.ArgumentError, TypeError, ValueError, AttributeError, LookupError, OSError)
"""What SQLAlchemy and the drivers raise for a part of a URL that they cannot take: a port that is no number,
a charset or an option that they do not know, a name that no operating system takes."""


def engine(
    url: str, which: Database = "source", *, may_create: bool = False, watch: Watch | None = None
) -> sqlalchemy.Engine:
    """An engine without a pool: a connection lives as long as it is used.

    may_create: let SQLite create the file, and DuckDB write to it. Otherwise LoginRefused is raised where it
                is missing.
    watch:      watches every connection from its beginning

    Raises SettingsError where the driver is not installed or the URL cannot be used.
    """
    parsed = normalise(url, which)
    dialect = _dialect(parsed, url, which)
    if dialect == "duckdb":
        parsed = _duckdb_file(parsed, which)
    if dialect in FILES and parsed.database and not may_create and not _is_there(parsed.database):
        raise LoginRefused(f"the {which} database is no file", found=parsed.database, then=HOW_TO_SET[which])
    arguments: dict[str, int | str] = {"read_only": not may_create} if dialect == "duckdb" else {}
    if dialect in ("postgresql", "mysql", "mariadb"):
        arguments["connect_timeout"] = CONNECT_SECONDS
    if watch is not None and parsed.drivername.endswith(("+pymysql", "+mysqldb")):
        arguments |= dict.fromkeys(("read_timeout", "write_timeout"), math.ceil(watch.limit))
    arguments = {name: value for name, value in arguments.items() if name not in parsed.query}
    if parsed.drivername == "postgresql+psycopg":
        arguments["client_encoding"] = "UTF8"
    try:
        made = sqlalchemy.create_engine(parsed, poolclass=NullPool, connect_args=arguments)
    except (exc.NoSuchModuleError, ImportError) as error:
        raise _no_driver(parsed, error, url, which) from None
    except UNUSABLE as error:
        raise _unusable(error, url, which) from None
    _attach(made, watch, url, which)
    return made


@contextmanager
def reaching(url: str, which: Database, watch: Watch | None = None) -> Iterator[None]:
    """Raise what the table of failures names (failures.py) as a NightshelfError without the password.

    watch: of the connection; where it ended the connection, that is the error

    Other errors of the block, whose statement is at fault, pass unchanged.
    """
    try:
        yield
    except (exc.DBAPIError, psycopg.Error, OSError) as error:
        if watch is not None and watch.error is not None:
            raise watch.error from None
        if (named := failures.named(error, url, which)) is not None:
            raise named from None
        raise


def psycopg_connect(
    url: str, which: Database = "serving", *, watch: Watch | None = None, **options: Any
) -> psycopg.Connection[Any]:
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
            connection = WatchedConnection.connect(conninfo, **options)
        except (psycopg.ProgrammingError, *UNUSABLE) as error:
            raise _unusable(error, url, which) from None
    if watch is not None:
        watch.attach(connection)
    return connection


def _attach(made: sqlalchemy.Engine, watch: Watch | None, url: str, which: Database) -> None:
    """Watch every connection of an engine, from before SQLAlchemy's own first questions."""

    @sqlalchemy.event.listens_for(made, "do_connect")
    def connected(dialect: Dialect, record: object, arguments: Any, options: Any) -> Any:
        if dialect.driver == "pymysql" and isinstance(options.get("password"), str):
            options["password"] = options["password"].encode()  # a text it would send as LATIN1
        try:
            if watch is not None and dialect.driver == "psycopg":
                connection: Any = WatchedConnection.connect(*arguments, **options)
            else:
                connection = dialect.connect(*arguments, **options)
        except OSError:
            raise
        except (psycopg.ProgrammingError, *UNUSABLE) as error:
            raise _unusable(error, url, which) from None
        if watch is not None:
            watch.attach(connection)
        return connection


def _dialect(parsed: sqlalchemy.URL, url: str, which: Database) -> str:
    try:
        return parsed.get_backend_name()
    except (exc.NoSuchModuleError, ImportError) as error:
        raise _no_driver(parsed, error, url, which) from None


def _duckdb_file(parsed: sqlalchemy.URL, which: Database) -> sqlalchemy.URL:
    """The URL with the absolute path of its file: the working folder is another one while it is read.

    Raises SettingsError where the URL names no file, or has options, which could take its limits away.
    """
    name = parsed.database or ""
    if parsed.host or parsed.query or "?" in name or name in ("", ":memory:"):
        raise SettingsError(
            f"the URL of the {which} database names no file of DuckDB's",
            found=parsed.render_as_string(hide_password=True),
            promised="duckdb:///shop.duckdb, relative to the working folder, or duckdb:////data/shop.duckdb;"
            " no options, and no question mark in the path",
            then=HOW_TO_SET[which],
        )
    return parsed.set(database=str(Path(name).expanduser().absolute()))


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:
        return False


def _no_driver(parsed: sqlalchemy.URL, error: Exception, url: str, which: Database) -> SettingsError:
    return SettingsError(
        f"no driver for `{parsed.drivername}`, which the URL of the {which} database names",
        found=scrub(str(error), url),
        then=f"pip install the driver, or {HOW_TO_SET[which]}",
    )


def _unusable(error: Exception, url: str, which: Database) -> SettingsError:
    return SettingsError(
        f"the URL of the {which} database cannot be used",
        found=scrub(f"{error}", url),
        promised="dialect://user:password@host:port/database, special characters percent-encoded",
        then=HOW_TO_SET[which],
    )
