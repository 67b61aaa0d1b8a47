"""When somebody is alerted: a task failed or was killed, a run is late or waits for approval, the model lost.

A shop sends alerts when its [alerts] name a channel. From what happened to who hears of it:

    a task raises,        a task's process       a run has not ended    the lists passed the gate,
    no retry is left      is killed              at its deadline        and [approval] is required
          |                     |                      |                        |
    the task's process    the DAG processor,     the triggerer          the task `approve`
          |               when the run fails           |                        |
    on_task_failure()     on_run_failure()       deadline(), late()     ask_for_approval()
          |                     |                      |                        |
          +---------------------+-----------+----------+------------------------+
                                            |
                 alert_subject.py     which run and task, its window, its pages in the UI
                 pipeline/alerts.py   the sentences, and their format for each channel
                 delivery.py          all channels at once, each outcome in the log
                 channels.py          webhook, Slack, e-mail

A night that published a rule's lists, because its model lost to the rule, alerts by `model_lost`.

Nobody is alerted of a retry, of a backfill that is late, or of a late run that has ended well, skipped nights
among them. Where a shop's settings cannot be read, `reachable` says who is alerted.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path += map(str, Path(__file__).resolve().parents[1:3])  # the triggerer imports `late` without a DAG file

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from asgiref.sync import sync_to_async

from nightshelf_airflow import alert_subject
from nightshelf_airflow.channels import has_channel
from nightshelf_airflow.delivery import deliver
from pipeline import alerts, config
from pipeline.config import Settings
from pipeline.shops import find_shops, load_settings

if TYPE_CHECKING:
    from pipeline.shops import Shop, ShopSettings

log = logging.getLogger(__name__)
Callback = Callable[[Mapping[str, Any]], None]

ALERTED = "told"
"""XCom key that marks a task whose failure was alerted; Airflow drops it when the task is tried again."""
LATE = "dags.nightshelf_airflow.alerts.late"
"""The import path of `late`, which Airflow stores with every pending deadline.

The folder that holds `dags` and `pipeline` is on the triggerer's PYTHONPATH.
"""


def on_task_failure(settings: Settings) -> Callback | None:
    """The `on_failure_callback` of every task; None for a shop without channels.

    Airflow calls it in the task's own process, after the last attempt. A killed process cannot call it:
    see `on_run_failure`.
    """
    if not has_channel(settings):
        return None

    def alert_failed_task(context: Mapping[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            context["ti"].xcom_push(key=ALERTED, value=True)
            subject = alert_subject.of_running_task(settings, context["ti"])
            deliver(settings, alerts.failed_task(subject, error, settings.serving.schema_name))

    return alert_failed_task


def on_run_failure(settings: Settings) -> Callback | None:
    """The `on_failure_callback` of a DAG: it alerts of the tasks that were killed; None without channels.

    Airflow's DAG processor calls it when the run has failed, with the task instance that ended last.
    """
    if not has_channel(settings):
        return None

    def alert_killed_tasks(context: Mapping[str, Any]) -> None:
        last = context.get("ti")
        if last is None:
            return
        states = last.get_task_states(dag_id=last.dag_id, run_ids=[last.run_id])[last.run_id]
        for task_id in sorted(name for name, state in states.items() if state == "failed"):
            if not last.xcom_pull(task_ids=task_id, key=ALERTED):
                subject = alert_subject.of_run(settings, last.dag_id, last.run_id, task_id)
                deliver(settings, alerts.failed_task(subject, None, settings.serving.schema_name))

    return alert_killed_tasks


def reachable(shop: Shop | None, all_settings: ShopSettings) -> Settings:
    """The settings of a shop, or defaults with channels that reach somebody where its own cannot be read.

    The channels are those of its file's section [alerts], where that can be read by itself; else those of the
    first other shop that has any. Without any, nobody is alerted: Airflow's UI shows the failed run.
    """
    settings = all_settings.get(shop) if shop else None
    if isinstance(settings, Settings):
        return settings
    own = [config.alerts_alone(shop.path)] if shop else []
    others = [other.alerts for other in all_settings.values() if isinstance(other, Settings)]
    for channels in (*own, *others):
        found = Settings(alerts=channels)
        if has_channel(found):
            return found
    return Settings()


def deadline(shop: Shop, settings: Settings) -> DeadlineAlert | None:
    """The deadline of a nightly run, [alerts] late_after_hours after it was queued; None where that is 0."""
    hours = settings.alerts.late_after_hours
    if not hours:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=hours),
        callback=AsyncCallback(LATE, kwargs={"shop": shop.name}),
    )


async def late(context: Mapping[str, Any], shop: str) -> None:
    """What Airflow's triggerer calls when a run of the shop named `shop` has passed its deadline.

    The triggerer and not the executor: to a callback there Airflow 3.3 denies the connections of its own
    database.
    """
    await sync_to_async(_alert_late_run, thread_sensitive=False)(context, shop)


def _alert_late_run(context: Mapping[str, Any], shop: str) -> None:
    run = context["dag_run"]
    if run["run_type"] == "backfill" or run["state"] == "success":
        log.info("no alert of a late run: it is a %s run, in state %s", run["run_type"], run["state"])
        return
    all_settings = load_settings(find_shops())
    settings = reachable(next((known for known in all_settings if known.name == shop), None), all_settings)
    subject = alert_subject.of_run(settings, run["dag_id"], run["dag_run_id"])
    since = datetime.fromisoformat(str(context["deadline"]["deadline_time"]))
    deliver(settings, alerts.late_run(subject, run["state"], since, settings.alerts.late_after_hours))


def ask_for_approval(settings: Settings, context: Mapping[str, Any]) -> None:
    """Alert that the run of `context` waits for a person's approval."""
    ti = context["ti"]
    subject = alert_subject.of_run(settings, ti.dag_id, ti.run_id, ti.task_id)
    deliver(settings, alerts.approval_wanted(subject, settings.approval.hours))


def model_lost(settings: Settings, context: Mapping[str, Any], fallback: Mapping[str, Any]) -> None:
    """Alert that a rule's lists went live in the run of `context`, where the model lost to it tonight.

    fallback: the document of that name. Nobody is alerted of the nights on which the rule's lists only stay.
    """
    if fallback["reason"] == "lost" and has_channel(settings):
        ti = context["ti"]
        subject = alert_subject.of_run(settings, ti.dag_id, ti.run_id, ti.task_id)
        deliver(settings, alerts.model_lost(subject, fallback["why"]))
