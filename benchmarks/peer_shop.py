"""A shop's file as the night judges it, and the cuts that peers are chosen and judged on.

The night's own code reads, filters and holds out, so that users and purchases are those of a backtest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from pipeline import config, engine, jobs
from pipeline.config import Ids, Settings
from pipeline.loading import dataset_file, events_file
from pipeline.splits.folds import Fold
from pipeline.splits.history import History, opened
from pipeline.times import CLOCK_SKEW, utc

ENOUGH = 2_000
"""User-windows that make a useful interval."""
MOST_CUTS = 5
LONGEST = 14
BOUGHT = """
    SELECT user_id, epoch_us(occurred_at) AS at,
        min(epoch_us(occurred_at)) OVER (PARTITION BY user_id) AS first_of_user,
        min(epoch_us(occurred_at)) OVER (PARTITION BY user_id, item_id) AS first_of_pair
    FROM purchaser_events WHERE event_type = 'purchase'
"""


@dataclass(frozen=True)
class Shop:
    """A shop's events as the night judges them: the file, its span, and where DuckDB may spill.

    bought: purchases, and when user, and user and item, first met (`at`, `first_of_user`, `first_of_pair`)
    """

    events: Path
    first_at: datetime
    as_of: datetime
    settings: Settings
    spill: Path
    bought: pd.DataFrame

    def fold(self, days: int, number: int) -> Fold:
        """The cut `number` horizons of `days` before as_of (1: the newest), judged by that horizon."""
        cut = self.as_of - timedelta(days=days * number)
        return Fold((self.events,), cut, self.events, cut, cut + timedelta(days=days))

    @contextmanager
    def history(self, fold: Fold) -> Iterator[History]:
        """What happened before the fold's cut."""
        run = self.settings.run.model_copy(update={"threads": 1})
        with opened(fold.before, fold.cut_at, self.settings.filter, run, self.spill) as history:
            yield history

    def n_measured(self, mode: str, days: int, number: int) -> int:
        """Buyers whom that cut measures."""
        fold, bought = self.fold(days, number), self.bought
        since, until = (
            int(at.timestamp() * 1_000_000) for at in (fold.cut_at, fold.cut_at + timedelta(days))
        )
        counts = (bought["at"] >= since) & (bought["at"] < until) & (bought["first_of_user"] < since)
        if mode == "exclude":
            counts &= bought["first_of_pair"] >= since
        return int(bought.loc[counts, "user_id"].nunique())

    def most_cuts(self, days: int) -> int:
        """Cuts that take no more than a third of the history, 1 to MOST_CUTS."""
        fits = int((self.as_of - self.first_at) / timedelta(days=days) / 3 + 1e-9)
        return max(1, min(MOST_CUTS, fits))

    def fewest(self, mode: str, days: int, after: int, least: int) -> tuple[int, int]:
        """The fewest cuts, at least `least`, that measure ENOUGH beyond the newest `after`: how many, and
        whom they measure; as many as there may be where none do."""
        total = 0
        for n in range(1, (most := self.most_cuts(days)) + 1):
            total += self.n_measured(mode, days, after + n)
            if n >= least and total >= ENOUGH:
                return n, total
        return most, total

    def horizon(self, mode: str) -> tuple[int, int]:
        """The shortest whole number of days whose cuts measure ENOUGH, and how many cuts."""
        for days in range(1, LONGEST + 1):
            n, total = self.fewest(mode, days, 0, 1)
            if total >= ENOUGH:
                break
        return days, n


@contextmanager
def shop(events: Path, items: Path | None, as_of: str) -> Iterator[Shop]:
    """The files as the stages extract and filter_purchasers would leave them, by config.toml."""
    settings, now = config.load(), datetime.now(UTC)
    zone = settings.source.timezone
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with events_file.read(events, items, None, settings.ids, zone, now) as read:
            ids = Ids(user=read.customer, item=read.product)
            dataset_file.write(folder / "events.parquet", "events", ids, read.events)
        with engine.connect(settings.run.memory_limit_gb, 1, folder) as db:
            engine.view(db, "purchaser_events", folder / "events.parquet", until=now + CLOCK_SKEW)
            last_at = utc(engine.rows(db, "event_counts").read_all().to_pylist()[0]["last_at"])
            end = jobs.just_after(last_at) if as_of == "last" else jobs.moment(as_of, zone, "backtest")
            since = end - timedelta(days=settings.run.window_days)
            engine.view(db, "events", folder / "events.parquet", since=since, until=end)
            db.sql("SELECT DISTINCT user_id FROM events").create_view("users")
            kept = engine.rows(db, "purchaser_events")
            dataset_file.write(folder / "kept.parquet", "purchaser_events", ids, kept)
        with engine.connect(settings.run.memory_limit_gb, 1, folder) as db:
            engine.view(db, "purchaser_events", folder / "kept.parquet")
            first_at = utc(engine.rows(db, "event_counts").read_all().to_pylist()[0]["first_at"])
            bought = db.sql(BOUGHT).df()
        yield Shop(folder / "kept.parquet", first_at, end, settings, folder, bought)


@dataclass(frozen=True)
class Trial:
    """Which cuts: `n_cuts` of `days` for the test, `n_validation` of as many days before them."""

    days: int
    n_cuts: int
    n_validation: int


def trials_of(
    shop: Shop, modes: Sequence[str], horizon: str, n_cuts: int, n_validation: int | None
) -> dict[Trial, list[str]]:
    """The modes by their cuts. Modes with the same cuts share what is fitted.

    horizon: days, or `auto`, which chooses the days and the number of cuts for each mode
    """
    trials: dict[Trial, list[str]] = {}
    for mode in modes:
        days, n = shop.horizon(mode) if horizon == "auto" else (int(horizon), n_cuts)
        before = n_validation or shop.fewest(mode if horizon == "auto" else modes[0], days, n, 2)[0]
        trials.setdefault(Trial(days, n, before), []).append(mode)
    return trials
