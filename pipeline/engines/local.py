"""This machine: set work in DuckDB, which spills to disk beyond its memory limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline import engine
from pipeline.config import Als, Run
from pipeline.engines.tables import EVERYBODY, Engine, ItemFactors, Range, Tables, UserWork, Values
from pipeline.user_ranges import EVENTS_A_GB, Events


class DuckTables(Tables):
    """Tables in DuckDB.

    memory_gb: what DuckDB works with; statements that look at each user by itself are run for ranges of users
               whose events fit into it
    """

    def __init__(self, db: duckdb.DuckDBPyConnection, memory_gb: float) -> None:
        self._db, self._memory_gb = db, memory_gb
        self._events: dict[tuple[str, Path], Events] = {}

    def view(
        self,
        name: str,
        *files: Path,
        since: datetime | None = None,
        until: datetime | None = None,
        users: Range = EVERYBODY,
    ) -> None:
        engine.view(self._db, name, *files, since=since, until=until, users=users)

    def give(self, name: str, rows: pa.Table) -> None:
        self._db.register(name, rows)

    def show(self, table: str, statement: str, values: Values = None) -> None:
        engine.show(self._db, table, statement, values)

    def show_query(self, table: str, text: str) -> None:
        self._db.sql(text).create_view(table, replace=True)

    def keep(self, table: str, statement: str, values: Values = None) -> None:
        engine.keep(self._db, table, statement, values)

    def rows(self, statement: str, values: Values = None) -> Iterator[pa.RecordBatch]:
        return iter(engine.rows(self._db, statement, values))

    def table(self, statement: str, values: Values = None) -> pa.Table:
        return engine.rows(self._db, statement, values).read_all()

    def query(self, text: str) -> pa.Table:
        return self._db.sql(text).to_arrow_table()

    def rows_by_user(
        self, table: str, path: Path, statement: str, values: Values = None
    ) -> Iterator[pa.RecordBatch]:
        if (table, path) not in self._events:
            self._events[table, path] = Events.of(self._db, table, path, self._memory_gb)
        return self._events[table, path].rows(self._db, statement, values)

    def table_by_user(self, statement: str, values: Values = None) -> pa.Table:
        """What is grouped at a time fits into memory, and whatever stands in a range of users is found
        without reading the others."""
        counts = "SELECT (SELECT count(*) FROM user_rows), (SELECT count(*) FROM all_event_rows)"
        [(n_users, n_events)] = self._db.sql(counts).fetchall()
        step = max(n_users * int(EVENTS_A_GB * self._memory_gb) // max(n_events, 1), 1)
        parts = []
        for first in range(0, max(n_users, 1), step):
            self.show_query(
                "event_rows",
                f"FROM all_event_rows WHERE user_row >= {first} AND user_row < {first + step}",
            )
            parts.append(self.table(statement, values))
        self.show_query("event_rows", "FROM all_event_rows")
        return pa.concat_tables(parts)

    def item_factors(self, statement: str, values: Values, als: Als, seed: int) -> ItemFactors | None:
        return None


class Local(Engine):
    """This machine."""

    @contextmanager
    def tables(self, run: Run, spill: Path) -> Iterator[Tables]:
        with engine.connect(run.memory_limit_gb, run.threads, spill) as db:
            yield DuckTables(db, run.memory_limit_gb)

    def over_users(
        self,
        whole: Callable[[], Iterator[pa.RecordBatch]],
        in_ranges: Callable[[], UserWork] | None,
        spill: Path,
    ) -> Iterator[pa.RecordBatch]:
        """All at once: what each user is known by is in memory already."""
        return whole()

    def usage(self) -> dict[str, Any]:
        return {}


LOCAL = Local()
