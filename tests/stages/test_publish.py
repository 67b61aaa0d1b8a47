"""publish: what the gate decided is done and written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS
from pipeline.errors import NightshelfError, Refused
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from tests.serving.nights import as_of, fill
from tests.shelf import NO_FALLBACK, give

SPLIT = {"method": "time", "test_days": 9.5, "n_test_cuts": 2}
MEASURED_IN = {"method": "time", "test_days": 9.5, "n_test_cuts": 2, "test_share": None, "window_days": 365}
PASSED = {"publish": True, "forced": False, "reasons": []}
FORCED = {"publish": True, "forced": True, "reasons": ["coverage fell"]}
FAILED = {"publish": False, "forced": False, "reasons": ["coverage fell", "lists are short"]}
SCORES = [name for name, kind in DATASETS["metrics"].columns.items() if kind == pa.float64()]
COUNTS = [name for name, kind in DATASETS["metrics"].columns.items() if kind == pa.int64()]


def metrics(*rows: tuple[str, str, float]) -> pa.Table:
    """Rows `(model, repeat_purchases, precision_at_3)`; every other number is 0."""
    return pa.table(
        {
            "model": [row[0] for row in rows],
            "repeat_purchases": [row[1] for row in rows],
            **{name: [0.0] * len(rows) for name in SCORES},
            **{name: pa.array([0] * len(rows), pa.int64()) for name in COUNTS},
            "precision_at_3": [row[2] for row in rows],
        }
    )


METRICS = metrics(("published", "allow", 0.4), ("published", "exclude", 0.125), ("popular", "exclude", 0.1))


@pytest.fixture
def night(
    job: Callable[..., Job], serving_url: str, make_settings: Callable[..., Settings]
) -> Callable[..., Job]:
    """`night(day, decision)`: a job whose run has everything that publish reads."""
    settings = make_settings(serving={"role_prefix": "stage_publish"})

    def make(day: int, decision: dict[str, Any], force: bool = False, table: pa.Table = METRICS) -> Job:
        new_job = job(
            serving=serving_url, settings=settings, as_of=as_of(day), run_id=f"night-{day}", force=force
        )
        fill(new_job.folder)
        documents = {
            "split": SPLIT,
            "best_params": {"als": {"factors": 8}, "model": "als"},
            "fallback": NO_FALLBACK,
            "decision": decision,
        }
        give(new_job.folder, metrics=table, **documents)
        return new_job

    return make


def read(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as db:
        db.execute("SET ROLE stage_publish_reader")
        return db.execute(query.encode()).fetchall()


def test_publishes_and_says_what(night: Callable[..., Job], serving_url: str, said: list[str]) -> None:
    job = night(1, PASSED)
    counts = run_stage("publish", job)
    n_loaded = sum(int(line.split()[1]) for line in said if line.endswith("lists") and "loaded" in line)
    rows = {"rows_in": n_loaded + METRICS.num_rows, "rows_out": n_loaded}
    publication = {"version": 1, "is_live": "true", "n_users": 2, "n_items": 4, "n_recommendations": 5}
    assert counts == {**rows, **publication}
    document = json.loads(job.folder.file("publication").read_text())
    assert document.pop("published_at")
    assert document == {
        "version": 1,
        "run_id": "night-1",
        "status": "published",
        "is_live": True,
        "n_users": 2,
        "n_items": 4,
        "n_recommendations": 5,
        "precision_at_3": 0.125,
        "model": "als",
        "is_fallback": False,
        "fallback_why": "",
        "is_unjudged": False,
        "split_method": "time",
    }
    assert job.folder.has("publication")
    query = "SELECT version, precision_at_3, params, decision, is_live FROM serving.publications"
    recorded = {**PASSED, "measured_in": MEASURED_IN}
    assert read(serving_url, query) == [(1, 0.125, {"als": {"factors": 8}, "model": "als"}, recorded, True)]


def test_run_again_it_is_the_same_publication(night: Callable[..., Job], serving_url: str) -> None:
    first = run_stage("publish", night(1, PASSED))
    assert run_stage("publish", night(1, PASSED)) == first
    assert read(serving_url, "SELECT count(*) FROM serving.publications") == [(1,)]


def test_a_refusal_is_recorded_and_ends_with_its_reasons(night: Callable[..., Job], serving_url: str) -> None:
    run_stage("publish", night(1, PASSED))
    refused = night(2, FAILED)
    with pytest.raises(Refused, match="coverage fell; lists are short") as caught:
        run_stage("publish", refused)
    assert not caught.value.can_retry
    assert not refused.folder.has("publication")
    assert read(serving_url, "SELECT run_id, status, is_live FROM serving.publications ORDER BY run_id") == [
        ("night-1", "published", True),
        ("night-2", "refused", False),
    ]
    assert read(serving_url, "SELECT DISTINCT version FROM serving.recommendations") == [(1,)]


def test_forced_lists_go_live_though_they_are_older(night: Callable[..., Job], serving_url: str) -> None:
    run_stage("publish", night(5, PASSED))
    assert run_stage("publish", night(4, PASSED))["is_live"] == "false"
    assert run_stage("publish", night(3, FORCED))["is_live"] == "true"
    assert run_stage("publish", night(2, PASSED, force=True))["is_live"] == "true"
    query = "SELECT decision->>'forced' FROM serving.publications WHERE run_id = 'night-3'"
    assert read(serving_url, query) == [("true",)]


def test_a_mode_nobody_was_measured_in_has_no_precision(night: Callable[..., Job], serving_url: str) -> None:
    run_stage("publish", night(1, PASSED, table=metrics(("published", "allow", 0.4))))
    assert read(serving_url, "SELECT precision_at_3 FROM serving.publications") == [(None,)]


def test_a_failure_leaves_no_receipt(night: Callable[..., Job], serving_url: str) -> None:
    job = night(1, PASSED)
    run_stage("publish", job)
    fill(job.folder, {1: [11, 11]})
    with pytest.raises(NightshelfError):
        run_stage("publish", job)
    assert job.folder.receipt("publish") == {}
    assert read(serving_url, "SELECT count(*) FROM serving.recommendations") == [(5,)]
