"""Work on ranges of users in Spark: each range once, in their order, whatever became of a task before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.engines.tables import Engine

pytestmark = pytest.mark.spark


@dataclass(frozen=True)
class Squares:
    """Rows of `n` users in ranges of 3; a range that is among `empty` has none."""

    n: int
    empty: tuple[int, ...] = ()

    @property
    def n_ranges(self) -> int:
        return -(-self.n // 3)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema({"user_id": pa.int64(), "square": pa.int64()})

    def rows(self, number: int) -> Iterator[pa.RecordBatch]:
        time.sleep(0.2 if number == 0 else 0.0)  # the first range ends last
        if number in self.empty:
            return
        for user in range(3 * number, min(3 * number + 3, self.n)):
            yield pa.RecordBatch.from_pydict({"user_id": [user], "square": [user * user]}, self.schema)


def nobody() -> Iterator[pa.RecordBatch]:
    raise AssertionError("the rows are made in ranges")


@pytest.mark.parametrize("empty", [(), (0,), (1, 3)])
def test_rows_of_ranges_come_in_their_order(spark: Engine, tmp_path: Path, empty: tuple[int, ...]) -> None:
    work = Squares(10, empty)
    batches = spark.over_users(nobody, lambda: work, tmp_path)
    rows = [row for batch in batches for row in batch.to_pylist()]
    users = [user for user in range(10) if user // 3 not in empty]
    assert rows == [{"user_id": user, "square": user * user} for user in users]
    assert not list(tmp_path.rglob("*.parquet"))


def test_what_cannot_be_done_in_ranges_is_done_here(spark: Engine, tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"user_id": [1]})
    assert list(spark.over_users(lambda: iter([batch]), None, tmp_path)) == [batch]
