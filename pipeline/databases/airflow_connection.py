"""Builds the database URL of an Airflow connection from the connection's parts."""

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
    try:
        return whole.render_as_string(hide_password=False)
    except UnicodeEncodeError:
        raise SettingsError(
            f"the Airflow connection of type {kind} holds what is no text",
            promised="host, login, password, schema and extra that can be written as UTF-8",
            then="mend the connection in the UI under Admin, Connections",
        ) from None
