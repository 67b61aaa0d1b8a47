"""A small shop of teas and tools, some of which nobody bought yet, opened at a cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import config
from pipeline.contract.datasets import DATASETS, TIME
from pipeline.splits.history import History, opened
from tests.shelf import day, events

IDS = {"user": "integer", "item": "integer"}
CUT = day(100)
ITEMS = [
    (10, "green tea of spring", "Tea"),
    (11, "black tea of autumn", "Tea"),
    (20, "steel hammer", "Tools"),
    (21, "steel saw", "Tools"),
    (30, "green tea of summer", "Tea"),
    (31, "steel chisel", "Tools"),
    (32, "white tea", "Tea"),
    (40, "a thing", None),
]
"""Nobody bought those from 30 on, but 32, which was first bought a few days before the cut."""
BOUGHT = [
    *((1, 10, at) for at in (10, 40, 95)),
    *((1, 11, at) for at in (20, 60)),
    *((2, 20, at) for at in (10, 50, 90)),
    *((2, 21, at) for at in (30, 70)),
    (3, 32, 96),
    (3, 10, 15),
]
"""User 1 drinks tea, user 2 makes things, user 3 has the white tea."""


def items(*rows: tuple[Any, ...], **dates: dict[int, datetime]) -> pa.Table:
    """Rows `(item, name, category)` of `items`, with the times of some by column and item."""
    schema = DATASETS["items"].schema(IDS)
    columns = dict(zip(("item_id", "name", "category"), zip(*(rows or ITEMS), strict=True), strict=True))
    ids = columns["item_id"]
    for name in ("added_at", "available_until", "known_at"):
        columns[name] = [dates.get(name, {}).get(item) for item in ids]
    columns["available"] = [True] * len(ids)
    empty = [None] * len(ids)
    return pa.table({field.name: pa.array(columns.get(field.name, empty), field.type) for field in schema})


def embeddings(*rows: tuple[int, str, list[float], datetime | None]) -> pa.Table:
    """Rows `(item, kind, embedding, known_at)` of `item_embeddings`."""
    ids, kinds, vectors, known = zip(*rows, strict=True)
    return pa.table(
        {
            "item_id": pa.array(ids, pa.int64()),
            "kind": pa.array(kinds),
            "embedding": pa.array(vectors, pa.list_(pa.float32())),
            "known_at": pa.array(known, TIME),
        }
    )


def written(path: Path, table: pa.Table) -> Path:
    """The table as a file."""
    pq.write_table(table, path)
    return path


@contextmanager
def at_cut(path: Path, *rows: tuple[Any, ...], cut_at: datetime = CUT) -> Iterator[History]:
    """The history of these events, or of BOUGHT, before the cut. path: a folder"""
    table = events(*sorted(rows or BOUGHT, key=lambda row: (row[0], row[2], row[1])))
    settings = config.load()
    with opened([written(path / "events.parquet", table)], cut_at, settings.filter, settings.run, path) as db:
        yield db
