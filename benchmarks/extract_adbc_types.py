"""PostgreSQL's types and failures, by COPY and by ADBC: python -m benchmarks.extract_adbc_types

Each value is read from an embedded server as `extract` reads it, and by ADBC with the conversions of
`benchmarks.extract_adbc`. Values that differ are marked; `refused` is any error. Then both are interrupted in
the middle of an answer: by Ctrl-C, by a server that ends the connection, by an error in the statement.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa

from benchmarks.common import machine, own_server
from benchmarks.extract_adbc import adbc, converted
from pipeline import config
from pipeline.config import IdType
from pipeline.contract.datasets import DATASETS
from pipeline.databases.embedded import Server
from pipeline.source import opened
from pipeline.source.columns import Shape

PREPARED = (
    "CREATE TYPE word AS ENUM ('view', 'cart')",
    "CREATE DOMAIN positive AS bigint CHECK (VALUE > 0)",
    "CREATE DOMAIN code AS text",
)
UUID = "'0C9A9B6E-21B2-4E0F-8E0F-0D6E1F2A3B4C'::uuid"
IDS: Mapping[IdType, tuple[str, ...]] = {
    "integer": (
        "9223372036854775807::bigint", "17::integer", "17::smallint", "4000000000::oid", "17::positive",
        "17::numeric(12)", "17.00::numeric", "1e20::numeric", "'NaN'::numeric", "NULL::bigint", "true",
    ),
    "text": ("'00123'::varchar(9)", "'abc'::char(5)", "'x'::code", "'x'", "'x'::name", UUID),
    "uuid": (UUID,),
}  # fmt: skip
ITEMS: Mapping[str, tuple[str, ...]] = {
    "category": (
        "'view'::word", UUID, "7", "2.50::numeric", "'NaN'::numeric", "0.1::float8", "0.1::real", "true",
        "'2025-07-01'::date", "'infinity'::date", "''", "E'a\"b\\n,c'", "'c'::\"char\"", "'{}'::json",
        "'{}'::jsonb", "'\\x00'::bytea", "'{1}'::int[]",
    ),
    "price": (
        "3", "2.50::numeric(20, 2)", "99999999999999999999.123456789::numeric", "'NaN'::numeric",
        "'Infinity'::numeric", "'NaN'::float8", "0.1::real", "1::money", "'1 day'::interval",
    ),
    "available": ("true", "1", "2", "'t'::text"),
}  # fmt: skip
TIMES = (
    "'2025-07-01 12:00:00.123456+02'::timestamptz", "'2025-07-01 12:00:00.123456'::timestamp",
    "'2025-07-01'::date", "'infinity'::timestamptz", "'-infinity'::timestamp", "'0044-03-15 BC'::timestamptz",
    "'12:00'::time", "NULL::timestamptz",
)  # fmt: skip
SLOW = "SELECT n AS user_id, pg_sleep(0.0005)::text AS segment FROM generate_series(1, 8000) n"
LONG = "SELECT n AS user_id, repeat('x', 200) AS segment FROM generate_series(1, 3000000) n"
WRONG = "SELECT 1 / (n - 500000) AS user_id, repeat('x', 200) AS segment FROM generate_series(1, 1000000) n"


@contextmanager
def statement(name: str, select: str, ids: Mapping[str, IdType], zone: str, folder: Path) -> Iterator[Any]:
    """`[source]` with one statement, and its shape."""
    (folder / f"{name}.sql").write_text(select, encoding="utf-8")
    source = config.load().source.model_copy(
        update={"sql": str(folder), "timezone": zone, "batch_rows": 1000}
    )
    yield source, Shape(DATASETS[name], f"{folder}/{name}.sql", ids, zone)


def copied(url: str, source: Any, shape: Shape) -> Iterator[pa.RecordBatch]:
    """The rows as `extract` reads them."""
    with opened(url, source, shape.ids) as rows:
        yield from rows.batches(shape.dataset.name)


def fetched(url: str, source: Any, shape: Shape) -> Iterator[pa.RecordBatch]:
    """The rows by ADBC, in the types of the contract."""
    text = Path(shape.file).read_text(encoding="utf-8")
    for bound, value in ((":window_start", "'-infinity'"), (":window_end", "'infinity'")):
        text = text.replace(bound, f"{value}::timestamptz")
    with adbc.connect(url) as db, db.cursor() as cursor:
        cursor.execute(text)
        with cursor.fetch_record_batch() as reader:
            yield from converted(shape, reader, source.batch_rows)


READERS: Mapping[str, Callable[..., Iterator[pa.RecordBatch]]] = {"copy": copied, "adbc": fetched}


def value_of(read: Callable[..., Iterator[pa.RecordBatch]], column: str, *where: Any) -> str:
    """The one value of a column as text, or that it is refused."""
    try:
        return str(next(iter(read(*where))).column(column)[0])
    except Exception:  # noqa: BLE001
        return "refused"


def types(url: str, folder: Path) -> None:
    """A line a value: what both give."""
    ids: dict[str, IdType] = {"user": "integer", "item": "integer"}
    cases: list[tuple[str, str, str, str, dict[str, IdType]]] = []
    for kind, values in IDS.items():
        for v in values:
            select = f"SELECT {v} AS user_id, NULL AS segment"
            cases.append(("users", "user_id", v, select, {**ids, "user": kind}))
    for column, values in ITEMS.items():
        for v in values:
            given = {"item_id": "1", column: v}
            selected = (f"{given.get(name, 'NULL')} AS {name}" for name in DATASETS["items"].columns)
            cases.append(("items", column, v, f"SELECT {', '.join(selected)}", ids))
    for v in TIMES:
        select = (
            f"SELECT 1 AS user_id, 1 AS item_id, 'view'::word AS event_type, {v} AS occurred_at,"
            " NULL AS order_id, 1 AS quantity WHERE :window_start < :window_end"
        )
        cases.append(("events", "occurred_at", v, select, ids))
    print("| | value | zone | copy | adbc |\n| --- | --- | --- | --- | --- |")
    for name, column, value, select, of in cases:
        for zone in ("UTC", "Europe/Berlin") if name == "events" else ("UTC",):
            with statement(name, select, of, zone, folder) as where:
                values = [value_of(read, column, url, *where) for read in READERS.values()]
            mark = "" if values[0] == values[1] else "**differs** "
            shown = " | ".join(repr(v)[1:-1] for v in values)
            print(f"| {mark}{name}.{column} | `{value}` | {zone} | {shown} |")


def failures(server: Server, url: str, folder: Path) -> None:
    """A line a failure: what each reader raises, and after how long."""

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    def end() -> None:
        with psycopg.connect(server.admin_url(), autocommit=True) as db:
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'")

    cases = (("Ctrl-C", SLOW, interrupt), ("connection ended", LONG, end), ("error", WRONG, None))
    for what, select, happens in cases:
        for name, read in READERS.items():
            with statement("users", select, {"user": "integer", "item": "integer"}, "UTC", folder) as where:
                timer = threading.Timer(1, happens) if happens else None
                began = time.perf_counter()
                if timer:
                    timer.start()
                try:
                    raised = f"nothing; {sum(batch.num_rows for batch in read(url, *where)):,} rows"
                except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
                    raised = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
                print(f"{what}, {name}: after {time.perf_counter() - began:.1f} s {raised}")
                if timer:
                    timer.join()
    sys.stdout.flush()


def main() -> None:
    with own_server() as (server, home):
        print(machine(server))
        url = server.url("shop")
        with psycopg.connect(url, autocommit=True) as db:
            for command in PREPARED:
                db.execute(command)
        types(url, home)
        failures(server, url, home)


if __name__ == "__main__":
    main()
