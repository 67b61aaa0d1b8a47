"""One empty database of each kind for all tests of a module, for tests that make one table after another."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from pipeline.databases.embedded import PREFIX, Server
from tests.source import shops
from tests.source.test_mariadb import PASSWORD, mariadb

__all__ = ["PASSWORD", "SLOW", "database", "mariadb", "of_each"]

SLOW = [pytest.mark.slow]
TABLES = ("shelf", "events", "products", "customers", "item_embeddings")


def of_each(cases: list[tuple[object, ...]]) -> list[object]:
    """Cases whose first value is an engine; those of MariaDB are slow."""
    return [pytest.param(*case, marks=SLOW if case[0] == "mariadb" else []) for case in cases]


@pytest.fixture(scope="module")
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, server: Server
) -> Iterator[Callable[[str], str]]:
    """`database(engine)`: the URL of a database without the tables that an earlier test made."""
    folder, urls = tmp_path_factory.mktemp("shops"), dict[str, str]()
    name = f"t_{uuid.uuid4().hex[:12]}"

    def empty(engine: str) -> str:
        if engine not in urls:
            urls[engine] = _made(request, server, folder, engine, name)
        view = ["DROP VIEW IF EXISTS shown"] if engine != "duckdb" else []
        shops.run(urls[engine], *view, *(f"DROP TABLE IF EXISTS {table}" for table in TABLES))
        return urls[engine]

    yield empty
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        db.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _made(request: pytest.FixtureRequest, server: Server, folder: Path, engine: str, name: str) -> str:
    if engine == "postgresql":
        with psycopg.connect(server.admin_url(), autocommit=True) as db:
            server.create_database(name, owner=f"{PREFIX}_owner", db=db)
        return server.url(name)
    if engine == "mariadb":
        port = int(request.getfixturevalue("mariadb"))
        server_url = f"mysql://shop:p%40ss%2Fw%3Ard@127.0.0.1:{port}"
        shops.run(f"{server_url}/mysql", f"CREATE DATABASE {name}")
        return f"{server_url}/{name}"
    return f"{engine}:///{folder / 'shop.db'}.{engine}"
