"""The horizon: how many days after a list is made it is judged by, and at how many cuts.

A list lives one night, so the horizon is as short as measures enough buyers: of 1 to MOST_DAYS days the first
whose cuts together, rolled back from the end by the horizon, measure ENOUGH. A buyer is counted at each cut.
The cuts are the fewest that do, and at most MOST_CUTS; they reach over at most a third of the history, and
those of the validation before them over another third.

Only users are counted, before anything is fitted: no number of any model is known when the horizon is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Literal

from pipeline.engines.tables import Tables

ENOUGH = 2_000
"""Buyers, each counted at every cut, for a 95 % interval of Precision@3 of about 0.015 to each side."""
MOST_DAYS = 14
MOST_CUTS = 5
ENOUGH_TO_CHOOSE, LEAST_VALIDATION_CUTS = 1_500, 2
"""Buyers at the cuts that models are chosen at; one cut alone is won by luck between models nearly alike."""
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
    of_validation: tuple[int, ...]

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
        return self.horizon < _longest(self.asked_days) * DAY and not self.is_enough

    @property
    def is_enough(self) -> bool:
        """Whether the horizon was chosen because its cuts measure ENOUGH."""
        return self.asked_days == "auto" and self.n_measured >= ENOUGH

    @property
    def n_measured(self) -> int:
        """Users whom the test measures, counted at each cut."""
        return sum(self.of_test)


def cuts(
    db: Tables,
    first_at: datetime,
    as_of: datetime,
    test_days: TestDays,
    *,
    excludes_repeats: bool,
) -> Cuts:
    """Where to cut a history that begins at `first_at`. db: has the events `purchaser_events`

    test_days: `auto`, or the days of a test of one cut
    """
    history, longest = as_of - first_at, one_cut(first_at, as_of, _longest(test_days))
    unit = min(DAY, longest) if test_days == "auto" else longest
    at_most = MOST_CUTS if test_days == "auto" else 1
    n_lengths = longest // unit if unit else 1
    of_lengths = measured(db, as_of, unit, n_lengths, excludes_repeats=excludes_repeats)
    of_tests = [
        n_users[: min(at_most, most_cuts(history, length * unit))]
        for length, n_users in enumerate(of_lengths, 1)
    ]
    enough = (length for length, n_users in enumerate(of_tests, 1) if sum(n_users) >= ENOUGH)
    length = next(enough, n_lengths)
    n_test = fewest(of_tests[length - 1])
    n_users = of_lengths[length - 1]
    before = n_users[n_test : n_test + most_cuts(history, length * unit)]
    n_before = max(fewest(before, ENOUGH_TO_CHOOSE), min(LEAST_VALIDATION_CUTS, len(before)))
    of_test, of_validation = n_users[:n_test][::-1], before[:n_before][::-1]
    return Cuts(as_of, test_days, length * unit, tuple(of_test), tuple(of_validation))


def _longest(test_days: TestDays) -> int:
    """The days that are asked for; of `auto`, the most that it tries."""
    return MOST_DAYS if test_days == "auto" else test_days


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
    each = "" if n_cuts == 1 else ", each counted at every cut"
    buyers = f"{made.n_measured:,} {'buyer' if made.n_measured == 1 else 'buyers'}{each}"
    if made.is_enough:
        return f"the shortest time in which {cuts} {ENOUGH:,} buyers{each} ({made.n_measured:,})"
    if made.asked_days != "auto":
        third = f"a third of the history, which is shorter than 3 x {made.asked_days} days"
        return f"{third if made.is_shortened else 'as split.test_days says'}; {cuts} {buyers}"
    if made.horizon < DAY:
        return f"a third of the history; {cuts} {buyers}"
    longest = "the longest that the history allows" if made.is_shortened else "the longest that is tried"
    return f"{longest}, because {cuts} {buyers}, and no shorter time measures {ENOUGH:,}"


def _days(number: float) -> str:
    return f"{number:.3g} {'day' if number == 1 else 'days'}"


def most_cuts(history: timedelta, horizon: timedelta) -> int:
    """How many cuts fit into a third of the history, at least one and at most MOST_CUTS."""
    return max(1, min(MOST_CUTS, history // (3 * horizon))) if horizon else 1


def fewest(n_users: Sequence[int], enough: int = ENOUGH) -> int:
    """How many cuts measure `enough`, or as many as all; n_users: of each, newest first; at least one"""
    goal = min(enough, sum(n_users))
    return next(n for n, total in enumerate(accumulate(n_users), 1) if total >= goal)


def measured(
    db: Tables, until: datetime, unit: timedelta, longest: int, *, excludes_repeats: bool
) -> list[list[int]]:
    """How many users are measured: a list for each horizon of 1 to `longest` units, a number for each cut.

    until: what the newest cut asks about ends here; the newest cut stands first, and there are as many as
           test and validation can have
    """
    n_users = [[0] * 2 * MOST_CUTS for _ in range(longest)]
    if unit:
        values = {
            "until": until,
            "unit_us": unit // timedelta(microseconds=1),
            "longest": longest,
            "most_cuts": 2 * MOST_CUTS,
            "is_repeat_relevant": not excludes_repeats,
        }
        for row in db.table("measured_at_cuts", values).to_pylist():
            n_users[row["length"] - 1][row["place"] - 1] = row["n_users"]
    return n_users
