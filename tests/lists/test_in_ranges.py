"""Lists made for ranges of users, by what was fitted over all and by the files of a run, are those of all."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.engines.local import Local
from pipeline.engines.tables import UserWork
from pipeline.lists.in_ranges import _ranges
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from tests import tastes
from tests.shelf import events, give
from tests.tastes import RACED

WITHOUT_ALS = ("popular", "recently_popular", "als_500_3_001")
"""Models that ALS has no part in, nor fills their lists; the last is not made in ranges. In a range users'
factors are solved again, and closer, so that other lists differ a little from those of all users at once."""


def in_ranges(
    engine: Local,
    whole: Callable[[], Iterator[pa.RecordBatch]],
    made: Callable[[], UserWork] | None,
    spill: Path,
) -> Iterator[pa.RecordBatch]:
    """As a cluster does it: what makes the rows is sent somewhere else, and a range is made at a time."""
    if made is None:
        return whole()
    work: UserWork = pickle.loads(pickle.dumps(made()))
    return (batch for number in range(work.n_ranges) for batch in work.rows(number))


def lists(learnt: Job, model: str, mode: str, users_in_task: int) -> list[dict[str, Any]]:
    """The rows of `recommendations` where `model` has won."""
    night = tastes.job_at(
        learnt.folder.path.parent,
        engine={"users_in_task": users_in_task},
        run={"repeat_purchases": mode, "threads": 1},
        recommend={"audience": "engaged", "list_length": 5},
    )
    give(night.folder, best_params={**night.folder.document("best_params"), "model": model})
    run_stage("recommend", night)
    return night.folder.table("recommendations").to_pylist()


def assert_same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    """The same rows; scores may differ by rounding."""
    scores = [[row.pop("score") for row in rows] for rows in (one, other)]
    assert one == other
    assert scores[0] == pytest.approx(scores[1], rel=1e-4)


@pytest.mark.parametrize("mode", ["exclude", "allow"])
@pytest.mark.parametrize("model", RACED)
def test_lists_are_those_of_all_users_at_once(
    learnt: Job, monkeypatch: pytest.MonkeyPatch, model: str, mode: str
) -> None:
    """Buyers of both tastes, and two people who looked around, before and after all buyers."""
    looks = [(-5, 3, 90, "view"), (100, 3, 90, "view"), (100, 5, 91, "cart")]
    give(learnt.folder, browser_events=events(*looks))
    whole = lists(learnt, model, mode, 7)
    assert {row["user_id"] for row in whole} == {-5, *range(40), 100}
    monkeypatch.setattr(Local, "over_users", in_ranges)
    parts = lists(learnt, model, mode, 7)
    if model in WITHOUT_ALS:
        assert_same(parts, whole)
        return
    places = [[(row["user_id"], row["rank"]) for row in rows] for rows in (parts, whole)]
    assert places[0] == places[1]
    assert_same(parts, lists(learnt, model, mode, 1000))


def test_a_range_holds_the_users_of_its_ids() -> None:
    """The first and the last one are open: who looked around may come before and after all buyers."""
    ranges = _ranges(pa.array([3, 5, 8, 9, 12]), 2)
    assert [users for users, _ in ranges] == [(None, 8), (8, 12), (12, None)]
    assert [ids.to_pylist() for _, ids in ranges] == [[3, 5], [8, 9], [12]]
    assert [users for users, _ in _ranges(pa.array([], pa.int64()), 2)] == [(None, None)]
