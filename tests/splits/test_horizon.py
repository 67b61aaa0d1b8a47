"""The horizon that a shop of each rhythm gets, and that what is counted is what the split holds out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Filter, Run, Settings
from pipeline.engines.local import LOCAL
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from pipeline.splits.folds import Fold
from pipeline.splits.history import opened
from pipeline.splits.holdout import hold_out
from pipeline.splits.horizon import Cuts, TestDays, cuts, in_words
from tests import tastes
from tests.shelf import day, events, give

Rows = list[tuple[Any, ...]]
NOWHERE = Path("nowhere")
"""Nothing of so few rows is spilled."""


def every(n_days: int, n_users: int, last: int, first: int = 0) -> Rows:
    """Each user buys another item every `n_days` days of `[first, last)`, on each day as many users."""
    return [
        (user, at, at) for user in range(n_users) for at in range(first, last) if at % n_days == user % n_days
    ]


def chosen(rows: Rows, as_of: float, test_days: TestDays = "auto", *, excludes_repeats: bool = True) -> Cuts:
    first_at = day(min(row[2] for row in rows))
    with LOCAL.tables(Run(), NOWHERE) as db:
        db.give("purchaser_events", events(*rows))
        return cuts(db, first_at, day(as_of), test_days, excludes_repeats=excludes_repeats)


def test_the_shortest_time_and_the_fewest_cuts_that_measure_enough() -> None:
    """700 people a day: three days. Before those, three more to choose on."""
    made = chosen(every(1, 700, 30), 30)
    assert (made.test_days, made.of_test, made.of_validation) == (1, (700,) * 3, (700,) * 3)
    assert (made.test_from, made.validation_from) == (day(27), day(24))
    assert in_words(made) == (
        "judged by what buyers bought within 1 day of getting the list: the shortest time in which 3 cuts"
        " together measure 2,000 buyers, each counted at every cut (2,100)"
    )


def test_a_cut_that_measures_enough_alone_is_the_only_one_of_the_test() -> None:
    """To choose on there are two all the same."""
    made = chosen(every(1, 2_000, 20), 20)
    assert (made.test_days, made.of_test, made.of_validation) == (1, (2_000,), (2_000,) * 2)
    assert in_words(made).endswith("the shortest time in which one cut measures 2,000 buyers (2,000)")
    almost = chosen(every(1, 1_999, 20), 20)
    assert (almost.test_days, almost.of_test) == (1, (1_999,) * 2)


def test_the_horizon_grows_until_five_cuts_are_enough() -> None:
    """450 people who come every fourth day: in three days a cut has 336 or 339 of them, in four all."""
    made = chosen(every(4, 450, 64), 64)
    assert (made.test_days, made.of_test) == (4, (450,) * 5)
    assert made.test_from == day(44)
    assert made.of_validation == (450,) * 4, "1,500 are enough to choose on"


def test_a_third_of_the_history_is_the_most_that_the_cuts_reach_over() -> None:
    """The same people in 36 days: of four days there are three cuts, of five and six two, of twelve one."""
    made = chosen(every(4, 450, 36), 36)
    assert (made.test_days, made.of_test, made.of_validation) == (12, (450,), (450,))
    assert (made.test_from, made.validation_from) == (day(24), day(12))
    assert in_words(made).endswith(
        "the longest that the history allows, because one cut measures 450 buyers,"
        " and no shorter time measures 2,000"
    )


def test_a_small_shop_comes_to_fourteen_days_and_as_many_cuts_as_measure_anybody() -> None:
    made = chosen(every(7, 20, 365), 365)
    assert (made.test_days, made.of_test, made.of_validation) == (14, (20,) * 5, (20,) * 5)
    assert in_words(made) == (
        "judged by what buyers bought within 14 days of getting the list: the longest that is tried, because"
        " 5 cuts together measure 100 buyers, each counted at every cut, and no shorter time measures 2,000"
    )


def test_days_that_are_asked_for_are_one_cut_and_at_least_two_before_it() -> None:
    made = chosen(every(7, 20, 365), 365, 14)
    assert (made.test_days, made.of_test, made.of_validation) == (14, (20,), (20,) * 5)
    assert in_words(made).endswith("as split.test_days says; one cut measures 20 buyers")
    many = chosen(every(1, 1_500, 12), 12, 2)
    assert (many.of_test, many.of_validation) == ((1_500,), (1_500,) * 2)
    assert chosen(every(1, 2_500, 12), 12, 2).of_validation == (2_500,) * 2
    assert chosen(every(1, 2_500, 11), 11, 2).of_validation == (2_500,), "a third has no room for two"


def test_a_short_history_is_cut_into_thirds() -> None:
    made = chosen(every(1, 20, 12), 12, 7)
    assert (made.test_days, made.of_test, made.of_validation) == (4, (20,), (20,))
    assert in_words(made).endswith(
        "within 4 days of getting the list: a third of the history, which is shorter than 3 x 7 days; one cut"
        " measures 20 buyers"
    )
    auto = chosen(every(1, 20, 12), 12)
    assert (auto.test_days, auto.of_test) == (4, (20,))


def test_a_shop_of_one_day_is_cut_into_thirds_of_it() -> None:
    rows = [(user, at, at / 24) for user in range(5) for at in range(24)]
    made = chosen(rows, 1)
    assert (made.horizon, made.of_test, made.of_validation) == (timedelta(hours=8), (5,), (5,))
    assert in_words(made) == (
        "judged by what buyers bought within 0.333 days of getting the list: a third of the history; one cut"
        " measures 5 buyers"
    )


def test_a_shop_of_one_moment_measures_nobody() -> None:
    with LOCAL.tables(Run(), NOWHERE) as db:
        db.give("purchaser_events", events((1, 5, 0)))
        microsecond = timedelta(microseconds=1)
        for test_days in ("auto", 14):
            made = cuts(db, day(0), day(0) + microsecond, test_days, excludes_repeats=False)
            assert (made.horizon, made.of_test, made.of_validation) == (timedelta(0), (0,), (0,))
            assert made.validation_from == made.test_from == made.as_of


def test_one_huge_day_is_enough_as_soon_as_the_cuts_reach_it() -> None:
    """3,000 people who were there before come to a sale 7 days before the end; else 40 come a day.

    Two days are the first of which five cuts reach it. Four do: the sale is all that the oldest measures.
    """
    regulars = every(1, 40, 60)
    sale = [(user, item, at) for user in range(40, 3_040) for item, at in ((900, 5.5), (901, 52.5))]
    made = chosen([*regulars, *sale], 60)
    assert (made.test_days, made.of_test) == (2, (3_040, 40, 40, 40))
    assert made.of_validation == (40,) * 5
    yesterday = [(user, item, at + 7 if item == 901 else at) for user, item, at in sale]
    assert chosen([*regulars, *yesterday], 60).of_test == (3_040,), "and if it was yesterday, it is all"


def test_a_shop_asleep_for_its_last_weeks_is_judged_by_when_it_was_awake() -> None:
    """Nobody bought in the last 20 days. Of seven days the third cut is the first to reach beyond."""
    made = chosen(every(1, 700, 70, first=-60), 90)
    assert (made.test_days, made.of_test, made.of_validation) == (7, (700, 700, 700, 0, 0), (700,) * 3)
    few = chosen(every(1, 30, 70), 90)
    assert (few.test_days, few.of_test) == (14, (30, 0))
    long_ago = chosen(every(1, 30, 70, first=-60), 200)
    assert (long_ago.test_days, long_ago.of_test) == (14, (0,)), "five cuts reach back for 70 days, not 130"


def test_an_event_changes_nothing_that_is_counted_at_the_cuts_before_it() -> None:
    rows = every(3, 300, 60)
    before = chosen(rows, 60, 4, excludes_repeats=False)
    later = [(user, 7, 59.9) for user in range(300, 500)] + [(1, 7, 57)]
    after = chosen([*rows, *later], 60, 4, excludes_repeats=False)
    assert after.of_validation == before.of_validation


@pytest.fixture
def split(job: Callable[..., Job], make_settings: Callable[..., Settings]) -> Callable[..., Job]:
    """`split(rows, as_of, mode)`: a run that has come as far as `split`."""

    def make(rows: Rows, as_of: float, mode: str, run_id: str = "night") -> Job:
        settings = make_settings(run={"repeat_purchases": mode}, filter={"min_events": 5})
        night = job(run_id=run_id, as_of=day(as_of), settings=settings)
        give(night.folder, purchaser_events=events(*rows))
        run_stage("split", night)
        return night

    return make


def n_held_out(night: Job, fold: Fold) -> int:
    excludes = night.settings.run.excludes_repeats
    with opened(fold.before, fold.cut_at, Filter(), Run(), night.folder.scratch()) as history:
        held_out = hold_out(
            history, fold.later, is_repeat_relevant=not excludes, since=fold.since, until=fold.until
        )
    return len(held_out.rows)


@pytest.mark.parametrize("mode", ["allow", "exclude"])
def test_as_many_are_held_out_at_each_cut_as_are_counted(split: Callable[..., Job], mode: str) -> None:
    """A cut on which the shop is closed is no fold; people whom the filters leave out are measured too."""
    shop = tastes.shop().to_pylist()
    rows = [
        (row["user_id"], row["item_id"], (row["occurred_at"] - day(0)) / timedelta(days=1))
        for row in shop
        if not day(72) <= row["occurred_at"] < day(86)
    ]
    night = split([*rows, (77, 1, 50), (77, 2, 90), (77, 3, 91)], 100, mode)
    document = night.folder.document("split")
    assert (document["n_test_cuts"], document["n_validation_cuts"]) == (1, 2)
    assert document["measured_at"]["validation_set"][1] == 0
    for part, over in (("test", folds.tests), ("validation_set", folds.validations)):
        counted = [n_users for n_users in document["measured_at"][part] if n_users]
        assert [n_held_out(night, fold) for fold in over(night.folder)] == counted
    assert document["n_measured"] == night.folder.receipt("split")["counts"]["n_measured_users"]
    assert document["n_measured"] == sum(document["measured_at"]["test"]) > 20


def test_the_same_input_leaves_the_same_bytes(split: Callable[..., Job]) -> None:
    rows = every(4, 450, 64)
    one, other = (split(given, 64, "exclude", name) for given, name in ((rows, "a"), (rows[::-1], "b")))
    for name in ("train", "validation_set", "test", "split"):
        assert one.folder.file(name).read_bytes() == other.folder.file(name).read_bytes(), name
    document = one.folder.document("split")
    assert (document["asked_days"], document["test_days"], document["n_test_cuts"]) == ("auto", 4, 5)
    assert (document["validation_from"], document["test_from"]) == (day(28).isoformat(), day(44).isoformat())
    assert document["n_measured"] == 2_250
    assert document["horizon"].endswith(
        "in which 5 cuts together measure 2,000 buyers, each counted at every cut (2,250)"
    )
