"""When somebody is told: a night failed, a task was killed, a night is late, or one waits for a yes."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

sys.path += map(str, Path(__file__).resolve().parents[1:3])  # the triggerer reads no DAG file before `late`

from airflow.sdk.configuration import conf
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from asgiref.sync import sync_to_async

from nightshelf_airflow.channels import has_channel, tell
from nightshelf_airflow.links import PageLink, ReportLink, ValidationLink
from pipeline import alerts, config
from pipeline.alerts import Alert
from pipeline.runs.pages import page_of
from pipeline.shops import shops

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.shops import Shop

log = logging.getLogger(__name__)
TOLD = "told"
"""The XCom of a task that failed with an error of its own; Airflow drops it when the task is tried again."""
LATE = "dags.nightshelf_airflow.alerts.late"
"""Where the triggerer finds `late`: the folder that holds `dags` and `pipeline` is on its PYTHONPATH."""


def on_failure(settings: Settings) -> dict[str, Any]:
    """Default arguments of the tasks: who is told of the error that ends one; empty where nobody is."""
    if not has_channel(settings):
        return {}

    def failed(context: Mapping[str, Any]) -> None:
        if isinstance(context.get("exception"), BaseException):  # else `when_lost` tells
            context["ti"].xcom_push(key=TOLD, value=True)
            tell(settings, failure(settings, context))

    return {"on_failure_callback": failed}


def when_lost(settings: Settings) -> Callable[[Mapping[str, Any]], None] | None:
    """What the DAG calls when its run has failed: it tells of a task that was killed and could not.

    Airflow's DAG processor calls it, with the task that ended last. None where nobody is told.
    """
    if not has_channel(settings):
        return None

    def lost(context: Mapping[str, Any]) -> None:
        last = context.get("ti")
        if last is None:
            return
        states = last.get_task_states(dag_id=last.dag_id, run_ids=[last.run_id])[last.run_id]
        for task_id in sorted(name for name, state in states.items() if state == "failed"):
            if not last.xcom_pull(task_ids=task_id, key=TOLD):
                tell(settings, _failed(settings, last, task_id))

    return lost


def when_late(shop: Shop, settings: Settings) -> DeadlineAlert | None:
    """The deadline of a night; None where no night is late."""
    hours = settings.alerts.late_after_hours
    if not hours:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=hours),
        callback=AsyncCallback(LATE, kwargs={"shop": shop.name}),
    )


async def late(context: Mapping[str, Any], shop: str) -> None:
    """What Airflow's triggerer runs when a night of `shop` has passed its deadline.

    Not the executor: to a callback there Airflow 3.3 denies the connections of its own database.
    """
    await sync_to_async(tell_late, thread_sensitive=False)(context, shop)


def tell_late(context: Mapping[str, Any], shop: str) -> None:
    """Tell of a run that is late.

    A backfill is never late: nobody waits for the lists of a past day. Nor is a run that has ended well.
    """
    run = context["dag_run"]
    if run["run_type"] == "backfill" or run["state"] == "success":
        log.info("nobody is told: a %s run, %s", run["run_type"], run["state"])
        return
    settings = config.load({each.name: each.path for each in shops()}[shop])
    since = datetime.fromisoformat(str(context["deadline"]["deadline_time"]))
    told = alerts.lateness(run["state"], since, settings.alerts.late_after_hours)
    alert = Alert(
        kind="late",
        dag=run["dag_id"],
        run=run["dag_run_id"],
        late_since=since,
        apps_read="what they read before, unless the run's publish has finished",
        **told,
        **_about(settings, run["dag_id"], run["dag_run_id"]),
    )
    tell(settings, alert)


def failure(settings: Settings, context: Mapping[str, Any]) -> Alert:
    """What there is to tell of the task that has just failed."""
    ti = context["ti"]
    told = _failed(settings, ti, ti.task_id, context.get("exception"))
    return replace(told, attempt=ti.try_number, log=ti.log_url if _ui() else "")


def _failed(settings: Settings, ti: Any, task_id: str, error: object = None) -> Alert:
    """The alert of a task in the run of `ti`; no error: its process is gone."""
    return Alert(
        kind="failed",
        dag=ti.dag_id,
        run=ti.run_id,
        task=task_id,
        apps_read=alerts.apps_read(task_id, error, settings.serving.schema_name),
        **alerts.reasons(error),
        **_about(settings, ti.dag_id, ti.run_id, task_id),
    )


def asked(settings: Settings, context: Mapping[str, Any]) -> None:
    """Tell every channel that a night waits for a person's yes."""
    ti = context["ti"]
    alert = Alert(
        kind="asked",
        dag=ti.dag_id,
        run=ti.run_id,
        task=ti.task_id,
        why="tonight's lists are ready, and go live when somebody says yes",
        what_to_do="look at the report, then answer under Required Actions; no answer within"
        f" {settings.approval.hours:g} hours is a no",
        apps_read=alerts.UNTOUCHED,
        **_about(settings, ti.dag_id, ti.run_id, ti.task_id),
    )
    tell(settings, alert)


def _about(settings: Settings, dag_id: str, run_id: str, task_id: str = "") -> dict[str, Any]:
    """What the run is about, where that is known here, and where the UI shows more of it."""
    told: dict[str, Any] = {}
    runs, root = config.runs_folder(settings), _ui()
    with suppress(OSError, ValueError, KeyError):  # not RunFolder: the triggerer is spared pyarrow
        about = json.loads((runs / run_id / "run.json").read_text(encoding="utf-8"))
        told["as_of"] = datetime.fromisoformat(about["as_of"])
        told["window_days"] = about["overrides"]["window_days"]
    if root:
        told["run_page"] = f"{root}/dags/{quote(dag_id)}/runs/{quote(run_id)}"
        for page, link in _pages(task_id).items():
            if page_of(runs, run_id, page):
                told[page] = link.get_link(None, ti_key=SimpleNamespace(dag_id=dag_id, run_id=run_id))
    return told


def _pages(task_id: str) -> dict[str, PageLink]:
    """The report, and for `validate` what it found."""
    validation = {"validation": ValidationLink()} if task_id == "validate" else {}
    return {"report": ReportLink(), **validation}


def _ui() -> str:
    """The address of Airflow's UI; empty where `[api] base_url` does not tell."""
    return str(conf.get("api", "base_url", fallback="")).rstrip("/")
