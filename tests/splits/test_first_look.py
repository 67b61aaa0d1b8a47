"""The first look: what it counts is what the split measures, and what it proposes follows from its rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.config import Settings
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits.first_look import FirstLook, Mode, look
from pipeline.splits.first_look_words import FLAGS, SETTINGS, lines
from tests.shelf import day, events, give

Rows = list[tuple[Any, ...]]
Look = Callable[..., FirstLook]

EVERY_WEEK_THE_SAME: Rows = [(u, u % 5, 7 * w + u / 30) for u in range(1, 31) for w in range(14)]
EVERY_MONTH_ANOTHER: Rows = [(u, m + u % 3, 30 * m + u) for u in range(1, 21) for m in range(4)]
ONE_ORDER_EACH: Rows = [(u, i, 2 * u) for u in range(1, 21) for i in (1, 8)]
TWO_WEEKS: Rows = [(u, u % 4 + n, 4 * n + u / 8) for u in range(1, 17) for n in range(4)]
ONLY_THE_SAME_LATER: Rows = [
    *((u, 100 + n, n + u / 50) for u in range(1, 11) for n in range(12)),
    *((u, 100, 99) for u in range(1, 11)),
]
"""Much that is new for twelve days, of which a tenth of the purchases later is not; then the same again."""
SHOPS = [EVERY_WEEK_THE_SAME, EVERY_MONTH_ANOTHER, TWO_WEEKS, ONLY_THE_SAME_LATER]


@pytest.fixture
def first_look(tmp_path: Path, make_settings: Callable[..., Settings]) -> Look:
    """`first_look(rows, as_of, split={"test_days": ...})`."""

    def make(rows: Rows, as_of: datetime, **sections: dict[str, Any]) -> FirstLook:
        pq.write_table(events(*rows), tmp_path / "events.parquet")
        return look(tmp_path / "events.parquet", make_settings(**sections), as_of, tmp_path / "spill")

    return make


def end_of(rows: Rows) -> datetime:
    return day(end_day(rows) + 0.001)


def end_day(rows: Rows) -> float:
    return float(max(row[2] for row in rows))


@pytest.mark.parametrize("mode", ["allow", "exclude"])
@pytest.mark.parametrize("test_days", ["auto", 2, 14, 60])
@pytest.mark.parametrize("rows", [*SHOPS, ONE_ORDER_EACH])
def test_as_many_are_measured_as_it_says(
    first_look: Look,
    job: Callable[..., Job],
    make_settings: Callable[..., Settings],
    rows: Rows,
    test_days: int | str,
    mode: Mode,
) -> None:
    """A view before the first purchase belongs to the history too, and a return does not count."""
    rows = [*rows, (1, 1, -20, "view"), (2, 1, -10, "purchase", None, -1.0), (99, 1, -200, "view")]
    sections = {"split": {"test_days": test_days}, "run": {"repeat_purchases": mode}}
    asked = first_look(rows, end_of(rows), **sections).asked
    night = job(as_of=end_of(rows), settings=make_settings(**sections))
    give(night.folder, events=events(*rows), validation={})
    run_stage("filter_purchasers", night)
    run_stage("split", night)
    document = night.folder.document("split")
    if document["unmeasured"]:
        assert asked.n_users == 0, "a cut in time measures nobody"
    else:
        assert asked.n_users == night.folder.receipt("split")["counts"]["n_measured_users"] > 0
        assert len(asked.where.of_test) == document["n_test_cuts"]
        assert asked.where.test_days == document["test_days"]
        assert asked.where.test_from.isoformat() == document["test_from"]


@pytest.mark.parametrize(
    ("rows", "mode", "days", "n_cuts"),
    [
        (EVERY_WEEK_THE_SAME, "allow", 14, 2),
        (EVERY_MONTH_ANOTHER, "exclude", 14, 2),
        (TWO_WEEKS, "exclude", 4, 1),
    ],
)
def test_a_shop_of_that_rhythm_is_proposed(
    first_look: Look, rows: Rows, mode: Mode, days: int, n_cuts: int
) -> None:
    """So few people are never enough: the longest horizon that is tried, at as many cuts as a third holds."""
    asked = {"run": {"repeat_purchases": mode}, "split": {"test_days": 2}}
    found = first_look(rows, end_of(rows), **asked)
    proposed = found.proposed
    assert proposed is not None
    assert (proposed.repeat_purchases, proposed.test_days) == (mode, "auto")
    assert (proposed.where.test_days, len(proposed.where.of_test)) == (days, n_cuts)
    assert any(line.startswith("proposed: ") for line in lines(found, FLAGS))
    again = first_look(rows, end_of(rows), **{**asked, "split": {"test_days": "auto"}})
    assert again.asked == again.proposed == proposed
    assert "that is also what is proposed" in lines(again, FLAGS)


def test_where_auto_measures_nobody_the_days_that_measure_most_are_proposed(first_look: Look) -> None:
    """Nobody has bought for 90 days: five cuts of fourteen reach back for 70."""
    as_of = day(end_day(EVERY_WEEK_THE_SAME) + 300)
    rows: Rows = [
        *EVERY_WEEK_THE_SAME,
        *((u, u % 5, end_day(EVERY_WEEK_THE_SAME) + 210) for u in range(1, 31)),
    ]
    found = first_look(rows, as_of, run={"window_days": 500})
    assert found.proposed is not None
    assert (found.proposed.repeat_purchases, found.proposed.test_days, found.proposed.n_users) == (
        "allow",
        90,
        30,
    )
    same = {"run": {"window_days": 500, "repeat_purchases": "allow"}, "split": {"test_days": 90}}
    assert first_look(rows, as_of, **same).asked == found.proposed
    assert "  90 days, because auto measures nobody: nobody has bought what counts for a while" in lines(
        found, FLAGS
    )


def test_where_one_mode_measures_nobody_the_other_is_proposed(first_look: Look) -> None:
    found = first_look(ONLY_THE_SAME_LATER, end_of(ONLY_THE_SAME_LATER))
    assert found.buyers["n_again"] / found.buyers["n_later"] < 0.1
    assert found.proposed is not None
    assert found.proposed.repeat_purchases == "allow"
    assert "  allow, because only so can anybody be measured" in lines(found, FLAGS)


def test_where_nobody_comes_back_nothing_is_proposed(first_look: Look) -> None:
    found = first_look(ONE_ORDER_EACH, end_of(ONE_ORDER_EACH))
    assert (found.proposed, found.asked.n_users) == (None, 0)
    assert found.document()["proposed"] is None
    assert (
        lines(found, FLAGS)[1:]
        == lines(found, SETTINGS)[1:]
        == [
            "20 buyers: nobody bought on a second day",
            "no cut in time measures anybody, whatever the settings: that takes buyers who come back."
            " A longer history helps only if they do so in it",
        ]
    )


def test_where_nobody_bought_or_nothing_is_in_the_window_no_more_is_said(first_look: Look) -> None:
    assert lines(first_look([(1, 5, 1, "view"), (2, 5, 2, "view")], day(3)), FLAGS) == [
        "2 events (all views) of 2 users and 1 item, 2026-01-02 to 2026-01-03",
        "nobody bought anything",
    ]
    assert lines(first_look([(1, 5, 1)], day(1)), FLAGS) == [
        "1 event (all purchases) of 1 user and 1 item, 2026-01-02 to 2026-01-02",
        "0 of the events lie in the 365 days before 2026-01-02 and are read; what follows is about these",
    ]


def test_what_is_said_of_a_shop(first_look: Look) -> None:
    rows: Rows = [*EVERY_MONTH_ANOTHER, (1, 1, 1.5, "view"), (1, 1, 95, "return"), (2, 1, 9, "cart")]
    found = first_look(rows, end_of(rows), run={"window_days": 95}, split={"test_days": 14})
    assert lines(found, FLAGS) == [
        "83 events (1 view, 1 cart, 80 purchases, 1 other) of 20 users and 6 items, 2026-01-02 to 2026-04-21",
        "66 of the events lie in the 95 days before 2026-04-21 and are read; what follows is about these",
        "20 buyers: 20 (100%) bought on a second day too, half of them within 30 days of the first",
        "0% of the purchases are of an item that its buyer had bought on an earlier day;"
        " after a buyer's first day 0%",
        "as asked, with --repeat-purchases exclude --test-days 14: 14 people can be measured within 14 days"
        " of a cut, Precision@3 to about ±0.17",
        "proposed: --repeat-purchases exclude --test-days auto: 20 people, counted at each of 2 cuts, can be"
        " measured within 14 days of it, Precision@3 to about ±0.15",
        "  exclude, because those who come back seldom buy the same again (0%): lists hold other items",
        "  auto, which is 14 days here: the longest that is tried, because 2 cuts together measure 20 buyers,"
        " each counted at every cut, and no shorter time measures 2,000",
    ]


def test_a_night_is_told_of_its_settings_in_the_same_words(first_look: Look) -> None:
    found = first_look(EVERY_MONTH_ANOTHER, end_of(EVERY_MONTH_ANOTHER))
    flags, settings = lines(found, FLAGS), lines(found, SETTINGS)
    named = 'run.repeat_purchases = "exclude", split.test_days = "auto"'
    as_flags = [line.replace(named, "{}") for line in settings]
    assert [line.replace("--repeat-purchases exclude --test-days auto", "{}") for line in flags] == as_flags
    assert as_flags != flags
