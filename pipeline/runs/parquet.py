"""Writes a dataset's Parquet file with the schema and key of the contract: same rows, same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import engine, progress
from pipeline.contract.datasets import Dataset
from pipeline.errors import ContractBroken
from pipeline.parallel import ahead
from pipeline.runs.files import write_whole

ROW_GROUP = 128 * 1024
SCORE = "score"
"""The column of which almost every row has a value of its own."""
SMALL = 100_000
"""Rows of a file whose key is checked in memory: that takes less time than to start the SQL engine."""

Rows: TypeAlias = pa.Table | pa.RecordBatchReader | Iterable[pa.RecordBatch]


def write(dataset: Dataset, schema: pa.Schema, rows: Rows, target: Path, total: int | None = None) -> int:
    """Write `rows` to `target`; returns how many. total: how many there will be, where they are to be counted

    Raises ContractBroken where columns, types or nulls differ from `schema` or a key is doubled; DiskFull.
    """
    batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
    count = 0

    def fill(path: Path) -> None:
        nonlocal count
        with pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            write_page_checksum=True,
            **encodings(schema),
            write_statistics=with_statistics(schema),
        ) as writer:
            groups = _row_groups((fit(dataset, schema, batch) for batch in batches), schema)
            with closing(ahead(groups)) as tables:
                counted: Iterable[pa.Table] = tables
                if total is not None:
                    counted = progress.over(tables, dataset.name, total, "rows", lambda table: table.num_rows)
                for table in counted:
                    writer.write_table(table, row_group_size=ROW_GROUP)
                    count += table.num_rows
        _check_key(dataset, path)

    write_whole(target, fill)
    return count


def encodings(schema: pa.Schema) -> dict[str, Any]:
    """For a ParquetWriter: how columns are stored. Columns of few values have a dictionary.

    Times are told by their differences, which takes two thirds of the room where each event has its own time,
    and a byte more for each where a shop tells dates alone. Scores have their bytes side by side, half of the
    room. Lists (vectors) are stored as they are.
    """
    times = {field.name: "DELTA_BINARY_PACKED" for field in schema if pa.types.is_timestamp(field.type)}
    scores = {SCORE: "BYTE_STREAM_SPLIT"} if SCORE in schema.names else {}
    told = {**times, **scores}
    return {"use_dictionary": [name for name in schema.names if name not in told], "column_encoding": told}


def with_statistics(schema: pa.Schema) -> list[str]:
    """The columns whose smallest and largest value are stored in the file: all but floating-point ones.

    Neither counts NaN, so that DuckDB, which skips row groups by them, would miss rows with NaN.
    """
    return [field.name for field in schema if not pa.types.is_floating(field.type)]


def fit(dataset: Dataset, schema: pa.Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch` with exactly the columns and types of `schema`.

    Raises ContractBroken where a column is missing or unknown, holds a null that the schema forbids, or
    cannot be cast without loss (an overflow, a fraction, a text that is no number).
    """
    if set(batch.schema.names) != set(schema.names):
        raise ContractBroken(
            f"`{dataset.name}` has other columns than contract/datasets.py",
            found=", ".join(batch.schema.names),
            promised=", ".join(schema.names),
            then=f"mend stage {dataset.stage}",
        )
    columns = []
    for wanted in schema:
        column = batch.column(wanted.name)
        try:
            column = column if column.type == wanted.type else column.cast(wanted.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ContractBroken(
                f"`{dataset.name}.{wanted.name}` cannot be read as {wanted.type}",
                found=f"{batch.column(wanted.name).type}: {error}",
                promised=str(wanted.type),
                then=f"mend stage {dataset.stage}, or [ids] in config.toml",
            ) from error
        if column.null_count and not wanted.nullable:
            raise ContractBroken(
                f"`{dataset.name}.{wanted.name}` holds {column.null_count:,} nulls",
                promised="none",
                then=f"mend stage {dataset.stage}",
            )
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of batches of any size as tables of exactly ROW_GROUP rows; the last may be shorter."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        while rows >= ROW_GROUP:
            table = pa.Table.from_batches(waiting, schema=schema)
            yield table.slice(0, ROW_GROUP).combine_chunks()
            waiting, rows = table.slice(ROW_GROUP).to_batches(), rows - ROW_GROUP
    if rows:
        yield pa.Table.from_batches(waiting, schema=schema).combine_chunks()


def _check_key(dataset: Dataset, path: Path) -> None:
    if not dataset.key:
        return
    is_small = pq.read_metadata(path).num_rows <= SMALL
    doubled = _doubled_here(path, dataset.key) if is_small else _doubled(path, dataset.key)
    if doubled:
        raise ContractBroken(
            f"`{dataset.name}` holds a row {doubled[-1]} times",
            found=", ".join(f"{k} = {v}" for k, v in zip(dataset.key, doubled[:-1], strict=True)),
            promised=f"one row for each ({', '.join(dataset.key)})",
            then=f"mend stage {dataset.stage}",
        )


def _doubled_here(path: Path, key: tuple[str, ...]) -> tuple[Any, ...] | None:
    """A key that stands in more than one row, with the number of its rows; None where there is none."""
    rows = pq.read_table(path, columns=list(key)).group_by(list(key)).aggregate([([], "count_all")])
    doubled = rows.filter(pc.field("count_all") > 1).slice(0, 1).to_pylist()
    return (*(doubled[0][name] for name in key), doubled[0]["count_all"]) if doubled else None


def _doubled(path: Path, key: tuple[str, ...]) -> tuple[Any, ...] | None:
    """The same in bounded memory, by the SQL engine, which takes a while to start."""
    columns = ", ".join(key)
    with engine.connect(spill=path.with_name("scratch")) as db:
        row: tuple[Any, ...] | None = db.execute(
            f"SELECT {columns}, count(*) FROM {engine.parquet(path)}"
            f" GROUP BY {columns} HAVING count(*) > 1 LIMIT 1"
        ).fetchone()
    return row
