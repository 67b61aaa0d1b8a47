from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from pipeline.errors import ValidationFailed
from pipeline.runs.job import Job
from pipeline.runs.pages import VALIDATION
from pipeline.runs.run_stage import run_stage
from tests import shelf

AS_OF = shelf.DAY_0 + timedelta(days=10)


@pytest.fixture
def validate(job: Callable[..., Job]) -> Callable[..., Job]:
    """`validate(events=..., users=...)`: run the stage on those datasets; returns its job."""

    def go(as_of: datetime = AS_OF, **datasets: object) -> Job:
        new_job = job(as_of=as_of)
        shelf.give(new_job.folder, **datasets)
        run_stage("validate", new_job)
        return new_job

    return go


def test_good_data_passes_and_is_told(validate: Callable[..., Job], said: list[str]) -> None:
    done = validate(events=shelf.events((1, 10, 1), (1, 10, 1), (2, 20, 2, "view")))
    document = done.folder.document("validation")
    assert document["success"]
    assert document["failed"] == [
        "events: no event occurs twice (exact duplicates count once): 1 row against it (for instance "
        "user_id 1, item_id 10, event_type purchase, occurred_at 2026-01-02T12:00:00+00:00, order_id null, "
        "quantity 1.0, times 2)",
        "events: a purchase has an order_id: 2 rows against it (for instance user_id 1, item_id 10, "
        "event_type purchase, occurred_at 2026-01-02T12:00:00+00:00, order_id null, quantity 1.0)",
    ]
    assert any("22 of 24 expectations hold" in line for line in said)
    assert done.folder.receipt("validate")["counts"] == {
        "rows_in": 3,
        "rows_out": 0,
        "n_expectations": 24,
        "n_warnings": 2,
    }


def test_what_failed_can_be_read_after_the_refusal(job: Callable[..., Job], said: list[str]) -> None:
    new_job = job(as_of=AS_OF)
    shelf.give(new_job.folder, events=shelf.events((None, 10, 1, "view"), (1, 10, 30, "view")))
    with pytest.raises(ValidationFailed, match="2 critical expectations failed") as refused:
        run_stage("validate", new_job)
    assert "events: user_id is there: 1 row against it" in refused.value.found
    assert "events: no event at or after as_of, or in the future: 1 row" in refused.value.found
    assert "extract" in refused.value.then
    document = new_job.folder.document("validation")
    assert not document["success"]
    assert [failure["severity"] for failure in document["suites"][0]["failed"]] == ["critical", "critical"]
    assert [path.name for path in new_job.folder.path.rglob("*.html")] == [VALIDATION]
    assert new_job.folder.receipt("validate") == {}
    assert any("critical" in line for line in said)


def test_the_page_is_there_whether_the_data_passes_or_not(
    validate: Callable[..., Job], job: Callable[..., Job]
) -> None:
    passed = validate(events=shelf.events((1, 10, 1), (2, 20, 2, "view"))).folder
    page = (passed.path / VALIDATION).read_text(encoding="utf-8")
    assert "Passed with 1 warning: 23 of 24 expectations hold." in page
    assert "the window holds events" in page
    new_job = job(as_of=AS_OF, run_id="bad")
    shelf.give(new_job.folder, events=shelf.events((None, 10, 1, "view")))
    with pytest.raises(ValidationFailed) as refused:
        run_stage("validate", new_job)
    path = new_job.folder.path / VALIDATION
    assert str(path) in refused.value.then
    assert "Stopped: 1 critical expectation failed; 23 of 24 expectations hold." in path.read_text()
    held = new_job.folder.document("validation")["suites"][0]["held"]
    assert len(held) == 23
    assert held[0] == {"expectation": "the window holds events", "severity": "critical"}


def test_the_same_data_gives_the_same_document(validate: Callable[..., Job]) -> None:
    events = shelf.events((1, 10, 1), (1, 10, 1))
    first = validate(events=events).folder.file("validation").read_bytes()
    assert validate(events=events).folder.file("validation").read_bytes() == first
