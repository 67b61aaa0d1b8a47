"""The tables of a loaded shop: their definitions, and writing batches of rows into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from pyarrow import csv
from sqlalchemy.dialects import mysql

from pipeline.config import IdType
from pipeline.contract.datasets import MAY_CARRY, TIME, TIMES_OF_ITEMS
from pipeline.errors import SourceError

EMBEDDINGS = "item_embeddings"
TABLES = ("events", "products", "customers", EMBEDDINGS)
INSERTED_ROWS = 10_000
"""Rows of one INSERT, on databases without COPY."""


def define(
    customer: IdType, product: IdType, suffix: str = "", further: Mapping[str, str] | None = None
) -> dict[str, sa.Table]:
    """Definitions of TABLES, `suffix` added to each name in the database.

    further: columns of `customers` beside its own: name -> `number`, `word` or `time`

    No column is constrained: stage `validate` judges the rows.
    """
    time: sa.types.TypeEngine[datetime] = sa.DateTime(timezone=True).with_variant(
        mysql.DATETIME(fsp=6), "mysql", "mariadb"
    )
    numbers: sa.types.TypeEngine[Any] = sa.Text().with_variant(sa.ARRAY(sa.REAL), "postgresql")
    numbers = numbers.with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    of_kind: dict[str, sa.types.TypeEngine[Any]] = {"number": sa.Double(), "word": text_type(), "time": time}
    columns: dict[str, list[sa.Column[Any]]] = {
        "events": [
            sa.Column("customer_id", _id_type(customer)),
            sa.Column("product_id", _id_type(product)),
            sa.Column("event_type", text_type()),
            sa.Column("occurred_at", time),
            sa.Column("order_id", text_type()),
            sa.Column("quantity", sa.Double),
            *(sa.Column(name, sa.Double) for name in MAY_CARRY),
        ],
        "products": [
            sa.Column("product_id", _id_type(product)),
            sa.Column("name", text_type()),
            sa.Column("category", text_type()),
            sa.Column("price", sa.Double),
            sa.Column("discount", sa.Double),
            sa.Column("available", sa.Boolean),
            *(sa.Column(name, time) for name in TIMES_OF_ITEMS),
        ],
        "customers": [
            sa.Column("customer_id", _id_type(customer)),
            sa.Column("segment", text_type()),
            *(sa.Column(name, of_kind[kind]) for name, kind in (further or {}).items()),
        ],
        EMBEDDINGS: [
            sa.Column("product_id", _id_type(product)),
            sa.Column("kind", text_type()),
            sa.Column("embedding", numbers),
            sa.Column("known_at", time),
        ],
    }
    metadata = sa.MetaData()
    return {name: sa.Table(name + suffix, metadata, *columns[name]) for name in TABLES}


def _id_type(kind: IdType) -> sa.types.TypeEngine[Any]:
    if kind == "integer":
        return sa.BigInteger()
    uuid = sa.String(36).with_variant(sa.Uuid(as_uuid=False, native_uuid=True), "postgresql")
    return uuid if kind == "uuid" else text_type()


def text_type() -> sa.types.TypeEngine[Any]:
    """The type of text columns: at most 255 characters on MySQL and MariaDB, of any length elsewhere."""
    return sa.Text().with_variant(sa.String(255), "mysql", "mariadb")


def write_embeddings(db: sa.Connection, table: sa.Table, batches: Iterable[pa.RecordBatch]) -> int:
    """Append rows of `item_embeddings`; returns how many.

    PostgreSQL takes the numbers as an array, `{0.5,-1}`; the others keep them as a text of JSON, `[0.5,-1]`.
    """
    opening, closing = "{}" if db.dialect.name == "postgresql" else "[]"
    return write(db, table, (_as_texts(batch, opening, closing) for batch in batches))


def _as_texts(batch: pa.RecordBatch, opening: str, closing: str) -> pa.RecordBatch:
    """The column `embedding` as texts, with the digits that float32 needs to be the same when read again."""
    place = batch.schema.get_field_index("embedding")
    lists = batch.column(place)
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    offsets = pa.array([0, *pc.cumulative_sum(lengths).to_pylist()], pa.int32())
    numbers = pa.ListArray.from_arrays(offsets, lists.flatten().cast(pa.string()), mask=lists.is_null())
    texts = pc.binary_join_element_wise(opening, pc.binary_join(numbers, ","), closing, "")
    return batch.set_column(place, "embedding", texts)


def write(db: sa.Connection, table: sa.Table, batches: Iterable[pa.RecordBatch]) -> int:
    """Append rows, through COPY on PostgreSQL; returns how many. Further columns of `batches` are ignored."""
    count = 0
    for batch in batches:
        batch = batch.select(table.columns.keys())
        count += batch.num_rows
        if db.dialect.name == "postgresql":
            _copy(db, table, batch)
        else:
            for start in range(0, batch.num_rows, INSERTED_ROWS):
                db.execute(sa.insert(table), batch.slice(start, INSERTED_ROWS).to_pylist())
    return count


def _copy(db: sa.Connection, table: sa.Table, batch: pa.RecordBatch) -> None:
    """COPY as CSV: an empty field is null, a quoted one is text. Times are written in UTC, without zone."""
    columns = [column.cast(pa.timestamp("us")) if column.type == TIME else column for column in batch.columns]
    sink = pa.BufferOutputStream()
    plain = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    csv.write_csv(plain, sink, csv.WriteOptions(include_header=False))
    names = ", ".join(f'"{name}"' for name in batch.schema.names)
    connection = db.connection.driver_connection
    if connection is None:
        raise SourceError("the connection to the source database is closed", then="load again")
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table.name} ({names}) FROM STDIN (FORMAT csv)") as copy,
    ):
        copy.write(sink.getvalue().to_pybytes())


def write_or_derive(
    db: sa.Connection,
    table: sa.Table,
    batches: Iterable[pa.RecordBatch] | None,
    events: sa.Table,
    key: str,
) -> int:
    """Fill `products` or `customers` with `batches`, or where they are None with the ids in the events.

    key: the column that names the product or customer in both tables

    Returns the number of rows.
    """
    if batches is not None:
        return write(db, table, batches)
    ids = sa.select(events.c[key]).where(events.c[key].is_not(None)).distinct()
    if "available" in table.c:
        rows = sa.select(ids.subquery().c[key], sa.true())
        db.execute(sa.insert(table).from_select([key, "available"], rows))
    else:
        db.execute(sa.insert(table).from_select([key], ids))
    return db.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
