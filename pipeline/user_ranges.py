"""Works through a file of events in ranges of users: what is sorted or counted at a time fits into memory.

Events are sorted by user first (contract/datasets.py), so those of a range lie together in the file, and what
a statement gives for one range after another is what it would give for all of them, in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import engine, progress

EVENTS_A_GB = 1_000_000
"""Events of a range for each gigabyte of DuckDB's memory: without doubles and sorted they take half of it."""


@dataclass(frozen=True)
class Events:
    """A file of events, divided into ranges of users.

    table: what statements call it; bounds: ids in the order of the file, at each of which a range begins
    """

    table: str
    path: Path
    bounds: Sequence[Any] = ()

    @classmethod
    def of(cls, db: duckdb.DuckDBPyConnection, table: str, path: Path, memory_gb: float) -> Events:
        """The events of `path`, which DuckDB works on with so much memory, for statements of `db` to read."""
        engine.view(db, table, path)
        n_events = int(EVENTS_A_GB * memory_gb)
        query = (
            f"SELECT DISTINCT user_id FROM {engine.parquet(path)}"
            f" WHERE file_row_number % {n_events} = 0 AND file_row_number > 0"
            " AND user_id IS NOT NULL ORDER BY user_id"
        )
        return cls(table, path, [user_id for (user_id,) in db.sql(query).fetchall()])

    def rows(
        self, db: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, Any] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of `sql/transform/<statement>.sql` for one range after another; it must look at each user
        by itself. Afterwards statements read all events again.
        """
        n_events = pq.read_metadata(self.path).num_rows
        starts = [None, *self.bounds]
        with progress.step(statement, n_events, "events") as done:
            for first, end in zip(starts, [*self.bounds, None], strict=True):
                engine.view(db, self.table, self.path, users=(first, end))
                yield from db.sql(engine.statement(statement), params=dict(values or {})).to_arrow_reader(
                    engine.BATCH
                )
                done(n_events / len(starts))
        engine.view(db, self.table, self.path)
