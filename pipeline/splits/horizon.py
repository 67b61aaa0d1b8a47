"""The horizon: how many days after a list is made it is judged by, and at how many cuts.

A list lives one night, so the horizon is as short as measures enough buyers: of 1 to MOST_DAYS days the first
whose cuts together, rolled back from the end by the horizon, measure ENOUGH. A buyer is counted at each cut.
The cuts are the fewest that do, and at most MOST_CUTS; they reach over at most a third of the history, and
those of the validation before them over another third.

Only users are counted, before anything is fitted: no number of any model is known when the horizon is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Literal

import duckdb

from pipeline import engine

ENOUGH = 2_000
"""Buyers, each counted at every cut, for a 95 % interval of Precision@3 of about 0.015 to each side."""
MOST_DAYS = 14
MOST_CUTS = 5
LEAST_VALIDATION_CUTS = 2
"""One window decides by a toss between models that are nearly alike."""
DAY = timedelta(days=1)
TestDays = Literal["auto"] | int


@dataclass(frozen=True)
class Cuts:
    """`train` ends before `validation_from`, `validation_set` before `test_from`, `test` before `as_of`.

    asked_days:    `split.test_days`
    horizon:       how long after a cut is asked about; cuts are that far apart
    of_test:       how many users each cut of the test measures, oldest first
    of_validation: the same of the cuts before it
    """

    as_of: datetime
    asked_days: TestDays
    horizon: timedelta
    of_test: tuple[int, ...]
    of_validation: tuple[int, ...] = (0,)

    @property
    def test_from(self) -> datetime:
        """The oldest cut of the test."""
        return self.as_of - len(self.of_test) * self.horizon

    @property
    def validation_from(self) -> datetime:
        """The oldest cut before the test."""
        return self.test_from - len(self.of_validation) * self.horizon

    @property
    def test_days(self) -> float:
        """The horizon in days."""
        return self.horizon / DAY

    @property
    def is_shortened(self) -> bool:
        """Whether the history is too short for the days asked for; for `auto`: to try MOST_DAYS."""
        longest = MOST_DAYS if self.asked_days == "auto" else self.asked_days
        return self.horizon < longest * DAY and not self.is_enough

    @property
    def is_enough(self) -> bool:
        """Whether the horizon was chosen because its cuts measure ENOUGH."""
        return self.asked_days == "auto" and self.n_measured >= ENOUGH

    @property
    def n_measured(self) -> int:
        """Users whom the test measures, counted at each cut."""
        return sum(self.of_test)


def cuts(
    db: duckdb.DuckDBPyConnection,
    first_at: datetime,
    as_of: datetime,
    test_days: TestDays,
    *,
    excludes_repeats: bool,
) -> Cuts:
    """Where to cut a history that begins at `first_at`: the test, and as long cuts before it.

    test_days: `auto`, or the days of a test of one cut
    """
    made = test_cuts(db, first_at, as_of, test_days, excludes_repeats=excludes_repeats)
    most = most_cuts(as_of - first_at, made.horizon)
    [n_users] = measured(db, made.test_from, made.horizon, 1, most, excludes_repeats=excludes_repeats)
    n_cuts = max(fewest(n_users), min(LEAST_VALIDATION_CUTS, most))
    return replace(made, of_validation=tuple(n_users[:n_cuts][::-1]))


def test_cuts(
    db: duckdb.DuckDBPyConnection,
    first_at: datetime,
    as_of: datetime,
    test_days: TestDays,
    *,
    excludes_repeats: bool,
) -> Cuts:
    """The same without those before the test, in less time. db: has the view `purchaser_events`"""
    history = as_of - first_at
    longest = one_cut(first_at, as_of, MOST_DAYS if test_days == "auto" else test_days)
    if test_days != "auto" or longest < DAY:
        [n_users] = measured(db, as_of, longest, 1, 1, excludes_repeats=excludes_repeats)
        return Cuts(as_of, test_days, longest, tuple(n_users))
    of_days = measured(db, as_of, DAY, longest // DAY, MOST_CUTS, excludes_repeats=excludes_repeats)
    fitting = [n_users[: most_cuts(history, days * DAY)] for days, n_users in enumerate(of_days, 1)]
    enough = (days for days, n_users in enumerate(fitting, 1) if sum(n_users) >= ENOUGH)
    days = next(enough, len(fitting))
    n_users = fitting[days - 1]
    return Cuts(as_of, test_days, days * DAY, tuple(n_users[: fewest(n_users)][::-1]))


def one_cut(first_at: datetime, as_of: datetime, days: int) -> timedelta:
    """So many days, or a third of a history that is shorter than three times those."""
    history = as_of - first_at
    return history / 3 if history < 3 * days * DAY else days * DAY


def in_words(made: Cuts) -> str:
    """Which horizon, and why, in a sentence without a full stop."""
    days = _days(made.test_days)
    return f"judged by what buyers bought within {days} of getting the list: {why(made)}"


def why(made: Cuts) -> str:
    """Why that horizon, and how many are measured."""
    n_cuts = len(made.of_test)
    cuts = "one cut measures" if n_cuts == 1 else f"{n_cuts} cuts together measure"
    buyers = f"{made.n_measured:,} {'buyer' if made.n_measured == 1 else 'buyers'}"
    if made.is_enough:
        return f"the shortest time in which {cuts} {ENOUGH:,} buyers ({made.n_measured:,})"
    if made.asked_days != "auto":
        third = f"a third of the history, which is shorter than 3 x {made.asked_days} days"
        return f"{third if made.is_shortened else 'as split.test_days says'}; {cuts} {buyers}"
    if made.horizon < DAY:
        return f"a third of the history; {cuts} {buyers}"
    longest = "the longest that the history allows" if made.is_shortened else "the longest that is tried"
    return f"{longest}, because {cuts} {buyers}, and no shorter time {ENOUGH:,}"


def _days(number: float) -> str:
    return f"{number:.3g} {'day' if number == 1 else 'days'}"


def most_cuts(history: timedelta, horizon: timedelta) -> int:
    """How many cuts fit into a third of the history, at least one and at most MOST_CUTS."""
    return max(1, min(MOST_CUTS, history // (3 * horizon))) if horizon else 1


def fewest(n_users: Sequence[int]) -> int:
    """How many cuts measure ENOUGH, or as many as all; n_users: of each, newest first; at least one"""
    goal = min(ENOUGH, sum(n_users))
    return next(n for n, total in enumerate(accumulate(n_users), 1) if total >= goal)


def measured(
    db: duckdb.DuckDBPyConnection,
    until: datetime,
    unit: timedelta,
    longest: int,
    most_cuts: int,
    *,
    excludes_repeats: bool,
) -> list[list[int]]:
    """How many users are measured: a list for each horizon of 1 to `longest` units, a number for each cut.

    until: what the newest cut asks about ends here; the newest cut stands first
    """
    n_users = [[0] * most_cuts for _ in range(longest)]
    if unit:
        values = {
            "until": until,
            "unit_us": unit // timedelta(microseconds=1),
            "longest": longest,
            "most_cuts": most_cuts,
            "is_repeat_relevant": not excludes_repeats,
        }
        for row in engine.rows(db, "measured_at_cuts", values).read_all().to_pylist():
            n_users[row["length"] - 1][row["place"] - 1] = row["n_users"]
    return n_users
