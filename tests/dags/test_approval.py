"""What the person is shown who is asked whether the lists may go live."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import config

COUNTS = {"precision_at_3": 0.0388, "best_rule": "popular", "best_rule_precision_at_3": 0.021}


@pytest.mark.usefixtures("dag")
@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (COUNTS, "Precision@3 **0.0388**, best rule popular\n0.021."),
        (
            {"n_measured_users": 0},
            "**Unjudged**: nobody could be measured, so nothing says how good these lists are.",
        ),
        (None, "**Unjudged**: nobody could be measured, so nothing says how good these lists are."),
    ],
    ids=["judged", "unjudged", "no counts"],
)
def test_the_question_says_how_good_the_lists_are_or_that_nobody_knows(
    counts: dict[str, Any] | None, told: str
) -> None:
    from nightshelf_airflow.approval import approval_task

    question = approval_task(config.load())
    ti = SimpleNamespace(xcom_pull=lambda task_id: counts if task_id == "evaluate" else None)
    body = question.render_template(question.body, {"ti": ti})
    assert body.strip().startswith(told)
    assert body.strip().endswith("Reject: apps read what they read before.")
