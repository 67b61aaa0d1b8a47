"""What a shop's events say before any model is fitted: who comes back, for what, and how to measure it.

Two settings are proposed from the shop's own rhythm; nothing is changed.

`repeat_purchases`: `allow` where at least one in ten (OFTEN) of the purchases after a buyer's first day is of
an item that the buyer had bought before, else `exclude`. Such purchases fall on the few items that a buyer
had, the others on the whole shop: of two equal shares of purchases they are by far the easier ones to hit. In
made-up shops of ever fewer such purchases, the rule `own_most_bought` beat the other rules down to 7 in 100.

`test_days`: the shortest test that measures ENOUGH people, because a list lives one night and each further
day is further from it. In whole weeks, so that each weekday counts the same; in days where the history is
shorter than three weeks, since each part of the split needs a third of it. Where no test measures that many,
the shortest that measures nine tenths (NEARLY) of the most that any does: a tenth more people narrow an
interval by a twentieth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import sqrt
from pathlib import Path
from typing import Any, Literal

import duckdb

from pipeline import engine
from pipeline.config import Settings
from pipeline.splits.folds import cuts
from pipeline.splits.horizon import days_of
from pipeline.splits.unmeasured import MOST_TEST_DAYS, measured_at, span
from pipeline.times import utc

Mode = Literal["allow", "exclude"]
ENOUGH = 1_000
"""People, for a 95 % interval of Precision@3 that reaches at most 0.021 to each side. That of the difference
between two models, which decides, is about half as wide: the same people are measured under both."""
SPREAD = 1 / 3
"""The standard deviation of Precision@3 between the people of a shop; 0.1 to 0.31 in those we measured."""
NEARLY = 0.9
OFTEN = 0.1
WEEK = 7


@dataclass(frozen=True)
class Choice:
    """Settings and what they measure.

    held_out_days: what is held out; less than `test_days` where the history is shorter than three times those
    n_users:       how many people are measured
    """

    repeat_purchases: Mode
    test_days: int
    held_out_days: float
    n_users: int

    @property
    def is_shortened(self) -> bool:
        """Whether the history is too short for `test_days`."""
        return self.held_out_days < self.test_days

    @property
    def margin(self) -> float:
        """How far the 95 % interval of Precision@3 reaches to each side, at most."""
        return 1.96 * SPREAD / sqrt(max(self.n_users, 1))

    def is_like(self, other: Choice) -> bool:
        """Whether both measure in one mode, over days that are less than one day apart."""
        return (
            self.repeat_purchases == other.repeat_purchases
            and abs(self.held_out_days - other.held_out_days) < 1
        )


@dataclass(frozen=True)
class FirstLook:
    """A shop before any model.

    events:      all of them, as `event_kinds.sql` counts them
    n_in_window: events in the window of `run.window_days` before `as_of`; all that follows is about them
    buyers:      who comes back, as `coming_back.sql` counts them
    asked:       the settings asked for
    proposed:    those proposed; None where no cut in time measures anybody
    choices:     every length that the test could have in the mode proposed, shortest first
    """

    as_of: datetime
    window_days: int
    events: Mapping[str, Any]
    n_in_window: int
    buyers: Mapping[str, Any]
    asked: Choice
    proposed: Choice | None
    choices: tuple[Choice, ...]

    @property
    def is_often(self) -> bool:
        """Whether those who come back buy the same again OFTEN."""
        return is_often(self.buyers)

    def document(self) -> dict[str, Any]:
        """The numbers as JSON."""
        times = {name: utc(self.events[name]).isoformat() for name in ("first_at", "last_at")}
        return {
            **self.events,
            **times,
            "n_in_window": self.n_in_window,
            **self.buyers,
            "asked": asdict(self.asked),
            "proposed": self.proposed and asdict(self.proposed),
        }


def look(events: Path, settings: Settings, as_of: datetime, spill: Path) -> FirstLook:
    """The first look at the dataset `events`, a Parquet file in which some event has a time.

    as_of: the end of the test. The people who are measured are those whom the stage `split` counts by `time`.
    """
    run = settings.run
    with engine.connect(run.memory_limit_gb, run.threads, spill) as db:
        engine.view(db, "events", events)
        kinds = _row(db, "event_kinds")
        engine.view(db, "events", events, since=as_of - timedelta(days=run.window_days), until=as_of)
        db.sql("SELECT DISTINCT user_id FROM events").create_view("users")
        engine.keep(db, "purchaser_events", "purchaser_events")
        n_in_window = int(db.sql("SELECT count(*) FROM events").fetchall()[0][0])
        buyers = _row(db, "coming_back")
        measure = _measuring(db, as_of)
    asked = measure(run.repeat_purchases, days_of(settings.split))
    modes: tuple[Mode, Mode] = ("allow", "exclude") if is_often(buyers) else ("exclude", "allow")
    longest = measure("allow", MOST_TEST_DAYS).held_out_days
    of_modes = (tuple(measure(mode, days) for days in lengths(longest)) for mode in modes)
    choices = next((c for c in of_modes if any(choice.n_users for choice in c)), ())
    return FirstLook(
        as_of,
        run.window_days,
        kinds,
        n_in_window,
        buyers,
        asked,
        _proposed(asked, choices) if choices else None,
        choices,
    )


def is_often(buyers: Mapping[str, Any]) -> bool:
    """Whether OFTEN of what buyers bought after their first day was of an item bought before."""
    return bool(buyers["n_again"] >= OFTEN * max(buyers["n_later"], 1))


def lengths(longest: float) -> list[int]:
    """The days that a test may have, up to `longest`: whole weeks, or days where not even one week fits."""
    step = WEEK if longest >= WEEK else 1
    return list(range(step, max(int(longest), 1) + 1, step))


def _proposed(asked: Choice, choices: Sequence[Choice]) -> Choice:
    """The shortest of `choices`; what was asked for, where it is in that mode and measures many more."""
    best = shortest(choices)
    is_better = asked.repeat_purchases == best.repeat_purchases and best.n_users < NEARLY * asked.n_users
    return asked if is_better and best.n_users < ENOUGH else best


def shortest(choices: Sequence[Choice]) -> Choice:
    """The shortest that measures ENOUGH people, or NEARLY as many as any; choices: shortest first"""
    goal = min(ENOUGH, NEARLY * max(choice.n_users for choice in choices))
    return next(choice for choice in choices if choice.n_users >= goal)


def _measuring(db: duckdb.DuckDBPyConnection, as_of: datetime) -> Callable[[Mode, int], Choice]:
    """How many people a test of so many days before `as_of` measures in a mode."""
    spans = engine.rows(db, "purchase_spans").read_all()
    first_at = span(db)[0] if spans.num_rows else as_of

    def measure(mode: Mode, test_days: int) -> Choice:
        where = cuts(first_at, as_of, test_days)
        n_users = measured_at(spans, where.test_from, mode == "exclude")
        return Choice(mode, test_days, where.test_days, n_users)

    return measure


def _row(db: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    """The one row of a statement."""
    row: dict[str, Any] = engine.rows(db, name).read_all().to_pylist()[0]
    return row
