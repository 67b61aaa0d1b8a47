"""Small source databases, PostgreSQL and SQLite, with tables of any shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.databases import connect, urls

EVENTS = (
    "CREATE TABLE events (customer_id bigint, product_id bigint, event_type text, "
    "occurred_at {time}, order_id text, quantity double precision)"
)
PRODUCTS = (
    "CREATE TABLE products (product_id bigint, name text, category text, price double precision, "
    "discount double precision, available boolean)"
)
CUSTOMERS = "CREATE TABLE customers (customer_id bigint, segment text)"
DIALECTS = ("postgresql", "sqlite", "duckdb")
"""What every test of reading is run on; MariaDB has tests/source/test_mariadb.py."""
TIMES = {
    "postgresql": "timestamp with time zone",
    "sqlite": "text",
    "duckdb": "timestamp with time zone",
    "mariadb": "datetime(6)",
}


def run(url: str, *statements: str) -> None:
    """Execute statements on a source database, in one transaction."""
    with connect.engine(url, may_create=True).begin() as db:
        for statement in statements:
            db.execute(sa.text(statement))


def make(url: str, *events: str) -> str:
    """The three tables of the demo shop; `events` are rows as SQL writes them. Returns the URL."""
    dialect = urls.normalise(url).get_backend_name()
    run(url, EVENTS.format(time=TIMES[dialect]), PRODUCTS, CUSTOMERS)
    if events:
        run(url, f"INSERT INTO events VALUES {', '.join(events)}")
    return url


def url_for(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """An empty database of that dialect."""
    if dialect in ("sqlite", "duckdb"):
        return f"{dialect}:///{tmp_path / 'shop.db'}.{dialect}"
    assert dialect == "postgresql", f"{dialect} has no URL here"
    url: Callable[[], str] = request.getfixturevalue("new_database")
    return url()


def write(folder: Path, **statements: str) -> str:
    """A folder of statements for `[source] sql`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in statements.items():
        (folder / f"{name}.sql").write_text(text, encoding="utf-8")
    return str(folder)
