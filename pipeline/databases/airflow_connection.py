"""Builds the URL of an Airflow connection, of a database or of Redis, from the connection's parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL

from pipeline.errors import SettingsError

HOOK_ONLY = frozenset(
    (
        "aws_conn_id",
        "azure_conn_id",
        "cluster-identifier",
        "cursor",
        "enable_log_db_messages",
        "iam",
        "redshift",
        "redshift-serverless",
        "sqlalchemy_query",
        "sqlalchemy_scheme",
        "workgroup-name",
    )
)
"""Extras that only Airflow's hooks read; database drivers do not know them."""


def url(
    kind: str,
    *,
    host: str | None = None,
    port: int | None = None,
    login: str | None = None,
    password: str | None = None,
    schema: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> str:
    """`dialect://login:password@host:port/schema?extra`; `kind` is the connection's type.

    A connection of SQLite or DuckDB names its file as host or as schema. Extras become the query where they
    are texts or whole numbers that a driver may know (`sslmode`, `options`, `charset`, ...). The password is
    included.
    Raises SettingsError, which shows none of the parts, where one is no text.
    """
    query = {
        key: str(value)
        for key, value in (extra or {}).items()
        if key not in HOOK_ONLY and isinstance(value, str | int) and not isinstance(value, bool)
    }
    if kind in ("sqlite", "duckdb"):
        whole = URL.create(kind, database=host or f"/{schema}", query=query)
    else:
        whole = URL.create(kind, login, password, host, port, schema, query)
    return _written(whole, kind)


def redis_url(
    *,
    host: str | None = None,
    port: int | None = None,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, Any] | None = None,
) -> str:
    """`redis://login:password@host:port/db?extra`, or `rediss://` for TLS, of a connection of type Redis.

    Of the extras `db` is the number of the database and `ssl` asks for TLS; other texts become the query,
    such as `ssl_ca_certs`. The password is included. Raises SettingsError as `url`.
    """
    given = dict(extra or {})
    scheme = "rediss" if given.pop("ssl", False) in (True, "true", "True") else "redis"
    number = str(given.pop("db", 0))
    query = {key: value for key, value in given.items() if isinstance(value, str)}
    whole = URL.create(scheme, login, password, host or "localhost", port, number, query)
    return _written(whole, "redis")


def _written(whole: URL, kind: str) -> str:
    try:
        return whole.render_as_string(hide_password=False)
    except UnicodeEncodeError:
        raise SettingsError(
            f"the Airflow connection of type {kind} holds what is no text",
            promised="host, login, password, schema and extra that can be written as UTF-8",
            then="mend the connection in the UI under Admin, Connections",
        ) from None
