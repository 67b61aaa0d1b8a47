"""What a shop's events say before any model is fitted: who comes back, for what, and how to measure it.

Two settings are proposed from the shop's own rhythm; nothing is changed.

`repeat_purchases`: `allow` where at least one in ten (OFTEN) of the purchases after a buyer's first day is of
an item that the buyer had bought before, else `exclude`. Such purchases fall on the few items that a buyer
had, the others on the whole shop: of two equal shares of purchases they are by far the easier ones to hit. In
made-up shops of ever fewer such purchases, the rule `own_most_bought` beat the other rules down to 7 in 100.

`test_days`: `auto`, which is the shortest horizon whose cuts measure enough people (splits/horizon.py). Where
it measures nobody, because nobody has bought for a while, the days of one cut that measure most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from math import sqrt
from pathlib import Path
from typing import Any, Literal

from pipeline.config import Settings
from pipeline.engines.local import LOCAL
from pipeline.engines.tables import Tables
from pipeline.splits.horizon import Cuts, TestDays, cuts
from pipeline.splits.unmeasured import best_days
from pipeline.times import utc

Mode = Literal["allow", "exclude"]
SPREAD = 1 / 3
"""The standard deviation of Precision@3 between the people of a shop; 0.1 to 0.31 in those we measured."""
OFTEN = 0.1


@dataclass(frozen=True)
class Choice:
    """Settings, and the cuts of the test that come of them."""

    repeat_purchases: Mode
    where: Cuts

    @property
    def test_days(self) -> TestDays:
        """The setting of that name."""
        return self.where.asked_days

    @property
    def n_users(self) -> int:
        """How many people are measured, counted at each cut."""
        return self.where.n_measured

    @property
    def margin(self) -> float:
        """About how far the 95 % interval of Precision@3 reaches to each side, if nobody is counted twice."""
        return 1.96 * SPREAD / sqrt(max(self.n_users, 1))

    def is_like(self, other: Choice) -> bool:
        """Whether the settings are the same."""
        return (self.repeat_purchases, self.test_days) == (other.repeat_purchases, other.test_days)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "repeat_purchases": self.repeat_purchases,
            "test_days": self.test_days,
            "horizon_days": self.where.test_days,
            "n_cuts": len(self.where.of_test),
            "n_users": self.n_users,
        }


@dataclass(frozen=True)
class FirstLook:
    """A shop before any model.

    events:      all of them, as `event_kinds.sql` counts them
    n_in_window: events in the window of `run.window_days` before `as_of`; all that follows is about them
    buyers:      who comes back, as `coming_back.sql` counts them
    asked:       the settings asked for
    proposed:    those proposed; None where no cut in time measures anybody
    """

    as_of: datetime
    window_days: int
    events: Mapping[str, Any]
    n_in_window: int
    buyers: Mapping[str, Any]
    asked: Choice
    proposed: Choice | None

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
            "asked": self.asked.document(),
            "proposed": self.proposed and self.proposed.document(),
        }


def look(events: Path, settings: Settings, as_of: datetime, spill: Path) -> FirstLook:
    """The first look at the dataset `events`, a Parquet file in which some event has a time.

    as_of: the end of the test. The people who are measured are those whom the stage `split` counts by `time`.
    """
    run = settings.run
    with LOCAL.tables(run, spill) as db:
        db.view("events", events)
        kinds = db.row("event_kinds")
        db.view("events", events, since=as_of - timedelta(days=run.window_days), until=as_of)
        # all that is asked of buyers' events is about purchases: those of ten million events fit into memory
        db.keep("purchaser_events", "purchases")
        [n_in_window] = db.query("SELECT count(*) AS n FROM events")["n"].to_pylist()
        buyers = db.row("coming_back")
        measure = _measuring(db, as_of)
        asked = measure(run.repeat_purchases, settings.split.test_days)
        proposed = _proposed(db, as_of, measure, is_often=is_often(buyers))
    return FirstLook(as_of, run.window_days, kinds, n_in_window, buyers, asked, proposed)


def is_often(buyers: Mapping[str, Any]) -> bool:
    """Whether OFTEN of what buyers bought after their first day was of an item bought before."""
    return bool(buyers["n_again"] >= OFTEN * max(buyers["n_later"], 1))


Measure = Callable[[Mode, TestDays], Choice]


def _measuring(db: Tables, as_of: datetime) -> Measure:
    """Whom a test before `as_of` measures. db: has `events`, and `purchaser_events` of purchases"""
    first_at = _first_at(db, as_of)

    @cache
    def measure(mode: Mode, test_days: TestDays) -> Choice:
        excludes = mode == "exclude"
        return Choice(mode, cuts(db, first_at, as_of, test_days, excludes_repeats=excludes))

    return measure


def _proposed(db: Tables, as_of: datetime, measure: Measure, *, is_often: bool) -> Choice | None:
    """`auto` in the mode of the shop's rhythm, else in the other one, else the days that measure most."""
    modes: tuple[Mode, Mode] = ("allow", "exclude") if is_often else ("exclude", "allow")
    for mode in modes:
        if (choice := measure(mode, "auto")).n_users:
            return choice
    spans = db.table("purchase_spans")
    for mode in modes:
        days, n_users = best_days(spans, _first_at(db, as_of), as_of, "auto", mode == "exclude")
        if n_users:
            return measure(mode, days)
    return None


def _first_at(db: Tables, as_of: datetime) -> datetime:
    """The first event of anybody who bought; `as_of` where nobody did."""
    first_at: datetime | None = db.row("first_of_buyers")["first_at"]
    return as_of if first_at is None else utc(first_at)
