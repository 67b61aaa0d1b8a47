"""The night as the script that people write, beside Nightshelf with ALS alone in the race.

    export NIGHTSHELF_HOME=/tmp/nightshelf-big
    python -m pipeline load synthetic --events 10000000 --seed 1
    python -m benchmarks.script

The script reads all events of the year with pandas, keeps those of buyers, fits implicit's ALS with one
penalty, recommends ten items to every buyer and writes them with `to_sql`. Nothing is validated, judged or
kept. Both read and write the same databases; each runs in a process of its own, whose peak memory is told.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

from pipeline import config

N_ITEMS = 10
LIGHT = """
[tune]
mode = "never"

[models]
race = ["als"]

[split]
test_days = 1
"""
"""A night with the ancestors' method alone, judged at one cut, by the day after it."""


def script(source: str, serving: str) -> dict[str, float]:
    """The seconds of each step."""
    import numpy as np
    import pandas as pd
    import scipy.sparse as sp
    import sqlalchemy as sa
    from implicit.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    seconds, began = {}, time.perf_counter()

    def done(step: str) -> None:
        nonlocal began
        seconds[step] = time.perf_counter() - began
        began = time.perf_counter()

    query = "SELECT customer_id, product_id, event_type FROM events"
    events = pd.read_sql(query, sa.create_engine(source))
    done("read_sql")
    events = events[events.customer_id.isin(events.customer_id[events.event_type == "purchase"].unique())]
    users, user_ids = pd.factorize(events.customer_id)
    items, item_ids = pd.factorize(events.product_id)
    weights = events.event_type.map({"view": 1.0, "cart": 3.0, "purchase": 5.0}).to_numpy(np.float32)
    cells = sp.csr_matrix((weights, (users, items)))
    done("matrix")
    als = config.load().als
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=als.factors,
            iterations=als.iterations,
            regularization=als.regularization,
            alpha=als.alpha,
        )
        model.fit(cells, show_progress=False)
        done("fit")
        listed, scores = model.recommend(np.arange(len(user_ids)), cells, N=N_ITEMS)
    done("recommend")
    rows = pd.DataFrame(
        {
            "user_id": np.repeat(user_ids.to_numpy(), N_ITEMS),
            "rank": np.tile(np.arange(1, N_ITEMS + 1), len(user_ids)),
            "item_id": item_ids.to_numpy()[listed.ravel()],
            "score": scores.ravel(),
        }
    )
    into = sa.create_engine(serving)
    rows.to_sql("script_recommendations", into, if_exists="replace", index=False, chunksize=10_000)
    with into.begin() as db:
        db.execute(sa.text("ALTER TABLE script_recommendations ADD PRIMARY KEY (user_id, rank)"))
    done("to_sql")
    return seconds


def run_script() -> None:
    """What the process of the script does: its seconds and memory as JSON on standard output."""
    from pipeline.databases.embedded import Server

    server = Server(config.home())
    urls = (server.url(name).replace("postgresql:", "postgresql+psycopg:") for name in ("shop", "serving"))
    seconds = script(*urls)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "memory_mb": megabytes}))


def run_night() -> dict[str, object]:
    """The same of a night; its seconds by stage, and the most memory of any."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as settings:
        settings.write(LIGHT)
        settings.flush()
        run_id = f"light-{int(time.time())}"
        command = [sys.executable, "-m", "pipeline", "run", "--config", settings.name, "--run-id", run_id]
        began = time.perf_counter()
        subprocess.run([*command, "--force"], check=True, stdout=subprocess.DEVNULL)
        total = time.perf_counter() - began
    folder = config.runs_folder(config.load()) / run_id / "receipts"
    receipts = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    receipts.sort(key=lambda receipt: receipt["finished_at"])
    seconds = {str(receipt["stage"]): receipt["seconds"] for receipt in receipts}
    return {
        "seconds": {**seconds, "starts": total - sum(seconds.values())},
        "memory_mb": max(receipt["peak_memory_mb"] for receipt in receipts),
    }


def told(name: str, found: dict[str, object]) -> float:
    """Print what was measured; returns the seconds."""
    seconds = found["seconds"]
    assert isinstance(seconds, dict)
    total = sum(seconds.values())
    steps = ", ".join(f"{step} {value:.1f}" for step, value in seconds.items())
    print(f"{name}: {total:.1f} s, {found['memory_mb']:,.0f} MB ({steps})", flush=True)
    return float(total)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=1)
    words.add_argument("--script", action="store_true", help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.script:
        run_script()
        return
    for _ in range(given.rounds):
        command = [sys.executable, "-m", "benchmarks.script", "--script"]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ).stdout
        script_found, night_found = json.loads(out.splitlines()[-1]), run_night()
        ours = told("Nightshelf, ALS alone", night_found) / told("the script", script_found)
        memory = float(str(night_found["memory_mb"])) / float(str(script_found["memory_mb"]))
        print(f"time {ours:.2f} of the script's, memory {memory:.2f}", flush=True)


if __name__ == "__main__":
    main()
