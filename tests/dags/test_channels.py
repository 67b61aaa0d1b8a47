"""Delivery through the channels, by real hooks to real servers: what is wrong is logged, without a secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import config
from tests.dags.alert_settings import CHANNELS, HOOK_TOKEN, TOKEN, failure
from tests.receivers import MailServer, WebServer


@pytest.fixture
def send(nightly: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> Callable[..., str]:
    """`send(webhook="ops_hook")`: an alert through these channels; returns what the task's log says."""

    def make(**alerts: object) -> str:
        nightly(**alerts)
        from nightshelf_airflow.delivery import deliver

        caplog.clear()
        with caplog.at_level("DEBUG"):
            deliver(config.load(), failure())
        from airflow.sdk.log import mask_logs

        lines = (mask_logs(None, "", {"event": record.getMessage()}) for record in caplog.records)
        return "\n".join(str(line["event"]) for line in lines)

    return make


REFUSING = {"host": "127.0.0.1", "port": 1}
NO_TLS = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@shop.example"}


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(
    ("channel_name", "connection", "said"),
    [
        ("webhook", {"conn_type": "http", **REFUSING}, "ConnectionError, Connection refused"),
        (
            "webhook",
            {"conn_type": "http", "host": "hooks.example", "schema": TOKEN},
            "its host is no whole address",
        ),
        ("webhook", {"conn_type": "https", "host": "hooks.example"}, "it is of type https, not http"),
        ("webhook", {"conn_type": "http"}, "it has no host"),
        (
            "slack",
            {"conn_type": "slackwebhook", "password": f"{TOKEN} \n", "host": "http://127.0.0.1:1"},
            "refused",
        ),
        ("slack", {"conn_type": "slackwebhook", "password": f"ftp://{TOKEN}"}, "SlackRequestError"),
        ("slack", {"conn_type": "slackwebhook"}, "it has no password"),
        (
            "smtp",
            {"conn_type": "smtp", **REFUSING, "extra": NO_TLS},
            "ConnectionRefusedError, Connection refused",
        ),
        ("smtp", {"conn_type": "smtp", **REFUSING}, "its extra has no from_email"),
    ],
)
def test_the_log_says_what_is_wrong_with_a_channel_and_no_secret(
    send: Callable[..., str],
    connect: Callable[..., None],
    channel_name: str,
    connection: dict[str, Any],
    said: str,
) -> None:
    connect("odd", **connection)
    asked = {"email_to": ["night@shop.example"]} if channel_name == "smtp" else {}
    log = send(**{channel_name: "odd", **asked})
    [line] = [line for line in log.splitlines() if "alert not sent" in line]
    assert f"{channel_name}, through the Airflow connection `odd`" in line
    assert said in line
    assert TOKEN not in log


@pytest.mark.usefixtures("connected")
def test_even_a_log_of_every_step_hides_the_address_of_the_webhook(send: Callable[..., str]) -> None:
    log = send(webhook="ops_hook")
    assert "alert sent: webhook" in log
    assert "POST" in log, "urllib3 logs what it does"
    assert HOOK_TOKEN not in log


@pytest.mark.usefixtures("connected")
def test_a_channel_that_never_finishes_delays_no_other(
    send: Callable[..., str],
    webhook: WebServer,
    slack: WebServer,
    mailbox: MailServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nightshelf_airflow import channels

    monkeypatch.setattr(channels, "TIMEOUT_SECONDS", 2)
    webhook.drip = 1.0
    log = send(**CHANNELS)
    assert "alert not sent: webhook, through the Airflow connection `ops_hook`: no answer within 2 s" in log
    assert (len(slack.documents), len(mailbox.messages)) == (1, 1)


@pytest.mark.usefixtures("connected")
def test_a_redirect_is_no_delivery(send: Callable[..., str], webhook: WebServer) -> None:
    webhook.status = 302
    assert "the answer was 302" in send(webhook="ops_hook")
    assert len(webhook.paths) == 1


def test_a_wrong_password_for_the_mail_is_logged_without_it(
    send: Callable[..., str], connect: Callable[..., None], mailbox: MailServer
) -> None:
    place = {"host": "127.0.0.1", "port": mailbox.port, "login": "nightshelf", "password": "wrong horse"}
    connect("ops_mail", conn_type="smtp", **place, extra=NO_TLS)
    log = send(smtp="ops_mail", email_to=["night@shop.example"])
    assert "SMTPAuthenticationError, 535" in log
    assert "wrong horse" not in log


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            RuntimeError(f"no answer from https://user:{TOKEN}@shop.example"),
            "RuntimeError; the task's log says more",
        ),
        (None, "the task's process ended without an error of its own"),
    ],
    ids=["a bug", "killed"],
)
def test_the_text_of_an_error_that_is_not_ours_is_not_sent(
    nightly: Callable[..., Any], webhook: WebServer, error: object, why: str
) -> None:
    nightly(webhook="ops_hook")
    from nightshelf_airflow.delivery import deliver

    deliver(config.load(), failure(error))
    assert webhook.documents[0]["why"] == why
    assert TOKEN not in json.dumps(webhook.documents)
