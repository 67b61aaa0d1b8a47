"""What the person is shown who is asked whether the lists may go live."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import config

TIMED, DRAWN = {"method": "time"}, {"method": "random"}
COUNTS = {"precision_at_3": 0.0388, "best_rule": "popular", "best_rule_precision_at_3": 0.021}


UNJUDGED = "**Unjudged**: nobody could be measured, so nothing says how good these lists are."


@pytest.mark.usefixtures("dag")
@pytest.mark.parametrize(
    ("evaluate", "split", "told"),
    [
        (COUNTS, TIMED, "Precision@3 **0.0388**, best rule popular\n0.021.\n"),
        (COUNTS, None, "Precision@3 **0.0388**, best rule popular\n0.021.\n"),
        (
            COUNTS,
            DRAWN,
            "Precision@3 **0.0388**, best rule popular\n0.021, on rows held out at random: not what people"
            " buy next.\n",
        ),
        ({"n_measured_users": 0}, TIMED, UNJUDGED),
        (None, None, UNJUDGED),
    ],
    ids=["judged", "no counts of split", "at random", "unjudged", "no counts"],
)
def test_the_question_says_how_good_the_lists_are_or_that_nobody_knows(
    evaluate: dict[str, Any] | None, split: dict[str, Any] | None, told: str
) -> None:
    from nightshelf_airflow.approval import approval_task

    question = approval_task(config.load())
    ti = SimpleNamespace(xcom_pull={"evaluate": evaluate, "split": split}.get)
    body = question.render_template(question.body, {"ti": ti})
    assert body.strip().startswith(told)
    assert body.strip().endswith("Reject: apps read what they read before.")
