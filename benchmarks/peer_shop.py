"""A shop's file as the night judges it, and the cuts that peers are chosen and judged on.

The night's own code reads, filters and holds out, so that users and purchases are those of a backtest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from pipeline import config, engine, jobs
from pipeline.config import Ids, Settings
from pipeline.loading import dataset_file, events_file
from pipeline.splits import horizon
from pipeline.splits.folds import Fold
from pipeline.splits.history import History, opened
from pipeline.times import CLOCK_SKEW, utc


@dataclass(frozen=True)
class Shop:
    """A shop's events as the night judges them: the file, its span, and where DuckDB may spill."""

    events: Path
    first_at: datetime
    as_of: datetime
    settings: Settings
    spill: Path

    def fold(self, days: float, number: int) -> Fold:
        """The cut `number` horizons of `days` before as_of (1: the newest), judged by that horizon."""
        cut = self.as_of - timedelta(days=days * number)
        return Fold((self.events,), cut, (self.events,), cut, cut + timedelta(days=days))

    @contextmanager
    def history(self, fold: Fold) -> Iterator[History]:
        """What happened before the fold's cut."""
        run = self.settings.run.model_copy(update={"threads": 1})
        with opened(fold.before, fold.cut_at, self.settings.filter, run, self.spill) as history:
            yield history

    def trial(self, mode: str, test_days: horizon.TestDays, n_cuts: int) -> Trial:
        """The cuts that the night's split makes; `n_cuts` of them where `test_days` is a number."""
        excludes = mode == "exclude"
        with _connected(self.settings, self.spill) as db:
            engine.view(db, "purchaser_events", self.events)
            cuts = horizon.cuts(db, self.first_at, self.as_of, test_days, excludes_repeats=excludes)
            if test_days == "auto" or n_cuts == 1:
                return Trial(cuts.test_days, len(cuts.of_test), len(cuts.of_validation))
            test_from = self.as_of - n_cuts * cuts.horizon
            most = horizon.most_cuts(self.as_of - self.first_at, cuts.horizon)
            [n_users] = horizon.measured(db, test_from, cuts.horizon, 1, most, excludes_repeats=excludes)
            n_validation = max(horizon.fewest(n_users), min(horizon.LEAST_VALIDATION_CUTS, most))
            return Trial(cuts.test_days, n_cuts, n_validation)


@dataclass(frozen=True)
class Trial:
    """Which cuts: `n_cuts` of `days` for the test, `n_validation` of as many days before them."""

    days: float
    n_cuts: int
    n_validation: int


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
        with _connected(settings, folder) as db:
            engine.view(db, "purchaser_events", folder / "events.parquet", until=now + CLOCK_SKEW)
            last_at = utc(engine.rows(db, "event_counts").read_all().to_pylist()[0]["last_at"])
            end = jobs.just_after(last_at) if as_of == "last" else jobs.moment(as_of, zone, "backtest")
            since = end - timedelta(days=settings.run.window_days)
            engine.view(db, "events", folder / "events.parquet", since=since, until=end)
            db.sql("SELECT DISTINCT user_id FROM events").create_view("users")
            kept = engine.rows(db, "purchaser_events")
            dataset_file.write(folder / "kept.parquet", "purchaser_events", ids, kept)
        with _connected(settings, folder) as db:
            engine.view(db, "purchaser_events", folder / "kept.parquet")
            first_at = utc(engine.rows(db, "event_counts").read_all().to_pylist()[0]["first_at"])
        yield Shop(folder / "kept.parquet", first_at, end, settings, folder)


def trials_of(
    shop: Shop, modes: Sequence[str], test_days: horizon.TestDays, n_cuts: int, n_validation: int | None
) -> dict[Trial, list[str]]:
    """The modes by their cuts. Modes with the same cuts share what is fitted."""
    trials: dict[Trial, list[str]] = {}
    for mode in modes:
        trial = shop.trial(mode if test_days == "auto" else modes[0], test_days, n_cuts)
        if n_validation:
            trial = replace(trial, n_validation=n_validation)
        trials.setdefault(trial, []).append(mode)
    return trials


def _connected(settings: Settings, folder: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    return engine.connect(settings.run.memory_limit_gb, 1, folder)
