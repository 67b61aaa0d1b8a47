"""What a reader finds in the serving database: id types, and whether schema and login are as they must be."""

from __future__ import annotations

from typing import Any

from psycopg import sql

from pipeline.config import Ids
from pipeline.reading.questions import Question, text_of

TYPES = {"bigint": "integer", "text": "text", "uuid": "uuid"}


def about(schema: str) -> Question:
    """Which types the shop's ids have; the row is what `ids_of` takes."""
    statement = sql.SQL(text_of("shop"))  # type: ignore[arg-type]
    return Question(statement.as_bytes(None), {"schema": schema})


def ids_of(row: tuple[Any, ...]) -> Ids | None:
    """None where there is no schema."""
    user, item = row
    return Ids(user=TYPES[user], item=TYPES[item]) if user and item else None  # type: ignore[arg-type]
