"""A night leaves its page whether it is published or refused, and is never lost for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.config import Settings
from pipeline.errors import Refused
from pipeline.page import PAGE
from pipeline.run import Job, run_stage
from tests.report.pages import DECISION, PARAMS, PRECISION, REFUSED, metrics, text
from tests.serving.nights import as_of, fill
from tests.shelf import give


@pytest.fixture
def night(
    job: Callable[..., Job], serving_url: str, make_settings: Callable[..., Settings]
) -> Callable[..., Job]:
    """`night(decision)`: a job whose run has everything that publish reads."""
    settings = make_settings(serving={"role_prefix": "report_nights"})

    def make(decision: dict[str, Any], force: bool = False) -> Job:
        made = job(serving=serving_url, settings=settings, as_of=as_of(1), run_id="night-1", force=force)
        fill(made.folder)
        give(made.folder, metrics=metrics(PRECISION, "exclude"), best_params=PARAMS, decision=decision)
        return made

    return make


def verdict(made: Job) -> str:
    page = (made.folder.path / PAGE).read_text(encoding="utf-8")
    return text(page.split('id="verdict">')[1].split("</section>")[0]).strip()


def test_a_published_night(night: Callable[..., Job], said: list[str]) -> None:
    made = night(DECISION)
    run_stage("publish", made)
    assert f"report: {made.folder.path / PAGE}" in said
    assert verdict(made).startswith("Published Lists for 2 users are live as version 1.")


def test_a_refused_night(night: Callable[..., Job], said: list[str]) -> None:
    made = night(REFUSED)
    with pytest.raises(Refused):
        run_stage("publish", made)
    assert f"report: {made.folder.path / PAGE}" in said
    assert verdict(made).startswith("Refused The lists were refused")


def test_a_forced_night(night: Callable[..., Job]) -> None:
    made = night(REFUSED, force=True)
    run_stage("publish", made)
    assert verdict(made).startswith("Published by force")


def test_a_page_that_cannot_be_built_costs_a_line_and_not_the_night(
    night: Callable[..., Job], said: list[str]
) -> None:
    made = night({**DECISION, "precision": {"comparison": {"against": [{"against": "best_rule"}]}}})
    assert run_stage("publish", made)["version"] == 1
    assert made.folder.has("publication")
    assert "report: not made, KeyError: 'model'" in said
    assert not (made.folder.path / PAGE).exists()
