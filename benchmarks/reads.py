"""Reads of a big shop: python -m benchmarks.reads [--users 200000] [--length 10] [--versions 2]

Publishes `--versions` nights into a durable embedded server with its usual settings, puts the live rows
into a plain table with primary key (user_id, rank) beside them, and reads both with pgbench: the ten
rows of a user at random (`AND rank <= 10` where lists are longer), through the view and from the plain
table, `on_shelf` and `recommend()`, which also serves unknown users, lists that it must fill up to
twice their length, and one category; and `recommend_from()` with baskets of items at random. A thousand
items that are in no list are blocked. Every query has a short turn in every round, unprepared and
prepared; told are medians of the rounds, and medians of the rounds' ratios to the plain table.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path
from statistics import median

import psycopg

from benchmarks.common import (
    ABOUT,
    N_ITEMS,
    environment,
    machine,
    make_night,
    own_server,
    program,
    settings_for,
)
from pipeline.databases.embedded import Server
from pipeline.serving import publish

MODES = {"simple": "unprepared", "prepared": "prepared"}
COLUMNS = "rank, item_id, score, reason, because_item_id"
PLAIN = """
    CREATE TABLE public.plain AS SELECT * FROM serving.recommendations ORDER BY user_id, rank;
    ALTER TABLE public.plain ALTER user_id SET NOT NULL, ADD PRIMARY KEY (user_id, rank);
    GRANT SELECT ON public.plain TO nightshelf_reader;
"""
BLOCK = """
    INSERT INTO serving.blocked_items (item_id, reason)
    SELECT id, 'not in the catalogue' FROM generate_series({first}::bigint, {last}) AS id
"""


def queries(n_users: int, length: int) -> dict[str, str]:
    """What is read, as pgbench scripts; the first is what the others are compared with."""
    shown = f"\\set user random(1, {n_users})\nSELECT {COLUMNS} FROM "
    items = "".join(f"\\set item{place} random(1, {N_ITEMS})\n" for place in range(5))
    of_user = " WHERE user_id = :user" + (" AND rank <= 10" if length > 10 else "") + " ORDER BY rank;\n"
    return {
        "plain table": f"{shown}public.plain{of_user}",
        "recommendations": f"{shown}serving.recommendations{of_user}",
        "on_shelf": f"{shown}serving.on_shelf{of_user}",
        "recommend(user, 10)": f"{shown}serving.recommend(:user, 10);\n",
        "recommend(unknown user, 10)": f"{shown}serving.recommend({n_users} + :user, 10);\n",
        f"recommend(user, {2 * length})": f"{shown}serving.recommend(:user, {2 * length});\n",
        "recommend(user, 10, category)": f"{shown}serving.recommend(:user, 10, 'category 007');\n",
        **{
            f"recommend_from({size} items, 10)": f"{items}SELECT {COLUMNS} FROM serving.recommend_from(ARRAY["
            + ", ".join(f":item{place}" for place in range(size))
            + "]::bigint[], 10);\n"
            for size in (3, 5)
        },
    }


def reads_per_second(script: Path, mode: str, url: str, *, clients: int, seconds: int) -> float:
    """One turn of pgbench."""
    told = subprocess.run(
        [
            program("pgbench"),
            "-n",
            "-M",
            mode,
            "-c",
            str(clients),
            "-j",
            "1",
            "-T",
            str(seconds),
            "-f",
            script,
        ],
        env=environment(url),
        capture_output=True,
        text=True,
        check=True,
    )
    failed, tps = (
        re.search(r"failed transactions: (\d+)", told.stdout),
        re.search(r"^tps = ([\d.]+)", told.stdout, re.M),
    )
    if tps is None or failed is None or failed[1] != "0":
        raise SystemExit(told.stdout + told.stderr)
    return float(tps[1])


def prepare(server: Server, home: Path, asked: argparse.Namespace) -> None:
    """Publish the nights, and lay the plain table beside them."""
    url, settings = server.url("serving"), settings_for(keep_versions=max(1, asked.versions - 1))
    for number in range(1, asked.versions + 1):
        publish(url, settings, make_night(home, number, asked.users, asked.length), ABOUT, say=print)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("SET ROLE nightshelf_operator")
        db.execute(BLOCK.format(first=N_ITEMS + 1, last=N_ITEMS + asked.blocked).encode())
    with psycopg.connect(server.admin_url("serving"), autocommit=True) as db:
        db.execute(PLAIN)
        db.execute("VACUUM ANALYZE")
        db.execute("CHECKPOINT")


def measure(server: Server, home: Path, asked: argparse.Namespace) -> dict[tuple[str, str], list[float]]:
    """Reads a second of each query and mode, a number for each round."""
    found: dict[tuple[str, str], list[float]] = {}
    scripts = queries(asked.users, asked.length)
    for number, text in enumerate(scripts.values()):
        (home / f"{number}.sql").write_text(text, encoding="utf-8")
    for turn in range(asked.rounds):
        for mode in MODES:
            for number, name in enumerate(scripts):
                tps = reads_per_second(
                    home / f"{number}.sql",
                    mode,
                    server.url("serving", "reader"),
                    clients=asked.clients,
                    seconds=asked.seconds,
                )
                found.setdefault((name, mode), []).append(tps)
        print(f"round {turn + 1} of {asked.rounds}")
    return found


def table(found: dict[tuple[str, str], list[float]]) -> str:
    """The medians, as Markdown."""
    names = list(dict.fromkeys(name for name, _ in found))
    lines = ["| query | " + " | ".join(f"{told}, reads/s | ratio" for told in MODES.values()) + " |"]
    lines.append("| --- |" + " ---: |" * 2 * len(MODES))
    for name in names:
        cells = []
        for mode in MODES:
            ratios = (a / b for a, b in zip(found[name, mode], found[names[0], mode], strict=True))
            cells += [f"{median(found[name, mode]):,.0f}", f"{median(ratios):.2f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {
        "users": 200_000,
        "length": 10,
        "versions": 2,
        "blocked": 1000,
        "clients": 2,
        "rounds": 25,
        "seconds": 1,
    }.items():
        options.add_argument(f"--{name}", type=int, default=default)
    asked = options.parse_args()
    with own_server() as (server, home):
        prepare(server, home, asked)
        told = machine(server)
        found = measure(server, home, asked)
    print(f"\n{told}\n{vars(asked)}\n\n{table(found)}")


if __name__ == "__main__":
    main()
