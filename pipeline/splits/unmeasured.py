"""Why a split measures nobody, and the settings under which people would be measured.

What is found out here is kept in the document `split`, and told by the report, the gate and `backtest`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import MOST_TEST_DAYS, Filter, Settings, Split
from pipeline.engines.tables import Tables
from pipeline.errors import DataError, NobodyMeasured
from pipeline.splits.history import History
from pipeline.splits.horizon import MOST_DAYS, TestDays, cuts, one_cut
from pipeline.splits.parts import keep_parts
from pipeline.times import utc

METHODS = ("time", "last_purchase", "random")


@dataclass(frozen=True)
class Way:
    """A change that would measure `n_users` people.

    edit:   what to do, for a night
    flags:  the same for the command `backtest`; empty where it has no such flag
    method: the method of the split that it changes to; empty where it changes something else
    n_cuts: how many cuts the test would have, at each of which they are counted
    """

    edit: str
    flags: str
    n_users: int
    method: str = ""
    n_cuts: int = 1

    def with_repeats(self) -> Way:
        """The same change together with `repeat_purchases = "allow"`."""
        flags = f"{self.flags} --repeat-purchases allow" if self.flags else ""
        edit = f'{self.edit}, with run.repeat_purchases = "allow"'
        return replace(self, edit=edit, flags=flags, method="")

    def in_words(self, change: str) -> str:
        """What the change comes to. change: `edit` or `flags`"""
        people = f"{self.n_users:,} {'person' if self.n_users == 1 else 'people'}"
        counted = f", counted at each of {self.n_cuts} cuts," if self.n_cuts > 1 else ""
        return f"{change} ({people}{counted} would be measured)"


@dataclass(frozen=True)
class Unmeasured:
    """Why a split measures nobody: the parts of a refusal, and every change that would measure somebody.

    then: the changes in words; where there are none, what else to do
    """

    what: str
    found: str
    promised: str
    then: str
    ways: tuple[Way, ...] = ()

    def dump(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Unmeasured:
        """From what `dump` gave."""
        return cls(**{**document, "ways": tuple(Way(**way) for way in document["ways"])})

    def without(self, method: str) -> Unmeasured:
        """The same where the split is made by `method` already: only the other changes are named."""
        ways = tuple(way for way in self.ways if way.method != method)
        then = _in_words(ways) if self.ways else self.then
        return Unmeasured(self.what, self.found, self.promised, then, ways)

    def for_backtest(self) -> NobodyMeasured:
        """The refusal of the command `backtest`, with what it can do about it."""
        then = _either(way.in_words(way.flags) for way in self.ways if way.flags)
        nothing = "name a file with a longer history, in which buyers come back: no split measures anybody"
        return NobodyMeasured(self.what, found=self.found, promised=self.promised, then=then or nothing)


def why_unmeasured(db: Tables, settings: Settings, as_of: datetime, n_rows: Mapping[str, int]) -> Unmeasured:
    """Why, and what would help. db: has `purchaser_events` and its split `parts`, which other splits replace;
    n_rows: the rows of each part"""
    spans = db.table("purchase_spans")
    n_once = pc.sum(pc.equal(spans["first_at"], spans["last_at"])).as_py() or 0
    window_from = as_of - timedelta(days=settings.run.window_days)
    is_full = span(db)[0] < window_from + timedelta(days=1)
    wider = "choose a wider run.window_days, if the shop has older purchases; or " if is_full else ""
    ways = _ways(db, settings, as_of, spans)
    return Unmeasured(
        "nobody can be measured: no user bought before the cut and something relevant after it",
        found=f"{n_rows['train']:,} events to train on, {n_rows['validation_set']:,} to tune on,"
        f" {n_rows['test']:,} to measure on; {n_once:,} of {spans.num_rows:,} buyers bought only once",
        promised="a user with a purchase on both sides of the cut"
        + (", the later one of an item new to that user" if settings.run.excludes_repeats else ""),
        then=_in_words(ways)
        or f"{wider}run again when more people have bought twice: no other setting measures anybody yet",
        ways=tuple(ways),
    )


def _in_words(ways: Sequence[Way]) -> str:
    return _either(way.in_words(way.edit) for way in ways)


def _either(changes: Iterable[str]) -> str:
    return "; or ".join(changes)


def _ways(db: Tables, settings: Settings, as_of: datetime, spans: pa.Table) -> list[Way]:
    """Each change of one setting that measures somebody; where none does, of it and `repeat_purchases`."""
    excludes = settings.run.excludes_repeats
    ways = []
    if excludes:
        allow = 'set run.repeat_purchases = "allow" in config.toml'
        n_users, n_cuts = _measured(db, settings.split, as_of, False)
        ways.append(Way(allow, "--repeat-purchases allow", n_users, n_cuts=n_cuts))
    ways += _other_splits(db, settings, as_of, spans, excludes)
    if excludes and not any(way.n_users for way in ways):
        ways = [way.with_repeats() for way in _other_splits(db, settings, as_of, spans, False)]
    return [way for way in ways if way.n_users]


def _other_splits(
    db: Tables, settings: Settings, as_of: datetime, spans: pa.Table, excludes: bool
) -> Iterator[Way]:
    """Other cuts in time, and the other methods of the split, also where they measure nobody."""
    how, (first_at, last_at) = settings.split, span(db)
    if how.method == "time":
        end = last_at.replace(microsecond=0) + timedelta(seconds=1)
        if end < as_of:
            edit = f"choose --as-of last, which is {end.isoformat()}"
            n_users, n_cuts = _measured(db, how, end, excludes)
            yield Way(edit, "--as-of last", n_users, n_cuts=n_cuts)
        auto = how.model_copy(update={"test_days": "auto"})
        n_users, n_cuts = _measured(db, auto, as_of, excludes)
        if n_users and auto != how:
            edit = 'set split.test_days = "auto" in config.toml'
            yield Way(edit, "--test-days auto", n_users, n_cuts=n_cuts)
        else:
            days, n_users = best_days(spans, first_at, as_of, how.test_days, excludes)
            yield Way(f"set split.test_days = {days} in config.toml", f"--test-days {days}", n_users)
    where = cuts(db, first_at, as_of, how.test_days, excludes_repeats=excludes)
    for method in METHODS:
        if method != how.method:
            other = how.model_copy(update={"method": method})
            keep_parts(db, other, where, settings.run.seed)
            edit = f'set split.method = "{method}" in config.toml'
            n_users, n_cuts = _measured(db, other, as_of, excludes)
            yield Way(edit, "", n_users, method, n_cuts)


def _measured(db: Tables, how: Split, as_of: datetime, excludes: bool) -> tuple[int, int]:
    """How many a split measures, if the filters left nobody out, and at how many cuts they are counted.

    db: has `parts`, made by `how` where that is not by time
    """
    if how.method != "time":
        return n_on_both_sides(db, excludes_repeats=excludes), 1
    made = cuts(db, span(db)[0], as_of, how.test_days, excludes_repeats=excludes)
    return made.n_measured, len(made.of_test)


def best_days(
    spans: pa.Table, first_at: datetime, as_of: datetime, asked: TestDays, excludes_repeats: bool
) -> tuple[int, int]:
    """The days of a test of one cut that measure most users, and how many; of several those nearest to asked.

    spans: the rows of `purchase_spans.sql`
    """
    near = MOST_DAYS if asked == "auto" else asked
    n_users = {
        days: measured_at(spans, as_of - one_cut(first_at, as_of, days), excludes_repeats)
        for days in range(1, MOST_TEST_DAYS + 1)
    }
    return max(n_users.items(), key=lambda item: (item[1], -abs(item[0] - near)))


def n_on_both_sides(db: Tables, *, excludes_repeats: bool) -> int:
    """How many the split `parts` measures, if the filters left nobody out."""
    rows = db.table("measured_users", {"is_repeat_relevant": not excludes_repeats})
    return int(rows["n_users"][0].as_py())


def measured_at(spans: pa.Table, cut_at: datetime, excludes_repeats: bool) -> int:
    """How many bought before `cut_at`, and at it or later something that counts."""
    cut = np.datetime64(cut_at.replace(tzinfo=None), "us")
    until = spans["last_new_at" if excludes_repeats else "last_at"].to_numpy()
    return int(((spans["first_at"].to_numpy() < cut) & (until >= cut)).sum())


def span(db: Tables) -> tuple[datetime, datetime]:
    row = db.row("event_counts")
    return utc(row["first_at"]), utc(row["last_at"])


def nobody_takes_part(history: History, who: Filter) -> DataError:
    """The refusal of filters that leave out every buyer of `history`."""
    rows = history.table("activity")
    n_events, n_items = rows["n_events"].to_numpy(), rows["n_items"].to_numpy()
    half = min(who.min_events, int(np.median(n_events))), min(who.min_items, int(np.median(n_items)))
    n_left = int(((n_events >= half[0]) & (n_items >= half[1])).sum())
    if not n_left:
        half, n_left = (1, 1), len(n_events)
    lower = {"filter.min_events": (who.min_events, half[0]), "filter.min_items": (who.min_items, half[1])}
    edits = [f"{name} = {new}" for name, (old, new) in lower.items() if new < old]
    return DataError(
        "nobody is left to learn from: the filters leave out every buyer before the cut",
        found=f"filter.min_events = {who.min_events}, filter.min_items = {who.min_items};"
        f" no buyer has more than {n_events.max():,} events, or {n_items.max():,} different items",
        promised="buyers with that many events and items, before the cut alone",
        then=f"set {' and '.join(edits)} in config.toml"
        f" ({n_left:,} of {len(n_events):,} buyers would be left)",
    )
