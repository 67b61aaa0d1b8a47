"""Reads the shop's rows in batches, from any database that SQLAlchemy supports.

PostgreSQL is read through COPY (`copying`) and DuckDB as Arrow (`arrow_rows`), which is faster. `columns`
checks and converts the columns, `statement` reads the shop's SQL files.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy import exc

from pipeline.config import IdType
from pipeline.config import Source as SourceSettings
from pipeline.contract.datasets import DATASETS
from pipeline.databases import connect, duckdb_files, failures, urls
from pipeline.databases.watch import Watch
from pipeline.errors import SourceError
from pipeline.source import arrow_rows, copying, driver_types, no_times
from pipeline.source import further as further_columns
from pipeline.source import statement as statements
from pipeline.source.columns import Shape, as_arrow, check_names, column, enforce
from pipeline.source.driver_types import MYSQL
from pipeline.source.further import Further
from pipeline.source.statement import Statement
from pipeline.source.window import EARLIEST, LATEST, MARGIN, before, ends, within
from pipeline.times import FIRST_OF_A_SHOP

WIDE_ROWS = 4096
"""Rows of a batch of embeddings, of which each has hundreds of numbers."""


@dataclass(frozen=True)
class Source:
    """An open connection to the shop's database; on PostgreSQL all reads see one snapshot.

    ids:   type of ids: `user` and `item` -> integer, text or uuid
    watch: ends the connection when the server is silent for `source.silent_minutes`
    """

    url: str
    settings: SourceSettings
    ids: Mapping[str, IdType]
    db: sa.Connection
    watch: Watch

    @property
    def dialect(self) -> str:
        """SQLAlchemy's name of the database system: `postgresql`, `mysql`, `sqlite`, ..."""
        return self.db.dialect.name

    @property
    def _is_copied(self) -> bool:
        """Whether COPY is used. It carries the limit in its statement, and must be read to its end."""
        return self.dialect == "postgresql" and self.db.dialect.driver == "psycopg"

    def has(self, name: str) -> bool:
        """Whether the shop has a statement for this dataset, and the tables without which it is left out."""
        needed = statements.needed_tables(self.settings.sql, name)
        return statements.path(self.settings.sql, name).exists() and all(map(self._columns_of, needed))

    def batches(
        self, name: str, start: datetime = EARLIEST, end: datetime = LATEST, limit: int | None = None
    ) -> Generator[pa.RecordBatch, None, None]:
        """Rows of `events` within [start, end), or all of another dataset, in the columns of the contract.

        At most `settings.batch_rows` at a time (of embeddings WIDE_ROWS) and `limit` in all. Raises
        SourceError naming the statement and the column, or Unreachable.
        """
        statement = self._statement(name)
        bounds = self._bounds(statement, start, end) if name == "events" else {}
        left = limit
        for batch in self._read(statement, bounds, limit):
            batch = within(batch, start, end) if name == "events" else batch
            if left is not None:
                batch = batch.slice(0, left)
                left -= batch.num_rows
            yield batch
            if left == 0 and not self._is_copied:
                return

    def further(self) -> Further:
        """The columns that `users.sql` selects beyond those of `users`."""
        with self._failures_named(statement := self._written("users")):
            return further_columns.of(self.db, statement, self._is_copied, self.settings.batch_rows)

    def attributes(self, further: Further) -> Generator[pa.RecordBatch, None, None]:
        """The rows of `user_attributes`: the values of the further columns of `users.sql` that are read."""
        statement = self._in_zone(further_columns.selected(self._written("users"), further))
        return (further_columns.rows(batch, further) for batch in self._read(statement, {}, None))

    def span(self, start: datetime = EARLIEST, end: datetime = LATEST) -> tuple[datetime, datetime] | None:
        """The times of the oldest and the newest event within [start, end), UTC; None without events."""
        statement = self._statement("events")
        if statement.shape.has_text_times:
            return self._span_of_texts(statement, start, end)
        query = statement.around("SELECT min(occurred_at), max(occurred_at) FROM ({}) rows_of_source")
        with self._failures_named(statement):
            bounds = self._bounds(statement, start, end, margin=timedelta(0))
            values = self._values(query, bounds)
        if values[0] is None:
            self._explain(statement, is_empty=True)
            return None
        array, kind = as_arrow(statement.shape, "occurred_at", values)
        oldest, newest = column(statement.shape, "occurred_at", array, kind).to_pylist()
        return oldest, newest

    def estimate(self, start: datetime, end: datetime) -> int | None:
        """About how many events lie within [start, end), as PostgreSQL plans it; None: nobody knows."""
        if not self._is_copied:
            return None
        statement = self._statement("events")
        with self._failures_named(statement):
            return copying.estimate(self.db, statement, self._bounds(statement, start, end))

    def before_any_shop(self) -> tuple[int, str]:
        """How many events are older than any shop, and the oldest of them as the database writes it."""
        statement = self._statement("events")
        zone = statement.shape.timezone
        with self._failures_named(statement):
            windows = before(
                self.dialect, zone, FIRST_OF_A_SHOP, are_moments=self._compares_moments(statement)
            )
            return no_times.oldest(self.db, statement, windows)

    def _values(self, query: sa.TextClause, values: Mapping[str, Any]) -> list[Any]:
        """The one row of a query."""
        if self.dialect == "duckdb":
            return [array[0].as_py() for array in arrow_rows.first(self.db, query, values)]
        return list(self.db.execute(query, values).one())

    def _span_of_texts(
        self, statement: Statement, start: datetime, end: datetime
    ) -> tuple[datetime, datetime] | None:
        """`span` where times are texts: reads every row, because texts need not sort as times do."""
        found: list[datetime] = []
        query = statement.around("SELECT occurred_at FROM ({}) rows_of_source")
        bounds = self._bounds(statement, start, end)
        with self._failures_named(statement), self.db.execute(query, bounds) as result:
            for rows in result.partitions(self.settings.batch_rows):
                values, kind = as_arrow(statement.shape, "occurred_at", [row[0] for row in rows])
                moments = pa.record_batch(
                    {"occurred_at": column(statement.shape, "occurred_at", values, kind)}
                )
                span = pc.min_max(within(moments, start, end).column("occurred_at")).as_py()
                found += [moment for moment in span.values() if moment is not None]
        if not found:
            self._explain(statement, is_empty=True)
        return (min(found), max(found)) if found else None

    def _written(self, name: str) -> Statement:
        """The statement as the shop wrote it."""
        file, zone = f"{self.settings.sql}/{name}.sql", self.settings.timezone
        shape = Shape(DATASETS[name], file, self.ids, zone, self.dialect)
        return statements.read(shape, self._columns_of)

    def _statement(self, name: str) -> Statement:
        """The statement that returns the columns of the dataset `name`."""
        statement = self._written(name)
        if name == "users":
            with self._failures_named(statement):
                statement = further_columns.narrowed(self.db, statement)
        return self._in_zone(statement)

    def _in_zone(self, statement: Statement) -> Statement:
        """The statement. Where its times are moments, they are compared and read in UTC."""
        shape, name, zone = statement.shape, statement.shape.dataset.name, self.settings.timezone
        if zone != "UTC" and self.dialect in ("postgresql", "duckdb", *MYSQL):
            in_utc = name == "events" and self._holds_moments(statement)
            if self.dialect in MYSQL:
                with self._failures_named(statement):
                    self.db.execute(sa.text("SET time_zone = :zone"), {"zone": "+00:00" if in_utc else zone})
            if in_utc:
                return replace(statement, shape=replace(shape, timezone="UTC"))
            if name != "events" and self.dialect in MYSQL:
                return self._with_exact_moments(statement)
        if name == "events" and shape.has_text_times:
            self._explain(statement)
        return statement

    def _columns_of(self, table: str) -> list[str]:
        """The names of a table's columns; none where there is no such table, or not all of it may be read.

        In lower case where the engine does not tell a name without quotes by its case. A try that fails costs
        the transaction nothing.
        """
        query = sa.text(f"SELECT * FROM {table} WHERE 1 = 0")
        try:
            with connect.reaching(self.url, "source", self.watch), self.watch.waiting():
                if self.dialect == "duckdb":
                    names = arrow_rows.names(self.db, query)
                else:
                    with self.db.begin_nested():
                        names = list(self.db.execute(query).keys())
        except exc.SQLAlchemyError:
            return []
        return names if self.dialect == "postgresql" else [name.lower() for name in names]

    def _with_exact_moments(self, statement: Statement) -> Statement:
        """The statement with its columns of MySQL's TIMESTAMP as times of UTC.

        The session stays in the shop's zone, in which expressions are computed; a TIMESTAMP of the hour that
        comes twice would be read there as of the first.
        """
        query = statement.around("SELECT * FROM ({}) rows_of_source LIMIT 0")
        with self._failures_named(statement), self.db.execute(query) as result:
            names, exact = list(result.keys()), driver_types.moments(self.dialect, result.cursor)
        if not exact:
            return statement
        check_names(statement.shape, names)
        columns = ", ".join(driver_types.MYSQL_IN_UTC.format(n) if n in exact else f"`{n}`" for n in names)
        text = f"SELECT {columns} FROM (\n{statement.sql}\n) rows_of_source"
        return replace(statement, sql=text, shape=replace(statement.shape, in_utc=exact))

    def _holds_moments(self, statement: Statement) -> bool:
        query = statement.around("SELECT * FROM ({}) rows_of_source LIMIT 0")
        bounds = ends(self.dialect, self.settings.timezone, EARLIEST, LATEST, timedelta(0))
        if self.dialect == "duckdb":
            with self._failures_named(statement):
                return arrow_rows.holds_moments(self.db, statement, bounds)
        with self._failures_named(statement), self.db.execute(query, bounds) as result:
            return "occurred_at" in driver_types.moments(self.dialect, result.cursor)

    def _read(
        self, statement: Statement, bounds: Mapping[str, Any], limit: int | None
    ) -> Generator[pa.RecordBatch, None, None]:
        batch_rows = self.settings.batch_rows
        if statement.shape.dataset.name == "item_embeddings":
            batch_rows = min(batch_rows, WIDE_ROWS)
        if self._is_copied:
            with self._failures_named(statement):
                copy = copying.prepare(self.db, statement, bounds, limit, self.settings.encoding)
                rows = copying.read(copy, batch_rows)
        elif self.dialect == "duckdb":
            rows = arrow_rows.read(self.db, statement, bounds, batch_rows)
        else:
            rows = self._fetch(statement, bounds, batch_rows)
        with closing(rows):
            while True:
                with self._failures_named(statement):
                    batch = next(rows, None)
                if batch is None:
                    return
                yield batch

    def _fetch(
        self, statement: Statement, bounds: Mapping[str, Any], batch_rows: int
    ) -> Generator[pa.RecordBatch, None, None]:
        options = {"stream_results": True, "max_row_buffer": batch_rows}
        with self.db.execute(statement.text, bounds, execution_options=options) as result:
            names = list(result.keys())
            check_names(statement.shape, names)
            kinds = driver_types.kinds(self.dialect, result.cursor)
            for rows in result.partitions(batch_rows):
                columns = dict(zip(names, zip(*rows, strict=True), strict=True))
                read = {
                    name: as_arrow(statement.shape, name, values, kinds.get(name))
                    for name, values in columns.items()
                }
                batch = pa.RecordBatch.from_arrays([array for array, _ in read.values()], names=names)
                yield enforce(statement.shape, batch, {name: kind for name, (_, kind) in read.items()})

    def _bounds(
        self, statement: Statement, start: datetime, end: datetime, margin: timedelta = MARGIN
    ) -> dict[str, Any]:
        """The ends of the window as this database compares them (see `window.ends`).

        A margin is added where the statement may compare other values than `occurred_at`: texts, of which
        one time can be written in more than one way, or times of a clock beside moments.
        """
        zone = statement.shape.timezone
        is_text = statement.shape.has_text_times
        may_differ = is_text or (self.dialect in MYSQL and zone != self.settings.timezone)
        added = margin if may_differ else timedelta(0)
        are_moments = self._compares_moments(statement)
        return ends(self.dialect, zone, start, end, added, are_moments=are_moments)

    def _compares_moments(self, statement: Statement) -> bool:
        """Whether DuckDB is given moments: it reads times without zone in the zone of its session."""
        return self.dialect == "duckdb" and statement.shape.timezone != self.settings.timezone

    @contextmanager
    def _failures_named(self, statement: Statement) -> Iterator[None]:
        """Turn a failure of the database into an error that says what it means, or names the statement."""
        try:
            with connect.reaching(self.url, "source", self.watch), self.watch.waiting():
                yield
        except (exc.SQLAlchemyError, psycopg.Error) as error:
            self._explain(statement, error)
            raise self._refused(error, statement) from None

    def _explain(
        self, statement: Statement, failure: Exception | None = None, *, is_empty: bool = False
    ) -> None:
        with self.watch.waiting():
            no_times.explain(self.db, statement, failure, is_empty=is_empty)

    def _refused(self, error: Exception, statement: Statement) -> SourceError:
        """The error of a statement that the server will refuse the next time too."""
        file, found = statement.shape.file, failures.words(error, self.url)
        if failures.sqlstate(error) == failures.NO_RIGHT:
            return SourceError(
                f"the login {urls.shown(self.url)} lacks a right that {file} needs",
                found=found,
                promised="a login that may SELECT what the statement names",
                then="GRANT it that right in the source database, as the owner; then run the same again",
            )
        folder = Path(self.db.engine.url.database or "").parent
        advice = duckdb_files.advice(found, folder) if self.dialect == "duckdb" else ""
        return SourceError(
            f"the source database refused {file}",
            found=found,
            promised=f"a SELECT that this login may run on {self.dialect}",
            then=f"{advice}; or {statement.shape.then}" if advice else statement.shape.then,
        )
