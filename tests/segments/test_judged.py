"""pipeline/segments/judged.py: segments are published where they foretell first purchases, and only there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.runs.job import Job
from pipeline.segments.judged import (
    LEAST_MEASURED,
    NOBODY,
    NOTHING_BOUGHT,
    JudgedSegments,
    counts,
    first_purchases_document,
    judged_at,
)
from tests.segments.shop import CUT, attributes, fitted, fold_of
from tests.shelf import events, give

Make = Callable[..., Job]


def judged(job: Make, file: Path, path: Path, **parts: pa.Table) -> JudgedSegments:
    """What is measured at the cut; browsers are in `file`, where the events of everybody are."""
    night = job()
    give(night.folder, browser_events=events(), **parts)
    with fitted(file, path) as models:
        found = judged_at(night, models, fold_of(file))
    assert found is not None
    return found


def document(cut: JudgedSegments) -> dict[str, Any]:
    return first_purchases_document([cut], 1, is_timed=True)


def test_looks_that_tell_what_is_bought_publish_segments(job: Make, looks: Path, tmp_path: Path) -> None:
    row = document(judged(job, looks, tmp_path))
    assert row["is_published"]
    assert row["ci_low"] > 0
    assert row["recall_at_10"] > 2 * row["recall_at_10_popular"]
    assert row["n_users"] >= LEAST_MEASURED
    assert row["n_purchases"] >= row["n_users"]
    assert row["n_segments"][0] > 2
    assert counts(row)["n_first_buyers"] == row["n_users"]


def test_looks_that_tell_nothing_publish_nothing(job: Make, aimless: Path, tmp_path: Path) -> None:
    row = document(judged(job, aimless, tmp_path))
    assert row["n_users"] >= LEAST_MEASURED
    assert not row["is_published"]
    assert row["ci_low"] <= 0


def test_what_the_shop_says_of_people_counts_from_when_it_was_known(
    job: Make, aimless: Path, tmp_path: Path
) -> None:
    """A planted attribute tells what people will buy; where it became known after the cut, it is not seen."""
    known = document(judged(job, aimless, tmp_path, user_attributes=attributes(None)))
    assert known["is_published"]
    assert known["recall_at_10"] > 2 * known["recall_at_10_popular"]
    assert known["attributes"] == ["prefers"]
    before = document(judged(job, aimless, tmp_path, user_attributes=attributes(CUT)))
    assert before["recall_at_10"] == known["recall_at_10"]
    later = attributes(CUT + timedelta(seconds=1))
    planted = document(judged(job, aimless, tmp_path, user_attributes=later))
    assert planted == {**document(judged(job, aimless, tmp_path)), "has_attributes": True}
    assert not planted["is_published"]


def cut(ours: list[float], popular: list[float], n_people: int = 500) -> JudgedSegments:
    n_purchases = np.full(len(ours), 2)
    users = pa.array(range(len(ours)), pa.int64())
    return JudgedSegments(users, np.array(ours), np.array(popular), n_purchases, n_people, 4, False, ())


def test_the_document_pools_the_cuts() -> None:
    cuts = [cut([1.0] * 20, [0.5] * 20, 400), cut([0.5] * 20, [0.5] * 20, 600)]
    row = first_purchases_document(cuts, 1, is_timed=True)
    assert (row["n_cuts"], row["n_people"], row["n_segments"]) == (2, 500, [4, 4])
    assert (row["n_users"], row["n_purchases"]) == (40, 80)
    assert (row["recall_at_10"], row["recall_at_10_popular"]) == (0.75, 0.5)
    assert row["difference"] == 0.25
    assert row["is_published"]


@pytest.mark.parametrize(
    ("cuts", "is_timed", "why"),
    [
        ([], False, "the test has no cut in time"),
        ([], True, NOBODY),
        ([cut([], [], 0)], True, NOBODY),
        ([cut([], [], 300)], True, NOTHING_BOUGHT),
    ],
)
def test_why_nothing_is_measured(cuts: list[JudgedSegments], is_timed: bool, why: str) -> None:
    row = first_purchases_document(cuts, 1, is_timed=is_timed)
    assert why in row["why"]
    assert not row["is_published"]
    assert counts(row) == {}


def test_few_people_publish_nothing() -> None:
    few = LEAST_MEASURED - 1
    row = first_purchases_document([cut([1.0] * few, [0.0] * few)], 1, is_timed=True)
    assert row["ci_low"] > 0
    assert not row["is_published"]


def test_a_test_without_a_cut_in_time_is_not_judged(job: Make, looks: Path, tmp_path: Path) -> None:
    night = job()
    give(night.folder, browser_events=events())
    with fitted(looks, tmp_path) as models:
        fold = fold_of(looks)
        assert judged_at(night, models, type(fold)(fold.before, fold.cut_at, fold.later)) is None
