"""Reads PostgreSQL fast: COPY to CSV, which Arrow parses, one batch of rows at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg.abc import Buffer
from psycopg.generators import fetch_many
from psycopg.pq import ExecStatus
from pyarrow import csv

from pipeline.contract.datasets import TIME
from pipeline.databases import sessions
from pipeline.errors import SourceError
from pipeline.parallel import in_order
from pipeline.source.columns import PROMISES, Shape, check_names, enforce, is_accepted, wrong_kind
from pipeline.source.statement import Statement

KINDS = {20: "integer", 21: "integer", 23: "integer", 26: "integer", 700: "real", 701: "number"} | {
    16: "boolean",
    17: "bytes",
    18: "text",
    114: "json",
    1042: "text",
    1082: "date",
    1114: "time",
    1184: "time with zone",
    1560: "bits",
    1562: "bits",
    1700: "decimal",
    2249: "record",
    2950: "uuid",
    3802: "json",
}
"""OIDs of PostgreSQL's built-in types (pg_type.dat) -> the words of PROMISES."""

CATEGORIES = {"S": "text", "E": "text", "X": "text", "A": "list", "R": "range", "C": "record"}
"""pg_type.typcategory of strings, enums, untyped literals, arrays, ranges and composite types."""

TIMES = ("time", "time with zone", "date")
BOUNDED = (
    "(CASE WHEN {0} > '9999-12-31 23:59:59.999999' THEN '9999-12-31 23:59:59.999999'"
    " WHEN {0} < '0001-01-01' THEN '0001-01-01' ELSE {0} END)"
)
"""SQL for times of which some stand for always or for ever: `infinity`, and years unknown to Arrow."""

READING = (
    *("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Bitmap Index Scan", "BitmapOr"),
    *("BitmapAnd", "Append", "Merge Append", "Gather", "Gather Merge", "Sort", "Incremental Sort"),
    *("Subquery Scan", "Limit", "Materialize"),
)
"""Nodes of a plan whose numbers of rows the server knows from its statistics of tables."""

PARSED = 2
"""Batches that are parsed at a time; they come as fast as one core can fetch them."""

CHAR = 1042
"""OID of char(n). Its values are filled up with spaces, which a cast to text takes off."""


@dataclass(frozen=True)
class Copy:
    """A COPY that is ready to run.

    values: bound values of the statement
    kinds:  column -> what it holds, in the words of PROMISES
    types:  column -> the Arrow type that its CSV text is parsed as
    encoding: of the texts, where the server does not know it; None: it sends UTF-8
    """

    connection: psycopg.Connection[Any]
    query: str
    values: Mapping[str, Any]
    shape: Shape
    kinds: Mapping[str, str]
    types: Mapping[str, pa.DataType]
    encoding: str | None


def prepare(
    db: sa.Connection, statement: Statement, values: Mapping[str, Any], limit: int | None, encoding: str
) -> Copy:
    """Ask the database which columns the statement returns, and check them before any row is read.

    limit:    most rows to read; None: all of them
    encoding: of texts in a database that has none of its own (SQL_ASCII)

    Raises SourceError where a column is missing, unknown or of the wrong kind.
    """
    shape = statement.shape
    described = _described(db, statement, values)
    check_names(shape, [name for name, _ in described])
    kinds = {name: _kind(db, oid) for name, oid in described}
    for name, kind in kinds.items():
        if kind != "text" and not is_accepted(shape, name, kind):
            raise wrong_kind(shape, name, kind, _example(db, statement, values, name))
    columns = ", ".join(_selected(shape, name, kinds[name], oid) for name, oid in described)
    inner = statement.around(
        f"SELECT {columns} FROM ({{}}) rows_of_source{f' LIMIT {limit}' if limit else ''}"
    )
    compiled = inner.compile(dialect=db.dialect)
    connection = sessions.psycopg_of(db)
    has_encoding = connection.info.parameter_status("server_encoding") != "SQL_ASCII"
    sent_in = "UTF8" if has_encoding else "SQL_ASCII"
    query = f"COPY ({compiled}) TO STDOUT (FORMAT csv, ENCODING '{sent_in}')"
    return Copy(
        connection,
        query if values else query.replace("%%", "%"),
        values,
        shape,
        kinds,
        {name: _csv_type(shape, name, kind) for name, kind in kinds.items()},
        None if has_encoding else encoding,
    )


def estimate(db: sa.Connection, statement: Statement, values: Mapping[str, Any]) -> int | None:
    """About how many rows the statement returns, by the plan that the server makes for it.

    None where it does more than read tables, for such a guess may be wrong by any factor, or where the server
    tells no plan.
    """
    try:
        with db.begin_nested():
            [plan] = db.execute(statement.around("EXPLAIN (FORMAT JSON) {}"), values).scalar_one()
    except sa.exc.DBAPIError:
        return None
    return int(plan["Plan"]["Plan Rows"]) if _only_reads(plan["Plan"]) else None


def _only_reads(plan: Mapping[str, Any]) -> bool:
    return plan["Node Type"] in READING and all(map(_only_reads, plan.get("Plans", ())))


def kinds(db: sa.Connection, statement: Statement) -> dict[str, str]:
    """The kind of each column of a statement that binds nothing, in the words of PROMISES."""
    return {name: _kind(db, oid) for name, oid in _described(db, statement, {})}


def _described(db: sa.Connection, statement: Statement, values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Name and OID of the type of each column."""
    with db.execute(statement.around("SELECT * FROM ({}) rows_of_source LIMIT 0"), values) as result:
        return [(column[0], column[1]) for column in result.cursor.description]


def read(copy: Copy, batch_rows: int) -> Generator[pa.RecordBatch, None, None]:
    """The rows, at most `batch_rows` at a time. They are parsed while the next ones are fetched."""
    with closing(_texts(copy, batch_rows)) as texts:
        yield from in_order(partial(_parse, copy), texts, PARSED)


def _texts(copy: Copy, batch_rows: int) -> Generator[bytearray, None, None]:
    """The same as CSV. PostgreSQL sends each row as one message, so that none is cut off."""
    with copy.connection.cursor() as cursor, cursor.copy(copy.query, dict(copy.values) or None) as rows:
        text, count = bytearray(), 0
        for row in _messages(copy.connection, rows):
            text += row
            count += 1
            if count == batch_rows:
                yield text
                text, count = bytearray(), 0
        if count:
            yield text


def _messages(connection: psycopg.Connection[Any], rows: psycopg.Copy) -> Iterator[Buffer]:
    """Each row. Those that have come with one that was waited for are taken from libpq at once, which takes
    half of the time that `psycopg` needs to ask for them one by one.
    """
    pgconn = connection.pgconn
    while row := rows.read():
        yield row
        n_bytes, row = pgconn.get_copy_data(1)
        while n_bytes > 0:
            yield row
            n_bytes, row = pgconn.get_copy_data(1)
        if n_bytes < 0:
            [result] = connection.wait(fetch_many(pgconn))
            if result.status != ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result, encoding=connection.info.encoding)
            return


def _parse(copy: Copy, text: bytearray) -> pa.RecordBatch:
    """CSV text as a batch: an unquoted empty field is null, a quoted one is the empty text."""
    if copy.encoding is not None:
        text = _as_utf8(copy, text)
    try:
        table = csv.read_csv(
            pa.BufferReader(text),
            csv.ReadOptions(column_names=list(copy.types), block_size=1 << 20),
            csv.ParseOptions(newlines_in_values=True),
            csv.ConvertOptions(
                column_types=dict(copy.types),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )
    except pa.ArrowInvalid as error:
        raise _bad_value(copy, error) from error
    in_utc = [(name, TIME if copy.kinds[name] == "time with zone" else t) for name, t in copy.types.items()]
    batch = table.cast(pa.schema(in_utc)).combine_chunks().to_batches()[0]
    return enforce(copy.shape, batch, copy.kinds)


def _as_utf8(copy: Copy, text: bytearray) -> bytearray:
    """CSV text from a database without encoding, as UTF-8. Raises SourceError naming the value at fault."""
    try:
        return bytearray(text.decode(copy.encoding or "utf-8").encode())
    except UnicodeDecodeError as error:
        begin = text.rfind(b"\n", 0, error.start) + 1
        end = text.find(b"\n", error.start)
        row = text[begin : end if end > 0 else None].decode("ascii", "backslashreplace")
        raise SourceError(
            f"`{copy.shape.dataset.name}` holds a text that is not in {copy.encoding}",
            found=f"the row {row[:200]}",
            promised="texts in the encoding of [source] encoding: the database says none (SQL_ASCII)",
            then='set encoding under [source] in config.toml, for instance "latin-1"; run the same again',
        ) from error


def _bad_value(copy: Copy, error: pa.ArrowInvalid) -> SourceError:
    message = str(error).splitlines()[0]
    name = next((name for i, name in enumerate(copy.types) if f"#{i}:" in message), None)
    promised = PROMISES[copy.shape.promise(name)][1] if name else ""
    return SourceError(
        f"`{copy.shape.dataset.name}.{name or 'a column'}` holds a value that is not "
        f"{promised or 'what its type says'}",
        found=message,
        promised=promised,
        then=copy.shape.then,
    )


def _kind(db: sa.Connection, oid: Any) -> str:
    """A type in the words of PROMISES. PostgreSQL describes the columns of a domain as its base type."""
    if oid in KINDS:
        return KINDS[oid]
    query = sa.text("SELECT typcategory, format_type(oid, NULL) FROM pg_type WHERE oid = :oid")
    category, name = db.execute(query, {"oid": oid}).one()
    return CATEGORIES.get(category, f"type {name}")


def _example(db: sa.Connection, statement: Statement, values: Mapping[str, Any], name: str) -> object:
    """A value of a column that is refused, for the message; None where the column has none."""
    query = f'SELECT "{name}" FROM ({{}}) rows_of_source WHERE "{name}" IS NOT NULL LIMIT 1'
    return db.execute(statement.around(query), values).scalar()


def _selected(shape: Shape, name: str, kind: str, oid: Any) -> str:
    """SQL for a column: what it holds as CSV that Arrow reads. Times with zone are those of UTC."""
    column = f'"{name}"'
    if oid == CHAR:
        return f"{column}::text"
    if kind == "time with zone":
        column = f"({column} AT TIME ZONE 'UTC')"
    if shape.promise(name) == "time" and shape.has_open_times and kind in TIMES:
        return f"{BOUNDED.format(column)}::timestamp"
    return column


def _csv_type(shape: Shape, name: str, kind: str) -> pa.DataType:
    """The Arrow type that a column's text is parsed as; times with zone are selected as UTC without one."""
    if kind == "decimal":
        return pa.float64() if shape.promise(name) == "number" else pa.string()
    types = {"integer": pa.int64(), "number": pa.float64(), "real": pa.float64(), "boolean": pa.bool_()}
    types |= dict.fromkeys(TIMES if shape.promise(name) == "time" else (), pa.timestamp("us"))
    return types.get(kind, pa.string())
