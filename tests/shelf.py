"""Small shops that can be checked by eye, and run folders that begin in the middle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from pipeline.contract.datasets import DATASETS, DOCUMENTS, MAY_CARRY, TIME, TIMES_OF_ITEMS
from pipeline.lists.personal import DETAILS
from pipeline.runs.files import fingerprint, write_json
from pipeline.runs.folder import RunFolder

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)
NO_FACTORS: dict[str, object] = {"cuts": []}
"""The document `model` of a night in which `train` fitted no ALS."""
NO_FALLBACK = {"model": None, "reason": None, "why": "", "lost_by": None}
"""`fallback` of a night whose chosen model has lost to no rule, as far as later stages read it."""
NO_SEGMENTS = {"is_published": False}
"""`first_purchases` of a night that publishes no segments, as far as later stages read it."""


def day(number: float) -> datetime:
    """Noon of a day of the small shops."""
    return DAY_0 + timedelta(days=number, hours=12)


def events(*rows: tuple[Any, ...]) -> pa.Table:
    """Rows `(user, item, day[, type[, order[, quantity[, price[, discount[, rating]]]]]])`.

    Unless told, a row is a purchase of 1 without an order, and carries nothing else.
    """
    full = [(*row, *("purchase", None, 1.0, None, None, None)[len(row) - 3 :]) for row in rows]
    columns = zip(*full, strict=True) if full else [[] for _ in range(9)]
    users, items, days, kinds, orders, quantities, *carried = columns
    return pa.table(
        {
            "user_id": pa.array(users, pa.int64()),
            "item_id": pa.array(items, pa.int64()),
            "event_type": pa.array(kinds, pa.string()),
            "occurred_at": pa.array([day(d) for d in days], TIME),
            "order_id": pa.array(orders, pa.string()),
            "quantity": pa.array(quantities, pa.float64()),
            **{name: pa.array(values, pa.float64()) for name, values in zip(MAY_CARRY, carried, strict=True)},
        }
    )


def give(folder: RunFolder, **parts: Any) -> None:
    """Put datasets (tables) and documents (dicts) into a run as if their stages had finished."""
    files: dict[str, dict[str, Any]] = {}
    for name, content in parts.items():
        if name in DATASETS:
            stage = DATASETS[name].stage
            folder.write(name, whole(name, content))
        else:
            stage = DOCUMENTS[name]
            folder.write_document(name, content)
        files.setdefault(stage, {})[folder.file(name).name] = fingerprint(folder.file(name))
    for stage, written in files.items():
        already = folder.receipt(stage).get("files", {})
        write_json(
            folder.path / "receipts" / f"{stage}.json", {"stage": stage, "files": {**already, **written}}
        )


LEFT_OFF = {"recommendations": DETAILS, "items": TIMES_OF_ITEMS}
"""Columns that rows given to a run may leave off; they are null then."""


def whole(name: str, rows: pa.Table) -> pa.Table:
    """Rows of a dataset, with nulls in the columns of LEFT_OFF that they leave off."""
    if isinstance(rows, pa.Table):
        schema = DATASETS[name].schema({"user": "integer", "item": "integer"})
        for column in LEFT_OFF.get(name, ()):
            if column not in rows.column_names:
                rows = rows.append_column(column, pa.nulls(len(rows), schema.field(column).type))
    return rows


def pairs(table: pa.Table, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of `columns`, as tuples."""
    return [tuple(row[name] for name in columns) for row in table.to_pylist()]
