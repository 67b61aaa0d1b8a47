"""Finds out why a shop's events have no times that can be read, and which of them no shop can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import NoneType
from typing import Any

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import exc

from pipeline.source.columns import column, wrong_kind
from pipeline.source.driver_types import MYSQL
from pipeline.source.epochs import recognised
from pipeline.source.statement import WINDOW, Statement

TYPE_CLASHES = (
    *(exc.ProgrammingError, exc.DataError, exc.NotSupportedError),
    *(psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError),
)
"""What a database raises that cannot compare a column with a time."""

STRICT = ("postgresql", "duckdb")
"""Databases that fail rather than compare a number with a time: without a failure there is none."""

EVERYTHING: tuple[tuple[Any, Any], ...] = ((-1e30, 1e30), ("", "zzzz"))
"""Windows that hold all numbers, and all texts: columns of either may not be comparable with times."""


def explain(
    db: sa.Connection, statement: Statement, failure: Exception | None = None, *, is_empty: bool = False
) -> None:
    """Raise SourceError where `occurred_at` holds numbers or texts instead of times, with the cast to write.

    failure:  what the database raised when asked for times; others than TYPE_CLASHES explain themselves
    is_empty: no times were found; else a number that reads as no time (0 for a missing one) is let pass

    Returns where there is nothing to say. A transaction that failed is rolled back.
    """
    shape = statement.shape
    if shape.dataset.name != "events" or (failure is None and shape.dialect in STRICT):
        return
    if not isinstance(failure, (NoneType, *TYPE_CLASHES)):
        return
    query = statement.around("SELECT min(occurred_at), max(occurred_at) FROM ({}) rows_of_source")
    for everything in EVERYTHING:
        try:
            if failure is not None:
                db.rollback()
            found = list(db.execute(query, dict(zip(WINDOW, everything, strict=True))).one())
        except (exc.SQLAlchemyError, psycopg.Error) as error:
            failure = error
            continue
        examples = [value for value in found if isinstance(value, (int, float, Decimal, str))]
        likely = next((value for value in examples if recognised(value, shape.dialect)), None)
        if likely is None and (is_empty or failure is not None):
            texts = [value for value in examples if shape.has_text_times and isinstance(value, str)]
            column(shape, "occurred_at", pa.array(texts, pa.string()), "text")
            likely = next((value for value in reversed(examples) if value not in texts), None)
        if likely is not None:
            kind = {str: "text", int: "integer", Decimal: "decimal"}.get(type(likely), "number")
            raise wrong_kind(shape, "occurred_at", kind, likely) from None


def oldest(db: sa.Connection, statement: Statement, windows: Sequence[Mapping[str, Any]]) -> tuple[int, str]:
    """How many events a window holds, and the oldest of them as the database writes it (empty: none).

    windows: the first that the statement can compute with is counted: some cast its ends to what has no
             infinity, for instance. A failed try costs the transaction none of its settings
    """
    kind = "CHAR" if db.dialect.name in MYSQL else "VARCHAR(60)"
    query = statement.around(
        f"SELECT count(occurred_at), CAST(min(occurred_at) AS {kind}) FROM ({{}}) rows_of_source"
    )
    if db.dialect.name == "postgresql":
        query = query.bindparams(sa.bindparam(WINDOW[0], type_=sa.TIMESTAMP(timezone=True)))
    for window in windows[:-1]:
        try:
            with db.begin_nested():
                return _counted(db, query, window)
        except TYPE_CLASHES:
            continue
    return _counted(db, query, windows[-1])


def _counted(db: sa.Connection, query: sa.TextClause, window: Mapping[str, Any]) -> tuple[int, str]:
    count, first = db.execute(query, dict(window)).one()
    return int(count), "" if first is None else str(first)
