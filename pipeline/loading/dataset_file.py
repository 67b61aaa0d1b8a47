"""Writes what a reader of this package yields as a dataset of `contract/datasets.py`, a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Ids
from pipeline.contract.datasets import DATASETS, ITEM, USER

RENAMED = {"customer_id": USER, "product_id": ITEM}
"""Columns of the shop's tables -> of the datasets."""


def write(path: Path, name: str, ids: Ids, batches: Iterable[pa.RecordBatch]) -> int:
    """Write the dataset `name` to `path`; returns the number of rows. ids: the types of the shop's ids"""
    return sum(batch.num_rows for batch in copied(path, name, ids, batches))


def copied(path: Path, name: str, ids: Ids, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches; each is written to `path` too, which is whole when all were read."""
    schema = DATASETS[name].schema(ids.model_dump())
    with pq.ParquetWriter(path, schema, compression="lz4") as writer:
        for batch in batches:
            renamed = batch.rename_columns([RENAMED.get(column, column) for column in batch.schema.names])
            writer.write_batch(renamed.select(schema.names).cast(schema))
            yield batch
