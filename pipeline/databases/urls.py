"""Which database is meant: its URL, and that URL in messages without its password.

A URL comes from `NIGHTSHELF_SOURCE_URL` / `NIGHTSHELF_SERVING_URL` (environment.py reads them), else from the
embedded server. In the DAG it comes from an Airflow connection, and `url_of` is not used.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal
from urllib.parse import quote, quote_plus

import sqlalchemy
from sqlalchemy import exc

from pipeline import environment
from pipeline.databases.embedded import PREFIX, Role, Server, silent
from pipeline.errors import SettingsError

Database = Literal["source", "serving"]


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
    url = environment.configured_url(database)
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
    parsed = postgresql(url, "serving")
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
        parsed = parsed_url(url)
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
        return parsed_url(url).set(query={}).render_as_string(hide_password=True)
    except ValueError:
        return "(a URL that cannot be read)"


def scrub(text: str, url: str) -> str:
    """`text` with the URL and its passwords, raw or percent-encoded, replaced by `***`."""
    secrets = {url}
    try:
        parsed = parsed_url(url)
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


def parsed_url(url: str) -> sqlalchemy.URL:
    """The URL's parts. Raises ValueError, which may show the URL, where they are ambiguous or it is none."""
    try:
        url.encode()  # a variable may hold bytes that are no text
        parsed = sqlalchemy.make_url(url)
    except exc.ArgumentError as error:
        raise ValueError(str(error)) from error
    is_file = parsed.drivername.startswith(("sqlite", "duckdb")) and not parsed.host
    if "@" in f"{parsed.host or ''}{parsed.database or ''}" and not is_file:
        raise ValueError("a raw @ or / in the password: part of it would be taken for the host or database")
    return parsed


def postgresql(url: str, which: Database) -> sqlalchemy.URL:
    parsed = normalise(url, which)
    if parsed.get_backend_name() != "postgresql":
        raise SettingsError(
            f"the {which} database must be PostgreSQL",
            found=parsed.get_backend_name(),
            then=HOW_TO_SET[which],
        )
    return parsed
