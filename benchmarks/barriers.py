"""What a barrier before rows of old versions costs: python -m benchmarks.barriers [--users 200000]

Publishes two nights as benchmarks.reads does, and reads them in turns of a second with pgbench: without any
barrier (row security off), with row security on the tables as Nightshelf has it, and with `security_barrier`
on the views instead. Read are the ten rows of a user at random, `on_shelf`, `recommend()`, and a join of the
lists with a table of an app's that has twenty users. Told are medians of the rounds, and medians of the
rounds' ratios to the reads without a barrier.
"""

from __future__ import annotations

import argparse
from statistics import median

import psycopg

from benchmarks.common import machine, own_server
from benchmarks.reads import MODES, prepare, queries, reads_per_second

TABLES = ("user_lists", "popular_lists", "similar_lists", "also_bought_lists")
VIEWS = ("recommendations", "on_shelf", "popular_items", "similar_items", "also_bought")
APP = """
    CREATE TABLE public.app AS SELECT id * 97 AS user_id FROM generate_series(1::bigint, 20) AS id;
    GRANT SELECT ON public.app TO nightshelf_reader;
    ANALYZE public.app;
"""
JOIN = "SELECT user_id, rank, item_id FROM public.app JOIN serving.recommendations USING (user_id);\n"
BARRIERS = {"none": (False, False), "row security": (True, False), "security_barrier": (False, True)}
"""Whether the tables have row security, and the views a barrier."""


def put_up(db: psycopg.Connection, on_tables: bool, on_views: bool) -> None:
    """Change to one of BARRIERS."""
    for table in TABLES:
        verb = "ENABLE" if on_tables else "DISABLE"
        db.execute(f"ALTER TABLE serving_storage.{table} {verb} ROW LEVEL SECURITY".encode())
    for view in VIEWS:
        db.execute(f"ALTER VIEW serving.{view} SET (security_barrier = {str(on_views).lower()})".encode())


def main() -> None:
    """Measure, and print the table."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = {"users": 200_000, "length": 10, "versions": 2, "blocked": 1000, "clients": 2, "rounds": 15}
    for name, default in {**defaults, "seconds": 1}.items():
        options.add_argument(f"--{name}", type=int, default=default)
    asked = options.parse_args()
    scripts = queries(asked.users, asked.length)
    chosen = {name: scripts[name] for name in ("recommendations", "on_shelf", "recommend(user, 10)")}
    chosen["join of 20 users"] = JOIN
    found: dict[tuple[str, str, str], list[float]] = {}
    with own_server() as (server, home):
        prepare(server, home, asked)
        told = machine(server)
        for number, text in enumerate(chosen.values()):
            (home / f"{number}.sql").write_text(text, encoding="utf-8")
        with psycopg.connect(server.admin_url("serving"), autocommit=True) as db:
            db.execute(APP)
            for turn in range(asked.rounds):
                for mode in MODES:
                    for number, name in enumerate(chosen):
                        for barrier, walls in BARRIERS.items():
                            put_up(db, *walls)
                            tps = reads_per_second(
                                home / f"{number}.sql",
                                mode,
                                server.url("serving", "reader"),
                                clients=asked.clients,
                                seconds=asked.seconds,
                            )
                            found.setdefault((name, mode, barrier), []).append(tps)
                print(f"round {turn + 1} of {asked.rounds}")
    print(
        f"\n{told}\n{vars(asked)}\n\n| query | | "
        + " | ".join(f"{b}, reads/s | ratio" for b in BARRIERS)
        + " |"
    )
    print("| --- | --- |" + " ---: |" * 2 * len(BARRIERS))
    for name in chosen:
        for mode, words in MODES.items():
            cells = []
            for barrier in BARRIERS:
                rounds = zip(found[name, mode, barrier], found[name, mode, "none"], strict=True)
                cells += [
                    f"{median(found[name, mode, barrier]):,.0f}",
                    f"{median(a / b for a, b in rounds):.2f}",
                ]
            print(f"| {name} | {words} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
