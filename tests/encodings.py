"""Databases in an encoding other than UTF8."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from pipeline.databases.embedded import PREFIX, Server


@contextmanager
def database_in(server: Server, encoding: str) -> Iterator[str]:
    """The owner's URL of an empty database in `encoding`; dropped in the end."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    values = [sql.Identifier(name), sql.Literal(encoding), sql.Identifier(f"{PREFIX}_owner")]
    create = sql.SQL("CREATE DATABASE {} ENCODING {} LOCALE 'C' TEMPLATE template0 OWNER {}").format(*values)
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        db.execute(create)
        try:
            yield server.url(name)
        finally:
            db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
