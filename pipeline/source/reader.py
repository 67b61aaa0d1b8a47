"""An open source database: its rows in batches, of any database that SQLAlchemy speaks to.

PostgreSQL goes faster, through COPY (`copying`). What the columns must be is the business of
`columns`, what a shop's file must be that of `statement`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy import exc

from pipeline.config import IdType
from pipeline.config import Source as SourceSettings
from pipeline.contract.datasets import DATASETS
from pipeline.databases import connect, urls
from pipeline.errors import DataError, SourceError
from pipeline.source import copying, statement
from pipeline.source.columns import Shape, as_arrow, check_names, column, enforce
from pipeline.source.statement import WINDOW, Statement
from pipeline.times import utc

EARLIEST, LATEST = datetime(1000, 1, 3, tzinfo=UTC), datetime(9999, 12, 28, tzinfo=UTC)
"""A window that holds every event, within what MySQL and SQLite can compare."""

MARGIN = timedelta(days=1)
MYSQL = ("mysql", "mariadb")
NO_IDS: Mapping[str, IdType] = {"user": "text", "item": "text"}


@dataclass(frozen=True)
class Source:
    """A connection to the shop, in one snapshot where the database has such, and how it is read."""

    url: str
    settings: SourceSettings
    ids: Mapping[str, IdType]
    db: sa.Connection

    @property
    def dialect(self) -> str:
        return self.db.dialect.name

    @property
    def _is_copied(self) -> bool:
        """Whether COPY is used: it has the limit in its statement and is always read to its end."""
        return self.dialect == "postgresql" and self.db.dialect.driver == "psycopg"

    def has(self, name: str) -> bool:
        """Whether the shop has a statement for this dataset."""
        return statement.path(self.settings.sql, name).exists()

    def batches(
        self, name: str, start: datetime = EARLIEST, end: datetime = LATEST, limit: int | None = None
    ) -> Generator[pa.RecordBatch, None, None]:
        """Rows of `events` within [start, end), of `items` or of `users`, as contract.py wants them.

        At most `settings.batch_rows` at a time and `limit` in all. Raises SourceError that names
        the statement and the column, or Unreachable.
        """
        told = self._statement(name)
        left = limit
        for batch in self._read(told, self._bounds(start, end) if name == "events" else {}, limit):
            batch = _within(batch, start, end) if name == "events" else batch
            if left is not None:
                batch = batch.slice(0, left)
                left -= batch.num_rows
            yield batch
            if left == 0 and not self._is_copied:
                return

    def span(self, start: datetime = EARLIEST, end: datetime = LATEST) -> tuple[datetime, datetime] | None:
        """When the oldest and the newest event within [start, end) happened; None without any."""
        told = self._statement("events")
        if told.shape.has_text_times:
            return self._span_of_texts(told, start, end)
        query = told.around("SELECT min(occurred_at), max(occurred_at) FROM ({}) rows_of_source")
        with self._asking(told):
            found = list(self.db.execute(query, self._bounds(start, end)).one())
        if found[0] is None:
            return None
        values, kind = as_arrow(told.shape, "occurred_at", found)
        oldest, newest = column(told.shape, "occurred_at", values, kind).to_pylist()
        return oldest, newest

    def _span_of_texts(
        self, told: Statement, start: datetime, end: datetime
    ) -> tuple[datetime, datetime] | None:
        """Over every row: the order of texts is not always that of times."""
        ends: list[datetime] = []
        query = told.around("SELECT occurred_at FROM ({}) rows_of_source")
        with self._asking(told), self.db.execute(query, self._bounds(start, end)) as result:
            for rows in result.partitions(self.settings.batch_rows):
                values, kind = as_arrow(told.shape, "occurred_at", [row[0] for row in rows])
                moments = pa.record_batch({"occurred_at": column(told.shape, "occurred_at", values, kind)})
                found = pc.min_max(_within(moments, start, end).column("occurred_at")).as_py()
                ends += [moment for moment in found.values() if moment is not None]
        return (min(ends), max(ends)) if ends else None

    def _statement(self, name: str) -> Statement:
        file = f"{self.settings.sql}/{name}.sql"
        is_sqlite = self.dialect == "sqlite"
        return statement.read(Shape(DATASETS[name], file, self.ids, self.settings.timezone, is_sqlite))

    def _read(
        self, told: Statement, bounds: Mapping[str, Any], limit: int | None
    ) -> Generator[pa.RecordBatch, None, None]:
        if self._is_copied:
            with self._asking(told):
                rows = copying.read(copying.prepare(self.db, told, bounds, limit), self.settings.batch_rows)
        else:
            rows = self._fetch(told, bounds)
        with closing(rows):
            while True:
                with self._asking(told):
                    batch = next(rows, None)
                if batch is None:
                    return
                yield batch

    def _fetch(self, told: Statement, bounds: Mapping[str, Any]) -> Generator[pa.RecordBatch, None, None]:
        options = {"stream_results": True, "max_row_buffer": self.settings.batch_rows}
        with self.db.execute(told.text, bounds, execution_options=options) as result:
            names = list(result.keys())
            check_names(told.shape, names)
            for rows in result.partitions(self.settings.batch_rows):
                columns = dict(zip(names, zip(*rows, strict=True), strict=True))
                read = {name: as_arrow(told.shape, name, values) for name, values in columns.items()}
                batch = pa.RecordBatch.from_arrays([array for array, _ in read.values()], names=names)
                yield enforce(told.shape, batch, {name: kind for name, (_, kind) in read.items()})

    def _bounds(self, start: datetime, end: datetime) -> dict[str, Any]:
        """Both ends as this database compares them: with zone, in the shop's own zone, or as text.

        SQLite compares texts, and there is more than one way to write a time: it is asked for a day
        more on both sides, and `_within` cuts exactly.
        """
        if self.dialect == "postgresql":
            return dict(zip(WINDOW, (utc(start), utc(end)), strict=True))
        is_sqlite = self.dialect == "sqlite"
        margin = MARGIN if is_sqlite else timedelta(0)
        zone = ZoneInfo(self.settings.timezone)
        local = [
            utc(moment).astimezone(zone).replace(tzinfo=None) for moment in (start - margin, end + margin)
        ]
        values = [moment.isoformat(" ", "microseconds") for moment in local] if is_sqlite else local
        return dict(zip(WINDOW, values, strict=True))

    @contextmanager
    def _asking(self, told: Statement) -> Iterator[None]:
        try:
            with connect.reaching(self.url, "source"):
                yield
        except (exc.SQLAlchemyError, psycopg.Error) as error:
            raise SourceError(
                f"the source database refused {told.shape.file}",
                found=_reason(error, self.url),
                promised=f"a SELECT that this login may run on {self.dialect}",
                then=told.shape.then,
            ) from None


@contextmanager
def opened(url: str, settings: SourceSettings, ids: Mapping[str, IdType]) -> Iterator[Source]:
    """Connect for reading. Raises Unreachable, or SourceError when the server lacks the shop's zone.

    The connection is dropped in the end, not rolled back: it may be lost, or in mid-answer.
    """
    engine = connect.engine(url)
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with connect.reaching(url, "source"):
        db = engine.connect()
    try:
        _set_zone(db, url, settings.timezone)
        yield Source(url, settings, ids, db)
    finally:
        db.invalidate()
        db.close()


def last_event_at(url: str, settings: SourceSettings, now: datetime) -> datetime:
    """When the newest event at or before `now` happened, UTC. DataError when there is none."""
    with opened(url, settings, NO_IDS) as source:
        found = source.span(end=now + timedelta(microseconds=1))
    if found is None:
        raise DataError(
            "the source has no events yet",
            found=f"none at or before {utc(now).isoformat()}",
            then=f"load some (python -m pipeline load --help), or edit {settings.sql}/events.sql",
        )
    return found[1]


def _set_zone(db: sa.Connection, url: str, timezone: str) -> None:
    """Let the server read times without zone as the shop means them."""
    try:
        with connect.reaching(url, "source"):
            if db.dialect.name == "postgresql":
                db.execute(sa.text("SELECT set_config('TimeZone', :zone, true)"), {"zone": timezone})
            elif db.dialect.name in MYSQL:
                zone = "+00:00" if timezone == "UTC" else timezone
                db.execute(sa.text("SET time_zone = :zone"), {"zone": zone})
    except exc.SQLAlchemyError as error:
        raise SourceError(
            f"the source database does not know the time zone {timezone}",
            found=_reason(error, url),
            promised="the zone that [source] timezone in config.toml names",
            then="load the server's time zone tables (mysql_tzinfo_to_sql), or set [source] timezone",
        ) from None


def _within(batch: pa.RecordBatch, start: datetime, end: datetime) -> pa.RecordBatch:
    """The rows of [start, end), and those without a time, which `validate` judges.

    Cut here because a clock that repeats an hour, or a text, is not cut exactly in the database.
    """
    moments = batch.column("occurred_at")
    scalar = [pa.scalar(utc(moment), moments.type) for moment in (start, end)]
    inside = pc.and_(pc.greater_equal(moments, scalar[0]), pc.less(moments, scalar[1]))
    return batch.filter(pc.fill_null(inside, True))


def _reason(error: Exception, url: str) -> str:
    told = error.orig if isinstance(error, exc.DBAPIError) else error
    lines = urls.scrub(str(told), url).strip().splitlines()
    return lines[0][:500] if lines else type(told).__name__
