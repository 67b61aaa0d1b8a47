"""`make demo`: one night on real purchases through Airflow's own scheduler, and what apps then read."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from pipeline import config, receipts
from pipeline.errors import AirflowError, SettingsError
from pipeline.local.airflow import LocalAirflow
from pipeline.local.api import Api
from pipeline.local.servers import DAG_ID, prepare_serving, prepare_shop, unpause
from pipeline.run import RunFolder
from pipeline.showing import lists
from pipeline.stages import STAGES
from pipeline.summary import ending

CONF = {"trials": 3}
RUNS = f"/dags/{DAG_ID}/dagRuns"
POLL_SECONDS = 0.3
Say = Callable[[str], None]


def demo(say: Say) -> None:
    """Play one night and show its lists; leaves the embedded database running.

    Raises AirflowError with the failed task's own words. What it started is stopped, on Ctrl-C too.
    """
    if config.configured_url("source") or config.configured_url("serving"):
        raise SettingsError(
            "make demo plays on its own embedded databases",
            found="NIGHTSHELF_SOURCE_URL or NIGHTSHELF_SERVING_URL is set",
            then="unset both; on your own databases: make up, or python -m pipeline run",
        )
    started = time.monotonic()
    is_up = LocalAirflow().keeps_the_schedule()
    airflow = LocalAirflow(is_scheduled=is_up)
    is_served = airflow.server.is_running()
    with airflow.alone("make demo"):
        try:
            run_id = _play(airflow, say)
        except KeyboardInterrupt:
            if not is_served and not is_up:
                airflow.stop()
                airflow.server.stop()
            raise
        finally:
            if not is_up:
                airflow.stop()
    _show(airflow, run_id, say, is_up=is_up)
    say(f"\n{time.monotonic() - started:.0f} s in all")


def _play(airflow: LocalAirflow, say: Say) -> str:
    """Load, start, trigger and follow one run; returns its id. A run that is left is marked failed."""
    airflow.start_database(say)
    prepare_serving(say)
    with ThreadPoolExecutor(max_workers=1) as beside:
        ready = beside.submit(airflow.start, say)
        prepare_shop(say, is_demo=True)
        ready.result()
    api = airflow.api()
    unpause(api)
    _make_way(api, say, is_alone=not airflow.is_scheduled)
    run_id = str(api.post(RUNS, {"logical_date": None, "conf": CONF})["dag_run_id"])
    try:
        say(f"Airflow runs the DAG {DAG_ID}: {run_id}")
        follow(api, run_id, say)
    except KeyboardInterrupt:
        with suppress(AirflowError):  # the next demo gives up what is left
            api.patch(_run(run_id), {"state": "failed"})
        raise
    return run_id


def _make_way(api: Api, say: Say, *, is_alone: bool) -> None:
    """One night at a time: give up what a killed demo left, or say which night of `make up` is waited for."""
    for run in api.get(f"{RUNS}?state=running&state=queued")["dag_runs"]:
        if is_alone:
            api.patch(_run(run["dag_run_id"]), {"state": "failed"})
        else:
            say(f"waiting for run {run['dag_run_id']}, which is {run['state']}")


def _run(run_id: str) -> str:
    return f"{RUNS}/{quote(run_id, safe='')}"


def follow(api: Api, run_id: str, say: Say) -> None:
    """Say each stage as it finishes. Raises AirflowError when the run fails."""
    run = _run(run_id)
    told: set[tuple[str, int]] = set()
    while True:
        state = api.get(run)["state"]
        tasks = {t["task_id"]: t for t in api.get(f"{run}/taskInstances")["task_instances"]}
        for stage in STAGES:
            task = tasks.get(stage.name, {})
            key = (stage.name, task.get("try_number", 0))
            if key in told:
                continue
            if task.get("state") == "success":
                told.add(key)
                say(f"  {receipts.line(_folder(run_id).receipt(stage.name))}")
            elif task.get("state") == "up_for_retry":
                told.add(key)
                say(f"  {stage.name} failed and is tried again: {reason(api, run, task)}")
        if state == "failed":
            failed = [t for t in tasks.values() if t["state"] == "failed"]
            where = failed[0]["task_id"] if failed else "Airflow"
            why = reason(api, run, failed[0]) if failed else "no task says why: make logs"
            raise AirflowError(f"run {run_id} failed in {where}\n{why}")
        if state == "success":
            return
        time.sleep(POLL_SECONDS)


def reason(api: Api, run: str, task: dict[str, Any]) -> str:
    """The words of the exception that ended a task, from its log."""
    log = api.get(f"{run}/taskInstances/{task['task_id']}/logs/{task['try_number']}?full_content=true")
    for line in reversed(log["content"]):
        if isinstance(line, dict) and line.get("error_detail"):
            error = line["error_detail"][-1]
            return f"{error['exc_type']}: {error['exc_value']}"
    return "its log says nothing: make up, then look at the task"


def _folder(run_id: str) -> RunFolder:
    settings = config.load()
    return RunFolder.open(config.runs_folder(settings), run_id, settings.ids.model_dump())


def _show(airflow: LocalAirflow, run_id: str, say: Say, *, is_up: bool) -> None:
    settings, folder = config.load(), _folder(run_id)
    server = airflow.server
    say("")
    say(lists(server.url("serving", "reader"), server.url("shop"), settings))
    say(ending(folder, settings))
    say(f"psql:  {server.psql('serving', 'reader')}")
    where = f"{airflow.url}, " if is_up else ""
    say(f"UI:    {where}make up prints its address, user and password")
