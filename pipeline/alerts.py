"""The words of an alert: what failed or is late, why, what to do, and what apps read meanwhile.

Made for a person at four in the morning; the JSON document says the same to a program. Who is told,
and how, is the business of the door that noticed (`dags/nightshelf_airflow/alerts.py`).
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pipeline.contract.stages import STAGES
from pipeline.errors import DataError, NightshelfError, Refused

UNTOUCHED = "what they read before: this attempt has changed nothing"
CLEAR = "mend what the log names, then clear the task: the run goes on from there"
TITLE_LENGTH = 120
SLACK_TITLE, SLACK_VALUE = 150, 500
"""Slack refuses a longer header, and a section of more than 3,000 characters; `&` becomes five of them."""


@dataclass(frozen=True)
class Alert:
    """One thing to tell. Empty or None: not known, or nothing to say.

    kind:        a task that failed for good, a run that is late, or one that waits for a person's yes
    why, found, promised, what_to_do: as a NightshelfError says them
    apps_read:   which lists the apps read now
    attempt:     how many times the task was tried
    as_of, window_days: what the run is about
    late_since:  when the run should have ended
    log, run_page, report, validation: addresses in the Airflow UI
    """

    kind: Literal["failed", "late", "asked"]
    dag: str
    run: str
    why: str
    what_to_do: str
    apps_read: str
    task: str = ""
    attempt: int | None = None
    found: str = ""
    promised: str = ""
    as_of: datetime | None = None
    window_days: int | None = None
    late_since: datetime | None = None
    log: str = ""
    run_page: str = ""
    report: str = ""
    validation: str = ""


def reasons(error: object) -> dict[str, Any]:
    """`why`, `found`, `promised` and `what_to_do` of the error that ended a task; None: nobody saw one.

    Only a NightshelfError's text is told: another's may hold a password.
    """
    if isinstance(error, NightshelfError):
        return {
            "why": error.what,
            "found": "" if isinstance(error, DataError) else error.found,  # it may hold rows of somebody
            "promised": error.promised,
            "what_to_do": error.then or CLEAR,
        }
    if isinstance(error, BaseException):
        return {"why": f"{type(error).__name__}; the task's log says more", "what_to_do": CLEAR}
    return {
        "why": "the task's process ended without an error of its own",
        "found": "it was killed (as when memory ran out), its machine is gone, or somebody marked it failed",
        "what_to_do": "look at the machine, then clear the task: the run goes on from there",
    }


def apps_read(task: str, error: object, schema: str) -> str:
    """What apps read after `task` has failed: certain before `publish`, and when the gate refused."""
    before = {stage.name for stage in STAGES} - {"publish"} | {"remove_old_runs", "approve", "settings"}
    if task in before or isinstance(error, Refused):
        return UNTOUCHED
    return f"whole lists, those of before or newer ones: {schema}.publications says which (is_live)"


def lateness(state: str, late_since: datetime, hours: float) -> dict[str, Any]:
    """`why` and `what_to_do` of a run in `state` that should have ended `hours` after it was queued."""
    due = f"at {_time(late_since)}, {hours:g} h after its trigger"
    if state == "failed":
        return {
            "why": f"its lists may be missing: the run has failed, and nobody had mended it {due}",
            "what_to_do": "read the log of the task that failed, mend what it names and clear the task",
        }
    return {
        "why": f"the run had not ended {due}",
        "found": f"its state is {state}",
        "what_to_do": "look which task runs or waits, and what its log says; where none runs, whether the"
        " workers do",
    }


def title(alert: Alert) -> str:
    """One line: the DAG, the task, the first words of why."""
    what = {"failed": f"{alert.task} failed", "late": "late", "asked": "a yes is wanted"}[alert.kind]
    return _clipped(f"{alert.dag}: {what}: {' '.join(alert.why.split())}", TITLE_LENGTH)


def document(alert: Alert) -> dict[str, Any]:
    """What a program is posted: every field by its name, null where there is nothing to say."""
    fields = {name: value or None for name, value in vars(alert).items()}
    times = {name: value.isoformat() for name, value in fields.items() if isinstance(value, datetime)}
    return {"title": title(alert), **fields, **times}


def mail(alert: Alert) -> str:
    """The body of the e-mail: HTML of one table, everything in it escaped."""
    style = 'style="padding: 2px 12px 2px 0; vertical-align: top; white-space: '
    rows = [(label, html.escape(value)) for label, value in _facts(alert)]
    rows += [(label, f'<a href="{html.escape(url)}">{html.escape(url)}</a>') for label, url in _links(alert)]
    table = "\n".join(
        f'<tr><td {style}nowrap">{label}</td><td {style}pre-wrap">{value}</td></tr>' for label, value in rows
    )
    return f"<h3>{html.escape(title(alert))}</h3>\n<table>\n{table}\n</table>\n"


def slack(alert: Alert) -> dict[str, Any]:
    """The message for Slack: `text` for the notification, `blocks` for the channel."""
    facts = [f"*{label}*  {_escaped(_clipped(value, SLACK_VALUE))}" for label, value in _facts(alert)]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _clipped(title(alert), SLACK_TITLE)}},
        *map(_section, facts),
    ]
    if links := "   ".join(f"<{_escaped(url)}|{label}>" for label, url in _links(alert)):
        blocks.append(_section(links))
    return {"text": _escaped(title(alert)), "blocks": blocks}


def _facts(alert: Alert) -> list[tuple[str, str]]:
    """What there is to read, each with its label, the most urgent first."""
    tries = f", on attempt {alert.attempt}" if (alert.attempt or 0) > 1 else ""
    window = f", {alert.window_days} days of events before it" if alert.window_days else ""
    told = [
        ("why", f"{alert.why}{tries}"),
        ("found", alert.found),
        ("promised", alert.promised),
        ("what to do", alert.what_to_do),
        ("apps read", alert.apps_read),
        ("run", alert.run),
        ("as of", f"{_time(alert.as_of)}{window}" if alert.as_of else ""),
    ]
    return [(label, value) for label, value in told if value]


def _links(alert: Alert) -> list[tuple[str, str]]:
    told = [
        ("log", alert.log),
        ("run page", alert.run_page),
        ("report", alert.report),
        ("validation", alert.validation),
    ]
    return [(label, url) for label, url in told if url]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _escaped(text: str) -> str:
    """Slack's three control characters."""
    return html.escape(text, quote=False)


def _clipped(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3].rstrip()}..."


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
