"""What Airflow costs on a machine for a first look: python -m benchmarks.orchestration

A local Airflow as `make up` starts it, on the demo's shop (`--events N`: a made-up one), off the clock.

1. Nights under Airflow, in turns with the same night by `python -m pipeline run`, one process: what Airflow
   adds to each task over the stage's own seconds (its receipt), imports, start of the process and reading of
   the DAG file included, and the pause before each task.
2. A night that searches: how long the health and the grid of the UI take to answer meanwhile, asked every
   half second, and how old the scheduler's heartbeat grows. Before it the same while nothing runs.
3. Memory of every process as proportional set size, while nothing runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import numpy as np
import psutil

from pipeline import config
from pipeline.contract.stages import BY_NAME
from pipeline.loading import load
from pipeline.local.airflow import LocalAirflow
from pipeline.local.api import Api
from pipeline.local.configuration import USER
from pipeline.local.demo import RUNS
from pipeline.local.servers import DAG_ID, DEMO_SHOP, unpause

PLAIN = {"tune": "never"}
ASKED_EVERY = 0.5
SETTLE = 60
"""Seconds before memory is measured and between nights, so that nothing of the last one is left."""
ENDED = ("success", "failed")
LEARNING = ("tune", "train", "evaluate", "recommend")
PAGES = {
    "health": "/api/v2/monitor/health",
    "grid, runs": f"/ui/grid/runs/{DAG_ID}?limit=10&order_by=-run_after",
    "grid, tasks": f"/ui/grid/ti_summaries/{DAG_ID}?{{runs}}",
}
"""What is asked: the health, and what the grid of the UI asks for ten runs."""

Span = tuple[str, datetime, datetime]
"""A stage, begin and end of its task."""


@dataclass(frozen=True)
class Task:
    """One task of a finished night, seconds.

    adds:  beyond the stage's own; pause: since the end of the task before
    """

    name: str
    took: float
    adds: float
    pause: float


@dataclass
class Answers:
    """What the API server answered: (what was asked, when it answered, latency in seconds).

    failed: what was asked in vain; heartbeat_age: of the scheduler, seconds
    """

    given: list[tuple[str, datetime, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    heartbeat_age: list[float] = field(default_factory=list)
    n_unhealthy: int = 0

    def table(self, spans: list[Span] | None = None) -> str:
        """Median, 95th percentile and worst latency of each page, within `spans` where given."""
        lines = ["| | answers | median, ms | 95 %, ms | worst, ms |", "| --- | ---: | ---: | ---: | ---: |"]
        for name in PAGES:
            found = [
                1000 * seconds
                for asked, at, seconds in self.given
                if asked == name and (spans is None or any(begin <= at <= end for _, begin, end in spans))
            ]
            p50, p95, worst = np.percentile(found, (50, 95, 100))
            lines.append(f"| {name} | {len(found)} | {p50:.0f} | {p95:.0f} | {worst:,.0f} |")
        return "\n".join(lines)

    def health(self) -> str:
        """What it said of the scheduler."""
        return (
            f"{len(self.failed)} asked in vain; scheduler: oldest heartbeat {max(self.heartbeat_age):.0f} s,"
            f" unhealthy in {self.n_unhealthy} of {len(self.heartbeat_age)} answers"
        )


@contextmanager
def own_airflow(n_events: int) -> Iterator[LocalAirflow]:
    """An Airflow of its own with a shop; all of it goes afterwards."""
    home = Path(tempfile.mkdtemp(prefix="nightshelf-orchestration-"))
    home.chmod(0o755)
    os.environ["NIGHTSHELF_HOME"] = str(home)
    airflow = LocalAirflow(home, is_scheduled=False)
    try:
        airflow.server.start()
        url, kind = airflow.server.url("shop"), "synthetic" if n_events else DEMO_SHOP
        load(kind, url, now=datetime.now(UTC), say=print, settings=config.load(), n_events=n_events, seed=1)
        airflow.start(print)
        unpause(airflow.api())
        yield airflow
    finally:
        airflow.stop()
        airflow.server.destroy()
        shutil.rmtree(home, ignore_errors=True)


def night(api: Api, conf: dict[str, Any]) -> str:
    """Trigger a night and wait for its end; its id. Raises RuntimeError when it fails."""
    run_id = str(api.post(RUNS, {"logical_date": None, "conf": conf})["dag_run_id"])
    while (state := api.get(f"{RUNS}/{quote(run_id, safe='')}")["state"]) not in ENDED:
        time.sleep(1)
    if state == "failed":
        raise RuntimeError(f"run {run_id} failed")
    return run_id


def in_one_process() -> float:
    """Seconds of the same night without Airflow."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "pipeline", "run", "--tune", "never"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=config.ROOT)
    return time.perf_counter() - started


def tasks_of(airflow: LocalAirflow, run_id: str) -> list[Task]:
    """The stages of a finished night, in order."""
    receipts = config.runs_folder(config.load()) / run_id / "receipts"
    found, before = [], None
    for name, started, ended in spans(airflow.api(), run_id):
        own = json.loads((receipts / f"{name}.json").read_text(encoding="utf-8"))["seconds"]
        took = (ended - started).total_seconds()
        found.append(Task(name, took, took - own, (started - (before or started)).total_seconds()))
        before = ended
    return found


def spans(api: Api, run_id: str) -> list[Span]:
    """Begin and end of each stage's task, in order."""
    told = api.get(f"{RUNS}/{quote(run_id, safe='')}/taskInstances")["task_instances"]
    moment = datetime.fromisoformat
    of_stages = [t for t in told if t["task_id"] in BY_NAME]
    ran = [(t["task_id"], moment(t["start_date"]), moment(t["end_date"])) for t in of_stages]
    return sorted(ran, key=lambda each: each[1])


@contextmanager
def asking(airflow: LocalAirflow) -> Iterator[Answers]:
    """Ask for health and grid every half second; latency counts from when an answer was due."""
    answers, is_over = Answers(), threading.Event()
    login = json.dumps({"username": USER, "password": airflow.password}).encode()
    request = Request(f"{airflow.url}/auth/token", login, {"Content-Type": "application/json"})
    with urlopen(request) as answer:
        headers = {"Authorization": f"Bearer {json.load(answer)['access_token']}"}
    newest = airflow.api().get(f"{RUNS}?order_by=-run_after&limit=10")["dag_runs"]
    runs = "&".join(f"run_ids={quote(run['dag_run_id'], safe='')}" for run in newest)

    def ask(name: str, url: str) -> None:
        due = time.monotonic()
        while not is_over.is_set():
            try:
                with urlopen(Request(url, headers=headers), timeout=60) as answer:
                    content = answer.read()
            except OSError:
                answers.failed.append(name)
            else:
                answers.given.append((name, datetime.now(UTC), time.monotonic() - due))
                if name == "health":
                    scheduler = json.loads(content)["scheduler"]
                    beat = datetime.fromisoformat(scheduler["latest_scheduler_heartbeat"])
                    answers.heartbeat_age.append((datetime.now(UTC) - beat).total_seconds())
                    answers.n_unhealthy += scheduler["status"] != "healthy"
            due += ASKED_EVERY
            time.sleep(max(0.0, due - time.monotonic()))

    asked = [(name, airflow.url + path.format(runs=runs)) for name, path in PAGES.items()]
    threads = [threading.Thread(target=ask, args=each) for each in asked]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def memory(airflow: LocalAirflow) -> dict[str, tuple[int, float]]:
    """Component -> its processes and their proportional set size, MB."""
    pids = {name: leader.members() for name, leader in airflow.leaders().items()}
    postmaster = psutil.Process(airflow.server.pid())
    pids["PostgreSQL"] = [p.pid for p in (postmaster, *postmaster.children(recursive=True))]
    sizes = {name: [mb for pid in own if (mb := _pss(pid))] for name, own in pids.items()}
    return {name: (len(found), sum(found)) for name, found in sizes.items()}


def _pss(pid: int) -> float:
    """MB of a process; 0 where it has ended meanwhile."""
    try:
        return float(psutil.Process(pid).memory_full_info().pss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def overhead(nights: list[list[Task]]) -> str:
    """Medians over the nights, one line for each stage."""
    lines = ["| task | under Airflow, s | Airflow adds, s | worst, s | pause before, s |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for same in zip(*nights, strict=True):
        worst = max(task.adds for task in same)
        medians = [median(getattr(task, what) for task in same) for what in ("took", "adds", "pause")]
        took, adds, pause = (f"{seconds:.1f}" for seconds in medians)
        lines.append(f"| {same[0].name} | {took} | {adds} | {worst:.1f} | {pause} |")
    every = [task for tasks in nights for task in tasks]
    worst = max(task.adds for task in every)
    adds, pause = (median(getattr(task, what) for task in every) for what in ("adds", "pause"))
    return "\n".join([*lines, f"| any | | {adds:.1f} | {worst:.1f} | {pause:.1f} |"])


def nights_in_turns(airflow: LocalAirflow, n_nights: int) -> None:
    """Print what Airflow adds to each task and to the night."""
    under, alone = [], []
    for _ in range(n_nights):
        under.append(tasks_of(airflow, night(airflow.api(), PLAIN)))
        alone.append(in_one_process())
        time.sleep(5)
    whole = median(sum(task.took + task.pause for task in tasks) for tasks in under)
    print(f"\n{overhead(under)}\n")
    print(f"the night: {whole:.1f} s under Airflow, {median(alone):.1f} s in one process", flush=True)


def while_learning(airflow: LocalAirflow, n_trials: int) -> None:
    """Print how the API server answers while nothing runs, and while a night learns."""
    with asking(airflow) as answers:
        time.sleep(SETTLE)
    print(f"\nwhile nothing runs\n\n{answers.table()}\n\n{answers.health()}")
    with asking(airflow) as answers:
        run_id = night(airflow.api(), {"tune": "always", "trials": n_trials})
    busy = [span for span in spans(airflow.api(), run_id) if span[0] in LEARNING]
    seconds = sum((end - begin).total_seconds() for _, begin, end in busy)
    print(f"\nwhile {', '.join(LEARNING)} run, {seconds:.0f} s\n\n{answers.table(busy)}\n")
    print(f"{answers.health()}", flush=True)


def print_memory(airflow: LocalAirflow, when: str) -> None:
    """Print the memory of each component."""
    time.sleep(SETTLE)
    found = memory(airflow)
    parts = ", ".join(f"{name} {mb:.0f} ({n})" for name, (n, mb) in found.items())
    total = sum(mb for _, mb in found.values())
    print(f"\nmemory {when}: {total:,.0f} MB; MB and (processes): {parts}", flush=True)


def main() -> None:
    """All three, in turn."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--events", type=int, default=0, help="a made-up shop of so many events")
    words.add_argument("--nights", type=int, default=3)
    words.add_argument("--trials", type=int, default=10, help="of the night that searches")
    given = words.parse_args()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} before")
    with own_airflow(given.events) as airflow:
        print_memory(airflow, "after the start")
        nights_in_turns(airflow, given.nights)
        while_learning(airflow, given.trials)
        print_memory(airflow, "after the nights")
    print(f"load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
