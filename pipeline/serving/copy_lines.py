"""The run's lists as lines of COPY: rows of one key become one line of arrays, ordered by rank.

A kind without arrays is no list: each of its rows is a line.
Everything is done by column, a batch at a time: a list that goes on in the next batch waits for it,
so memory is that of a batch whatever the shop's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import ContractBroken, DamagedFile

BATCH = 64 * 1024
SPECIAL = r'[\\"\t\n\r]'
NULL = r"\N"


@dataclass(frozen=True)
class ListKind:
    """A dataset of ranked rows, and the table in the storage schema that holds a row for each list.

    key:     the column whose rows make one list
    arrays:  column of the dataset -> array column of the table
    details: array columns of the same name that a list may do without: null where no row of it has a value,
             or where the dataset is an older release's without the column
    values:  columns of a dataset without ranks that the table takes as they are; there are no arrays then
    since:   the version of the schema that brought the table; None: the first one. Runs that a release before
             that version made have no such dataset
    """

    dataset: str
    table: str
    key: str
    arrays: dict[str, str]
    details: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    since: int | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table, in the order of `lines`."""
        return ("version", self.key, *self.arrays.values(), *self.details, *self.values)


KINDS = (
    ListKind(
        "recommendations",
        "user_lists",
        "user_id",
        {
            "item_id": "item_ids",
            "score": "scores",
            "reason": "reasons",
            "because_item_id": "because_item_ids",
        },
        details=("last_bought_on", "gap_days", "percent_off", "model_rank"),
    ),
    ListKind("popular_items", "popular_lists", "category", {"item_id": "item_ids", "score": "scores"}),
    ListKind(
        "similar_items",
        "similar_lists",
        "item_id",
        {"similar_item_id": "similar_item_ids", "score": "scores"},
    ),
    ListKind(
        "also_bought",
        "also_bought_lists",
        "item_id",
        {"also_bought_item_id": "also_bought_item_ids", "support": "supports", "lift": "lifts"},
    ),
    ListKind("user_purchases", "user_purchases", "user_id", {"item_id": "item_ids"}),
    ListKind("user_categories", "user_categories", "user_id", {"category": "categories"}),
    ListKind("user_segments", "user_segments", "user_id", {}, values=("segment",), since=12),
    ListKind(
        "popular_in_segment",
        "segment_lists",
        "segment",
        {"item_id": "item_ids", "score": "scores"},
        since=12,
    ),
    ListKind("item_names", "item_names", "item_id", {}, values=("name", "category")),
)


@dataclass(frozen=True)
class Lines:
    """A piece of COPY text, and how many lists (its lines) and rows of the dataset it holds."""

    text: bytes
    n_lists: int
    n_rows: int


def lines(kind: ListKind, path: Path, version: int, batch_rows: int = BATCH) -> Iterator[Lines]:
    """The Parquet file as COPY text, one line `version <tab> key <tab> {..} <tab> {..} ...` a list.

    The file is in the order of its key and rank, as contract/datasets.py has it. Raises ContractBroken when
    ranks are not 1, 2, 3, ... within a list; a list in two places is left for the table to refuse.
    """
    for table in _whole_lists(kind, path, batch_rows) if kind.arrays else _batches(kind, path, batch_rows):
        fields = _lists(kind, table) if kind.arrays else _rows(kind, table)
        row = pc.binary_join_element_wise(pa.scalar(str(version)), *fields, "\t")
        whole = pa.LargeListArray.from_arrays(pa.array([0, len(row)], pa.int64()), row)
        text = pc.binary_join(whole, "\n")[0].as_buffer().to_pybytes()
        yield Lines(text + b"\n", len(row), table.num_rows)


def _lists(kind: ListKind, table: pa.Table) -> list[pa.Array]:
    """The key of each list and its arrays, each of shape (n_lists,)."""
    keys = table.column(kind.key).combine_chunks()
    starts = _starts(keys)
    _check_ranks(kind, table, starts)
    bounds = pa.array(np.append(starts, len(keys)), pa.int32())
    arrays = [_arrays(table.column(name).combine_chunks(), bounds) for name in kind.arrays]
    details = [_detail(table, name, bounds) for name in kind.details]
    return [_plain(keys.take(bounds[:-1])), *arrays, *details]


def _detail(table: pa.Table, name: str, bounds: pa.Array) -> pa.Array:
    """An array literal for each list that has a value; no array for the others."""
    if name not in table.column_names or table[name].null_count == len(table):
        return pa.array([NULL] * (len(bounds) - 1), pa.string())
    values = table.column(name).combine_chunks()
    n_values = np.add.reduceat(
        values.is_valid().to_numpy(zero_copy_only=False), bounds.to_numpy()[:-1], dtype=np.int64
    )
    return pc.if_else(pa.array(n_values > 0), _arrays(values, bounds), NULL)


def _rows(kind: ListKind, table: pa.Table) -> list[pa.Array]:
    """The columns of rows that are no lists, each of shape (n_rows,)."""
    columns = (table.column(name).combine_chunks() for name in (kind.key, *kind.values))
    return [pc.fill_null(_plain(column), NULL) for column in columns]


def _whole_lists(kind: ListKind, path: Path, batch_rows: int) -> Iterator[pa.Table]:
    """Tables that end where a list ends."""
    waiting: pa.Table | None = None
    for table in _batches(kind, path, batch_rows):
        table = table if waiting is None else pa.concat_tables([waiting, table])
        last = int(_starts(table.column(kind.key).combine_chunks())[-1])
        if last:
            yield table.slice(0, last)
        waiting = table.slice(last)
    if waiting is not None:
        yield waiting


def _batches(kind: ListKind, path: Path, batch_rows: int) -> Iterator[pa.Table]:
    """The file a batch at a time, none of them empty."""
    columns = [kind.key, "rank", *kind.arrays, *kind.details] if kind.arrays else [kind.key, *kind.values]
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_rows, columns=columns):
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowInvalid) as error:
        raise DamagedFile(f"{path} cannot be read", found=str(error), then="start a new run") from error


def _starts(keys: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Row numbers at which a list begins, shape (n_lists,)."""
    changes = pc.not_equal(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False)
    return np.append(0, np.flatnonzero(changes) + 1)


def _check_ranks(kind: ListKind, table: pa.Table, starts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    ranks = table.column("rank").to_numpy()
    lengths = np.diff(np.append(starts, len(ranks)))
    promised = np.arange(len(ranks)) - np.repeat(starts, lengths) + 1
    wrong = np.flatnonzero(ranks != promised)
    if wrong.size:
        row = int(wrong[0])
        key = table.column(kind.key)[row].as_py()
        raise ContractBroken(
            f"`{kind.dataset}`: the ranks of {kind.key} = {key} are not 1, 2, 3, ...",
            found=f"rank {ranks[row]} where {promised[row]} belongs",
            promised="ranks from 1 without holes, rows in the order of their key",
            then="python -m pipeline run recommend",
        )


def _arrays(values: pa.Array, bounds: pa.Array) -> pa.Array:
    """One array literal a list: `{1,2,NULL}`."""
    words = values.cast(pa.string()) if not pa.types.is_string(values.type) else _quoted(values)
    lists = pa.ListArray.from_arrays(bounds, pc.fill_null(words, "NULL"))
    return pc.binary_join_element_wise("{", pc.binary_join(lists, ","), "}", "")


def _quoted(values: pa.Array) -> pa.Array:
    """Texts as elements of an array literal, inside COPY text."""
    if pc.any(pc.match_substring_regex(values, SPECIAL)).as_py():
        values = _plain(pc.replace_substring_regex(values, r'([\\"])', r"\\\1"))
    return pc.binary_join_element_wise('"', values, '"', "")


def _plain(values: pa.Array) -> pa.Array:
    """A column's values inside COPY text: backslash, tab and line ends escaped."""
    if not pa.types.is_string(values.type):
        return values.cast(pa.string())
    if pc.any(pc.match_substring_regex(values, SPECIAL)).as_py():
        for raw, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
            values = pc.replace_substring(values, raw, escaped)
    return values
