"""Shops that a file is loaded into or that lie in files of their own, and files of events for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.loading.query_file import to_parquet
from tests.loading.awkward import HEAD, Shop
from tests.loading.queries import EVENTS, ITEMS, STOCK, TILL, USERS


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop.db")


@pytest.fixture
def events(tmp_path: Path) -> Callable[..., Path]:
    """Writes an events file with a row for each value of one column, the others good ones."""

    def write(column: str, values: list[Any], kind: pa.DataType | None = None) -> Path:
        """`kind`: a Parquet file with the column of that type; None: a CSV file, values as they are."""
        n = len(values)
        columns: dict[str, Any] = {
            "user_id": range(n),
            "item_id": [10] * n,
            "event_type": ["purchase"] * n,
            "occurred_at": [f"2026-01-01 10:00:{i:02}" for i in range(n)],
            "order_id": [f"o-{i}" for i in range(n)],
            "quantity": [1] * n,
        }
        if kind is None:
            columns[column] = values
            lines = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
            path = tmp_path / "e.csv"
            path.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
        else:
            path = tmp_path / "e.parquet"
            arrays = {name: pa.array(list(column)) for name, column in columns.items()}
            pq.write_table(pa.table({**arrays, column: pa.array(values, kind)}), path)
        return path

    return write


@pytest.fixture
def own_files(tmp_path: Path) -> Path:
    """A folder of a shop's files and queries, under a name that means something to DuckDB."""
    folder = tmp_path / "Jo's shop, [new] *? price=9 ü"
    folder.mkdir()
    files = {
        "till.csv": TILL,
        "stock.csv": STOCK,
        "events.sql": EVENTS,
        "items.sql": ITEMS,
        "users.sql": USERS,
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def rows_of(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """`rows_of("SELECT ...")`: the rows of a query file beside the files of the test."""

    def run(text: str, say: Callable[[str], None] = str) -> list[dict[str, Any]]:
        query, target = tmp_path / "q.sql", tmp_path / "rows.parquet"
        query.write_text(text, encoding="utf-8")
        to_parquet(query, target, tmp_path / "spill", say)
        return list(pq.read_table(target).to_pylist())

    return run
