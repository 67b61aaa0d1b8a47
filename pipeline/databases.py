"""Connects to the source and the serving database, with errors that never show a password.

A URL comes from `NIGHTSHELF_SOURCE_URL` or `NIGHTSHELF_SERVING_URL` (read by `config`), else from the
embedded server. In the DAG it comes from an Airflow connection, and `url_of` is not used.
"""

from __future__ import annotations

import re
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, quote_plus

import psycopg
import sqlalchemy
from psycopg.conninfo import make_conninfo
from sqlalchemy import exc
from sqlalchemy.pool import NullPool

from pipeline import config
from pipeline.embedded import PREFIX, Role, Server, silent
from pipeline.errors import LoginRefused, NightshelfError, SettingsError, Unreachable

Database = Literal["source", "serving"]
CONNECT_SECONDS = 10
DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
HOW_TO_SET = {
    "source": "set NIGHTSHELF_SOURCE_URL, or the Airflow connection `shop`",
    "serving": "set NIGHTSHELF_SERVING_URL, or the Airflow connection `serving`",
}
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


def url_of(
    database: Database,
    role: Role = "owner",
    role_prefix: str = PREFIX,
    say: Callable[[str], None] = silent,
) -> str:
    """The connection URL in use, password included. Starts the embedded server where no URL is configured.

    role: of the serving database. The owner may `SET ROLE` to the others; their URLs are the
          owner's with that role set, or logins of their own on the embedded server.
    say:  called with lines of progress while the embedded server starts
    """
    if database == "source" and role != "owner":
        raise SettingsError(
            f"the source database has no role `{role}`",
            promised="owner, publisher, reader and operator are roles of the serving database",
            then="leave --as out",
        )
    url = config.configured_url(database)
    if url is None:
        server = Server()
        server.start(say)
        if database == "source":
            return server.url("shop")
        if role_prefix == PREFIX:
            return server.url("serving", role)
        url = server.url("serving")
    return url if role == "owner" else with_role(url, f"{role_prefix}_{role}")


def with_role(url: str, role: str) -> str:
    """A PostgreSQL URL whose sessions begin with `SET ROLE role`; its other options are kept."""
    parsed = _postgresql(url, "serving")
    present = parsed.query.get("options", "")
    options = " ".join(
        [present if isinstance(present, str) else " ".join(present), f"-c role={role}"]
    ).strip()
    plain = parsed.difference_update_query(["options"]).set(drivername="postgresql")
    text = plain.render_as_string(hide_password=False)
    return f"{text}{'&' if '?' in text else '?'}options={quote(options, safe='')}"


def normalise(url: str, which: Database = "source") -> sqlalchemy.URL:
    """The URL with the driver that this project installs.

    Raises SettingsError, which does not show the URL, where it is none.
    """
    try:
        parsed = _parsed(url)
    except ValueError:
        raise SettingsError(
            f"the URL of the {which} database cannot be read",
            promised="dialect://user:password@host:port/database, special characters percent-encoded",
            then=HOW_TO_SET[which],
        ) from None
    backend = parsed.drivername.split("+")[0]
    is_plain = backend == parsed.drivername or backend == "postgresql"
    return parsed.set(drivername=DRIVERS.get(backend, backend) if is_plain else parsed.drivername)


def shown(url: str) -> str:
    """The URL for messages: without the password and without the query, which may hold one too."""
    try:
        return _parsed(url).set(query={}).render_as_string(hide_password=True)
    except ValueError:
        return "(a URL that cannot be read)"


def scrub(text: str, url: str) -> str:
    """`text` with the URL and its passwords, raw or percent-encoded, replaced by `***`."""
    secrets = {url}
    try:
        parsed = _parsed(url)
    except ValueError:
        secrets |= set(re.findall(r"://[^:]*:(.+)@", url))
    else:
        raw = [parsed.password, *(parsed.query.get(key) for key in ("password", "passwd", "sslpassword"))]
        for value in (v for v in raw if isinstance(v, str) and v):
            secrets |= {value, quote(value, safe=""), quote_plus(value), repr(value)[1:-1]}
        secrets |= set(re.findall(r"//[^/]*?:(.+)@", url))
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


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
    arguments = {}
    if dialect in seconds and seconds[dialect] not in parsed.query:
        arguments = {seconds[dialect]: CONNECT_SECONDS}
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
    parsed = _postgresql(url, which)
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


def _parsed(url: str) -> sqlalchemy.URL:
    """The URL's parts. Raises ValueError, which may show the URL, where they are ambiguous or it is none."""
    try:
        parsed = sqlalchemy.make_url(url)
    except exc.ArgumentError as error:
        raise ValueError(str(error)) from error
    if parsed.host and "@" in f"{parsed.host}{parsed.database}":
        raise ValueError("a raw @ in the password: part of it would be taken for the host")
    return parsed


def _postgresql(url: str, which: Database) -> sqlalchemy.URL:
    parsed = normalise(url, which)
    if parsed.get_backend_name() != "postgresql":
        raise SettingsError(
            f"the {which} database must be PostgreSQL",
            found=parsed.get_backend_name(),
            then=HOW_TO_SET[which],
        )
    return parsed


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
