"""Groups of users, worked by hand: 36 users of one, two and six trips, of three categories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import Settings
from pipeline.evaluation.at_cut import at, judge_of
from pipeline.evaluation.pooled import Measurements
from pipeline.evaluation.segments import groups_at, segment_rows
from pipeline.models.params import Params
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from tests.shelf import day, events, give

BREAD, TEA, MILK = "bread", "tea", "milk"
CATEGORIES = {item: (BREAD, TEA, MILK)[item // 10] for item in range(30)}
Rows = dict[tuple[str, str], dict[str, Any]]


def shop() -> list[tuple[object, ...]]:
    """Users 0 to 11 came once for bread, 12 to 23 twice for tea, lately; 24 to 35 six times for milk.

    Everybody buys one more item of the category after day 86, and many looked at something else before.
    """
    rows: list[tuple[object, ...]] = []
    for user in range(36):
        first = 10 * (user // 12)
        for trip in range((1, 2, 6)[user // 12]):
            rows.append((user, first + trip, (10, 70, 5)[user // 12] + 2 * trip))
        rows.append((user, (first + 10) % 30, 80, "view"))
        rows.append((user, first + 9, 90))
    return rows


@pytest.fixture
def told(job: Callable[..., Job], make_settings: Callable[..., Settings]) -> Callable[..., Rows]:
    """`told(users)`: the groups of a model whose number for the user in place n is n / 100."""
    new_job = job(as_of=day(100), settings=make_settings(als={"factors": 2}, split={"test_days": 14}))
    parts: dict[str, Any] = {"purchaser_events": events(*shop()), "live": {}}
    n = len(CATEGORIES)
    columns = {"name": pa.nulls(n, pa.string()), "category": list(CATEGORIES.values())}
    numbers = {name: pa.nulls(n, pa.float64()) for name in ("price", "discount")}
    parts["items"] = pa.table(
        {"item_id": list(CATEGORIES), **columns, **numbers, "available": pa.nulls(n, pa.bool_())}
    )

    def make(users: dict[int, str] | None = None) -> Rows:
        if users:
            parts["users"] = pa.table({"user_id": list(users), "segment": list(users.values())})
        give(new_job.folder, **parts)
        run_stage("split", new_job)
        [fold], settings = folds.tests(new_job.folder), new_job.settings
        params, scratch = Params.configured(settings), new_job.folder.scratch()
        with at(fold, params, settings, new_job.folder.dataset("items"), scratch) as models:
            judge = judge_of(models, fold)
            assert judge.n_users == 36
            scores = {"als": {"precision_at_3": np.arange(36) / 100}}
            groups = groups_at(new_job, models, judge.held_out)
        who = Measurements.of([(fold.cut_at, judge.held_out)])
        rows = segment_rows(new_job, [groups], who, scores).to_pylist()
        return {(row["kind"], row["segment"]): row for row in rows}

    return make


def mean(first: int, last: int) -> float:
    """Of n / 100 for the users from `first` to `last`."""
    return (first + last) / 200


def test_by_how_often_they_came(told: Callable[..., Rows]) -> None:
    rows = told()
    for segment, first in (("light buyers", 0), ("in between", 12), ("heavy buyers", 24)):
        row = rows["activity", segment]
        assert row["n_users"] == 12
        assert row["precision_at_3"] == pytest.approx(mean(first, first + 11))
        assert row["ci_low"] < row["precision_at_3"] < row["ci_high"]


def test_by_how_long_they_are_known(told: Callable[..., Rows]) -> None:
    """Only those of the tea came within 60 days before the cut; a view makes nobody known."""
    rows = told()
    assert rows["tenure", "first bought within 60 days"]["precision_at_3"] == pytest.approx(mean(12, 23))
    assert rows["tenure", "known for longer"]["n_users"] == 24


def test_by_the_category_they_bought_most_from(told: Callable[..., Rows]) -> None:
    """What they looked at does not count."""
    rows = told()
    for category, first in ((BREAD, 0), (TEA, 12), (MILK, 24)):
        assert rows["category", category]["n_users"] == 12
        assert rows["category", category]["precision_at_3"] == pytest.approx(mean(first, first + 11))


def test_by_the_shops_own_segment_where_it_is_large_enough(told: Callable[..., Rows]) -> None:
    """User 3 has none; five are too few to tell; a segment nobody measured is in does not appear."""
    users = dict.fromkeys(range(18), "gold") | dict.fromkeys(range(18, 23), "few")
    users |= dict.fromkeys(range(23, 36), "silver") | {99: "bronze"}
    del users[3]
    rows = {key: row for key, row in told(users).items() if key[0] == "segment"}
    assert set(rows) == {("segment", "gold"), ("segment", "silver")}
    assert rows["segment", "gold"]["n_users"] == 17
    assert rows["segment", "gold"]["precision_at_3"] == pytest.approx((18 * mean(0, 17) - 0.03) / 17)
    assert rows["segment", "silver"]["precision_at_3"] == pytest.approx(mean(23, 35))


def test_a_shop_without_users_has_no_segments_of_its_own(told: Callable[..., Rows]) -> None:
    assert {kind for kind, _ in told()} == {"activity", "tenure", "category"}
