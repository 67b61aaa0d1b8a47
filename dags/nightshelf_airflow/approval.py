"""The task `approve`: it waits until a person has looked at the report and said yes."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from nightshelf_airflow import alerts, tasks
from pipeline.errors import Refused

if TYPE_CHECKING:
    from pipeline.config import Settings

log = logging.getLogger(__name__)

BODY = """
{% set judged = ti.xcom_pull("evaluate") or {} %}
{%- if "precision_at_3" in judged -%}
Precision@3 **{{ judged["precision_at_3"] }}**, best rule {{ judged["best_rule"] }}
{{ judged["best_rule_precision_at_3"] }}
{%- if (ti.xcom_pull("split") or {})["method"] == "random" -%}
, on rows held out at random: not what people buy next
{%- endif %}.
{%- if "fallback" in judged %}
That is the model that was chosen. The lists to approve are those of the rule
**{{ judged["fallback"] }}**.
{%- endif %}
{%- else -%}
**Unjudged**: nobody could be measured, so nothing says how good these lists are.
{%- endif %}
The report is the button **Report** of the task `gate`.

Reject: apps read what they read before.
"""


class PublishApproval(ApprovalOperator):
    """Alerts that approval is wanted and waits for it; passes at once where nothing would go live.

    Raises Refused when nobody answers in time, so that this is alerted like any failed task.
    """

    custom_operator_name = "Question"

    def __init__(self, *, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings

    def execute(self, context: Any) -> Any:
        """Ask, unless the lists would not go live whatever the answer."""
        if reason := tasks.reason_not_to_go_live(self._settings, context):
            log.info("no approval needed, nothing would go live: %s", reason)
            return None
        alerts.ask_for_approval(self._settings, context)
        return super().execute(context)

    def process_trigger_event_error(self, event: dict[str, Any]) -> None:
        """No answer in time is a no."""
        if event["error_type"] == "timeout":
            raise Refused(
                f"nobody answered within {self._settings.approval.hours:g} hours; the live publication stays",
                then="look at the report, then clear the task approve: it asks again",
            )
        super().process_trigger_event_error(event)


def approval_task(settings: Settings) -> PublishApproval:
    """The task `approve`; Airflow shows its question under Required Actions."""
    return PublishApproval(
        settings=settings,
        task_id="approve",
        subject="Put tonight's lists live?",
        body=BODY,
        response_timeout=timedelta(hours=settings.approval.hours),
        retries=0,
        doc_md="Wait for a person to look at the report and say yes.",
    )
