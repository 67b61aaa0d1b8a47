"""Reads DuckDB as Arrow, one batch of rows at a time, which keeps every type as it is.

As Python values the rows would come slower, and times with zone would need a package more.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import exc

from pipeline.databases import duckdb_files, sessions
from pipeline.source.columns import check_names, enforce, kind_of
from pipeline.source.statement import Statement

KINDS = {"FLOAT": "real", "BIT": "bits", "JSON": "json", "UUID": "uuid"}
"""Types of DuckDB of which it says more than their Arrow type does -> the words of PROMISES."""

MOMENT = "TIMESTAMP WITH TIME ZONE"


def read(
    db: sa.Connection, statement: Statement, values: Mapping[str, Any], batch_rows: int
) -> Generator[pa.RecordBatch, None, None]:
    """The rows, at most `batch_rows` at a time.

    Raises SourceError where a column is missing, unknown or of the wrong kind, and what SQLAlchemy raises for
    a statement that fails.
    """
    shape = statement.shape
    rows = _rows(db, statement.around("SELECT * FROM ({}) rows_of_source"), values)
    check_names(shape, rows.columns)
    for batch in _batches(rows, batch_rows):
        plain = [_plain(column) for column in batch.columns]
        kinds = {
            name: _kind(str(of), column.type)
            for name, of, column in zip(rows.columns, rows.types, plain, strict=True)
        }
        yield enforce(shape, pa.RecordBatch.from_arrays(plain, names=rows.columns), kinds)


def first(db: sa.Connection, query: sa.TextClause, values: Mapping[str, Any]) -> list[pa.Array]:
    """The columns of a query that returns one row."""
    [batch] = _batches(_rows(db, query, values), 1)
    return list(batch.columns)


def names(db: sa.Connection, query: sa.TextClause) -> list[str]:
    """The names of the columns of a query that binds nothing."""
    return list(_rows(db, query, {}).columns)


def kinds(db: sa.Connection, statement: Statement) -> dict[str, str]:
    """The kind of each column of a statement that binds nothing, in the words of PROMISES."""
    rows = _rows(db, statement.around("SELECT * FROM ({}) rows_of_source LIMIT 0"), {})
    types = [field.type for field in rows.to_arrow_table().schema]
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in types]
    return {name: _kind(str(of), t) for name, of, t in zip(rows.columns, rows.types, plain, strict=True)}


def holds_moments(db: sa.Connection, statement: Statement, values: Mapping[str, Any]) -> bool:
    """Whether the column `occurred_at` names moments, not times of a clock."""
    rows = _rows(db, statement.around("SELECT * FROM ({}) rows_of_source"), values)
    return (MOMENT, "occurred_at") in zip(map(str, rows.types), rows.columns, strict=True)


def _rows(db: sa.Connection, query: sa.TextClause, values: Mapping[str, Any]) -> duckdb.DuckDBPyRelation:
    compiled = query.compile(dialect=db.dialect)
    given = [values[name] for name in compiled.positiontup or ()]  # type: ignore[attr-defined]
    try:
        return sessions.duckdb_of(db).sql(str(compiled), params=given)
    except duckdb.Error as error:
        raise _named(error) from error


def _batches(rows: duckdb.DuckDBPyRelation, batch_rows: int) -> Generator[pa.RecordBatch, None, None]:
    try:
        yield from duckdb_files.batches(rows.to_arrow_reader(batch_rows))
    except duckdb.Error as error:
        raise _named(error) from error


def _named(error: duckdb.Error) -> Exception:
    """The error as SQLAlchemy raises it for a statement."""
    return exc.DBAPIError.instance("a statement of sql/source", None, error, duckdb.Error)


def _plain(column: pa.Array) -> pa.Array:
    """ENUM values as the texts they are."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _kind(of: str, kind: pa.DataType) -> str:
    """A type of DuckDB in the words of PROMISES."""
    found = KINDS.get(of, kind_of(kind))
    return f"type {of.lower()}" if found.startswith("type ") else found
