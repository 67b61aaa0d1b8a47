"""How `extract` reads PostgreSQL, against ADBC: python -m benchmarks.extract_adbc [--events 2760000]

ADBC is no requirement of the pipeline. The benchmark needs it beside the others:

    pip install 'adbc-driver-postgresql==1.13.*'

An embedded server gets a made-up shop. The statement of sql/source/events.sql reads its events, in turns by:

    copy         COPY to CSV, as `extract` does
    adbc         the same query with the window written into it, which the driver runs as a binary COPY
    adbc, bound  the query with bound parameters, as an ADBC program would send it: the driver then asks for
                 the whole answer at once

Every reading is a process of its own; the seconds leave its imports out. `read` fetches and converts the
rows, at most `batch_rows` at a time; `extract` also writes and sorts them, with the stage's own code, into a
Parquet file whose SHA-256 is held against that of `copy`. Memory is what Linux says was resident at most.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
import pyarrow as pa
from sqlalchemy.dialects.postgresql import psycopg as dialect

from benchmarks.common import machine, own_server
from pipeline import config
from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS
from pipeline.loading import load
from pipeline.runs.files import sha256
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Databases, Job
from pipeline.runs.memory import peak_mb, reset_peak
from pipeline.serving.forgotten import NOBODY
from pipeline.source import opened, statement
from pipeline.source.columns import Shape, check_names, enforce, kind_of
from pipeline.stages.extract import _write

try:
    from adbc_driver_postgresql import StatementOptions
    from adbc_driver_postgresql import dbapi as adbc
except ImportError as error:
    sys.exit(f"{error}: the benchmark needs ADBC: pip install 'adbc-driver-postgresql==1.13.*'")

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
WHATS = ("read", "extract")
NUMERIC = {"integer": pa.int64(), "number": pa.float64()}

Batches = Generator[pa.RecordBatch, None, None]


@dataclass(frozen=True)
class Reading:
    """One reading.

    cpu_seconds:   of the reading process alone, not of the server
    largest_batch: rows
    sha256:        of the Parquet file; empty where none is written
    """

    seconds: float
    cpu_seconds: float
    peak_mb: int
    n_rows: int
    largest_batch: int
    sha256: str


def window(settings: Settings) -> tuple[datetime, datetime]:
    return AS_OF - timedelta(days=settings.run.window_days), AS_OF


@contextmanager
def by_copy(url: str, settings: Settings) -> Iterator[Batches]:
    """The rows as `extract` reads them."""
    with opened(url, settings.source, settings.ids.model_dump()) as source:
        yield source.batches("events", *window(settings))


@contextmanager
def by_adbc(url: str, settings: Settings, *, is_bound: bool = False) -> Iterator[Batches]:
    """The rows by ADBC, in the types of the contract.

    The transaction is read only and repeatable, as that of `extract`. BEGIN cannot be copied.
    """
    file = f"{settings.source.sql}/events.sql"
    ids = settings.ids.model_dump()
    shape = Shape(DATASETS["events"], file, ids, settings.source.timezone)
    text = statement.read(shape).text
    ends = dict(zip(statement.WINDOW, window(settings), strict=True))
    numbered = str(text.compile(dialect=dialect.dialect(paramstyle="numeric_dollar")))
    literal = numbered
    for number, name in enumerate(statement.WINDOW, 1):
        literal = literal.replace(f"${number}", f"'{ends[name].isoformat()}'::timestamptz")
    with adbc.connect(url, autocommit=True) as db, db.cursor() as cursor:
        cursor.adbc_statement.set_options(**{StatementOptions.USE_COPY.value: "false"})
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.adbc_statement.set_options(**{StatementOptions.USE_COPY.value: "true"})
        if is_bound:
            cursor.execute(numbered, [ends[name] for name in statement.WINDOW])
        else:
            cursor.execute(literal)
        with cursor.fetch_record_batch() as reader:
            yield converted(shape, reader, settings.source.batch_rows)


def converted(shape: Shape, reader: pa.RecordBatchReader, batch_rows: int) -> Batches:
    """The driver's batches with the contract's columns, at most `batch_rows` at a time."""
    check_names(shape, reader.schema.names)
    for batch in reader:
        for offset in range(0, batch.num_rows, batch_rows):
            columns, kinds = {}, {}
            for name, values in zip(batch.schema.names, batch.slice(offset, batch_rows).columns, strict=True):
                columns[name], kinds[name] = plain(shape, name, values)
            yield enforce(shape, pa.record_batch(columns), kinds)


def plain(shape: Shape, name: str, values: pa.Array) -> tuple[pa.Array, str]:
    """A column of the driver as `columns` takes it, and its kind: numerics are texts, UUIDs 16 bytes."""
    if isinstance(values.type, pa.OpaqueType) and values.type.type_name == "numeric":
        return values.storage.cast(NUMERIC.get(shape.promise(name), pa.string())), "decimal"
    if isinstance(values.type, pa.UuidType):
        return pa.array([value and str(value) for value in values.to_pylist()], pa.string()), "uuid"
    return values, kind_of(values.type)


WAYS: dict[str, Callable[..., Any]] = {
    "copy": by_copy,
    "adbc": by_adbc,
    "adbc, bound": lambda url, settings: by_adbc(url, settings, is_bound=True),
}


def read_once(way: str, what: str, url: str, home: str) -> Reading:
    """One reading. To be called in a fresh process."""
    settings = config.load()
    largest = count = 0

    def counted(batches: Batches) -> Batches:
        nonlocal largest, count
        with closing(batches):
            for batch in batches:
                largest, count = max(largest, batch.num_rows), count + batch.num_rows
                yield batch

    with tempfile.TemporaryDirectory(dir=home) as runs:
        folder = RunFolder.create(Path(runs), "night", AS_OF, settings.ids.model_dump(), {})
        databases = Databases(source=lambda: url, serving=lambda: url)
        job = Job(folder, settings, databases, now=AS_OF, say=lambda _: None)
        reset_peak()
        began, cpu = time.perf_counter(), time.process_time()
        with WAYS[way](url, settings) as batches:
            if what == "extract":
                _write(job, "events", NOBODY, counted(batches))
            else:
                for _ in counted(batches):
                    pass
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        file = folder.file("events")
        digest = sha256(file) if file.exists() else ""
        return Reading(seconds, cpu, peak_mb(), count, largest, digest)


def read_apart(way: str, what: str, url: str, home: Path) -> Reading:
    """`read_once` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(read_once, way, what, url, str(home)).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--events", type=int, default=2_760_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with own_server() as (server, home):
        print(machine(server))
        settings, url = config.load(), server.url("shop")
        load("synthetic", url, now=AS_OF, say=str, settings=settings, n_events=asked.events, seed=1)
        with psycopg.connect(server.admin_url("shop"), autocommit=True) as db:
            db.execute("VACUUM (FREEZE, ANALYZE) events")
            db.execute("CHECKPOINT")
        found: dict[tuple[str, str], list[Reading]] = {}
        for number in range(asked.rounds):
            for what in WHATS:
                ways = list(WAYS)
                for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                    reading = read_apart(way, what, url, home)
                    found.setdefault((what, way), []).append(reading)
                    print(number + 1, what, way, json.dumps(asdict(reading)))
                    sys.stdout.flush()
        show(found)


def show(found: dict[tuple[str, str], list[Reading]]) -> None:
    """Medians, ratios of the same round, and whether the files are equal."""
    print("| | | seconds | of copy | processor, s | peak memory, MB | rows | the same file |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for (what, way), readings in found.items():
        copies = found[what, "copy"]
        ratio = median(r.seconds / c.seconds for r, c in zip(readings, copies, strict=True))
        is_same = {(r.sha256, r.n_rows) for r in (*readings, *copies)}
        print(
            f"| {what} | {way} | {median(r.seconds for r in readings):.1f} | {ratio:.2f}"
            f" | {median(r.cpu_seconds for r in readings):.1f} | {max(r.peak_mb for r in readings):,}"
            f" | {readings[0].n_rows:,} | {'' if what == 'read' else 'yes' if len(is_same) == 1 else 'no'} |"
        )


if __name__ == "__main__":
    main()
