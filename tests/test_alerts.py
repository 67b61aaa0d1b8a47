"""The content of an alert: why, what to do, which lists apps read, and nothing that could be a secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline import alerts
from pipeline.alerts import Alert, Subject
from pipeline.config import Settings
from pipeline.errors import DiskFull, Refused, SourceError, ValidationFailed

MISSING = SourceError(
    "`events` has no column `order_id`",
    found="user_id, item_id",
    promised="order_id, null where there is none",
    then="edit sql/source/events.sql",
)


def failed(error: object = MISSING, task: str = "extract", **details: Any) -> Alert:
    """The alert of `task` in the run `night`; details: more fields of its subject."""
    subject = Subject("recommendations", "night", task, **{"attempt": 1, **details})
    return alerts.failed_task(subject, error, "serving")


def slack_text(alert: Alert) -> str:
    return "\n".join(block["text"]["text"] for block in alerts.slack(alert)["blocks"])


def test_of_an_error_of_ours_every_part_is_sent() -> None:
    document = alerts.document(failed())
    assert document["title"] == "recommendations: extract failed: `events` has no column `order_id`"
    assert document["why"] == "`events` has no column `order_id`"
    assert document["found"] == "user_id, item_id"
    assert document["promised"] == "order_id, null where there is none"
    assert document["what_to_do"] == "edit sql/source/events.sql"
    for text in (alerts.mail(failed()), slack_text(failed())):
        assert "edit sql/source/events.sql" in text
        assert "user_id, item_id" in text


def test_an_error_without_a_next_step_gets_one() -> None:
    assert "clear the task" in failed(DiskFull("no room")).what_to_do


def test_of_any_other_error_only_the_type_is_sent() -> None:
    alert = failed(RuntimeError("postgresql://reader:secret@shop"))
    assert alert.why == "RuntimeError; the task's log says more"
    assert "secret" not in str(alert)


@pytest.mark.parametrize("no_exception", [None, "", "killed externally"])
def test_a_task_that_was_killed_says_so(no_exception: object) -> None:
    assert "memory" in failed(no_exception).found


@pytest.mark.parametrize(
    ("task", "error", "sure"),
    [
        ("extract", MISSING, True),
        ("validate", ValidationFailed("nulls"), True),
        ("gate", None, True),
        ("approve", None, True),
        ("publish", Refused("too much lost"), True),
        ("publish", DiskFull("no room"), False),
        ("remove_old_runs", None, True),
        ("rollback", MISSING, False),
    ],
)
def test_the_lists_are_called_untouched_only_where_that_is_certain(
    task: str, error: object, sure: bool
) -> None:
    words = failed(error, task).apps_read
    if sure:
        assert words == "what they read before: this attempt has changed nothing"
    else:
        assert "serving.publications says which" in words


def test_the_subject_is_one_short_line() -> None:
    title = alerts.title(failed(SourceError("line one\nline two " + "and more " * 40)))
    assert title.startswith("recommendations: extract failed: line one line two and more")
    assert "\n" not in title
    assert len(title) <= 120


def test_the_mail_is_escaped() -> None:
    nasty = SourceError("<script>alert('&')</script>", found='"><img src=x>')
    body = alerts.mail(failed(nasty, log='https://night.example/"onclick="x'))
    assert "<script>" not in body
    assert "<img" not in body
    assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;" in body
    assert 'href="https://night.example/&quot;onclick=&quot;x"' in body


def test_slack_takes_it_whatever_is_in_it() -> None:
    alert = failed(SourceError("<!channel> & " * 500, found="&" * 5000, promised="x" * 5000))
    message = alerts.slack(alert)
    header, *sections = [block["text"]["text"] for block in message["blocks"]]
    assert len(header) <= 150
    assert all(len(text) <= 3000 for text in sections)
    assert "<!channel>" not in message["text"]
    assert all("<!channel>" not in text for text in sections)


def test_the_run_and_its_window_and_how_often_it_was_tried() -> None:
    alert = failed(attempt=4, as_of=datetime(2026, 11, 21, tzinfo=UTC), window_days=365)
    for text in (alerts.mail(alert), slack_text(alert)):
        assert "`events` has no column `order_id`, on attempt 4" in text
        assert "2026-11-21 00:00 UTC, 365 days of events before it" in text
        assert "night" in text
    assert alerts.document(alert)["as_of"] == "2026-11-21T00:00:00+00:00"


def test_links_lead_to_log_and_report() -> None:
    links = {"log": "https://night.example/log", "report": "https://night.example/report"}
    alert = failed(**links)
    assert "<https://night.example/log|log>   <https://night.example/report|report>" in slack_text(alert)
    for url in links.values():
        assert f'<a href="{url}">' in alerts.mail(alert)
    assert "|" not in slack_text(failed()), "no link where there is none"


@pytest.mark.parametrize(
    ("state", "why", "todo"),
    [
        (
            "running",
            "the run had not ended at 2026-11-21 06:00 UTC, 6 h after its trigger",
            "which task runs",
        ),
        ("failed", "its lists may be missing: the run has failed", "clear the task"),
    ],
)
def test_what_is_late_says_since_when_and_what_to_do(state: str, why: str, todo: str) -> None:
    since = datetime(2026, 11, 21, 6, tzinfo=UTC)
    document = alerts.document(alerts.late_run(Subject("recommendations", "night"), state, since, 6.0))
    assert document["title"].startswith(f"recommendations: late: {why}")
    assert todo in document["what_to_do"]
    assert document["late_since"] == "2026-11-21T06:00:00+00:00"
    assert document["task"] is None


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"smtp": "ops_mail"}, "smtp and email_to go together"),
        ({"email_to": ["night@shop.example"]}, "smtp and email_to go together"),
        ({"late_after_hours": 6.0}, "late_after_hours tells nobody"),
    ],
)
def test_settings_that_would_alert_nobody_are_refused(
    make_settings: Callable[..., Settings], asked: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        make_settings(alerts=asked)


def test_a_lost_model_says_whose_lists_the_apps_read_and_that_nothing_is_broken() -> None:
    why = "the lists of popular go live, not those of blend, which lost to it on the test by 40.0%"
    alert = alerts.model_lost(Subject("recommendations", "night", "publish"), why)
    written = alerts.document(alert)
    assert (written["kind"], written["why"], written["apps_read"]) == ("lost", why, "the rule's lists")
    assert alerts.title(alert).startswith("recommendations: the model lost: the lists of popular go live")
    assert "nothing is broken" in slack_text(alert)
