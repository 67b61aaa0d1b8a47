"""The tables of the demo shop, and how a load replaces all of them at once.

A load writes new tables beside the old ones and swaps them in at its end, in one transaction where
the database has transactional DDL (PostgreSQL, SQLite): readers see the old shop or the new one, and
a load that fails leaves the old one. Tables that no load made are never replaced.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from pyarrow import csv
from sqlalchemy.dialects import mysql

from pipeline.config import IdType
from pipeline.contract.datasets import TIME
from pipeline.databases import connect, urls
from pipeline.errors import LoginRefused, SourceError
from pipeline.times import utc

TABLES = ("events", "products", "customers")
MARK = "nightshelf_load"
"""A table with one row about the last load; that it exists says that the other tables are ours."""

TOLD_EVERY = 500_000
INSERTED_ROWS = 10_000


@dataclass(frozen=True)
class Shop:
    """What a loader reads. Iterables are read once, in this order.

    customer, product: id types
    events:    batches with the columns of the table `events`
    products:  batches with the columns of `products`; None: the ids in the events
    customers: batches with the columns of `customers`; None: the ids in the events
    """

    customer: IdType
    product: IdType
    events: Iterable[pa.RecordBatch]
    products: Iterable[pa.RecordBatch] | None = None
    customers: Iterable[pa.RecordBatch] | None = None


@dataclass
class Written:
    """What a load wrote; times are UTC."""

    n_events: int = 0
    n_products: int = 0
    n_customers: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(frozen=True)
class Tables:
    """The shop's tables under the names that a load gives them before the swap."""

    metadata: sa.MetaData = field(default_factory=sa.MetaData)
    suffix: str = ""

    def define(self, customer: IdType, product: IdType) -> dict[str, sa.Table]:
        """Nothing is constrained: what the rows are worth is for `validate` to say."""
        time: sa.types.TypeEngine[datetime] = sa.DateTime(timezone=True).with_variant(
            mysql.DATETIME(fsp=6), "mysql", "mariadb"
        )
        columns: dict[str, list[sa.Column[Any]]] = {
            "events": [
                sa.Column("customer_id", _id(customer)),
                sa.Column("product_id", _id(product)),
                sa.Column("event_type", _text()),
                sa.Column("occurred_at", time),
                sa.Column("order_id", _text()),
                sa.Column("quantity", sa.Double),
            ],
            "products": [
                sa.Column("product_id", _id(product)),
                sa.Column("name", _text()),
                sa.Column("category", _text()),
                sa.Column("price", sa.Double),
                sa.Column("discount", sa.Double),
                sa.Column("available", sa.Boolean),
            ],
            "customers": [sa.Column("customer_id", _id(customer)), sa.Column("segment", _text())],
        }
        return {name: sa.Table(name + self.suffix, self.metadata, *columns[name]) for name in TABLES}


def fill(url: str, shop: Shop, kind: str, now: datetime, say: Callable[[str], None]) -> Written:
    """Replace the shop by `shop`.

    Raises Unreachable, LoginRefused, SourceError (tables that are not ours, no right to make some, a
    value the database refuses) and whatever reading `shop` raises; the old shop then stays.
    """
    token = secrets.token_hex(4)
    new = Tables(suffix="_loading").define(shop.customer, shop.product)
    with _transaction(url) as db:
        _refuse_foreign_tables(db)
        for table in new.values():
            table.drop(db, checkfirst=True)
            table.create(db)
        written = Written()
        for batch in shop.events:
            _write(db, new["events"], [batch])
            _count(written, batch, say)
        sa.Index(f"events_occurred_at_{token}", new["events"].c.occurred_at).create(db)
        written.n_products = _fill_from(db, new["products"], shop.products, new["events"], "product_id")
        written.n_customers = _fill_from(db, new["customers"], shop.customers, new["events"], "customer_id")
        if db.dialect.name == "postgresql":
            db.exec_driver_sql("ANALYZE events_loading, products_loading, customers_loading")
        before = _marked(db)
        _swap(db)
        _mark(db, kind, now)
    if before is not None:
        say(f"the shop that was there (`{before}`) is replaced")
    return written


def last_event_at(url: str) -> datetime | None:
    """The newest event's time, UTC; None without events or without the shop's tables."""
    events = Tables().define("text", "text")["events"]
    try:
        engine = connect.engine(url)
    except LoginRefused:
        return None
    with connect.reaching(url, "source"), engine.connect() as db:
        if not sa.inspect(db).has_table("events"):
            return None
        found = db.execute(sa.select(sa.func.max(events.c.occurred_at))).scalar()
    return None if found is None else utc(found)


def loaded_kind(url: str) -> str | None:
    """Which shop the last load wrote (`complete-journey`, ...); None when no load made any."""
    with connect.reaching(url, "source"), connect.engine(url).connect() as db:
        return _marked(db)


def days_to_shift(last: datetime, now: datetime) -> int:
    """Whole days that bring `last` into the 24 hours before `now`."""
    return (utc(now) - utc(last)) // timedelta(days=1)


def shifted(batches: Iterable[pa.RecordBatch], days: int) -> Iterator[pa.RecordBatch]:
    """The same events, `days` days later."""
    delta = pa.scalar(timedelta(days=days), pa.duration("us"))
    for batch in batches:
        place = batch.schema.get_field_index("occurred_at")
        yield batch.set_column(place, "occurred_at", pc.add(batch.column(place), delta))


def _id(kind: IdType) -> sa.types.TypeEngine[Any]:
    if kind == "integer":
        return sa.BigInteger()
    uuid = sa.String(36).with_variant(sa.Uuid(as_uuid=False, native_uuid=True), "postgresql")
    return uuid if kind == "uuid" else _text()


def _text() -> sa.types.TypeEngine[Any]:
    return sa.Text().with_variant(sa.String(255), "mysql", "mariadb")


@contextmanager
def _transaction(url: str) -> Iterator[sa.Connection]:
    """One transaction on the source database, committed at the end; failures without the password."""
    engine = connect.engine(url, may_create=True)
    try:
        with connect.reaching(url, "source"), engine.connect() as db:
            if db.dialect.name == "sqlite":
                db.exec_driver_sql("BEGIN IMMEDIATE")
            if db.dialect.name == "postgresql":
                db.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
                db.exec_driver_sql(f"SELECT pg_advisory_xact_lock(hashtext('{MARK}'))")
            yield db
            db.commit()
    except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
        raise _refused(error, url) from None


def _refused(error: sa.exc.SQLAlchemyError | psycopg.Error, url: str) -> SourceError:
    told = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return SourceError(
        "the source database refused the shop's tables",
        found=" ".join(urls.scrub(str(told), url).split())[:500],
        promised="a database in which this login may make, fill and drop tables; nothing was changed",
        then="mend that, then load again",
    )


def _refuse_foreign_tables(db: sa.Connection) -> None:
    inspector = sa.inspect(db)
    if inspector.has_table(MARK):
        return
    found = [name for name in TABLES if inspector.has_table(name)]
    if found:
        raise SourceError(
            "the source database holds tables that no load made; they are left as they are",
            found=", ".join(found),
            promised=f"an empty database, or one that a load filled (it has a table {MARK})",
            then="set NIGHTSHELF_SOURCE_URL to another database, or drop those tables yourself",
        )


def _write(db: sa.Connection, table: sa.Table, batches: Iterable[pa.RecordBatch]) -> int:
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
    """COPY as CSV: an empty field is null, a quoted one is text. Times go without zone, as UTC."""
    columns = [column.cast(pa.timestamp("us")) if column.type == TIME else column for column in batch.columns]
    sink = pa.BufferOutputStream()
    plain = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    csv.write_csv(plain, sink, csv.WriteOptions(include_header=False))
    connection = db.connection.driver_connection
    if connection is None:
        raise SourceError("the connection to the source database is closed", then="load again")
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table.name} ({', '.join(batch.schema.names)}) FROM STDIN (FORMAT csv)") as copy,
    ):
        copy.write(sink.getvalue().to_pybytes())


def _count(written: Written, batch: pa.RecordBatch, say: Callable[[str], None]) -> None:
    before = written.n_events // TOLD_EVERY
    written.n_events += batch.num_rows
    if written.n_events // TOLD_EVERY > before:
        say(f"{written.n_events:,} events")
    span = pc.min_max(batch.column("occurred_at")).as_py()
    if span["min"] is not None:
        written.first_at = min(filter(None, (written.first_at, utc(span["min"]))))
        written.last_at = max(filter(None, (written.last_at, utc(span["max"]))))


def _fill_from(
    db: sa.Connection,
    table: sa.Table,
    batches: Iterable[pa.RecordBatch] | None,
    events: sa.Table,
    key: str,
) -> int:
    """Fill `products` or `customers` from its own rows, else with the distinct ids of the events."""
    if batches is not None:
        return _write(db, table, batches)
    ids = sa.select(events.c[key]).where(events.c[key].is_not(None)).distinct()
    if "available" in table.c:
        rows = sa.select(ids.subquery().c[key], sa.true())
        db.execute(sa.insert(table).from_select([key, "available"], rows))
    else:
        db.execute(sa.insert(table).from_select([key], ids))
    return db.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def _swap(db: sa.Connection) -> None:
    for name in TABLES:
        sa.Table(name, sa.MetaData()).drop(db, checkfirst=True)
        db.exec_driver_sql(f"ALTER TABLE {name}_loading RENAME TO {name}")


def _marked(db: sa.Connection) -> str | None:
    if not sa.inspect(db).has_table(MARK):
        return None
    return db.execute(sa.select(sa.column("kind")).select_from(sa.table(MARK))).scalar()


def _mark(db: sa.Connection, kind: str, now: datetime) -> None:
    mark = sa.Table(MARK, sa.MetaData(), sa.Column("kind", _text()), sa.Column("loaded_at", _text()))
    mark.create(db, checkfirst=True)
    db.execute(sa.delete(mark))
    db.execute(sa.insert(mark), {"kind": kind, "loaded_at": now.astimezone(UTC).isoformat()})
