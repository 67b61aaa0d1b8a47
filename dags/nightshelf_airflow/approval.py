"""A person who looks before the lists go live."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.providers.standard.operators.hitl import ApprovalOperator

if TYPE_CHECKING:
    from pipeline.config import Settings

BODY = """
Precision@3 **{{ (ti.xcom_pull("evaluate") or {}).get("precision_at_3") }}**, best rule
{{ (ti.xcom_pull("evaluate") or {}).get("best_rule") }}
{{ (ti.xcom_pull("evaluate") or {}).get("best_rule_precision_at_3") }};
the gate says **{{ (ti.xcom_pull("gate") or {}).get("verdict") }}**.

The report is a button of the task `gate`.

Reject: apps read what they read before.
"""


def question(settings: Settings) -> ApprovalOperator:
    """The task `approve`: it waits for an answer under Required Actions; none in time is a no."""
    return ApprovalOperator(
        task_id="approve",
        subject="Put tonight's lists live?",
        body=BODY,
        defaults=ApprovalOperator.REJECT,
        response_timeout=timedelta(hours=settings.approval.hours),
        doc_md="Wait for a person to look at the report and say yes.",
    )
