"""An Airflow connection, taken apart, as the URL the pipeline uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL

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
"""Extras that speak to Airflow's hooks; no driver knows them."""


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

    A SQLite connection names its file as host or as schema. Of the extras, texts and numbers that
    a driver may know are kept (`sslmode`, `options`, `charset`, ...).
    """
    query = {
        key: str(value)
        for key, value in (extra or {}).items()
        if key not in HOOK_ONLY and isinstance(value, str | int) and not isinstance(value, bool)
    }
    if kind == "sqlite":
        return URL.create("sqlite", database=host or f"/{schema}", query=query).render_as_string()
    made = URL.create(kind, login, password, host, port, schema, query)
    return made.render_as_string(hide_password=False)
