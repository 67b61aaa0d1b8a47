"""Publishing ten million rows: python -m benchmarks.publishing [--users 1000000] [--rounds 3]

Each round times, against a durable embedded server with its usual settings:

    bare COPY   psql's \\copy of the same lists, text made beforehand, into empty tables of the same
                columns, indexes and constraints
    first       publish() into an empty serving schema, end to end
    second      another night onto the first
    third       another night with keep_versions = 1, which deletes the first's lists

Each publication runs in a process of its own that does nothing else; its memory is what Linux says
was resident at most. Bare COPY and first publication take turns at being first in a round.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.common import ABOUT, environment, machine, make_night, own_server, program, settings_for
from pipeline import config
from pipeline.databases.embedded import Server
from pipeline.runs.folder import RunFolder
from pipeline.runs.memory import peak_mb, reset_peak
from pipeline.serving import migrate, publish
from pipeline.serving.copy_lines import KINDS, lines
from pipeline.serving.names import Names

BARE = "bare"
SERVING = {"statement_timeout_ms": 3_600_000}


@dataclass(frozen=True)
class Published:
    """seconds: end to end; steps: when publish said what, seconds since it began; peak_mb: its memory."""

    began: float
    seconds: float
    steps: list[tuple[float, str]]
    peak_mb: int


def publish_once(url: str, run: Path, serving: dict[str, Any]) -> Published:
    """Publish a run folder, timed. To be called in a fresh process."""
    settings = settings_for(**SERVING, **serving)
    folder = RunFolder.open(run.parent, run.name, settings.ids.model_dump())
    steps: list[tuple[float, str]] = []
    reset_peak()
    began, start = time.time(), time.perf_counter()
    publish(url, settings, folder, ABOUT, say=lambda line: steps.append((time.perf_counter() - start, line)))
    return Published(began, time.perf_counter() - start, steps, peak_mb())


def publish_apart(server: Server, run: RunFolder, **serving: Any) -> Published:
    """`publish_once` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(publish_once, server.url("serving"), run.path, serving).result()


def settle(server: Server) -> None:
    """Let every timing begin with nothing left to write from the one before."""
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        db.execute("CHECKPOINT")


def write_text(run: RunFolder, folder: Path) -> None:
    """The lists of a run as files for COPY."""
    folder.mkdir(exist_ok=True)
    for kind in KINDS:
        with (folder / kind.table).open("wb") as file:
            file.writelines(piece.text for piece in lines(kind, run.dataset(kind.dataset), 1))


def bare_copy(server: Server, folder: Path) -> float:
    """Seconds of psql for COPY into fresh tables; they are dropped afterwards."""
    names = Names.of(config.load().serving)
    with psycopg.connect(server.admin_url("serving"), autocommit=True) as db:
        schema = {"bare": sql.Identifier(BARE), "storage": sql.Identifier(names.storage)}
        db.execute(
            sql.SQL("CREATE SCHEMA {bare} AUTHORIZATION {to}").format(
                **schema, to=sql.Identifier(names.publisher)
            )
        )
        db.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(names.publisher)))
        for kind in KINDS:
            table = sql.SQL("CREATE TABLE {bare}.{table} (LIKE {storage}.{table} INCLUDING ALL)")
            db.execute(table.format(**schema, table=sql.Identifier(kind.table)))
        settle(server)
        commands = [f"SET ROLE {names.publisher}"]
        for kind in KINDS:
            columns = ", ".join(kind.columns)
            commands.append(f"\\copy {BARE}.{kind.table} ({columns}) from '{folder / kind.table}'")
        start = time.perf_counter()
        subprocess.run(
            [program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", *(f"--command={c}" for c in commands)],
            env=environment(server.url("serving")),
            check=True,
        )
        seconds = time.perf_counter() - start
        db.execute("RESET ROLE")
        db.execute(sql.SQL("DROP SCHEMA {bare} CASCADE").format(**schema))
    return seconds


def sizes(server: Server) -> dict[str, int]:
    """Table -> bytes on disk, its index included."""
    with psycopg.connect(server.admin_url("serving")) as db:
        storage = Names.of(config.load().serving).storage
        rows = db.execute(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class"
            " WHERE relnamespace = %s::regnamespace AND relkind = 'r' ORDER BY 2 DESC",
            [storage],
        )
        return {name: size for name, size in rows if name in {kind.table for kind in KINDS}}


def one_round(server: Server, nights: list[RunFolder], text: Path, is_bare_first: bool) -> dict[str, Any]:
    """One round: bare COPY, first publication, second, third."""
    found: dict[str, Any] = {}

    def bare() -> None:
        found["bare COPY"] = bare_copy(server, text)

    def first() -> None:
        settle(server)
        found["first"] = publish_apart(server, nights[0])

    migrate(server.url("serving"), settings_for(), say=str, reset=True)
    parts: list[Callable[[], None]] = [bare, first] if is_bare_first else [first, bare]
    for part in parts:
        part()
    found["sizes"] = sizes(server)
    settle(server)
    found["second"] = publish_apart(server, nights[1])
    settle(server)
    found["third"] = publish_apart(server, nights[2], keep_versions=1)
    return found


def show(found: dict[str, Any]) -> None:
    """A round, with the steps of its publications."""
    print(f"  bare COPY {found['bare COPY']:.1f} s")
    for name in ("first", "second", "third"):
        made: Published = found[name]
        ratio = made.seconds / found["bare COPY"]
        print(f"  {name} {made.seconds:.1f} s, ratio {ratio:.2f}, {made.peak_mb} MB")
        for at, line in made.steps:
            print(f"    {at:7.1f} s {line}")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with own_server() as (server, home):
        print(machine(server))
        nights = [make_night(home / "runs", number, asked.users) for number in (1, 2, 3)]
        write_text(nights[0], home / "text")
        rounds = []
        for number in range(asked.rounds):
            print(f"round {number + 1}")
            rounds.append(one_round(server, nights, home / "text", number % 2 == 0))
            show(rounds[-1])
        print(
            "on disk, one version: "
            + ", ".join(f"{n} {b / 2**20:,.0f} MB" for n, b in rounds[0]["sizes"].items())
        )
        print("| | seconds | of bare COPY | peak memory, MB |\n| --- | ---: | ---: | ---: |")
        print(f"| bare COPY | {median(r['bare COPY'] for r in rounds):.1f} | 1 | |")
        for name in ("first", "second", "third"):
            seconds = median(r[name].seconds for r in rounds)
            ratio = median(r[name].seconds / r["bare COPY"] for r in rounds)
            print(f"| {name} | {seconds:.1f} | {ratio:.2f} | {max(r[name].peak_mb for r in rounds):,} |")


if __name__ == "__main__":
    main()
