"""How long a copy to Redis takes, against `redis-cli --pipe` of the same keys and a COPY of the same lists.

    python -m benchmarks.redis_export                       # 200,000 users, three rounds
    python -m benchmarks.redis_export --users 1000000

The server is a `redis-server` of its own, without persistence, on this machine; so is PostgreSQL. Prints the
median of each, their ratio, and how much memory the keys take.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis

from benchmarks.common import ABOUT, machine, make_night, own_server, settings_for
from pipeline.export.redis import export
from pipeline.serving import publish

TABLES = {
    "user_lists": "user_id, item_ids[1:20], scores[1:20], reasons[1:20], because_item_ids[1:20]",
    "similar_lists": "*",
    "also_bought_lists": "*",
    "popular_lists": "*",
    "item_names": "*",
}


@contextmanager
def redis_server(folder: Path) -> Iterator[redis.Redis]:
    """An empty server behind a socket in `folder`."""
    program, path = shutil.which("redis-server"), folder / "redis.sock"
    if program is None:
        sys.exit("redis-server is not installed: apt-get install redis-server redis-tools")
    command = [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            while not path.exists():
                time.sleep(0.05)
            yield redis.Redis(unix_socket_path=str(path))
        finally:
            process.kill()


def commands(client: redis.Redis, path: Path) -> int:
    """Write a SET of every list in Redis as `redis-cli --pipe` reads it; returns how many there are."""
    count = 0
    with path.open("wb") as file:
        keys = list(client.scan_iter("serving:1-*", count=10_000))
        for start in range(0, len(keys), 1_000):
            batch = keys[start : start + 1_000]
            for key, value in zip(batch, client.mget(batch), strict=True):
                words = (b"SET", key, value)
                file.write(b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
                count += 1
    return count


def timed_copy(url: str) -> float:
    """Seconds of a COPY of every list."""
    start = time.perf_counter()
    with psycopg.connect(url) as db:
        for table, columns in TABLES.items():
            query = f"COPY (SELECT {columns} FROM serving_storage.{table}) TO STDOUT"
            with db.cursor().copy(query) as rows:  # type: ignore[call-overload]
                for _ in rows:
                    pass
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    settings = settings_for()
    with own_server() as (server, home), redis_server(home) as client:
        url = server.url("serving")
        night = make_night(home / "runs", 1, options.users, length=settings.recommend.list_length)
        publish(url, settings, night, ABOUT, say=str)
        redis_url = f"unix://{home / 'redis.sock'}"
        times: dict[str, list[float]] = {"export": [], "COPY": [], "redis-cli --pipe": []}
        file = home / "commands"
        n_keys = 0
        for _ in range(options.rounds):
            client.flushall()
            start = time.perf_counter()
            export(url, redis_url, settings)
            times["export"].append(time.perf_counter() - start)
            memory = client.info("memory")["used_memory"]
            if not file.exists():
                n_keys = commands(client, file)
            times["COPY"].append(timed_copy(url))
            client.flushall()
            start = time.perf_counter()
            pipe = ["redis-cli", "-s", str(home / "redis.sock"), "--pipe"]
            with file.open("rb") as given:
                subprocess.run(pipe, stdin=given, check=True, stdout=subprocess.DEVNULL)
            times["redis-cli --pipe"].append(time.perf_counter() - start)
        about = machine(server)
    medians = {name: statistics.median(values) for name, values in times.items()}
    floor = medians["COPY"] + medians["redis-cli --pipe"]
    print(about)
    print(f"{options.users:,} users, {n_keys:,} keys, {memory / 1e6:,.0f} MB in Redis")
    for name, seconds in medians.items():
        print(f"{name:18}{seconds:8.1f} s")
    print(f"{'ratio':18}{medians['export'] / floor:8.2f}")


if __name__ == "__main__":
    main()
