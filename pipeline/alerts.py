"""The content of an alert: what happened to which run, why, what to do, and which lists apps read meanwhile.

Four functions write an alert, one for each thing worth waking somebody for; three format it for a channel:

    failed_task()  late_run()  approval_wanted()  model_lost()   ->   Alert   ->   document()  slack()  mail()

When an alert is sent and how it is delivered stands in `dags/nightshelf_airflow/alerts.py`.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from pipeline.contract.stages import STAGES
from pipeline.errors import DataError, NightshelfError, Refused

UNTOUCHED = "what they read before: this attempt has changed nothing"
CLEAR = "mend what the log names, then clear the task: the run goes on from there"
SETTINGS = "settings"
"""The one task of a shop whose settings cannot be read."""
BEFORE_PUBLISH = {stage.name for stage in STAGES} - {"publish"} | {"remove_old_runs", "approve", SETTINGS}
"""Tasks that cannot have changed what apps read."""

TITLE_LENGTH = 120
SLACK_TITLE, SLACK_VALUE = 150, 500
"""Slack refuses a longer header, and a section of more than 3,000 characters (`&` is five of them)."""


@dataclass(frozen=True)
class Subject:
    """The run, and the task in it, that an alert is about. Empty or None: not known, or there is none.

    dag, run, task:      Airflow's ids; without a task the alert is about the whole run
    attempt:             how many times the task was tried
    as_of, window_days:  the end and the length of the window of events that the run reads
    log, run_page, report, validation: addresses in the Airflow UI
    """

    dag: str
    run: str
    task: str = ""
    attempt: int | None = None
    as_of: datetime | None = None
    window_days: int | None = None
    log: str = ""
    run_page: str = ""
    report: str = ""
    validation: str = ""


@dataclass(frozen=True)
class Alert:
    """One message to the people who look after a shop.

    kind:       a task failed for good, a run is late, a run waits for a person's approval, or the model
                lost and a rule's lists went live
    why, found, promised, what_to_do: see NightshelfError; `found` and `promised` may be empty
    apps_read:  which lists the apps read now
    late_since: when a late run should have ended
    """

    kind: Literal["failed", "late", "asked", "lost"]
    subject: Subject
    why: str
    what_to_do: str
    apps_read: str
    found: str = ""
    promised: str = ""
    late_since: datetime | None = None


def failed_task(subject: Subject, error: object, schema: str) -> Alert:
    """A task that failed and is not tried again.

    error:  the exception that ended it; anything else: its process was killed and raised none
    schema: the serving schema of the shop

    Only the text of a NightshelfError is repeated: that of another exception may hold a password.
    """
    alert = partial(Alert, "failed", subject, apps_read=_apps_read(subject.task, error, schema))
    if isinstance(error, NightshelfError):
        return alert(
            why=error.what,
            found="" if isinstance(error, DataError) else error.found,  # it may quote rows of a customer
            promised=error.promised,
            what_to_do=error.then or CLEAR,
        )
    if isinstance(error, BaseException):
        return alert(why=f"{type(error).__name__}; the task's log says more", what_to_do=CLEAR)
    return alert(
        why="the task's process ended without an error of its own",
        found="it was killed (as when memory ran out), its machine is gone, or somebody marked it failed",
        what_to_do="look at the machine, then clear the task: the run goes on from there",
    )


def late_run(subject: Subject, state: str, late_since: datetime, hours: float) -> Alert:
    """A run in `state` that should have ended at `late_since`, `hours` after it was queued."""
    alert = partial(
        Alert,
        "late",
        subject,
        apps_read="what they read before, unless the run's publish has finished",
        late_since=late_since,
    )
    due = f"at {_time(late_since)}, {hours:g} h after its trigger"
    if state == "failed":
        return alert(
            why=f"its lists may be missing: the run has failed, and nobody had mended it {due}",
            what_to_do="read the log of the task that failed, mend what it names and clear the task",
        )
    return alert(
        why=f"the run had not ended {due}",
        found=f"its state is {state}",
        what_to_do="look which task runs or waits, and what its log says; where none runs, whether the"
        " workers do",
    )


def approval_wanted(subject: Subject, hours: float) -> Alert:
    """Lists that passed the gate and wait `hours` for a person's approval."""
    return Alert(
        "asked",
        subject,
        why="tonight's lists are ready, and go live when somebody says yes",
        what_to_do="look at the report, then answer under Required Actions; no answer within"
        f" {hours:g} hours is a no",
        apps_read=UNTOUCHED,
    )


def model_lost(subject: Subject, why: str) -> Alert:
    """A night that published a rule's lists, because the model lost to the rule on the test.

    why: which rule, which model, by how much
    """
    return Alert(
        "lost",
        subject,
        why=why,
        what_to_do="nothing is broken: look at the report, whether a promotion or a feed explains it. The"
        " model's lists come back by themselves when it has not lost on two nights running",
        apps_read="the rule's lists",
    )


def _apps_read(task: str, error: object, schema: str) -> str:
    """Which lists apps read after `task` failed: certain before `publish`, and when the gate refused."""
    if task in BEFORE_PUBLISH or isinstance(error, Refused):
        return UNTOUCHED
    return f"whole lists, those of before or newer ones: {schema}.publications says which (is_live)"


def title(alert: Alert) -> str:
    """One line of at most 120 characters: the DAG, the task, the first words of why."""
    headlines = {
        "failed": f"{alert.subject.task} failed",
        "late": "late",
        "asked": "a yes is wanted",
        "lost": "the model lost",
    }
    why = " ".join(alert.why.split())
    return _clipped(f"{alert.subject.dag}: {headlines[alert.kind]}: {why}", TITLE_LENGTH)


def document(alert: Alert) -> dict[str, Any]:
    """The JSON document for the webhook: always these keys, null where there is nothing to say."""
    subject = alert.subject
    fields = {
        "title": title(alert),
        "kind": alert.kind,
        "dag": subject.dag,
        "run": subject.run,
        "why": alert.why,
        "what_to_do": alert.what_to_do,
        "apps_read": alert.apps_read,
        "task": subject.task,
        "attempt": subject.attempt,
        "found": alert.found,
        "promised": alert.promised,
        "as_of": subject.as_of and subject.as_of.isoformat(),
        "window_days": subject.window_days,
        "late_since": alert.late_since and alert.late_since.isoformat(),
        "log": subject.log,
        "run_page": subject.run_page,
        "report": subject.report,
        "validation": subject.validation,
    }
    return {key: value or None for key, value in fields.items()}


def mail(alert: Alert) -> str:
    """The body of the e-mail: HTML of one table, everything in it escaped."""
    style = 'style="padding: 2px 12px 2px 0; vertical-align: top; white-space: '
    rows = [(label, html.escape(text)) for label, text in _texts(alert)]
    rows += [(label, f'<a href="{html.escape(url)}">{html.escape(url)}</a>') for label, url in _links(alert)]
    table = "\n".join(
        f'<tr><td {style}nowrap">{label}</td><td {style}pre-wrap">{value}</td></tr>' for label, value in rows
    )
    return f"<h3>{html.escape(title(alert))}</h3>\n<table>\n{table}\n</table>\n"


def slack(alert: Alert) -> dict[str, Any]:
    """The message for Slack: `text` for the notification, `blocks` for the channel."""
    lines = [f"*{label}*  {_escaped(_clipped(text, SLACK_VALUE))}" for label, text in _texts(alert)]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _clipped(title(alert), SLACK_TITLE)}},
        *map(_section, lines),
    ]
    if links := "   ".join(f"<{_escaped(url)}|{label}>" for label, url in _links(alert)):
        blocks.append(_section(links))
    return {"text": _escaped(title(alert)), "blocks": blocks}


def _texts(alert: Alert) -> list[tuple[str, str]]:
    """The lines that Slack and the e-mail show, each with its label, the most urgent first."""
    subject = alert.subject
    tries = f", on attempt {subject.attempt}" if (subject.attempt or 0) > 1 else ""
    window = f", {subject.window_days} days of events before it" if subject.window_days else ""
    texts = [
        ("why", f"{alert.why}{tries}"),
        ("found", alert.found),
        ("promised", alert.promised),
        ("what to do", alert.what_to_do),
        ("apps read", alert.apps_read),
        ("run", subject.run),
        ("as of", f"{_time(subject.as_of)}{window}" if subject.as_of else ""),
    ]
    return [(label, text) for label, text in texts if text]


def _links(alert: Alert) -> list[tuple[str, str]]:
    """The addresses that Slack and the e-mail show, each with its label."""
    subject = alert.subject
    links = [
        ("log", subject.log),
        ("run page", subject.run_page),
        ("report", subject.report),
        ("validation", subject.validation),
    ]
    return [(label, url) for label, url in links if url]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _escaped(text: str) -> str:
    """`text` with Slack's three control characters escaped: `&`, `<` and `>`."""
    return html.escape(text, quote=False)


def _clipped(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3].rstrip()}..."


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
