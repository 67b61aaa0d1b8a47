"""Replaces the shop in the source database as a whole.

A load writes new tables beside the old ones and renames them at its end. Where the database has
transactional DDL (PostgreSQL, SQLite) all of it is one transaction: readers see the old shop or the new
one, and a failed load leaves the old one. Tables that no load created are never replaced.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from pipeline.config import IdType
from pipeline.databases import connect, urls
from pipeline.databases.sessions import SILENT_MINUTES, source_session
from pipeline.errors import LoginRefused, SourceError
from pipeline.loading import progress, tables
from pipeline.loading.tables import EMBEDDINGS, TABLES, text_type
from pipeline.times import utc

MARK = "nightshelf_load"
"""A table with one row about the last load. Where it exists, a load created the tables in its column MADE."""
MADE = "made"
"""Names with blanks between them. Marks of earlier versions have no such column."""


@dataclass(frozen=True)
class Shop:
    """What a reader of this package yields. The iterables are read once, in this order.

    customer, product: id types
    events:     batches with the columns of the table `events`
    products:   batches with the columns of `products`; None: the ids in the events
    customers:  batches with the columns of `customers`; None: the ids in the events
    notes:      what a user should know of the files; whole once all batches were read
    embeddings: batches with the columns of `item_embeddings`; None: the shop has no such table
    further:    the further columns of `customers`, name -> `number`, `word` or `time`
    """

    customer: IdType
    product: IdType
    events: Iterable[pa.RecordBatch]
    products: Iterable[pa.RecordBatch] | None = None
    customers: Iterable[pa.RecordBatch] | None = None
    notes: Sequence[str] = ()
    embeddings: Iterable[pa.RecordBatch] | None = None
    further: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Written:
    """What a load wrote; times are UTC."""

    n_events: int = 0
    n_products: int = 0
    n_customers: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


def fill(
    url: str,
    shop: Shop,
    kind: str,
    now: datetime,
    say: Callable[[str], None],
    silent_minutes: float = SILENT_MINUTES,
) -> Written:
    """Replace the tables behind `url` by `shop`; `kind` is remembered as the name of the load.

    silent_minutes: minutes without an answer after which the database is given up

    Raises Unreachable, LoginRefused, SourceError (tables that no load created, missing rights, a value
    that the database refuses) and whatever reading `shop` raises; the old shop then stays.
    """
    token = secrets.token_hex(4)
    new = tables.define(shop.customer, shop.product, suffix="_loading", further=shop.further)
    with _transaction(url, silent_minutes, say) as db:
        made = _made(db)
        for table in new.values():
            table.drop(db, checkfirst=True)
        if shop.embeddings is None:
            del new[EMBEDDINGS]
        _refuse_foreign_tables(db, set(new) - made)
        for table in new.values():
            table.create(db)
        written = Written()
        for batch in shop.events:
            tables.write(db, new["events"], [batch])
            _count(written, batch, say)
        sa.Index(f"events_occurred_at_{token}", new["events"].c.occurred_at).create(db)
        written.n_products = tables.write_or_derive(
            db, new["products"], shop.products, new["events"], "product_id"
        )
        written.n_customers = tables.write_or_derive(
            db, new["customers"], shop.customers, new["events"], "customer_id"
        )
        if shop.embeddings is not None:
            tables.write_embeddings(db, new[EMBEDDINGS], shop.embeddings)
        if db.dialect.name == "postgresql":
            db.exec_driver_sql(f"ANALYZE {', '.join(table.name for table in new.values())}")
        replaced = _marked_kind(db)
        _swap(db, made, new)
        _mark(db, kind, now, new)
    if replaced is not None:
        say(f"the shop that was there (`{replaced}`) is replaced")
    return written


def refuse_read_only(url: str) -> None:
    """Raise SourceError where the source is a DuckDB file, which nothing here writes to."""
    if urls.normalise(url).get_backend_name() == "duckdb":
        raise SourceError(
            "no shop is loaded into a DuckDB source: it is only read",
            found=urls.shown(url),
            promised="a database that a load may fill: PostgreSQL, SQLite, MySQL or MariaDB",
            then="make views `events`, `products` and `customers` over your files in it; or set"
            " NIGHTSHELF_SOURCE_URL to another database, then load again",
        )


def _columns(inspector: sa.Inspector) -> set[str]:
    return {column["name"] for column in inspector.get_columns("events")}


def last_event_at(url: str) -> datetime | None:
    """The time of the newest event, UTC; None without events, or without the table as loads make it today."""
    events = tables.define("text", "text")["events"]
    try:
        with source_session(url) as (db, watch), connect.reaching(url, "source", watch):
            inspector = sa.inspect(db)
            if not inspector.has_table("events"):
                return None
            if inspector.has_table(MARK) and not _columns(inspector) >= set(events.c.keys()):
                return None  # an earlier version loaded it
            last = db.execute(sa.select(sa.func.max(events.c.occurred_at))).scalar()
    except LoginRefused:
        return None
    return None if last is None else utc(last)


def loaded_kind(url: str) -> str | None:
    """The kind of shop that the last load wrote (`complete-journey`, ...); None where there was no load."""
    with source_session(url) as (db, watch), connect.reaching(url, "source", watch):
        return _marked_kind(db)


def days_to_shift(last: datetime, now: datetime) -> int:
    """Whole days that bring `last` into the 24 hours before `now`."""
    return (utc(now) - utc(last)) // timedelta(days=1)


def shifted(
    batches: Iterable[pa.RecordBatch], days: int, column: str = "occurred_at"
) -> Iterator[pa.RecordBatch]:
    """The same rows, the times in `column` `days` days later."""
    delta = pa.scalar(timedelta(days=days), pa.duration("us"))
    for batch in batches:
        index = batch.schema.get_field_index(column)
        yield batch.set_column(index, column, pc.add(batch.column(index), delta))


@contextmanager
def _transaction(url: str, silent_minutes: float, say: Callable[[str], None]) -> Iterator[sa.Connection]:
    """One transaction on the source database, committed at the end. Errors never show the password."""
    try:
        with (
            source_session(url, silent_minutes=silent_minutes, may_create=True, say=say) as (db, watch),
            connect.reaching(url, "source", watch),
        ):
            if db.dialect.name == "sqlite":
                db.exec_driver_sql("BEGIN IMMEDIATE")
            if db.dialect.name == "postgresql":
                db.exec_driver_sql(f"SELECT pg_advisory_xact_lock(hashtext('{MARK}'))")
            yield db
            db.commit()
    except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
        raise _refused(error, url) from None


def _refused(error: sa.exc.SQLAlchemyError | psycopg.Error, url: str) -> SourceError:
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return SourceError(
        "the source database refused the shop's tables",
        found=" ".join(urls.scrub(str(cause), url).split())[:500],
        promised="a database in which this login may make, fill and drop tables; nothing was changed",
        then="mend that, then load again",
    )


def _made(db: sa.Connection) -> set[str]:
    """The tables of the shop that the last load made; an earlier version made all but the embeddings."""
    inspector = sa.inspect(db)
    if not inspector.has_table(MARK):
        return set()
    if MADE not in {column["name"] for column in inspector.get_columns(MARK)}:
        return set(TABLES) - {EMBEDDINGS}
    return set(db.execute(sa.select(sa.column(MADE)).select_from(sa.table(MARK))).scalar_one().split())


def _refuse_foreign_tables(db: sa.Connection, names: Collection[str]) -> None:
    """Raise SourceError where one of the tables `names`, which no load made, exists."""
    inspector = sa.inspect(db)
    foreign = [name for name in TABLES if name in names and inspector.has_table(name)]
    if foreign:
        raise SourceError(
            "the source database holds tables that no load made; they are left as they are",
            found=", ".join(foreign),
            promised=f"an empty database, or one that a load filled (it has a table {MARK})",
            then="set NIGHTSHELF_SOURCE_URL to another database, or drop those tables yourself",
        )


def _count(written: Written, batch: pa.RecordBatch, say: Callable[[str], None]) -> None:
    """Add a batch of events to the counts, with a line of progress now and then."""
    n_before = written.n_events
    written.n_events += batch.num_rows
    if progress.is_due(n_before, written.n_events):
        say(f"{written.n_events:,} events")
    span = pc.min_max(batch.column("occurred_at")).as_py()
    if span["min"] is not None:
        written.first_at = min(filter(None, (written.first_at, utc(span["min"]))))
        written.last_at = max(filter(None, (written.last_at, utc(span["max"]))))


def _swap(db: sa.Connection, made: Collection[str], new: Collection[str]) -> None:
    """Drop the tables that the last load made, and give those in `new` their names."""
    for name in TABLES:
        if name in made:
            sa.Table(name, sa.MetaData()).drop(db, checkfirst=True)
        if name in new:
            db.exec_driver_sql(f"ALTER TABLE {name}_loading RENAME TO {name}")


def _marked_kind(db: sa.Connection) -> str | None:
    if not sa.inspect(db).has_table(MARK):
        return None
    return db.execute(sa.select(sa.column("kind")).select_from(sa.table(MARK))).scalar()


def _mark(db: sa.Connection, kind: str, now: datetime, new: Collection[str]) -> None:
    columns = (sa.Column(name, text_type()) for name in ("kind", "loaded_at", MADE))
    mark = sa.Table(MARK, sa.MetaData(), *columns)
    mark.create(db, checkfirst=True)
    if MADE not in {column["name"] for column in sa.inspect(db).get_columns(MARK)}:
        made = sa.schema.CreateColumn(mark.c[MADE]).compile(dialect=db.dialect)
        db.exec_driver_sql(f"ALTER TABLE {MARK} ADD COLUMN {made}")
    db.execute(sa.delete(mark))
    values = {"kind": kind, "loaded_at": now.astimezone(UTC).isoformat(), MADE: " ".join(new)}
    db.execute(sa.insert(mark), values)
