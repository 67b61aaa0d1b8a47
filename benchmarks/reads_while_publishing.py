"""Reads at a fixed rate while ten million rows are published: python -m benchmarks.reads_while_publishing

pgbench asks for a random user's list at random moments, `--rate` times a second on four connections,
half through the view `recommendations`, half with recommend(), and half as often again for nothing
(`SELECT 1`), which tells what the machine itself adds. Latency counts from the moment a read was due,
so a read that waits behind a slow one is slow as well. The publication deletes the lists of the oldest
version too (keep_versions = 1).
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.common import environment, machine, make_night, own_server, program
from benchmarks.publishing import publish_apart, settle
from pipeline.databases.embedded import Server
from pipeline.runs.folder import RunFolder

SCRIPTS = {
    "point read": "SELECT rank, item_id FROM serving.recommendations WHERE user_id = :user_id ORDER BY rank;",
    "recommend()": "SELECT rank, item_id FROM serving.recommend(:user_id, 10);",
    "nothing": "SELECT 1;",
}
QUIET = 30
"""Seconds of reads alone, before the publication begins."""
IN_MEMORY = "/dev/shm"
"""Where pgbench writes its log: on the database's disk it would wait for the disk itself."""


@dataclass(frozen=True)
class Figures:
    """How many reads, and their latency: median, 99th percentile, worst, ms."""

    n: int
    p50: float
    p99: float
    worst: float

    @classmethod
    def of(cls, latency: np.ndarray) -> Figures:
        p50, p99 = np.percentile(latency, (50, 99))
        return cls(len(latency), float(p50), float(p99), float(latency.max()))


@contextmanager
def reading(server: Server, folder: Path, n_users: int, rate: int) -> Iterator[None]:
    """pgbench as the reader, logging every read under `folder`. Raises RuntimeError when a read fails."""
    files = []
    for number, (name, query) in enumerate(SCRIPTS.items()):
        file = folder / f"script-{number}.sql"
        file.write_text(f"\\set user_id random(1, {n_users})\n{query} -- {name}\n", encoding="utf-8")
        files.append(f"--file={file}")
    options = [f"--rate={rate * 3 // 2}", "--time=86400", "--log", f"--log-prefix={folder / 'log'}"]
    with subprocess.Popen(
        [program("pgbench"), "-n", "--client=4", *options, *files],
        env=environment(server.url("serving", "reader")),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as pgbench:
        yield
        pgbench.terminate()
        _, told = pgbench.communicate()
    if told.strip():
        raise RuntimeError(told)


def logged(folder: Path) -> np.ndarray:
    """Each read: when it ended (s since the epoch), its script's number, its latency (ms); shape (n, 3)."""
    (file,) = folder.glob("log.*")
    whole = file.read_text(encoding="ascii").splitlines()[:-1]
    fields = np.loadtxt(whole, usecols=(2, 3, 4, 5), dtype=np.int64)
    return np.column_stack((fields[:, 2] + fields[:, 3] / 1e6, fields[:, 1], fields[:, 0] / 1e3))


def one_round(server: Server, run: RunFolder, n_users: int, rate: int) -> dict[str, Figures]:
    """Figures of both kinds of read, alone and while `run` is published."""
    settle(server)
    with TemporaryDirectory(dir=IN_MEMORY) as name:
        with reading(server, Path(name), n_users, rate):
            time.sleep(QUIET)
            made = publish_apart(server, run, keep_versions=1)
            time.sleep(1)
        reads = logged(Path(name))
    ended, script = reads[:, 0], reads[:, 1]
    while_publishing = (ended >= made.began) & (ended <= made.began + made.seconds)
    found = {}
    for when, chosen in (("alone", ended < made.began), ("while publishing", while_publishing)):
        for number, name in enumerate(SCRIPTS):
            found[f"{name}, {when}"] = Figures.of(reads[chosen & (script == number), 2])
    worst = reads[while_publishing][np.argmax(reads[while_publishing, 2])]
    print(f"  published in {made.seconds:.1f} s, its worst read {worst[0] - made.began:.1f} s after it began")
    for at, line in made.steps:
        print(f"    {at:7.1f} s {line}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=500, help="reads a second, of both kinds together")
    asked = parser.parse_args()
    with own_server() as (server, home):
        print(machine(server))
        publish_apart(server, make_night(home / "runs", 1, asked.users), keep_versions=1)
        publish_apart(server, make_night(home / "runs", 2, asked.users), keep_versions=1)
        rounds = []
        for number in range(asked.rounds):
            print(f"round {number + 1}", flush=True)
            run = make_night(home / "runs", 3 + number, asked.users)
            rounds.append(one_round(server, run, asked.users, asked.rate))
            for name, one in rounds[-1].items():
                print(f"  {name}: {one}", flush=True)
        print("| | reads | p50, ms | p99, ms | worst, ms |\n| --- | ---: | ---: | ---: | ---: |")
        for name in rounds[0]:
            many = [each[name] for each in rounds]
            n, p50, p99 = (median(getattr(one, field) for one in many) for field in ("n", "p50", "p99"))
            print(f"| {name} | {n:,.0f} | {p50:.2f} | {p99:.1f} | {max(one.worst for one in many):.0f} |")


if __name__ == "__main__":
    main()
