"""`make demo`: runs the DAG once on real purchases under a local Airflow, then shows what apps read."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any
from urllib.parse import quote

from pipeline import config, environment
from pipeline.contract.stages import STAGES
from pipeline.errors import AirflowError, NightshelfError, SettingsError, Unreachable
from pipeline.local.airflow import LocalAirflow, Say
from pipeline.local.api import Api
from pipeline.local.servers import DAG_ID, prepare_serving, prepare_shop, unpause
from pipeline.local.shelf import lists
from pipeline.local.spark_night import SparkNight
from pipeline.report.summary import ending
from pipeline.runs import receipts
from pipeline.runs.folder import RunFolder
from pipeline.spark.session import check_installed

CONF = {"trials": 3}
RUNS = f"/dags/{DAG_ID}/dagRuns"
POLL_SECONDS = 0.3
MARKED_TIMES = 5
"""How often a run is marked failed before it is left as it is; the next demo marks it again."""
A_LOOK_SECONDS = 1.0
"""Time in which a scheduler looks at a run."""
ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
"""States of tasks that do not run any more."""


def demo(say: Say, *, on_spark: bool = False) -> None:
    """Run the DAG once and show its lists; leaves the embedded database running.

    on_spark: the heavy work is done by a Spark cluster that is there for this night

    Raises AirflowError with the message of the task that failed; with `on_spark`, SettingsError where pyspark
    or Java is missing, before anything starts, and SparkAway where the cluster does not start. What it
    started is stopped, on Ctrl-C too.
    """
    command = "make demo-spark" if on_spark else "make demo"
    if environment.configured_url("source") or environment.configured_url("serving"):
        raise SettingsError(
            f"{command} plays on its own embedded databases",
            found="NIGHTSHELF_SOURCE_URL or NIGHTSHELF_SERVING_URL is set",
            then="unset both; on your own databases: make up, or python -m pipeline run",
        )
    started = time.monotonic()
    is_up = LocalAirflow().stays_up()
    if on_spark:
        check_installed()
        _refuse_beside_another(is_up=is_up)
    spark = SparkNight(config.home()) if on_spark else None
    airflow = LocalAirflow(
        is_scheduled=is_up and LocalAirflow().is_on_schedule(), variables=spark.variables() if spark else {}
    )
    is_served = airflow.server.is_running()
    with airflow.alone(command), spark.running(say) if spark else nullcontext():
        try:
            run_id = _run_once(airflow, say, is_up=is_up)
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


def _refuse_beside_another(*, is_up: bool) -> None:
    """Raise AirflowError where `make up` has an Airflow running, whose tasks have other settings."""
    if is_up:
        raise AirflowError(
            "make demo-spark runs an Airflow of its own, whose nights run on Spark",
            found="the Airflow of make up runs, with the settings of this shop",
            then="make down, then make demo-spark",
        )


def _run_once(airflow: LocalAirflow, say: Say, *, is_up: bool) -> str:
    """Load the shop, start Airflow, trigger one run and follow it; returns its id. Ctrl-C marks it failed.

    is_up: Airflow runs already, and goes on afterwards
    """
    airflow.start_database(say)
    prepare_serving(say)
    with ThreadPoolExecutor(max_workers=1) as beside:
        ready = beside.submit(airflow.start, say, stays=is_up)
        prepare_shop(say, is_demo=True)
        ready.result()
    api = airflow.api()
    unpause(api)
    _clear_the_queue(api, say, is_alone=not is_up)
    run_id = str(api.post(RUNS, {"logical_date": None, "conf": CONF})["dag_run_id"])
    try:
        say(f"Airflow runs the DAG {DAG_ID}: {run_id}")
        follow(api, run_id, say)
    except KeyboardInterrupt:
        try:
            mark_failed(api, run_id)
        except NightshelfError as error:
            say(f"run {run_id} could not be marked failed, the next demo does it: {error}")
        raise
    return run_id


def _clear_the_queue(api: Api, say: Say, *, is_alone: bool) -> None:
    """Mark runs failed that a killed demo left; where Airflow is up, say which run is waited for."""
    for run in api.get(f"{RUNS}?state=running&state=queued")["dag_runs"]:
        if is_alone:
            mark_failed(api, run["dag_run_id"])
        else:
            say(f"waiting for run {run['dag_run_id']}, which is {run['state']}")


def mark_failed(api: Api, run_id: str) -> None:
    """Mark a run failed, until Airflow says that it is and that no task of it is left to run.

    One request may not do it. Airflow marks the tasks that had not begun skipped; a scheduler that looks at
    the run at that moment takes a run whose last task is skipped for a success, or holds rows of it, and the
    database then breaks off one of the two. Raises what the last of MARKED_TIMES requests met.
    """
    met: NightshelfError | None = None
    for _ in range(MARKED_TIMES):
        try:
            api.patch(_run(run_id), {"state": "failed"})
            time.sleep(A_LOOK_SECONDS)
            if api.get(_run(run_id))["state"] == "failed" and not _unfinished(api, run_id):
                return
            met = AirflowError(f"run {run_id} is not marked failed", found="Airflow set it back")
        except (AirflowError, Unreachable) as error:
            met = error
            time.sleep(A_LOOK_SECONDS)
    if met:
        raise met


def _unfinished(api: Api, run_id: str) -> list[str]:
    """Tasks of a run that have not ended."""
    tasks = api.get(f"{_run(run_id)}/taskInstances")["task_instances"]
    return [task["task_id"] for task in tasks if task["state"] not in ENDED]


def _run(run_id: str) -> str:
    return f"{RUNS}/{quote(run_id, safe='')}"


def follow(api: Api, run_id: str, say: Say) -> None:
    """Say a line for each stage as it finishes. Raises AirflowError where the run fails."""
    run = _run(run_id)
    reported: set[tuple[str, int]] = set()
    while True:
        state = api.get(run)["state"]
        tasks = {t["task_id"]: t for t in api.get(f"{run}/taskInstances")["task_instances"]}
        for stage in STAGES:
            task = tasks.get(stage.name, {})
            key = (stage.name, task.get("try_number", 0))
            if key in reported:
                continue
            if task.get("state") == "success":
                reported.add(key)
                say(f"  {receipts.line(_folder(run_id).receipt(stage.name))}")
            elif task.get("state") == "up_for_retry":
                reported.add(key)
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
    """The exception that ended a task, from its log."""
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
    say("page:  make serve shows these lists in a browser, and answers apps over HTTP")
    where = f"{airflow.url}, " if is_up else ""
    say(f"UI:    {where}make up prints its address, user and password")
