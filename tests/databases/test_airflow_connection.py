"""Airflow connections as URLs that SQLAlchemy takes."""

from __future__ import annotations

import pytest
import sqlalchemy

from pipeline.databases import airflow_connection
from pipeline.errors import SettingsError


def test_a_postgres_connection_keeps_its_ssl_mode_and_loses_what_only_hooks_know() -> None:
    url = airflow_connection.url(
        "postgres",
        host="db.shop.example",
        port=5433,
        login="app",
        password="p@ss/word%",
        schema="shop",
        extra={"sslmode": "require", "cursor": "dictcursor", "iam": False, "keepalives": 1, "more": {"a": 1}},
    )
    parsed = sqlalchemy.make_url(url)
    assert (parsed.host, parsed.port, parsed.database) == ("db.shop.example", 5433, "shop")
    assert (parsed.username, parsed.password) == ("app", "p@ss/word%")
    assert dict(parsed.query) == {"sslmode": "require", "keepalives": "1"}


def test_a_sqlite_connection_names_its_file_as_host_or_schema() -> None:
    assert airflow_connection.url("sqlite", host="/data/shop.db") == "sqlite:////data/shop.db"
    assert airflow_connection.url("sqlite", host="", schema="data/shop.db") == "sqlite:////data/shop.db"
    assert airflow_connection.url("duckdb", host="/data/shop.duckdb") == "duckdb:////data/shop.duckdb"


@pytest.mark.parametrize("part", ["login", "password", "schema"])
def test_a_part_that_is_no_text_is_refused_without_showing_it(part: str) -> None:
    with pytest.raises(SettingsError, match="holds what is no text") as refused:
        airflow_connection.url("postgres", host="db", **{"login": "a", part: "hidden\udcff"})
    assert "hidden" not in str(refused.value)


def test_a_connection_without_port_and_password() -> None:
    assert airflow_connection.url("mysql", host="db", login="app", schema="shop") == "mysql://app@db/shop"
