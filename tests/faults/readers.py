"""Apps that read as fast as they can, and count what they must never meet."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Event
from typing import Any

import psycopg

from pipeline.databases.embedded import PREFIX, Server
from tests.faults.shelves import DAY, LENGTH, N_ITEMS, N_USERS, NOBODY

LONGEST_LOCK_WAIT = "250ms"
N_KEPT = 5

QUERIES: dict[str, tuple[str, int]] = {
    "recommendations": (
        "SELECT ARRAY[version], ARRAY[item_id] FROM serving.recommendations WHERE user_id = %(user)s",
        LENGTH,
    ),
    "on_shelf": (
        "SELECT ARRAY[version], ARRAY[item_id] FROM serving.on_shelf WHERE user_id = %(user)s",
        LENGTH,
    ),
    "recommend, own list": (
        "SELECT ARRAY[version], ARRAY[item_id] FROM serving.recommend(%(user)s, 10)",
        10,
    ),
    "recommend, filled up": (
        f"SELECT ARRAY[version], ARRAY[item_id] FROM serving.recommend(%(user)s, {2 * LENGTH})",
        2 * LENGTH,
    ),
    "recommend, unknown user": (
        f"SELECT ARRAY[version], ARRAY[item_id] FROM serving.recommend({NOBODY}, {LENGTH})",
        LENGTH,
    ),
    "recommend_from": (
        "SELECT ARRAY[version], ARRAY[item_id]"
        f" FROM serving.recommend_from(ARRAY[%(item)s]::bigint[], {LENGTH})",
        LENGTH,
    ),
    "recommend_from, filled up": (
        f"SELECT ARRAY[version], ARRAY[item_id] FROM serving.recommend_from('{{-1,1,2}}', {3 * LENGTH})",
        3 * LENGTH,
    ),
    "all in one": (
        "SELECT ARRAY[own.version, popular.version, alike.version, beside.version, filled.version,"
        " shown.version],"
        " ARRAY[own.item_id, popular.item_id, similar_item_id, also_bought_item_id, filled.item_id]"
        " FROM serving.recommendations AS own"
        " JOIN serving.popular_items AS popular USING (rank)"
        " JOIN serving.similar_items AS alike USING (rank)"
        " JOIN serving.also_bought AS beside USING (rank)"
        f" JOIN serving.recommend(%(user)s, {LENGTH}) AS filled USING (rank)"
        " JOIN serving.publications AS shown ON shown.is_live"
        " WHERE own.user_id = %(user)s AND popular.category = 'all'"
        " AND alike.item_id = %(item)s AND beside.item_id = %(item)s",
        LENGTH,
    ),
}
"""Each as a person would call it: the versions and items of every row, and how many rows there must be."""


@dataclass
class Report:
    """n_reads: by query; wrong: by kind; examples: the first of those; versions: all that were seen."""

    n_reads: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    versions: set[int] = field(default_factory=set)

    def __add__(self, other: Report) -> Report:
        return Report(
            self.n_reads + other.n_reads,
            self.wrong + other.wrong,
            self.examples + other.examples,
            self.versions | other.versions,
        )

    def note(self, what: str, example: str) -> None:
        self.wrong[what] += 1
        if len(self.examples) < N_KEPT:
            self.examples.append(f"{what}: {example}")


def limit_lock_waits(server: Server) -> None:
    """From now on readers on this server wait for no lock longer than LONGEST_LOCK_WAIT."""
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        db.execute(f"ALTER ROLE {PREFIX}_reader SET lock_timeout = '{LONGEST_LOCK_WAIT}'".encode())


def read(url: str, threshold: int | None, seed: int, stop: Event, pipe: Pipe) -> None:
    """Read until told to stop, preparing what was asked `threshold` times. Tells a Report."""
    chance, report = random.Random(seed), Report()
    with psycopg.connect(url, autocommit=True, prepare_threshold=threshold) as db:
        pipe.send("reading")
        while not stop.is_set():
            for name, (query, n_rows) in QUERIES.items():
                ids = {"user": chance.randint(1, N_USERS), "item": chance.randint(1, N_ITEMS)}
                try:
                    rows = db.execute(query.encode(), ids).fetchall()
                except psycopg.Error as error:
                    report.note("error", f"{name}: {error}")
                else:
                    judge(report, name, rows, n_rows)
    pipe.send(report)


def judge(report: Report, name: str, rows: list[tuple[Any, ...]], n_rows: int) -> None:
    """Whether the rows of one statement are all there, and of one version and day."""
    report.n_reads[name] += 1
    versions = {version for row in rows for version in row[0]}
    days = {item // DAY for row in rows for item in row[1]}
    if len(rows) != n_rows:
        report.note("empty" if not rows else "short", f"{name}: {len(rows)} of {n_rows} rows")
    elif len(versions) > 1 or len(days) > 1:
        report.note("mixed", f"{name}: versions {versions}, days {days}")
    report.versions |= versions


@contextmanager
def reading(url: str, *thresholds: int | None) -> Iterator[Callable[[], Report]]:
    """A reader for each threshold, at work from here on; call what is handed out to stop them.

    It returns what they report together. That no lock is waited for too long is the server's to see
    (`limit_lock_waits`): such a wait is an error.
    """
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    stop = processes.Event()
    pipes, readers = [], []
    for seed, threshold in enumerate(thresholds):
        answers, pipe = processes.Pipe(duplex=False)
        arguments = (url, threshold, seed, stop, pipe)
        readers.append(processes.Process(target=read, args=arguments, daemon=True))
        readers[-1].start()
        pipe.close()
        pipes.append(answers)
    try:
        for answers in pipes:
            assert answers.recv() == "reading"

        def stopped() -> Report:
            stop.set()
            return reduce(Report.__add__, [answers.recv() for answers in pipes])

        yield stopped
    finally:
        stop.set()
        for reader in readers:
            reader.join()
