"""The channels of an alert, each behind an Airflow connection: a webhook, Slack, e-mail.

A channel is a function in CHANNELS. It looks up its connection and returns what sends the alert;
`delivery.py` calls that in a thread of its own. To add one: a function here, an entry in CHANNELS, and a
setting of that name in [alerts] for the connection's id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import Connection
from airflow.sdk.log import mask_secret

from pipeline import alerts
from pipeline.errors import SettingsError, Unreachable

if TYPE_CHECKING:
    from pipeline.alerts import Alert
    from pipeline.config import Settings

TIMEOUT_SECONDS = 10
"""How long the channels may take, all of them side by side.

Well under `[core] task_success_overtime` (20): a task that is still busy then is killed, and tried again.
"""
Send = Callable[[], None]
"""Sends one alert; asks Airflow for nothing, which gives connections to a task's main thread only."""


def has_channel(settings: Settings) -> bool:
    """Whether the shop alerts anybody."""
    return bool(connection_ids(settings))


def connection_ids(settings: Settings) -> dict[str, str]:
    """The Airflow connection of each channel that the shop has set up."""
    ids = {channel: getattr(settings.alerts, channel) for channel in CHANNELS}
    return {channel: connection_id for channel, connection_id in ids.items() if connection_id}


def _webhook(settings: Settings, alert: Alert) -> Send:
    """A JSON document to the connection's address, with its login and the headers of its extra."""
    from airflow.providers.http.hooks.http import HttpHook

    connection_id = settings.alerts.webhook
    connection = _checked(connection_id, "http", "host")
    if "://" not in connection.host and connection.schema not in (None, "", "http", "https"):
        raise SettingsError("its host is no whole address, such as https://hooks.example/night")
    hook = HttpHook(http_conn_id=connection_id)
    session = hook.get_conn()
    url = hook.url_from_endpoint("")
    mask_secret([url, urlsplit(url).path])
    document = alerts.document(alert)

    def send() -> None:
        with session:
            response = session.post(
                url, json=document, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
            )
            _check_accepted(response.status_code)

    return send


def _slack(settings: Settings, alert: Alert) -> Send:
    """A message to an incoming webhook of Slack."""
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    connection_id = settings.alerts.slack
    _checked(connection_id, "slackwebhook", "password")
    silent = logging.Logger("slack_sdk", logging.CRITICAL + 1)  # its lines can hold the webhook's address
    hook = SlackWebhookHook(
        slack_webhook_conn_id=connection_id, timeout=TIMEOUT_SECONDS, retry_handlers=[], logger=silent
    )
    client, message = hook.get_conn(), alerts.slack(alert)
    return lambda: _check_accepted(client.send(**message, unfurl_links=False).status_code)


def _email(settings: Settings, alert: Alert) -> Send:
    """An e-mail to each address of email_to, from the connection's `from_email`."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    connection_id = settings.alerts.smtp
    connection = _checked(connection_id, "smtp", "host")
    if not connection.extra_dejson.get("from_email"):
        raise SettingsError("its extra has no from_email, the sender's address")

    class OneAttempt(SmtpHook):  # type: ignore[misc]
        """The hook with one attempt, where it would make six of half a minute each."""

        timeout = TIMEOUT_SECONDS
        smtp_retry_limit = 0

        @classmethod
        def get_connection(cls, _: str) -> Any:
            return connection

    def send() -> None:
        with OneAttempt(connection_id) as hook:
            hook.send_email_smtp(
                to=settings.alerts.email_to, subject=alerts.title(alert), html_content=alerts.mail(alert)
            )

    return send


CHANNELS: dict[str, Callable[[Settings, Alert], Send]] = {
    "webhook": _webhook,
    "slack": _slack,
    "smtp": _email,
}
"""Each channel by the setting in [alerts] that names its connection."""


def _checked(connection_id: str, kind: str, required: str) -> Any:
    """The connection. Raises SettingsError unless it is of type `kind` and its field `required` is set."""
    connection = Connection.get(connection_id)
    if connection.conn_type != kind:
        raise SettingsError(f"it is of type {connection.conn_type}, not {kind}")
    if not getattr(connection, required):
        raise SettingsError(f"it has no {required}")
    return connection


def _check_accepted(status: int) -> None:
    """Raises Unreachable unless the HTTP status says that the alert was taken; a redirect would lose it."""
    if not 200 <= status < 300:
        raise Unreachable(f"the answer was {status}")
