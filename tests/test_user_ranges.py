"""A statement for one range of users after another gives what it gives for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import engine
from pipeline.contract.datasets import EVENTS_ORDER
from pipeline.user_ranges import EVENTS_A_GB, Events
from tests.shelf import day, events

FEW = 7 / EVENTS_A_GB
"""Gigabytes for ranges of seven events."""
LOOKED: dict[str, Any] = {"min_views": 2, "min_carts": 1}
CUT: dict[str, Any] = {"validation_from": day(20), "test_from": day(30)}


def shop(path: Path, as_id: Callable[[int], object]) -> Path:
    """40 users with up to three events, one with 60, some of them twice."""
    draw = np.random.default_rng(3)
    kinds = ["view", "cart", "purchase", "purchase"]
    users = [17] * 60 + [user for user in range(40) for _ in range(int(draw.integers(4)))]
    rows = [
        (user, int(draw.integers(5)), int(draw.integers(40)), kinds[int(draw.integers(4))]) for user in users
    ]
    table = events(*rows, *rows[::9])
    ids = [as_id(user) for user in table["user_id"].to_pylist()]
    table = table.set_column(table.column_names.index("user_id"), "user_id", pa.array(ids))
    pq.write_table(table.sort_by([(name, "ascending") for name in EVENTS_ORDER]), path, row_group_size=10)
    return path


@pytest.fixture(params=[int, "ü{}".format, "{:032x}".format], ids=["integer", "text", "uuid"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return shop(tmp_path / "events.parquet", request.param)


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.connect() as connection:
        yield connection


def whole(batches: Iterator[pa.RecordBatch] | pa.RecordBatchReader) -> pa.Table:
    return pa.Table.from_batches(list(batches))


@pytest.mark.parametrize(("statement", "values"), [("purchaser_events", {}), ("browser_events", LOOKED)])
def test_the_filters(
    path: Path, db: duckdb.DuckDBPyConnection, statement: str, values: dict[str, Any]
) -> None:
    in_ranges = Events.of(db, "events", path, FEW)
    assert len(in_ranges.bounds) > 5
    db.sql("SELECT DISTINCT user_id FROM events").create_view("users")
    given = whole(in_ranges.rows(db, statement, values))
    assert given.num_rows
    assert given == whole(engine.rows(db, statement, values))


@pytest.mark.parametrize(("split", "values"), [("split_time", CUT), ("split_last_purchase", {})])
def test_the_parts_of_a_split(
    path: Path, db: duckdb.DuckDBPyConnection, split: str, values: dict[str, Any]
) -> None:
    in_ranges = Events.of(db, "purchaser_events", path, FEW)
    engine.show(db, "parts", split, values)
    given = {part: whole(in_ranges.rows(db, "part", {"part": part})) for part in ("train", "test")}
    assert all(rows.num_rows for rows in given.values())
    for part, rows in given.items():
        assert rows == whole(engine.rows(db, "part", {"part": part}))


def test_events_without_a_user_begin_no_range(tmp_path: Path, db: duckdb.DuckDBPyConnection) -> None:
    """They come last; a stage before has refused them."""
    table = pa.concat_tables([events(*[(user, 1, 0) for user in range(10)]), events(*[(None, 1, 0)] * 30)])
    pq.write_table(table, tmp_path / "events.parquet")
    assert Events.of(db, "events", tmp_path / "events.parquet", FEW).bounds == [7]


def test_a_small_file_is_one_range(path: Path, db: duckdb.DuckDBPyConnection) -> None:
    assert not Events.of(db, "events", path, memory_gb=1.0).bounds
