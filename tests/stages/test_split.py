"""What is held out, in each of the three ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.config import Settings
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits.horizon import one_cut
from tests.shelf import day, events, give, pairs

PARTS = ("train", "validation_set", "test")


def parts(night: Job, *rows: tuple[object, ...]) -> dict[str, list[tuple[object, ...]]]:
    give(night.folder, purchaser_events=events(*rows))
    run_stage("split", night)
    return {part: pairs(night.folder.table(part), "user_id", "item_id") for part in PARTS}


def test_every_cut_is_half_open(job: Callable[..., Job], make_settings: Callable[..., Settings]) -> None:
    """An event exactly at a cut belongs to the later part."""
    night = job(as_of=day(100), settings=make_settings(split={"test_days": 10}))
    rows = parts(night, (1, 5, 0), (1, 6, 59.9), (1, 7, 60), (1, 8, 89.9), (1, 9, 90), (2, 5, 99))
    assert rows == {"train": [(1, 5), (1, 6)], "validation_set": [(1, 7), (1, 8)], "test": [(1, 9), (2, 5)]}
    document = night.folder.document("split")
    assert (document["n_test_cuts"], document["n_validation_cuts"]) == (1, 3)
    assert document["measured_at"] == {"validation_set": [1, 0, 1], "test": [1]}
    assert document["validation_from"] == day(60).isoformat()
    assert document["test_from"] == day(90).isoformat()


def test_a_short_history_is_cut_into_thirds_and_says_so(
    job: Callable[..., Job], make_settings: Callable[..., Settings], said: list[str]
) -> None:
    night = job(as_of=day(30), settings=make_settings(split={"test_days": 14}))
    rows = parts(night, (1, 5, 0), (1, 6, 9), (1, 7, 10), (1, 8, 25))
    assert rows == {"train": [(1, 5), (1, 6)], "validation_set": [(1, 7)], "test": [(1, 8)]}
    [horizon] = [line for line in said if "of getting the list" in line]
    assert horizon == (
        "split: judged by what buyers bought within 10 days of getting the list: a third of the history,"
        " which is shorter than 3 x 14 days; one cut measures 1 buyer"
    )


def test_a_history_of_three_times_test_days_is_not_shortened() -> None:
    assert one_cut(day(0), day(42), 14) == timedelta(days=14)
    almost = timedelta(days=42) - timedelta(seconds=3)
    assert one_cut(day(0), day(0) + almost, 14) == timedelta(days=14) - timedelta(seconds=1)


def test_random_loses_no_row_and_depends_on_the_seed_alone(
    job: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    rows = [(n % 10, n % 17, n / 10) for n in range(400)]
    by_run = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        how = make_settings(
            split={"method": "random", "test_share": 0.2}, run={"seed": seed, "repeat_purchases": "allow"}
        )
        night = job(run_id=name, as_of=day(50), settings=how)
        by_run[name] = parts(night, *rows)
        document = night.folder.document("split")
        assert (document["asked_days"], document["test_days"], document["horizon"]) == ("auto", None, "")
        assert (document["n_test_cuts"], document["n_validation_cuts"], document["measured_at"]) == (
            1,
            1,
            None,
        )
        assert document["n_measured"] == 10
    whole = Counter((u, i) for u, i, _ in rows)
    assert sum((Counter(part) for part in by_run["a"].values()), Counter()) == whole
    assert [len(by_run["a"][part]) for part in PARTS] == [240, 80, 80]
    assert by_run["a"] == by_run["b"] != by_run["c"]


def test_last_purchase_holds_out_each_users_last_order(
    job: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    """Order "c" has two lines minutes apart; the view after it cannot teach. 2 has one order: all is test."""
    how = make_settings(split={"method": "last_purchase"})
    night = job(as_of=day(20), settings=how)
    rows = parts(
        night,
        (1, 5, 0, "purchase", "a"),
        (1, 6, 5, "purchase", "b"),
        (1, 9, 6, "view"),
        (1, 7, 10, "purchase", "c"),
        (1, 8, 10.01, "purchase", "c"),
        (1, 9, 11, "view"),
        (2, 5, 3),
        (2, 6, 2, "view"),
    )
    assert rows == {
        "train": [(1, 5), (2, 6)],
        "validation_set": [(1, 6), (1, 9)],
        "test": [(1, 7), (1, 8), (1, 9), (2, 5)],
    }


@pytest.mark.parametrize(
    ("mode", "rows"),
    [
        ("exclude", [(1, 5, 0), (2, 6, 0), (1, 5, 99)]),  # bought again, nothing new
        ("exclude", [(1, 5, 0), (2, 6, 0)]),  # nothing bought after the cut
        ("allow", [(1, 5, 0), (2, 6, 99)]),  # nobody on both sides
    ],
)
def test_nobody_measurable_is_said_and_the_night_goes_on(
    job: Callable[..., Job], make_settings: Callable[..., Settings], mode: str, rows: list[tuple[object, ...]]
) -> None:
    night = job(as_of=day(100), settings=make_settings(run={"repeat_purchases": mode}))
    cut = parts(night, *rows)
    document = night.folder.document("split")
    assert (document["method"], document["is_unjudged"]) == ("time", True)
    assert document["unmeasured"]["what"].startswith("nobody can be measured")
    assert document["unmeasured"]["then"]
    assert sum(map(len, cut.values())) == len(rows), "the parts of the cut that was asked for"
    assert cut["test"] == [(u, i) for u, i, at in rows if at > 86]
    assert night.folder.receipt("split")["counts"]["n_measured_users"] == 0
