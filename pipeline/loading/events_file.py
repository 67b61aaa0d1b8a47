"""Reads a shop's own events, items and users from Parquet or CSV files.

    events: user_id, item_id, event_type, occurred_at; optional: order_id, quantity (1 where it is empty)
    items:  item_id; optional: name, category, price, discount, available (else true)
    users:  user_id; optional: segment

Dates are kept. Only what cannot be read is refused; nulls, unknown event types and times in the future
are for stage `validate` to judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa

from pipeline import engine
from pipeline.config import Ids
from pipeline.errors import SourceError
from pipeline.loading import ids as id_types
from pipeline.loading.shop import Shop
from pipeline.loading.table_file import TableFile, id_as
from pipeline.times import moments

EVENTS = ("user_id", "item_id", "event_type", "occurred_at")
TIMES = ("VARCHAR", "TIMESTAMP", "DATE")


@contextmanager
def read(path: Path, items: Path | None, users: Path | None, ids: Ids, zone: str) -> Iterator[Shop]:
    """The files as a shop; times without zone are read in `zone`.

    Raises SourceError for a file that is missing, damaged, of another format, or lacks a column.
    """
    with ExitStack() as stack:

        def opened(file: Path, *columns: str) -> TableFile:
            table = TableFile(stack.enter_context(engine.connect()), file)
            table.require(columns)
            return table

        events = opened(path, *EVENTS)
        products = opened(items, "item_id") if items else None
        customers = opened(users, "user_id") if users else None
        _check_times(events)
        user = id_types.common([f.id_types("user_id") for f in (events, customers) if f], ids.user)
        item = id_types.common([f.id_types("item_id") for f in (events, products) if f], ids.item)
        user_id, item_id = id_as("user_id", user), id_as("item_id", item)
        yield Shop(
            user,
            item,
            _with_moments(events, _select_events(events, user_id, item_id), zone),
            products.rows(_select_items(products, item_id)) if products else None,
            customers.rows(_select_users(customers, user_id)) if customers else None,
        )


def _select_events(file: TableFile, user_id: str, item_id: str) -> str:
    columns = {
        "customer_id": user_id,
        "product_id": item_id,
        "event_type": "CAST(event_type AS VARCHAR)",
        "occurred_at": "occurred_at",
        "order_id": _optional(file, "order_id", "VARCHAR", "NULL"),
        "quantity": f"coalesce({_optional(file, 'quantity', 'DOUBLE', '1.0')}, 1.0)",
    }
    return _query(file, columns)


def _select_items(file: TableFile, item_id: str) -> str:
    columns = {
        "product_id": item_id,
        "name": _optional(file, "name", "VARCHAR", "NULL"),
        "category": _optional(file, "category", "VARCHAR", "NULL"),
        "price": _optional(file, "price", "DOUBLE", "NULL"),
        "discount": _optional(file, "discount", "DOUBLE", "NULL"),
        "available": _optional(file, "available", "BOOLEAN", "true"),
    }
    return _query(file, columns)


def _select_users(file: TableFile, user_id: str) -> str:
    return _query(file, {"customer_id": user_id, "segment": _optional(file, "segment", "VARCHAR", "NULL")})


def _query(file: TableFile, columns: Mapping[str, str]) -> str:
    return f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in columns.items())} FROM {file.source}"


def _optional(file: TableFile, name: str, kind: str, absent: str) -> str:
    """SQL for a column that the file may lack; `absent` is the SQL of its value then."""
    return f"CAST({name if name in file.types else absent} AS {kind})"


def _check_times(file: TableFile) -> None:
    kind = file.types["occurred_at"]
    if not kind.startswith(TIMES):
        raise SourceError(
            f"`occurred_at` of {file.path} holds no times",
            found=kind,
            promised="timestamps, dates, or ISO 8601 texts such as 2026-01-31 18:05:00",
            then="write it as one of those, then load again",
        )


def _with_moments(file: TableFile, query: str, zone: str) -> Iterator[pa.RecordBatch]:
    """The rows of `query`, `occurred_at` read as times in UTC."""
    for batch in file.rows(query):
        index = batch.schema.get_field_index("occurred_at")
        try:
            read_times = moments(batch.column(index), zone)
        except ValueError as error:
            raise SourceError(
                f"`occurred_at` of {file.path} holds what is no time",
                found=str(error),
                promised="ISO 8601, such as 2026-01-31 18:05:00 or 2026-01-31T18:05:00+01:00",
                then="mend that row, then load again; the shop is as it was",
            ) from error
        yield batch.set_column(index, "occurred_at", read_times)
