"""What `make up`, `make down` and `make status` do: start and stop the local servers, load the demo shop."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import quote

from pipeline import config, environment
from pipeline.databases.embedded import Server
from pipeline.databases.urls import url_of
from pipeline.errors import AirflowError, NightshelfError
from pipeline.loading import is_stale, load
from pipeline.loading.shop import loaded_kind
from pipeline.local.airflow import LocalAirflow, Say
from pipeline.local.api import Api
from pipeline.local.configuration import USER
from pipeline.local.spark_cluster import Cluster
from pipeline.serving import migrate

DAG_ID = "recommendations"
DEMO_SHOP = "complete-journey"
PARSE_SECONDS = 90.0


def up(say: Say) -> None:
    """Start Airflow, with the schedule that NIGHTSHELF_SCHEDULE does not switch off.

    The last three lines are URL, user and password.
    """
    is_scheduled = environment.is_scheduled()
    airflow = LocalAirflow(is_scheduled=is_scheduled)
    with airflow.alone("make up"):
        airflow.start_database(say)
        prepare_serving(say)
        prepare_shop(say)
        airflow.start(say, stays=True)
        unpause(airflow.api())
    if is_scheduled:
        say("a night that was due since midnight starts now, and is skipped where newer lists are live")
    else:
        say(f"{environment.SCHEDULE} is off: no night begins by itself, only what you trigger")
    say("make down stops it; make demo runs a night and shows its lists")
    say(f"UI: {airflow.url}")
    say(f"User: {USER}")
    say(f"Password: {airflow.password}")


def down(say: Say) -> None:
    """Stop Airflow, the embedded database, and a Spark that a killed demo left; says what that interrupts."""
    airflow = LocalAirflow()
    for line in _interrupted(airflow):
        say(line)
    airflow.stop()
    Cluster(airflow.home).stop()
    Server().stop()
    say(status())


def _interrupted(airflow: LocalAirflow) -> list[str]:
    """A sentence for each run that has not ended; none where Airflow does not run, or does not answer."""
    if not airflow.is_running():
        return []
    api, lines = airflow.api(), []
    with suppress(NightshelfError):
        for run in api.get("/dags/~/dagRuns?state=running&state=queued")["dag_runs"]:
            dag_id, run_id = run["dag_id"], run["dag_run_id"]
            path = f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}/taskInstances?state=running"
            tasks = ", ".join(task["task_id"] for task in api.get(path)["task_instances"])
            where = f"is interrupted in {tasks}" if tasks else "has not ended"
            lines.append(f"run {run_id} of {dag_id} {where}; after make up it goes on from there")
    return lines


def status() -> str:
    """Two lines: the embedded database, the local Airflow."""
    return f"{Server().status()}\n{LocalAirflow().status()}"


def prepare_serving(say: Say) -> None:
    """Create the serving schema in the embedded database; a database that is configured is left alone.

    Raises ServingError, naming the command that resets it, when an earlier development version made it.
    """
    if environment.configured_url("serving") is None:
        migrate(url_of("serving"), config.load(), say=say)


def prepare_shop(say: Say, *, is_demo: bool = False) -> None:
    """Load a shop into the embedded database; a database that is configured is left alone.

    The demo shop is loaded where there is no shop, or its newest event is older than 24 hours. Another
    shop stays, unless `is_demo` asks for the demo's.
    """
    settings = config.load()
    now = datetime.now(UTC)
    if environment.configured_url("source") is None:
        url = url_of("source")
        kind = loaded_kind(url)
        is_other = kind not in (None, DEMO_SHOP)
        if is_stale(url, now) if not is_other else is_demo:
            if is_other:
                say(f"the shop `{kind}` is replaced by the demo's")
            say("loading a year of real grocery purchases")
            load(DEMO_SHOP, url, now=now, say=say, settings=settings)


def unpause(api: Api) -> None:
    """Wait until Airflow has read the DAG, then unpause it. Raises AirflowError where it cannot be read."""
    until = time.monotonic() + PARSE_SECONDS
    while True:
        broken = api.get("/importErrors")["import_errors"]
        if broken:
            raise AirflowError("Airflow cannot read a DAG file", found=broken[0]["stack_trace"][-1500:])
        dags = api.get(f"/dags?dag_id_pattern={DAG_ID}")["dags"]
        if any(dag["dag_id"] == DAG_ID for dag in dags):
            break
        if time.monotonic() > until:
            raise AirflowError(f"Airflow does not find the DAG {DAG_ID}", then="make logs")
        time.sleep(0.2)
    api.patch(f"/dags/{DAG_ID}", {"is_paused": False})
