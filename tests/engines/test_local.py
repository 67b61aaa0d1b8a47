"""Set work in DuckDB behind the interface that all engines have."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.config import Run
from pipeline.engines.local import LOCAL
from pipeline.engines.tables import Tables

ROWS = [(user, user % 3, "purchase", 1.0, float(user % 7), None) for user in range(50)]
PLAIN = {"view": 0.0, "cart": 0.0, "purchase": 1.0, "half_life_days": 0.0}
VALUES = {**PLAIN, "is_quantity_weighed": False, "is_rating_weighed": False}


def with_events(db: Tables) -> None:
    """`user_rows`, and `event_rows` over `all_event_rows`."""
    columns = ("user_row", "item_row", "event_type", "quantity", "age_days", "rating")
    rows = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in ROWS])
    rows = rows.set_column(5, "rating", pa.nulls(len(ROWS), pa.float64()))
    db.give("all_event_rows", rows)
    db.give("user_rows", pa.table({"user_id": range(50), "user_row": range(50)}))
    db.show_query("event_rows", "SELECT * FROM all_event_rows")


@pytest.mark.parametrize("events_a_gb", [1, 7, 1_000_000])
def test_rows_of_ranges_of_users_are_those_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events_a_gb: int
) -> None:
    monkeypatch.setattr("pipeline.engines.local.EVENTS_A_GB", events_a_gb)
    with LOCAL.tables(Run(memory_limit_gb=1.0), tmp_path) as db:
        with_events(db)
        assert db.table_by_user("interactions", VALUES) == db.table("interactions", VALUES)
        assert db.table("interactions", VALUES).num_rows == len(ROWS)  # all events are there again


def test_what_is_kept_takes_the_place_of_what_was_kept_before(tmp_path: Path) -> None:
    with LOCAL.tables(Run(), tmp_path) as db:
        with_events(db)
        db.give("always", pa.table({"user_id": [7]}))
        db.keep("user_rows_kept", "some_users", {"step": 10})
        db.keep("user_rows_kept", "some_users", {"step": 25})
        assert db.query("SELECT user_id FROM user_rows_kept ORDER BY 1")["user_id"].to_pylist() == [0, 7, 25]
