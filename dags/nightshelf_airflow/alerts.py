"""Who is told when a night fails or is late: a webhook, Slack, e-mail, each behind an Airflow connection.

A channel that cannot be reached costs one line in the log: never the task's state, never another
channel. The addresses of webhooks are secrets, so no text of a provider's error is repeated.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

sys.path += map(str, Path(__file__).resolve().parents[1:3])  # the triggerer reads no DAG file before `late`

from airflow.sdk import Connection
from airflow.sdk.configuration import conf
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret
from asgiref.sync import sync_to_async

from nightshelf_airflow.links import PageLink, ReportLink, ValidationLink
from pipeline import alerts, config
from pipeline.alerts import Alert
from pipeline.errors import NightshelfError, SettingsError, Unreachable
from pipeline.page import page_of
from pipeline.shops import shops

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.shops import Shop

log = logging.getLogger(__name__)
SECONDS = 10
"""How long a channel may take to answer."""
TOLD = "told"
"""The XCom of a failed task that has told of its error; Airflow drops it when the task is tried again."""
LATE = "dags.nightshelf_airflow.alerts.late"
"""Where the triggerer finds `late`: the folder that holds `dags` and `pipeline` is on its PYTHONPATH."""


def on_failure(settings: Settings) -> dict[str, Any]:
    """Default arguments of the tasks: who is told of the error that ends one; empty where nobody is."""
    if not _has_channel(settings):
        return {}

    def failed(context: Mapping[str, Any]) -> None:
        if isinstance(context.get("exception"), BaseException):  # else `when_lost` tells
            context["ti"].xcom_push(key=TOLD, value=True)
            tell(settings, failure(settings, context))

    return {"on_failure_callback": failed}


def when_lost(settings: Settings) -> Callable[[Mapping[str, Any]], None] | None:
    """What the DAG calls when its run has failed: it tells of a task that was killed and could not.

    Airflow's DAG processor calls it. None where nobody is told.
    """
    if not _has_channel(settings):
        return None

    def lost(context: Mapping[str, Any]) -> None:
        ti = context.get("ti")
        if ti is not None and not ti.xcom_pull(task_ids=ti.task_id, key=TOLD):
            tell(settings, failure(settings, context))

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
    ti, error = context["ti"], context.get("exception")
    return Alert(
        kind="failed",
        dag=ti.dag_id,
        run=ti.run_id,
        task=ti.task_id,
        attempt=ti.try_number,
        apps_read=alerts.apps_read(ti.task_id, error, settings.serving.schema_name),
        log=ti.log_url if _ui() else "",
        **alerts.reasons(error),
        **_about(settings, ti.dag_id, ti.run_id, ti.task_id),
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


def tell(settings: Settings, alert: Alert) -> None:
    """Send `alert` through every channel the shop has; say in the log which could not take it."""
    for channel, connection_id in _connection_ids(settings).items():
        if not connection_id:
            continue
        try:
            CHANNELS[channel](settings, alert)
            log.info("alert sent: %s, through the Airflow connection `%s`", channel, connection_id)
        except Exception as error:  # noqa: BLE001
            log.error(
                "alert not sent: %s, through the Airflow connection `%s`: %s",
                channel,
                connection_id,
                _safe(error),
            )


def _post(settings: Settings, alert: Alert) -> None:
    """A JSON document to the connection's address, with its login and the headers of its extra."""
    from airflow.providers.http.hooks.http import HttpHook

    connection_id = settings.alerts.webhook
    found = _checked(connection_id, "http", "host")
    if "://" not in found.host and found.schema not in (None, "", "http", "https"):
        raise SettingsError("its host is no whole address, such as https://hooks.example/night")
    hook = HttpHook(http_conn_id=connection_id)
    with hook.get_conn() as session:
        url = hook.url_from_endpoint("")
        mask_secret([url, urlsplit(url).path])
        answer = session.post(
            url, json=alerts.document(alert), timeout=SECONDS, allow_redirects=False, stream=True
        )
        _accepted(answer.status_code)


def _slack(settings: Settings, alert: Alert) -> None:
    """A message to an incoming webhook of Slack."""
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    connection_id = settings.alerts.slack
    _checked(connection_id, "slackwebhook", "password")
    mute = logging.Logger("slack_sdk", logging.CRITICAL + 1)  # its lines can hold the webhook's address
    hook = SlackWebhookHook(
        slack_webhook_conn_id=connection_id, timeout=SECONDS, retry_handlers=[], logger=mute
    )
    _accepted(hook.get_conn().send(**alerts.slack(alert), unfurl_links=False).status_code)


def _mail(settings: Settings, alert: Alert) -> None:
    """An e-mail to each address, from the connection's `from_email`."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    class Patient(SmtpHook):  # type: ignore[misc]
        """Tries once: by itself the hook would try six times for half a minute each."""

        timeout = SECONDS
        smtp_retry_limit = 0

    connection_id = settings.alerts.smtp
    if not _checked(connection_id, "smtp", "host").extra_dejson.get("from_email"):
        raise SettingsError("its extra has no from_email, the sender's address")
    with Patient(connection_id) as hook:
        hook.send_email_smtp(
            to=settings.alerts.email_to, subject=alerts.title(alert), html_content=alerts.mail(alert)
        )


CHANNELS: dict[str, Callable[[Settings, Alert], None]] = {"webhook": _post, "slack": _slack, "smtp": _mail}


def _connection_ids(settings: Settings) -> dict[str, str]:
    """The Airflow connection of each channel; empty: the shop has no such channel."""
    return {channel: getattr(settings.alerts, channel) for channel in CHANNELS}


def _has_channel(settings: Settings) -> bool:
    return any(_connection_ids(settings).values())


def _checked(connection_id: str, kind: str, field: str) -> Any:
    """The connection, of the right type and with what it cannot do without."""
    found = Connection.get(connection_id)
    if found.conn_type != kind:
        raise SettingsError(f"it is of type {found.conn_type}, not {kind}")
    if not getattr(found, field):
        raise SettingsError(f"it has no {field}")
    return found


def _accepted(status: int) -> None:
    """Raises Unreachable unless the answer says that the alert was taken; a redirect would lose it."""
    if not 200 <= status < 300:
        raise Unreachable(f"the answer was {status}")


def _safe(error: BaseException) -> str:
    """Why a channel failed, without any text that could hold an address or a password."""
    if isinstance(error, NightshelfError):
        return error.what
    if isinstance(error, AirflowNotFoundException):
        return "there is no such connection"
    told, cause = type(error).__name__, error
    while True:
        said = getattr(cause, "strerror", None) or getattr(cause, "smtp_code", None)
        if isinstance(said, str | int):
            return f"{told}, {said}"
        further = cause.__cause__ or cause.__context__
        if further is None:
            return told
        cause = further


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
