"""A night leaves its page whether it is published or refused, and is never lost for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Settings
from pipeline.errors import DataError, Refused
from pipeline.jobs import play
from pipeline.report import build
from pipeline.runs.job import Job
from pipeline.runs.pages import PAGE
from pipeline.runs.run_stage import run_stage
from tests.report.pages import DECISION, PARAMS, PRECISION, REFUSED, SPLIT, metrics, text
from tests.serving.nights import as_of, fill
from tests.shelf import NO_FALLBACK, day, events, give


@pytest.fixture
def night(
    job: Callable[..., Job], serving_url: str, make_settings: Callable[..., Settings]
) -> Callable[..., Job]:
    """`night(decision)`: a job whose run has everything that publish reads."""
    settings = make_settings(serving={"role_prefix": "report_nights"})

    def make(decision: dict[str, Any], force: bool = False) -> Job:
        new_job = job(serving=serving_url, settings=settings, as_of=as_of(1), run_id="night-1", force=force)
        fill(new_job.folder)
        documents = {"split": SPLIT, "best_params": PARAMS, "fallback": NO_FALLBACK, "decision": decision}
        give(new_job.folder, metrics=metrics(PRECISION, "exclude"), **documents)
        return new_job

    return make


def verdict(job: Job) -> str:
    page = (job.folder.path / PAGE).read_text(encoding="utf-8")
    return text(page.split('id="verdict">')[1].split("</section>")[0]).strip()


def test_a_published_night(night: Callable[..., Job], said: list[str]) -> None:
    job = night(DECISION)
    run_stage("publish", job)
    assert f"report: {job.folder.path / PAGE}" in said
    assert verdict(job).startswith("Published Lists for 2 users are live as version 1.")


def test_a_refused_night(night: Callable[..., Job], said: list[str]) -> None:
    job = night(REFUSED)
    with pytest.raises(Refused):
        run_stage("publish", job)
    assert f"report: {job.folder.path / PAGE}" in said
    assert verdict(job).startswith("Refused The lists were refused")


def test_a_forced_night(night: Callable[..., Job]) -> None:
    job = night(REFUSED, force=True)
    run_stage("publish", job)
    assert verdict(job).startswith("Published by force")


def stopped(job: Callable[..., Job], stage: str, settings: Settings | None = None, **parts: Any) -> str:
    """What the report says first of a night that the data stops at `stage`."""
    new_job = job(as_of=day(60), settings=settings)
    give(new_job.folder, **parts)
    with pytest.raises(DataError):
        play(stage, new_job)
    return verdict(new_job)


def test_a_night_that_validation_stopped(job: Callable[..., Job], tmp_path: Path) -> None:
    bad = events((None, 10, 1, "view"), (1, 10, 2, "view"))
    assert stopped(job, "validate", events=bad).startswith(
        "Stopped The night stopped at “validate”: 1 critical expectation failed. Nothing of it is published"
    )
    page = (tmp_path / "runs" / "night" / PAGE).read_text(encoding="utf-8")
    assert page.index("Was the data sound?") < page.index("What this run has not reached")
    assert "critical events: user_id is there (not true for 1 row)" in text(page)


def test_a_night_that_the_filters_stop(
    job: Callable[..., Job], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    shop = events((1, 5, 1), (2, 6, 2))
    document = {"success": True, "suites": [{"suite": "events", "n_rows": 2, "n_expectations": 14}]}
    document["suites"][0]["failed"] = []
    strict = make_settings(filter={"min_events": 3})
    verdict_text = stopped(job, "split", strict, purchaser_events=shop, events=shop, validation=document)
    assert verdict_text.startswith(
        "Stopped The night stopped at “split”: nobody is left to learn from: the filters leave out every"
    )
    assert (
        "What next: set filter.min_events = 1 in config.toml (2 of 2 buyers would be left)." in verdict_text
    )
    page = text((tmp_path / "runs" / "night" / PAGE).read_text(encoding="utf-8"))
    assert "Everything that is expected of the shop's data holds. Table Rows" in page


def test_what_validation_found_in_other_data_is_not_told(job: Callable[..., Job], tmp_path: Path) -> None:
    """The stage before it has run again since, and nothing has checked what it wrote."""
    stopped(job, "validate", events=events((None, 10, 1, "view")))
    new_job = job(as_of=day(60))
    why_stopped = tmp_path / "runs" / "night" / "stopped.json"
    why_stopped.unlink()
    build(new_job.folder, new_job.settings)
    page = text((tmp_path / "runs" / "night" / PAGE).read_text(encoding="utf-8"))
    assert "The data of this run was not checked to the end." in page
    assert "user_id is there" not in page


def test_a_page_that_cannot_be_built_costs_a_line_and_not_the_night(
    night: Callable[..., Job], said: list[str]
) -> None:
    job = night({**DECISION, "precision": {"comparison": {"against": [{"against": "best_rule"}]}}})
    assert run_stage("publish", job)["version"] == 1
    assert job.folder.has("publication")
    assert "report: not made, KeyError: 'model'" in said
    assert not (job.folder.path / PAGE).exists()
