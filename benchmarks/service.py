"""The HTTP service against a loop of the same calls: python -m benchmarks.service [--users 50000]

Publishes two nights into a durable embedded server, and starts the service in one process that is held on the
first core. In turns: a loop of psycopg, one connection, held on that core too, asks the statement of a user's
list; then `wrk` asks the service for the same over HTTP, for users at random. Told are medians of the rounds,
and the median of the rounds' ratios. Then `hey` asks at a fixed rate, while nothing else happens and while a
third night is loaded and goes live. Both programs are Debian's: apt-get install wrk hey.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psycopg

from benchmarks.common import ABOUT, machine, make_night, own_server, settings_for
from benchmarks.publishing import publish_apart, settle
from pipeline import config
from pipeline.config import ROOT
from pipeline.databases.embedded import Server
from pipeline.environment import child_environment
from pipeline.reading import Queries
from pipeline.serving import publish

SERVICE_CORE, CLIENT_CORE = 0, os.cpu_count() or 1
LUA = """
request = function()
    return wrk.format("GET", "/users/" .. math.random(1, {users}) .. "/recommendations")
end
"""


def loop_rate(url: str, n_users: int, seconds: float) -> float:
    """Answers a second of one connection that asks for users at random."""
    ask, rng, n = Queries("serving", config.load().ids), random.Random(0), 0
    os.sched_setaffinity(0, {SERVICE_CORE})
    try:
        with psycopg.connect(url, autocommit=True, prepare_threshold=0) as db:
            until = time.perf_counter() + seconds
            while time.perf_counter() < until:
                query = ask.recommendations(str(rng.randint(1, n_users)), 10)
                db.execute(query.statement, query.values).fetchone()
                n += 1
    finally:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    return n / seconds


def held(core: int, *command: str | Path) -> list[str]:
    """The command, on one core."""
    return ["taskset", "--cpu-list", str(core), *map(str, command)]


@contextmanager
def service(url: str, home: Path) -> Iterator[str]:
    """The service on the first core; where it answers."""
    command = held(SERVICE_CORE, sys.executable, "-m", "pipeline.service", "--port", "0")
    environment = child_environment("NIGHTSHELF_", NIGHTSHELF_READER_URL=url)
    with (home / "service.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.PIPE, text=True
        )
    assert process.stderr is not None
    try:
        yield "http" + process.stderr.readline().rpartition("http")[2].strip()
    finally:
        process.terminate()
        process.wait()


def wrk(url: str, script: Path, connections: int, seconds: int) -> float:
    """Answers a second over HTTP; ends the program where one is no success."""
    command = held(CLIENT_CORE - 1, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, url)
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec: +([\d.]+)", text)
    if rate is None or "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(text)
    return float(rate[1])


def hey(url: str, rate: int, seconds: int) -> dict[str, float]:
    """Milliseconds that half, 99 % and all of the answers took at most, asked at `rate` a second."""
    workers = 10
    command = held(
        CLIENT_CORE - 1, "hey", "-z", f"{seconds}s", "-c", str(workers), "-q", str(rate / workers), url
    )
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    statuses = set(re.findall(r"\[(\d+)\]\s+\d+ responses", text))
    if statuses != {"200"} or "Error distribution" in text:
        raise SystemExit(text)
    shares = {share: 1000 * float(took) for share, took in re.findall(r"(\d+)% in ([\d.]+) secs", text)}
    slowest = re.search(r"Slowest:\s+([\d.]+)", text)
    answered = re.search(r"Requests/sec:\s+([\d.]+)", text)
    return {
        "rate": float(answered[1]) if answered else 0.0,
        "p50": shares["50"],
        "p99": shares["99"],
        "slowest": 1000 * float(slowest[1]) if slowest else 0.0,
    }


def measure(server: Server, home: Path, asked: argparse.Namespace) -> None:
    """Print what is found, as Markdown."""
    reader = server.url("serving", "reader")
    script = home / "users.lua"
    script.write_text(LUA.format(users=asked.users), encoding="utf-8")
    with service(reader, home) as url:
        wrk(url, script, asked.connections, 1)
        loops, services = [], []
        for _ in range(asked.rounds):
            loops.append(loop_rate(reader, asked.users, asked.seconds))
            services.append(wrk(url, script, asked.connections, asked.seconds))
        ratio = median(a / b for a, b in zip(services, loops, strict=True))
        print("\n| loop of psycopg, answers/s | service, answers/s | ratio |\n| ---: | ---: | ---: |")
        print(f"| {median(loops):,.0f} | {median(services):,.0f} | {ratio:.2f} |")
        print(f"\n| {asked.rate} requests/s | asked/s | p50, ms | p99, ms | slowest, ms |")
        print("| --- | ---: | ---: | ---: | ---: |")
        path = f"{url}/users/{asked.users // 2}/recommendations"
        row(hey(path, asked.rate, asked.hey_seconds), "nothing else")
        night = make_night(home, 3, asked.users)
        publishing = threading.Thread(target=publish_apart, args=(server, night))
        publishing.start()
        row(hey(path, asked.rate, asked.hey_seconds), "a night is loaded and goes live")
        publishing.join()


def row(found: dict[str, float], when: str) -> None:
    """A row of the table of latencies."""
    print(
        f"| {when} | {found['rate']:.0f} | {found['p50']:.1f} | {found['p99']:.1f} | {found['slowest']:.1f} |"
    )


def main() -> None:
    """Measure, and print the tables."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {
        "users": 50_000,
        "connections": 8,
        "rounds": 5,
        "seconds": 5,
        "rate": 300,
        "hey-seconds": 30,
    }.items():
        options.add_argument(f"--{name}", type=int, default=default)
    asked = options.parse_args()
    for name in ("wrk", "hey", "taskset"):
        if shutil.which(name) is None:
            raise SystemExit(f"{name} is not installed: apt-get install wrk hey util-linux")
    with own_server() as (server, home):
        for number in (1, 2):
            night = make_night(home, number, asked.users)
            publish(server.url("serving"), settings_for(), night, ABOUT, say=print)
        with psycopg.connect(server.admin_url("serving"), autocommit=True) as db:
            db.execute("VACUUM ANALYZE")
        settle(server)
        print(f"\n{machine(server)}\n{vars(asked)}")
        measure(server, home, asked)


if __name__ == "__main__":
    main()
