"""Publishing beside what people do today: python -m benchmarks.side_by_side [--users 30000] [--rounds 3]

The same two tables, recommendations (ten rows a user) and popular items, are published from the same
Parquet files in four ways, under two readers that ask for a random user's rows and the first popular
items, both in one statement, at most 250 times a second each:

    to_sql             pandas.to_sql(if_exists="replace"), then the primary key and the grant again
    delete and insert  both tables emptied and filled by COPY in one transaction
    rename swap        new tables filled by COPY and granted, then put in place in one transaction
    Nightshelf         publish()

Each is measured twice in a round: alone, and beside a report that reads the recommendations in
transactions of three seconds. A read has failed when it raises, is empty when a known user gets no
row, is mixed when it sees two versions. Grants are kept when a role that the script does not know of
may still read afterwards. Whoever can take a publication back does so at the end.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import sqlalchemy as sa
from psycopg import sql

from benchmarks.common import ABOUT, machine, make_night, own_server, settings_for
from benchmarks.publishing import settle
from pipeline.databases.embedded import Server
from pipeline.runs.folder import RunFolder
from pipeline.serving import migrate, publish, rollback

TABLES = {
    "recommendations": "user_id bigint, rank integer, item_id bigint, score double precision, reason text,"
    " because_item_id bigint, version bigint",
    "popular_items": "category text, rank integer, item_id bigint, score double precision, version bigint",
}
KEYS = {"recommendations": "user_id, rank", "popular_items": "category, rank"}
READ = """
    SELECT true, version FROM {schema}.recommendations WHERE user_id = %s
    UNION ALL
    SELECT false, version FROM {schema}.popular_items WHERE category = 'all' AND rank <= 3
"""
READER, AUDITOR = "nightshelf_reader", "auditor"
N_READERS = 2
PAUSE, REPORT = 0.004, 3.0
"""Seconds from one read to the next, and of one report."""
SPAWN = get_context("spawn")


@dataclass(frozen=True)
class Way:
    """A way to publish a night into a schema; `take_back` undoes the last one, None: it cannot be."""

    name: str
    schema: str
    publish: Callable[[str, RunFolder, int], None]
    take_back: Callable[[str], None] | None = None


@dataclass(frozen=True)
class Seen:
    """What readers saw while a night was published; worst in ms."""

    n: int = 0
    worst: float = 0.0
    failed: int = 0
    empty: int = 0
    mixed: int = 0
    error: str = ""

    def __add__(self, other: Seen) -> Seen:
        return Seen(
            self.n + other.n,
            max(self.worst, other.worst),
            self.failed + other.failed,
            self.empty + other.empty,
            self.mixed + other.mixed,
            self.error or other.error,
        )


@dataclass(frozen=True)
class Outcome:
    """One publication: its seconds, what readers saw, whether grants survived."""

    seconds: float
    seen: Seen
    keeps_grants: bool


def to_sql(url: str, night: RunFolder, version: int) -> None:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    for table in TABLES:
        frame = pd.read_parquet(night.dataset(table)).assign(version=version)
        frame.to_sql(table, engine, schema="to_sql", if_exists="replace", index=False, chunksize=10_000)
        with engine.begin() as db:
            db.execute(sa.text(f"ALTER TABLE to_sql.{table} ADD PRIMARY KEY ({KEYS[table]})"))
            db.execute(sa.text(f"GRANT SELECT ON to_sql.{table} TO {READER}"))
    engine.dispose()


def delete_and_insert(url: str, night: RunFolder, version: int) -> None:
    with psycopg.connect(url) as db:
        for table in TABLES:
            db.execute(f"DELETE FROM delete_insert.{table}")
            copy_csv(db, f"delete_insert.{table}", night, table, version)


def rename_swap(url: str, night: RunFolder, version: int) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        for table in TABLES:
            db.execute(f"CREATE TABLE swap.{table}_new (LIKE swap.{table} INCLUDING ALL)")
            copy_csv(db, f"swap.{table}_new", night, table, version)
            db.execute(f"ANALYZE swap.{table}_new")
            db.execute(f"GRANT SELECT ON swap.{table}_new TO {READER}")
        with db.transaction():
            for table in TABLES:
                db.execute(f"DROP TABLE IF EXISTS swap.{table}_old")
                db.execute(f"ALTER TABLE swap.{table} RENAME TO {table}_old")
                db.execute(f"ALTER TABLE swap.{table}_new RENAME TO {table}")


def swap_back(url: str) -> None:
    with psycopg.connect(url) as db:
        for table in TABLES:
            db.execute(f"ALTER TABLE swap.{table} RENAME TO {table}_away")
            db.execute(f"ALTER TABLE swap.{table}_old RENAME TO {table}")
            db.execute(f"ALTER TABLE swap.{table}_away RENAME TO {table}_old")


def nightshelf(url: str, night: RunFolder, version: int) -> None:
    publish(url, settings_for(), night, ABOUT, say=str)


def roll_back(url: str) -> None:
    rollback(url, settings_for(), say=str)


WAYS = (
    Way('`pandas.to_sql(if_exists="replace")`', "to_sql", to_sql),
    Way("delete and insert, one transaction", "delete_insert", delete_and_insert),
    Way("rename swap", "swap", rename_swap, swap_back),
    Way("Nightshelf", "serving", nightshelf, roll_back),
)


def copy_csv(db: psycopg.Connection[Any], into: str, night: RunFolder, table: str, version: int) -> None:
    """COPY a dataset of the night, a batch at a time, the version added."""
    options = pa.csv.WriteOptions(include_header=False)
    with (
        pq.ParquetFile(night.dataset(table)) as file,
        db.cursor() as cursor,
        cursor.copy(f"COPY {into} FROM STDIN (FORMAT csv)") as copy,
    ):
        for batch in file.iter_batches():
            versions = pa.repeat(version, batch.num_rows)
            sink = pa.BufferOutputStream()
            pa.csv.write_csv(batch.append_column("version", versions), sink, options)
            copy.write(sink.getvalue().to_pybytes())


def set_up(server: Server, way: Way) -> None:
    """Empty tables that the reader and the auditor may read."""
    url = server.url("serving")
    if way.schema == "serving":
        migrate(url, settings_for(), say=str)
    with psycopg.connect(url) as db:
        if way.schema != "serving":
            db.execute(f"CREATE SCHEMA {way.schema}")
            db.execute(f"GRANT USAGE ON SCHEMA {way.schema} TO {READER}")
            for table, columns in TABLES.items():
                db.execute(f"CREATE TABLE {way.schema}.{table} ({columns}, PRIMARY KEY ({KEYS[table]}))")
                db.execute(f"GRANT SELECT ON {way.schema}.{table} TO {READER}")
    with psycopg.connect(server.admin_url("serving")) as db:
        for table in TABLES:
            db.execute(f"GRANT SELECT ON {way.schema}.{table} TO {AUDITOR}")


def keeps_grants(server: Server, way: Way) -> bool:
    with psycopg.connect(server.admin_url("serving")) as db:
        return all(
            db.execute(
                "SELECT has_table_privilege(%s, %s, 'SELECT')", [AUDITOR, f"{way.schema}.{table}"]
            ).fetchone()
            == (True,)
            for table in TABLES
        )


def read(url: str, schema: str, n_users: int, told: Connection) -> None:
    """Read until told to stop, then tell what was seen. A process of its own."""
    query = sql.SQL(READ).format(schema=sql.Identifier(schema))
    seen = Seen()
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as db:
        told.send("ready")
        while not told.poll():
            start = time.perf_counter()
            failed, rows, error = 0, [], ""
            try:
                rows = db.execute(query, [random.randint(1, n_users)]).fetchall()
            except psycopg.Error as raised:
                failed, error = 1, str(raised).splitlines()[0]
            spent = time.perf_counter() - start
            is_empty = not failed and not any(is_own for is_own, _ in rows)
            is_mixed = len({version for _, version in rows}) > 1
            seen += Seen(1, spent * 1000, failed, is_empty, is_mixed, error)
            time.sleep(max(0.0, PAUSE - spent))
    told.send(seen)


def report(url: str, schema: str, told: Connection) -> None:
    """Statements of REPORT seconds until told to stop. A process of its own."""
    query = sql.SQL("SELECT count(*), pg_sleep({seconds}) FROM {schema}.recommendations")
    query = query.format(schema=sql.Identifier(schema), seconds=REPORT)
    with psycopg.connect(url, autocommit=True) as db:
        told.send("ready")
        while not told.poll():
            with suppress(psycopg.Error):
                db.execute(query)
    told.send(Seen())


@contextmanager
def readers(server: Server, way: Way, n_users: int, *, has_report: bool) -> Iterator[list[Seen]]:
    """Readers, and the report if asked for; what they saw is in the list afterwards."""
    url, seen = server.url("serving", "reader"), []
    jobs: list[tuple[Callable[..., None], tuple[Any, ...]]] = [(read, (url, way.schema, n_users))] * N_READERS
    if has_report:
        jobs.append((report, (url, way.schema)))
    ends, processes = [], []
    for job, given in jobs:
        here, there = SPAWN.Pipe()
        processes.append(SPAWN.Process(target=job, args=(*given, there)))
        processes[-1].start()
        ends.append(here)
    for end in ends:
        end.recv()
    time.sleep(1)
    yield seen
    time.sleep(1)
    for end, process in zip(ends, processes, strict=True):
        end.send("stop")
        seen.append(end.recv())
        process.join()


def measure(
    server: Server, way: Way, night: RunFolder, version: int, n_users: int, *, has_report: bool
) -> Outcome:
    """Publish a night once, watched by readers."""
    settle(server)
    with readers(server, way, n_users, has_report=has_report) as seen:
        start = time.perf_counter()
        way.publish(server.url("serving"), night, version)
        seconds = time.perf_counter() - start
    return Outcome(seconds, sum(seen, Seen()), keeps_grants(server, way))


def taken_back(server: Server, way: Way) -> str:
    """How long it takes until readers see the version before the last one again."""
    if way.take_back is None:
        return "no"
    query = f"SELECT DISTINCT version FROM {way.schema}.recommendations"
    with psycopg.connect(server.url("serving"), autocommit=True) as db:
        db.execute(f"SET ROLE {READER}")
        before = db.execute(query).fetchall()
        start = time.perf_counter()
        way.take_back(server.url("serving"))
        seconds = time.perf_counter() - start
        after = db.execute(query).fetchall()
    if len(after) != 1 or after >= before:
        raise RuntimeError(f"{way.name}: {before} became {after}")
    return f"{seconds * 1000:.0f} ms"


def table(found: dict[str, list[Outcome]], back: dict[str, str]) -> str:
    """Medians of seconds and worst reads, sums of the rest, as Markdown."""
    heads = [
        "",
        "seconds",
        "reads",
        "worst read, ms",
        "failed",
        "empty",
        "mixed",
        "grants kept",
        "taken back in",
    ]
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for name, outcomes in found.items():
        seen = sum((each.seen for each in outcomes), Seen())
        cells = [
            name,
            f"{median(each.seconds for each in outcomes):.1f}",
            f"{seen.n:,}",
            f"{median(each.seen.worst for each in outcomes):,.0f}",
            *(f"{n:,}" for n in (seen.failed, seen.empty, seen.mixed)),
            "yes" if all(each.keeps_grants for each in outcomes) else "no",
            back[name],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--users", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with own_server() as (server, home):
        print(machine(server))
        with psycopg.connect(server.admin_url(), autocommit=True) as db:
            db.execute(f"CREATE ROLE {AUDITOR}")
        version, has_reports = 1, (False, True)
        night = make_night(home / "runs", version, asked.users, is_lean=True)
        for way in WAYS:
            set_up(server, way)
            way.publish(server.url("serving"), night, version)
        found: dict[bool, dict[str, list[Outcome]]] = {True: {}, False: {}}
        for number in range(asked.rounds):
            for has_report in has_reports:
                version += 1
                night = make_night(home / "runs", version, asked.users, is_lean=True)
                for way in WAYS:
                    out = measure(server, way, night, version, asked.users, has_report=has_report)
                    found[has_report].setdefault(way.name, []).append(out)
                    print(
                        f"round {number + 1}, {'with' if has_report else 'no'} report, {way.name}: {out}",
                        flush=True,
                    )
        back = {way.name: taken_back(server, way) for way in WAYS}
        for has_report in has_reports:
            print(f"\n{'Beside a report' if has_report else 'Alone'}:\n\n{table(found[has_report], back)}")


if __name__ == "__main__":
    main()
