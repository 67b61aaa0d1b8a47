"""The channels of an alert: a webhook, Slack, e-mail, each behind an Airflow connection.

A channel that cannot be reached, or is slow, costs one line in the log: never the task's state, never
another channel. The addresses of webhooks are secrets, so no text of a provider's error is repeated.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from pipeline import alerts
from pipeline.errors import NightshelfError, SettingsError, Unreachable

if TYPE_CHECKING:
    from pipeline.alerts import Alert
    from pipeline.config import Settings

log = logging.getLogger(__name__)
SECONDS = 10
"""How long the channels may take, all of them side by side.

Well under `[core] task_success_overtime` (20): a task that is still busy then is killed, and tried again.
"""


def has_channel(settings: Settings) -> bool:
    """Whether the shop tells anybody."""
    return any(_connection_ids(settings).values())


def tell(settings: Settings, alert: Alert) -> None:
    """Send `alert` through every channel the shop has; say in the log which could not take it."""
    ends: Queue[tuple[str, Exception | None]] = Queue()
    waiting = {}
    for channel, connection_id in _connection_ids(settings).items():
        if not connection_id:
            continue
        waiting[channel] = f"{channel}, through the Airflow connection `{connection_id}`"
        try:
            send = CHANNELS[channel](settings, alert)  # Airflow gives connections to this thread alone
        except Exception as error:  # noqa: BLE001
            ends.put((channel, error))
        else:
            Thread(target=_try, args=(channel, send, ends), daemon=True).start()
    until = time.monotonic() + SECONDS
    with suppress(Empty):
        while waiting:
            channel, failed = ends.get(timeout=max(0.0, until - time.monotonic()))
            name = waiting.pop(channel)
            if failed is None:
                log.info("alert sent: %s", name)
            else:
                log.error("alert not sent: %s: %s", name, _safe(failed))
    for name in waiting.values():
        log.error("alert not sent: %s: no answer within %g s", name, SECONDS)


def _try(channel: str, send: Callable[[], None], ends: Queue[tuple[str, Exception | None]]) -> None:
    try:
        send()
    except Exception as error:  # noqa: BLE001
        ends.put((channel, error))
    else:
        ends.put((channel, None))


def _post(settings: Settings, alert: Alert) -> Callable[[], None]:
    """A JSON document to the connection's address, with its login and the headers of its extra."""
    from airflow.providers.http.hooks.http import HttpHook

    connection_id = settings.alerts.webhook
    found = _checked(connection_id, "http", "host")
    if "://" not in found.host and found.schema not in (None, "", "http", "https"):
        raise SettingsError("its host is no whole address, such as https://hooks.example/night")
    hook = HttpHook(http_conn_id=connection_id)
    session = hook.get_conn()
    url = hook.url_from_endpoint("")
    mask_secret([url, urlsplit(url).path])

    def send() -> None:
        with session:
            document = alerts.document(alert)
            answer = session.post(url, json=document, timeout=SECONDS, allow_redirects=False, stream=True)
            _accepted(answer.status_code)

    return send


def _slack(settings: Settings, alert: Alert) -> Callable[[], None]:
    """A message to an incoming webhook of Slack."""
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    connection_id = settings.alerts.slack
    _checked(connection_id, "slackwebhook", "password")
    mute = logging.Logger("slack_sdk", logging.CRITICAL + 1)  # its lines can hold the webhook's address
    hook = SlackWebhookHook(
        slack_webhook_conn_id=connection_id, timeout=SECONDS, retry_handlers=[], logger=mute
    )
    client = hook.get_conn()
    return lambda: _accepted(client.send(**alerts.slack(alert), unfurl_links=False).status_code)


def _mail(settings: Settings, alert: Alert) -> Callable[[], None]:
    """An e-mail to each address, from the connection's `from_email`."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    connection_id = settings.alerts.smtp
    found = _checked(connection_id, "smtp", "host")
    if not found.extra_dejson.get("from_email"):
        raise SettingsError("its extra has no from_email, the sender's address")

    class Patient(SmtpHook):  # type: ignore[misc]
        """Tries once: by itself the hook would try six times for half a minute each."""

        timeout = SECONDS
        smtp_retry_limit = 0

        @classmethod
        def get_connection(cls, _: str) -> Any:
            return found

    def send() -> None:
        with Patient(connection_id) as hook:
            hook.send_email_smtp(
                to=settings.alerts.email_to, subject=alerts.title(alert), html_content=alerts.mail(alert)
            )

    return send


CHANNELS = {"webhook": _post, "slack": _slack, "smtp": _mail}
"""Each looks up its connection, and gives what sends the alert and asks Airflow for nothing more."""


def _connection_ids(settings: Settings) -> dict[str, str]:
    """The Airflow connection of each channel; empty: the shop has no such channel."""
    return {channel: getattr(settings.alerts, channel) for channel in CHANNELS}


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
