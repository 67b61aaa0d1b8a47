"""Reads embeddings of items from a Parquet file: item_id, embedding; optional: kind, known_at.

Rows are streamed, a few thousand at a time: a row has hundreds of numbers. A number that is missing or not
finite is refused; whether lengths agree and each item has one embedding of a kind is for `validate` to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.datasets import DEFAULT_KIND, EMBEDDING
from pipeline.errors import SourceError
from pipeline.loading import event_times, values
from pipeline.loading.table_file import AGAIN, TableFile
from pipeline.loading.words import counted, literal

ROWS = 4096
"""Rows of a batch."""

PROMISED = "a Parquet file with item_id and embedding, a list of numbers, and perhaps kind and known_at"


def check(file: TableFile) -> None:
    """Raise SourceError where the file is no Parquet file, or its embeddings are no lists of numbers."""
    if file.path.is_file() and file.path.suffix.lower() != ".parquet":
        raise SourceError(
            f"embeddings are not read from {file.path}",
            found=file.path.suffix or "no extension",
            promised=PROMISED,
            then=f"save them as Parquet (docs/models.md shows how), {AGAIN}",
        )
    file.require(("item_id", "embedding"))
    kind = file.types["embedding"]
    number, bracket, rest = kind.partition("[")
    if not (number.startswith(values.NUMBERS) and bracket and rest.endswith("]") and "[" not in rest):
        raise SourceError(
            f"`embedding` of {file.path} holds no lists of numbers",
            found=kind,
            promised=PROMISED,
            then=f"write each as one list, such as embedding.tolist() in Python, {AGAIN}",
        )


def read(file: TableFile, item_id: str, zone: str) -> Iterator[pa.RecordBatch]:
    """The rows as batches of `item_id`, `kind`, `embedding` (list of float32) and `known_at` (UTC).

    item_id: SQL for the ids
    zone:    of times without one

    Raises SourceError that names the item of a number that is missing or not finite.
    """
    known_at = event_times.sql(file, "known_at")
    kind = f"coalesce({values.label(file, 'kind')}, {literal(DEFAULT_KIND)})"
    query = (
        f"SELECT {item_id} AS item_id, {kind} AS kind, CAST(embedding AS DOUBLE[]) AS embedding,"
        f" {known_at} AS known_at FROM {file.source}"
    )
    [(n_rows,)] = file.fetch(f"SELECT count(*) FROM {file.source}")
    file.notes.append(f"{file.path.name}: {counted(n_rows, 'embedding')} read")
    return event_times.open_in_utc(file, _finite(file, file.rows(query, ROWS)), ("known_at",), zone)


def _finite(file: TableFile, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows, embeddings as float32. Raises SourceError for a number that is none there."""
    place = 2
    for batch in batches:
        lists = batch.column(place)
        singles = lists.cast(EMBEDDING)
        is_finite = pc.fill_null(pc.is_finite(singles.flatten()), False)
        wrong = pc.index(is_finite, False).as_py()
        if wrong >= 0:
            item = batch.column("item_id")[pc.list_parent_indices(lists)[wrong].as_py()]
            raise SourceError(
                f"the embedding of item {item.as_py()} in {file.path} has a number that cannot be compared",
                found=_words(lists.flatten()[wrong].as_py()),
                promised="finite numbers that fit float32, none missing",
                then=f"make that embedding anew or leave its row out, {AGAIN}",
            )
        yield batch.set_column(place, "embedding", singles)


def _words(number: float | None) -> str:
    return "a missing one (null)" if number is None else repr(number)
