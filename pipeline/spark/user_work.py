"""Rows that are made for ranges of users, on the executors of a cluster: one task for each range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.engines.tables import UserWork

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def rows_of(session: SparkSession, work: UserWork) -> DataFrame:
    """The rows of all ranges, in their order, one partition for each. Each executor is sent `work` once."""
    from pyspark.sql.pandas.types import from_arrow_schema

    sent = session.sparkContext.broadcast(work)

    def rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from sent.value.rows(number)

    numbers = session.range(0, work.n_ranges, 1, work.n_ranges)
    return numbers.mapInArrow(rows, from_arrow_schema(work.schema))
