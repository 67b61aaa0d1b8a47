"""What two cuts of the corner shop measure, put together by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log2

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import Filter, Ids, Run
from pipeline.evaluation.all_models import Judged, JudgedCut, pool
from pipeline.evaluation.judge import Judge, Outcome
from pipeline.evaluation.pooled import Measurements, pooled_row, pooled_scores
from pipeline.runs.folder import RunFolder
from pipeline.splits.folds import Fold
from pipeline.splits.history import opened
from tests import corner
from tests.shelf import day, events

MILK, BREAD, TEA, LATER = range(4)
"""Column numbers; the last item is not known at the older cut."""
SECOND = [(1, corner.MILK, 112), (2, corner.BREAD, 111), (4, corner.LATER, 115)]
LISTS = {
    100: [[MILK, TEA, BREAD], [BREAD, MILK, TEA]],  # user 1 bought what nobody knew, user 2 milk
    110: [
        [MILK, -1, -1],
        [TEA, LATER, MILK],
        [LATER, TEA, -1],
    ],  # users 1, 2 and 4: milk, bread, the new item
}


DIVERSITY = {100: [0.5, 0.25], 110: [np.nan, 1.0, 0.75]}
"""Of each list; the first at the newer cut has one item alone."""


@pytest.fixture
def cuts(run_folder: Callable[..., RunFolder]) -> list[tuple[Fold, Judge, Outcome]]:
    """At days 100 and 110, ten days each, repeats allowed: the judge, and what LISTS reach."""
    folder = run_folder()
    folder.write("purchaser_events", events(*corner.BEFORE, *corner.AFTER, *SECOND))
    file, judged = folder.file("purchaser_events"), []
    for number, lists in LISTS.items():
        fold = Fold((file,), day(number), (file,), day(number), day(number + 10))
        with opened([file], fold.cut_at, Filter(), Run(), folder.scratch()) as history:
            judge = Judge.of(history, fold, excludes_repeats=False)
        outcome = judge.outcome(np.array(lists, np.int32), np.array(DIVERSITY[number]))
        judged.append((fold, judge, outcome))
    return judged


@pytest.fixture
def measurements(cuts: list[tuple[Fold, Judge, Outcome]]) -> Measurements:
    return Measurements.of([(fold.cut_at, judge.held_out) for fold, judge, _ in cuts])


def test_a_buyer_is_measured_at_each_cut_and_counts_once(measurements: Measurements) -> None:
    """User 4 first bought after the older cut, user 3 never came back."""
    assert measurements.user_ids.to_pylist() == [1, 2, 1, 2, 4]
    assert measurements.cut_at.to_pylist() == [day(100), day(100), day(110), day(110), day(110)]
    assert (len(measurements), measurements.n_buyers) == (5, 3)
    assert measurements.clusters.tolist() == [0, 1, 0, 1, 2]


def test_the_row_of_two_cuts_by_hand(
    cuts: list[tuple[Fold, Judge, Outcome]], measurements: Measurements
) -> None:
    row = pooled_row([outcome for *_, outcome in cuts], measurements.clusters, seed=0)
    assert (row["n_users"], row["n_buyers"]) == (5, 3)
    assert row["precision_at_3"] == pytest.approx((0 + 1 / 3 + 1 / 3 + 0 + 1 / 3) / 5)
    assert row["ceiling_at_3"] == pytest.approx((0 + 4 * 1 / 3) / 5)
    assert row["hit_rate_at_10"] == pytest.approx(3 / 5)
    assert row["coverage_at_3"] == pytest.approx((3 / 3 + 3 / 4) / 2), "the mean of the cuts"
    bits = {100: [1, 2, 2, 2, 1, 2], 110: [log2(3), log2(3), log2(6), log2(3), log2(6), log2(3)]}
    assert row["novelty_at_3"] == pytest.approx(sum(bits[100] + bits[110]) / 12), "each by its own cut"
    assert row["popular_share_at_3"] == 1.0
    assert row["gini_at_3"] == pytest.approx((0 + 1 / 4) / 2), "each is shown twice; 2, 0, 2 and 2 times"
    assert row["diversity_at_10"] == pytest.approx((0.5 + 0.25 + 1.0 + 0.75) / 4)
    assert (row["n_cold_users"], row["n_cold_items"]) == (1, 1), "user 4, and the new item, at the older cut"


def test_the_interval_resamples_buyers_with_all_their_measurements(
    cuts: list[tuple[Fold, Judge, Outcome]], measurements: Measurements
) -> None:
    """Each buyer has one hit in all; users 1 and 2 are measured twice, user 4 once. Three draws without user
    4 have 3 hits of 18 slots (29.6 % of the resamples), three of user 4 have 3 of 9 (3.7 %)."""
    row = pooled_row([outcome for *_, outcome in cuts], measurements.clusters, seed=0)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((1 / 6, 1 / 3))


def test_one_cut_alone_is_what_the_judge_measures_there(cuts: list[tuple[Fold, Judge, Outcome]]) -> None:
    for fold, judge, outcome in cuts:
        alone = Measurements.of([(fold.cut_at, judge.held_out)])
        row = pooled_row([outcome], alone.clusters, seed=0)
        assert row["n_users"] == row["n_buyers"] == judge.n_users
        assert row["precision_at_3"] == outcome.scores["precision_at_3"].mean()
        assert row["coverage_at_3"] == outcome.coverage
        assert pooled_scores([outcome])["n_held_out"].tolist() == judge.held_out.n_items.tolist()


def judged_cuts(cuts: list[tuple[Fold, Judge, Outcome]]) -> list[JudgedCut]:
    """The same lists as those of a model that is judged in both modes, and as the published ones."""
    return [
        JudgedCut(
            fold,
            {"exclude": judge.held_out.sampled(0, 0), "allow": judge.held_out},
            {"exclude": {"als": outcome}, "allow": {"als": outcome, "published": outcome}},
            np.empty((judge.n_users, 0), np.int32),
        )
        for fold, judge, outcome in cuts
    ]


def test_a_mode_in_which_nobody_is_measured_has_no_rows_and_users_are_told_by_cut(
    cuts: list[tuple[Fold, Judge, Outcome]],
) -> None:
    judged: Judged = pool(judged_cuts(cuts), "allow", seed=0)
    assert judged.of_mode("exclude") == []
    assert [row["model"] for row in judged.of_mode("allow")] == ["als", "published"]
    rows = judged.user_metrics(Ids()).select(["model", "cut_at", "user_id", "n_held_out", "precision_at_3"])
    third = pytest.approx(1 / 3)
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        (model, day(number), *numbers)
        for model in ("als", "published")
        for number, *numbers in (
            (100, 1, 1, 0.0), (100, 2, 1, third), (110, 1, 1, third), (110, 2, 1, 0.0), (110, 4, 1, third),
        )
    ]  # fmt: skip


def test_a_cut_at_which_nobody_is_measured_changes_no_mean(
    cuts: list[tuple[Fold, Judge, Outcome]],
) -> None:
    fold, judge, outcome = cuts[0]
    empty = replace(judge, held_out=judge.held_out.sampled(0, 0))
    none = empty.outcome(np.empty((0, 3), np.int32), np.empty(0))
    alone = Measurements.of([(fold.cut_at, judge.held_out)])
    with_it = Measurements.of([(fold.cut_at, judge.held_out), (day(110), empty.held_out)])
    row = pooled_row([outcome], alone.clusters, seed=0)
    assert with_it.user_ids.equals(pa.array([1, 2]))
    cold = {"n_cold_users", "n_cold_items"}
    both = pooled_row([outcome, none], with_it.clusters, seed=0)
    assert {name: both[name] for name in both.keys() - cold} == {
        name: row[name] for name in row.keys() - cold
    }
