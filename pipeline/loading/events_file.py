"""Reads a shop's own events, items and users from Parquet or CSV files, or from queries over any files.

    events: user_id, item_id, event_type, occurred_at; optional: order_id, quantity (1 where it is empty),
            price, discount, rating
    items:  item_id; optional: name, category, price, discount, available (else true), and the times or dates
            added_at, available_until, known_at
    users:  user_id; optional: segment, known_at (a time or date), and any others (see `user_columns`)

Dates are kept, and so is every row. Only what cannot be read is refused, with its row; nulls, unknown event
types and times in the future are for stage `validate` to judge, and are noted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from pipeline.config import Ids, IdType
from pipeline.contract.datasets import MAY_CARRY, TIMES_OF_ITEMS
from pipeline.loading import account, draft, embeddings_file, event_times, user_columns, values
from pipeline.loading import ids as id_types
from pipeline.loading.ids import IdColumn
from pipeline.loading.progress import Say, silent
from pipeline.loading.query_file import Query
from pipeline.loading.shop import Shop
from pipeline.loading.table_file import TableFile, opened
from pipeline.loading.user_columns import UserColumns

TABLE_NAMES = {"user_id": "customer_id", "item_id": "product_id"}
EVENTS = ("user_id", "item_id", "event_type", "occurred_at")


@contextmanager
def read(
    path: Path | Query,
    items: Path | Query | None,
    users: Path | Query | None,
    ids: Ids,
    zone: str,
    now: datetime,
    say: Say = silent,
    embeddings: Path | None = None,
) -> Iterator[Shop]:
    """The files as a shop; times without zone are read in `zone`. Its notes are whole when all was read.

    say:        takes a line now and then while a query is read
    embeddings: a Parquet file of embeddings of items (see `embeddings_file`)

    Raises SourceError for a file that is missing, damaged, of another format, lacks a column, or holds a
    value that cannot be read, and for a query that fails. The refusal of a file with other columns, or
    other times, carries the draft of a query that reads it.
    """
    with opened(path, items, users, embeddings, say=say) as (events, products, customers, numbers):
        with draft.offered(path):
            events.require(EVENTS)
        user, user_ids = _ids("user_id", (events, customers), ids.user)
        if numbers:
            embeddings_file.check(numbers)
        item, item_ids = _ids("item_id", (events, products, numbers), ids.item)
        event_type = values.event_type(events)
        with draft.offered(path, event_times.NAME):
            occurred_at = event_times.sql(events)
        columns = {
            "user_id": user_ids[0],
            "item_id": item_ids[0],
            "event_type": event_type,
            "occurred_at": occurred_at,
            "order_id": values.order(events, "order_id"),
            "quantity": values.number(events, "quantity", absent="1.0"),
            **{name: values.number(events, name) for name in MAY_CARRY},
        }
        item_rows = products and _items(products, item_ids[1], zone)
        vectors = numbers and _renamed(embeddings_file.read(numbers, item_ids[-1], zone))
        more = user_columns.further(customers) if customers else UserColumns({}, {})
        user_rows = customers and _users(customers, user_ids[1], more, zone)
        account.rows(events, columns)
        if products:
            account.unknown((events, item_ids[0]), (products, item_ids[1]), "items")
        if numbers:
            account.unknown((events, item_ids[0]), (numbers, item_ids[-1]), "items")
        if customers:
            account.unknown((events, user_ids[0]), (customers, user_ids[1]), "users")
        yield Shop(
            user,
            item,
            _renamed(_in_utc(path, events, _query(events, columns), zone, now)),
            item_rows,
            user_rows,
            events.notes,
            vectors,
            _kinds(more, is_dated=bool(customers and "known_at" in customers.types)),
        )


def _ids(name: str, files: Sequence[TableFile | None], wanted: IdType) -> tuple[IdType, list[str]]:
    """The type of the ids `name`, and SQL for them in each of the files that are there."""
    columns = []
    for file in filter(None, files):
        file.require([name])
        columns.append(IdColumn(file, name))
    kind = id_types.common([column.allowed for column in columns], wanted)
    queries = [column.sql(kind) for column in columns]
    if kind == "text":
        account.variants([(column.file, sql) for column, sql in zip(columns, queries, strict=True)], name)
    return kind, queries


def _item_columns(file: TableFile, item_id: str) -> dict[str, str]:
    return {
        "item_id": item_id,
        "name": values.label(file, "name"),
        "category": values.label(file, "category"),
        "price": values.number(file, "price"),
        "discount": values.number(file, "discount"),
        "available": values.boolean(file, "available", absent="true"),
        **{name: event_times.sql(file, name) for name in TIMES_OF_ITEMS},
    }


def _items(file: TableFile, item_id: str, zone: str) -> Iterator[pa.RecordBatch]:
    rows = _rows(file, _item_columns(file, item_id))
    return event_times.open_in_utc(file, rows, TIMES_OF_ITEMS, zone)


def _users(file: TableFile, user_id: str, more: UserColumns, zone: str) -> Iterator[pa.RecordBatch]:
    columns = {"user_id": user_id, "segment": values.label(file, "segment"), **more.sql}
    if not more.sql:
        return _rows(file, columns)
    rows = _rows(file, {**columns, "known_at": event_times.sql(file, "known_at")})
    return event_times.open_in_utc(file, rows, ("known_at",), zone)


def _kinds(more: UserColumns, *, is_dated: bool) -> dict[str, str]:
    """The kind of each further column of the shop's table of users; `known_at` dates them, if it is there."""
    kinds = {**dict.fromkeys(more.numbers, "number"), **dict.fromkeys(more.words, "word")}
    return {**kinds, **({"known_at": "time"} if kinds and is_dated else {})}


def _rows(file: TableFile, columns: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    account.rows(file, columns)
    return _renamed(file.rows(_query(file, columns)))


def _in_utc(
    path: Path | Query, events: TableFile, query: str, zone: str, now: datetime
) -> Iterator[pa.RecordBatch]:
    with draft.offered(path, event_times.NAME):
        yield from event_times.in_utc(events, query, zone, now)


def _renamed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows under the names that the shop's tables have."""
    for batch in batches:
        yield batch.rename_columns([TABLE_NAMES.get(name, name) for name in batch.schema.names])


def _query(file: TableFile, columns: Mapping[str, str]) -> str:
    selected = ", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())
    return f"SELECT {selected} FROM {file.source}"
