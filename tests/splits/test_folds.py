"""The cuts: which events lie before and after each, in histories long and short and in every split."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.config import Filter, Run, Settings
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from pipeline.splits.folds import Fold
from pipeline.splits.history import opened
from pipeline.splits.holdout import hold_out
from tests.shelf import DAY_0, day, events, give

Row = tuple[object, ...]


@pytest.fixture
def cut(job: Callable[..., Job], make_settings: Callable[..., Settings]) -> Callable[..., RunFolder]:
    """`cut(rows, as_of, test_days=10, method="time")`: a run that has come as far as `split`."""

    def make(rows: list[Row], as_of: float, test_days: int = 10, method: str = "time") -> RunFolder:
        settings = make_settings(
            split={"test_days": test_days, "method": method}, run={"repeat_purchases": "allow"}
        )
        new_job = job(as_of=day(as_of), settings=settings)
        give(new_job.folder, purchaser_events=events(*rows))
        run_stage("split", new_job)
        return new_job.folder

    return make


def both_sides(folder: RunFolder, fold: Fold) -> tuple[list[int], list[int]]:
    """The items that lie before a fold's cut, and those it asks about."""
    with opened(fold.before, fold.cut_at, Filter(), Run(), folder.scratch()) as history:
        held_out = hold_out(history, fold.later, is_repeat_relevant=True, since=fold.since, until=fold.until)
        item_ids = history.item_ids.to_pylist()
        assert len(held_out.rows) <= 1
        return item_ids, [item_ids[place] for place in held_out.items.indices]


def day_by_day(last: int) -> list[Row]:
    """User 1 buys every item on its own day, and all of them in a first moment, so that all are known."""
    return [(1, item, 0) for item in range(last)] + [(1, item, item) for item in range(1, last)]


def test_every_event_is_on_one_side_of_a_cut_and_one_at_the_cut_is_after_it(
    cut: Callable[..., RunFolder],
) -> None:
    """Days 0 to 99, cuts ten days apart: one of the test, on day 90, three before it; others a week apart."""
    folder = cut(day_by_day(100), 100)
    over = [*folds.tests(folder), *folds.validations(folder)[::-1], *folds.earlier(folder, 4)]
    begin, lengths = (90, 80, 70, 60, 53, 46, 39, 32), (10, 10, 10, 10, 7, 7, 7, 7)
    assert [fold.cut_at for fold in over] == [day(n) for n in begin]
    assert len(folds.validations(folder)) == 3
    for fold, first, length in zip(over, begin, lengths, strict=True):
        items, asked = both_sides(folder, fold)
        assert items == list(range(100))
        assert asked == list(range(first, first + length))
        with opened(fold.before, fold.cut_at, Filter(), Run(), folder.scratch()) as history:
            assert history.purchases().sum() == 100 + first - 1


def test_as_many_as_the_history_holds(cut: Callable[..., RunFolder]) -> None:
    """60 days before validation: seven weeks, and eleven days before the oldest of them."""
    folder = cut(day_by_day(100), 100)
    assert len(folds.earlier(folder, 0)) == 0
    assert len(folds.earlier(folder, 99)) == 7
    assert folds.earlier(folder, 99)[-1].cut_at == day(11)


@pytest.mark.parametrize(
    ("as_of", "test_from", "earlier"),
    [
        (50, 40, [23, 16, 9]),  # 30 days before validation: three weeks, and more before them
        (44, 34, [17, 10]),  # 24 days: two weeks
        (30, 20, [20 / 3, 10 / 3]),  # just three times test_days
        (18, 12, [4, 2]),  # less: the test is six days, and so is what lies before validation
    ],
)
def test_a_short_history_has_shorter_windows(
    cut: Callable[..., RunFolder], as_of: int, test_from: float, earlier: list[float]
) -> None:
    folder = cut(day_by_day(as_of), as_of)
    assert folds.tests(folder)[0].cut_at == day(test_from)
    windows = folds.earlier(folder, 9)
    for fold, wanted in zip(windows, earlier, strict=True):
        assert abs(fold.cut_at - day(wanted)) < timedelta(seconds=1)
    ends = [folds.validations(folder)[-1].cut_at, *(fold.cut_at for fold in windows)]
    assert [fold.until for fold in windows] == ends[:-1], "each asks about the days up to the next"


def test_random_rows_are_all_before_as_of(cut: Callable[..., RunFolder]) -> None:
    """Rows have no cut in time: both folds are at as_of, earlier ones lie within `train`, a sixth each."""
    folder = cut([(user, n % 7, n) for user in range(20) for n in range(60)], 60, method="random")
    for fold in (*folds.validations(folder), *folds.tests(folder)):
        assert (fold.cut_at, fold.since, fold.until) == (day(60), None, None)
    earlier = folds.earlier(folder, 9)
    assert [round((fold.cut_at - DAY_0) / timedelta(days=1) - 0.5, 6) for fold in earlier] == [
        50, 40, 30, 20, 10,
    ]  # fmt: skip
    assert {path for fold in earlier for path in (*fold.before, *fold.later)} == {folder.file("train")}


def test_each_users_last_order_is_asked_about_whenever_it_was(cut: Callable[..., RunFolder]) -> None:
    rows = [(1, item, item, "purchase", f"o{item}") for item in range(10)]
    others = [(2, 5, 0, "purchase", "a"), (2, 6, 30, "purchase", "b"), (2, 7, 59, "purchase", "c")]
    folder = cut([*rows, *others], 60, method="last_purchase")
    [fold] = folds.tests(folder)
    with opened(fold.before, fold.cut_at, Filter(), Run(), folder.scratch()) as history:
        held_out = hold_out(history, fold.later, is_repeat_relevant=True, since=fold.since, until=fold.until)
    assert held_out.user_ids.to_pylist() == [1, 2]
    assert held_out.n_items.tolist() == [1, 1]


def test_a_history_of_one_moment_has_no_earlier_fold(run_folder: Callable[..., RunFolder]) -> None:
    folder = run_folder()
    give(
        folder,
        train=events((1, 5, 0)),
        split={"method": "time", "validation_from": day(0).isoformat(), "first_at": day(0).isoformat()},
    )
    assert folds.earlier(folder, 5) == []


def test_the_cuts_of_a_part_divide_it_evenly(run_folder: Callable[..., RunFolder]) -> None:
    """Two cuts of the test, three before it, two days apart; what lies between is history at later ones."""
    folder = run_folder()
    moments = {"first_at": 0, "validation_from": 90, "test_from": 96, "as_of": 100}
    split = {name: day(at).isoformat() for name, at in moments.items()}
    give(
        folder,
        train=events((1, 1, 0)),
        validation_set=events((1, 2, 91)),
        test=events((1, 3, 97)),
        split={
            "method": "time",
            "test_days": 2,
            "n_test_cuts": 2,
            "n_validation_cuts": 3,
            "measured_at": {"validation_set": (4, 5, 6), "test": (7, 8)},
            **split,
        },
    )
    train, validation, test = (folder.file(name) for name in ("train", "validation_set", "test"))
    assert folds.tests(folder) == [
        Fold((train, validation), day(96), (test,), day(96), day(98)),
        Fold((train, validation, test), day(98), (test,), day(98), day(100)),
    ]
    assert folds.validations(folder) == [
        Fold((train,), day(90), (validation,), day(90), day(92)),
        Fold((train, validation), day(92), (validation,), day(92), day(94)),
        Fold((train, validation), day(94), (validation,), day(94), day(96)),
    ]


def rolled(run_folder: Callable[..., RunFolder], days: float, n_test: int, measured: list[int]) -> RunFolder:
    """A split of a hundred days and cuts `days` apart; measured: users at each cut of validation."""
    folder = run_folder()
    test_from = 100 - n_test * days
    moments = {"first_at": 0, "validation_from": test_from - len(measured) * days, "test_from": test_from}
    split = {name: day(at).isoformat() for name, at in {**moments, "as_of": 100}.items()}
    numbers = {"test_days": days, "n_test_cuts": n_test, "n_validation_cuts": len(measured)}
    measured_at = {"validation_set": measured, "test": [9] * n_test}
    parts = {"train": events((1, 1, 0)), "validation_set": events(), "test": events()}
    give(folder, **parts, split={"method": "time", **numbers, **split, "measured_at": measured_at})
    return folder


def spans(over: list[Fold]) -> list[tuple[float, float]]:
    """When each fold's cut is, and where what it asks about ends, in days."""
    return [
        ((fold.cut_at - day(0)) / timedelta(days=1), ((fold.until or day(0)) - day(0)) / timedelta(days=1))
        for fold in over
    ]


@pytest.mark.parametrize(
    ("days", "n_test", "learnt", "latest"),
    [
        # a day: of cuts that lie close together one is learnt from, and what follows it to the test
        (1, 4, [(64, 78), (71, 85), (78, 92), (85, 96), (92, 96)], [(99, 100)]),
        # three days: the oldest cut, and the one nine days later
        (3, 5, [(45, 59), (52, 66), (59, 73), (66, 80), (73, 85), (82, 85)], [(91, 100)]),
        # a fortnight: every cut, and those before them, as far as there is history
        (14, 1, [(9, 23), (16, 30), (23, 37), (30, 44), (44, 58), (58, 72), (72, 86)], [(86, 100)]),
    ],
    ids=["a day", "three days", "a fortnight"],
)  # fmt: skip
def test_rerankers_learn_at_cuts_a_week_apart_what_is_bought_in_a_fortnight(
    run_folder: Callable[..., RunFolder],
    days: int,
    n_test: int,
    learnt: list[tuple[float, float]],
    latest: list[tuple[float, float]],
) -> None:
    """Before the test never about the test; at its own cuts as far as there are events."""
    measured = {1: [700] * 4, 3: [500] * 4, 14: [900] * 4}[days]
    folder = rolled(run_folder, days, n_test, measured)
    assert spans(folds.for_learning(folder, 5)) == learnt
    assert spans(folds.latest_for_learning(folder, 5)) == latest
    train, validation, test = (folder.file(name) for name in ("train", "validation_set", "test"))
    assert folds.for_learning(folder, 5)[0].later == (train, validation)
    assert folds.latest_for_learning(folder, 5)[0].later == (test,)


def test_a_search_is_told_of_the_newest_cuts_that_measure_enough(
    run_folder: Callable[..., RunFolder],
) -> None:
    for n_users, n_cuts in (([600, 600, 1_000], 1), ([600, 600, 999], 2), ([9, 9, 9], 3), ([600, 0, 900], 2)):
        folder = rolled(run_folder, 3, 1, n_users)
        assert folds.for_search(folder) == folds.validations(folder)[-n_cuts:], n_users


def test_session_lists_are_judged_at_the_newest_cuts_that_measure_enough(
    run_folder: Callable[..., RunFolder],
) -> None:
    for n_users, n_cuts in (([900, 600, 1_000], 1), ([600, 600, 999], 2), ([9, 9, 9], 3)):
        folder = rolled(run_folder, 3, 3, [700, 700])
        split = {**folder.document("split"), "measured_at": {"validation_set": [700, 700], "test": n_users}}
        give(folder, split=split)
        assert folds.for_session_lists(folder) == folds.tests(folder)[-n_cuts:], n_users
