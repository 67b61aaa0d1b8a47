"""Literal rows in, the rows of one statement of `sql/transform/` out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.config import Run
from pipeline.contract.datasets import DATASETS
from pipeline.engines.current import tables as opened
from tests.shelf import events

Rows = list[tuple[Any, ...]]

INTEGERS = {"user": "integer", "item": "integer"}
EVENTS = ("events", "history", "later", "guests", "purchaser_events")
"""Tables that hold events; their rows are those of `tests.shelf.events`."""
TABLES = {name: dataset.schema(INTEGERS) for name, dataset in DATASETS.items()}
TABLES |= {
    "user_rows": pa.schema({"user_id": pa.int64(), "user_row": pa.int32()}),
    "item_rows": pa.schema({"item_id": pa.int64(), "item_row": pa.int32()}),
    "event_rows": pa.schema(
        {
            "user_row": pa.int32(),
            "item_row": pa.int32(),
            "event_type": pa.string(),
            "quantity": pa.float64(),
            "age_days": pa.float64(),
            "rating": pa.float64(),
        }
    ),
    "buyers": pa.schema({"user_id": pa.int64()}),
    "always": pa.schema({"user_id": pa.int64()}),
    "people": pa.schema({"user_id": pa.int64(), "person": pa.int64()}),
    "lookers": pa.schema({"user_id": pa.int64()}),
    "clock": pa.schema(
        {"day": pa.int64(), "ahead": pa.int64(), "changes_at": pa.int64(), "ahead_after": pa.int64()}
    ),
    "known_items": pa.schema({"item_id": pa.int64(), "available": pa.bool_()}),
    "left_out": pa.schema({"user_id": pa.int64(), "item_id": pa.int64()}),
    "shelf_items": pa.schema({"item_id": pa.int64()}),
    "untouched": pa.schema({"item_id": pa.int64()}),
    "new_in_shop": pa.schema({"item_id": pa.int64()}),
    "cold_items": pa.schema({"item_id": pa.int64(), "cold_row": pa.int64()}),
    "report_buyers": pa.schema(
        {
            "user_id": pa.int64(),
            "n_days": pa.int64(),
            "n_items": pa.int64(),
            "precision_at_3": pa.float64(),
            "kind": pa.int32(),
            "n_lists": pa.int64(),
        }
    ),
}
TABLES |= {
    "session_orders": pa.schema(
        {
            "user_id": pa.int64(),
            "place": pa.int32(),
            "item_id": pa.int64(),
            "n_items": pa.int32(),
            "is_first_time": pa.bool_(),
        }
    ),
    "given": pa.schema({"user_id": pa.int64(), "place": pa.int32(), "item_id": pa.int64()}),
    "session_lists": pa.schema(
        {
            "user_id": pa.int64(),
            "rank": pa.int32(),
            "item_id": pa.int64(),
            "score": pa.float64(),
            "source": pa.string(),
            "reason": pa.string(),
            "because_item_id": pa.int64(),
        }
    ),
}
MET = {"id": pa.string(), "n_events": pa.int64(), "n_purchases": pa.int64()}
TABLES |= {
    "met": pa.schema(MET),
    "met_users": pa.schema(MET),
    "met_items": pa.schema(MET),
    "known": pa.schema({"id": pa.string()}),
    "shop_ids": pa.schema({**MET, "is_known": pa.bool_(), "plain": pa.string()}),
    "attribute_names": pa.schema(
        {
            "name": pa.string(),
            "is_category": pa.bool_(),
            "n_words": pa.int64(),
            "longest": pa.int64(),
            "is_kept": pa.bool_(),
        }
    ),
    "alike_ids": pa.schema(
        {
            "id": pa.string(),
            "n_events": pa.int64(),
            "alike": pa.string(),
            "is_alike_known": pa.bool_(),
            "differs_in": pa.string(),
        }
    ),
}
STATISTICS = {
    "bought_pairs": (
        "user_row item_row",
        "n_days n_lines last_age_days first_age_days decay_7 decay_30 decay_90 n_last_14 n_last_28",
    ),
    "seen_pairs": ("user_row item_row", "seen_age_days views_7 views_30 carts_30"),
    "user_trips": ("user_row", "n_trips last_trip_age_days first_trip_age_days n_trips_28"),
    "item_ages": ("item_row", "item_age_days bought_3 seen_7"),
}
TABLES |= {
    name: pa.schema(dict.fromkeys(rows.split(), pa.int32()) | dict.fromkeys(counts.split(), pa.float32()))
    for name, (rows, counts) in STATISTICS.items()
}


def table(name: str, rows: Rows) -> pa.Table:
    """The rows in the types of the table `name`; columns that a row leaves off at its end are null."""
    if name in EVENTS:
        return events(*rows)
    if name == "parts":
        whole = events(*(row[:-1] for row in rows))
        return whole.append_column("part", pa.array([row[-1] for row in rows], pa.string()))
    schema = TABLES[name]
    full = [(*row, *[None] * (len(schema) - len(row))) for row in rows]
    columns = zip(*full, strict=True) if full else [[] for _ in schema]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=pa.schema([field.with_nullable(True) for field in schema]))


def rows_out(
    statement: str, values: dict[str, Any] | None = None, /, **tables: Rows
) -> list[tuple[Any, ...]]:
    """What `sql/transform/<statement>.sql` gives for these tables and bound values, in its order.

    A result that is itself a table of TABLES must have the columns and types declared there. The engine is
    the one of the test (`conftest.py`); its time zone is one that no result may depend on.
    """
    with tempfile.TemporaryDirectory() as folder, opened(Run(), Path(folder)) as db:
        for name, rows in tables.items():
            db.give(name, table(name, rows))
        result = db.table(statement, values)
    if statement in TABLES:
        assert columns_of(result.schema) == columns_of(TABLES[statement]), statement
    return [tuple(row.values()) for row in result.to_pylist()]


def columns_of(schema: pa.Schema) -> list[tuple[str, str]]:
    """Names and types; a moment is a moment in whatever zone."""
    return [
        (field.name, "time" if pa.types.is_timestamp(field.type) else str(field.type)) for field in schema
    ]
