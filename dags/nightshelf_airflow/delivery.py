"""Sends an alert through all channels of a shop at the same time, and logs how each of them fared.

A channel that cannot be reached, or is slow, costs one line in the log: never the task's state, never
another channel. The addresses of webhooks are secrets, so no text of a provider's error is logged.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowNotFoundException

from nightshelf_airflow import channels
from pipeline.errors import NightshelfError

if TYPE_CHECKING:
    from nightshelf_airflow.channels import Send
    from pipeline.alerts import Alert
    from pipeline.config import Settings

    Outcomes = Queue[tuple[str, Exception | None]]

log = logging.getLogger(__name__)


def deliver(settings: Settings, alert: Alert) -> None:
    """Send `alert`; returns when every channel has answered, or after channels.TIMEOUT_SECONDS."""
    outcomes: Outcomes = Queue()
    waiting = {}
    for channel, connection_id in channels.connection_ids(settings).items():
        waiting[channel] = f"{channel}, through the Airflow connection `{connection_id}`"
        try:
            send = channels.CHANNELS[channel](settings, alert)  # here: only this thread may ask Airflow
        except Exception as error:  # noqa: BLE001
            outcomes.put((channel, error))
        else:
            Thread(target=_send, args=(channel, send, outcomes), daemon=True).start()
    until = time.monotonic() + channels.TIMEOUT_SECONDS
    with suppress(Empty):
        while waiting:
            channel, failure = outcomes.get(timeout=max(0.0, until - time.monotonic()))
            description = waiting.pop(channel)
            if failure is None:
                log.info("alert sent: %s", description)
            else:
                log.error("alert not sent: %s: %s", description, _reason(failure))
    for description in waiting.values():
        log.error("alert not sent: %s: no answer within %g s", description, channels.TIMEOUT_SECONDS)


def _send(channel: str, send: Send, outcomes: Outcomes) -> None:
    try:
        send()
    except Exception as error:  # noqa: BLE001
        outcomes.put((channel, error))
    else:
        outcomes.put((channel, None))


def _reason(error: Exception) -> str:
    """Why a channel failed, without any text that could hold an address or a password.

    Our own errors hold none. Of others: the type, and the first system message or SMTP code in the
    chain of their causes.
    """
    if isinstance(error, NightshelfError):
        return error.what
    if isinstance(error, AirflowNotFoundException):
        return "there is no such connection"
    kind = type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        detail = getattr(cause, "strerror", None) or getattr(cause, "smtp_code", None)
        if isinstance(detail, str | int):
            return f"{kind}, {detail}"
        cause = cause.__cause__ or cause.__context__
    return kind
