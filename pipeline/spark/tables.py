"""Set work in Spark: the same statements over the same files, on the executors of a cluster.

What is large goes through files in a folder that driver and executors share (`spill`), so that it is in
nobody's memory as a whole: what is stored for later statements, and rows on their way into a dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import engine
from pipeline.config import Als
from pipeline.engines.tables import EVERYBODY, ItemFactors, Range, Tables, Values
from pipeline.spark import dialect
from pipeline.spark.als import fit

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class SparkTables(Tables):
    """Tables of one Spark session. folder: for rows on their way, shared by driver and executors"""

    def __init__(self, session: SparkSession, folder: Path) -> None:
        self._session, self._folder = session, folder
        self._names: set[str] = set()

    def view(
        self,
        name: str,
        *files: Path,
        since: datetime | None = None,
        until: datetime | None = None,
        users: Range = EVERYBODY,
    ) -> None:
        from pyspark.sql import functions

        if any(_is_split(file) for file in files):
            self.give(name, pa.concat_tables([pq.read_table(file) for file in files]))
            return
        rows, moment = self._read(*files), functions.col("occurred_at")
        if since is not None:
            rows = rows.where(moment >= functions.lit(since))
        if until is not None:
            rows = rows.where(moment < functions.lit(until))
        if users[0] is not None:
            rows = rows.where(functions.col("user_id") >= functions.lit(users[0]))
        if users[1] is not None:
            rows = rows.where(functions.col("user_id") < functions.lit(users[1]))
        self._name(name, rows)

    def give(self, name: str, rows: pa.Table) -> None:
        self._name(name, self._session.createDataFrame(rows))

    def show(self, table: str, statement: str, values: Values = None) -> None:
        self._name(table, self._frame(statement, values))

    def show_query(self, table: str, text: str) -> None:
        self._name(table, self._session.sql(dialect.translated(text)))

    def keep(self, table: str, statement: str, values: Values = None) -> None:
        self._name(table, self._read(_written(self._frame(statement, values), self._folder)))

    def rows(self, statement: str, values: Values = None) -> Iterator[pa.RecordBatch]:
        return streamed(self._frame(statement, values), self._folder)

    def table(self, statement: str, values: Values = None) -> pa.Table:
        return self._frame(statement, values).toArrow()

    def query(self, text: str) -> pa.Table:
        return self._session.sql(dialect.translated(text)).toArrow()

    def rows_by_user(
        self, table: str, path: Path, statement: str, values: Values = None
    ) -> Iterator[pa.RecordBatch]:
        return self.rows(statement, values)

    def table_by_user(self, statement: str, values: Values = None) -> pa.Table:
        return self.table(statement, values)

    def item_factors(self, statement: str, values: Values, als: Als, seed: int) -> ItemFactors | None:
        """By MLlib, whose penalty grows in proportion to a row's cells: none where it should not."""
        if als.regularization_scale != 1:
            return None
        self._session.sparkContext.setCheckpointDir(_uri(self._folder / "checkpoints"))
        with fit(self._session, self._frame(statement, values), als, seed) as fitted:
            return ItemFactors(fitted.item_rows, fitted.item_factors)

    def close(self) -> None:
        """Forget all tables."""
        for name in self._names:
            self._session.catalog.dropTempView(name)

    def _name(self, name: str, rows: DataFrame) -> None:
        rows.createOrReplaceTempView(name)
        self._names.add(name)

    def _frame(self, statement: str, values: Values) -> DataFrame:
        return self._session.sql(dialect.statement(statement), args=dict(values or {}))

    def _read(self, *files: Path) -> DataFrame:
        """Parquet files, each read under exactly its name: no character of it is a pattern."""
        paths = [_uri(file) for file in files]
        return self._session.read.option("__globPaths__", "false").parquet(*paths)


def streamed(rows: DataFrame, folder: Path) -> Iterator[pa.RecordBatch]:
    """The rows in their order: executors write them in parts, and the driver reads one batch at a time.

    folder: where the parts lie until they have been read, shared by driver and executors
    """
    for part in sorted(_written(rows, folder).glob("part-*.parquet")):
        with pq.ParquetFile(part) as file:
            yield from file.iter_batches(engine.BATCH)
        part.unlink()


def _written(rows: DataFrame, folder: Path) -> Path:
    """A new folder in `folder` with the Parquet files that hold `rows`."""
    made = folder / f"rows-{uuid4().hex}"
    rows.write.parquet(_uri(made))
    return made


def _is_split(file: Path) -> bool:
    """Whether numbers are stored byte by byte, as scores are (`runs/parquet.py`), which Spark cannot read.

    Lists of items have scores, and events have none.
    """
    with pq.ParquetFile(file) as open_:
        data = open_.metadata
        groups = [data.row_group(n) for n in range(min(data.num_row_groups, 1))]
    columns = [group.column(n) for group in groups for n in range(group.num_columns)]
    return any("BYTE_STREAM_SPLIT" in column.encodings for column in columns)


def _uri(path: Path) -> str:
    """As Hadoop reads it, which decodes nothing."""
    return f"file://{path.absolute()}"
