"""A person who looks before the lists go live."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from nightshelf_airflow import alerts, night
from pipeline.errors import Refused

if TYPE_CHECKING:
    from pipeline.config import Settings

log = logging.getLogger(__name__)

BODY = """
Precision@3 **{{ (ti.xcom_pull("evaluate") or {}).get("precision_at_3") }}**, best rule
{{ (ti.xcom_pull("evaluate") or {}).get("best_rule") }}
{{ (ti.xcom_pull("evaluate") or {}).get("best_rule_precision_at_3") }}.
The report is the button **Report** of the task `gate`.

Reject: apps read what they read before.
"""


class Question(ApprovalOperator):
    """Asks where a yes would put lists live, and tells the shop's alerts that somebody is asked.

    Raises Refused when nobody answers in time: a night without an answer is told like one that failed.
    """

    def __init__(self, *, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings

    def execute(self, context: Any) -> Any:
        """Wait for the answer, unless nothing would go live whatever it is."""
        if why := night.stays_as_it_is(self._settings, context):
            log.info("nobody is asked: %s", why)
            return None
        alerts.asked(self._settings, context)
        return super().execute(context)

    def process_trigger_event_error(self, event: dict[str, Any]) -> None:
        """No answer in time is a no."""
        if event["error_type"] == "timeout":
            raise Refused(
                f"nobody answered within {self._settings.approval.hours:g} hours; the live publication stays",
                then="look at the report, then clear the task approve: it asks again",
            )
        super().process_trigger_event_error(event)


def question(settings: Settings) -> Question:
    """The task `approve`: it waits for an answer under Required Actions."""
    return Question(
        settings=settings,
        task_id="approve",
        subject="Put tonight's lists live?",
        body=BODY,
        response_timeout=timedelta(hours=settings.approval.hours),
        retries=0,
        doc_md="Wait for a person to look at the report and say yes.",
    )
