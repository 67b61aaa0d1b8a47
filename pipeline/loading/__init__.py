"""Fill the source database with a shop: real, made up, or from a user's own files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.config import IdType, Settings
from pipeline.errors import SettingsError
from pipeline.loading import complete_journey, events_file, ids, retailrocket, shop, synthetic
from pipeline.loading.shop import Shop
from pipeline.times import utc

KINDS = ("complete-journey", "retailrocket", "events", "synthetic")


@dataclass(frozen=True)
class Loaded:
    """What the shop holds now.

    first_at, last_at: of the events, UTC; None when there are none
    user, item: id types
    """

    n_events: int
    n_products: int
    n_customers: int
    first_at: datetime | None
    last_at: datetime | None
    user: IdType
    item: IdType


def load(
    kind: str,
    url: str,
    *,
    now: datetime,
    say: Callable[[str], None],
    settings: Settings,
    file: Path | None = None,
    items: Path | None = None,
    users: Path | None = None,
    n_events: int = 0,
    seed: int = 0,
    keep_dates: bool = False,
) -> Loaded:
    """Replace the shop behind `url` by one of KINDS, in one transaction; a failure changes nothing.

    file, items, users: of `retailrocket` (file) and `events`
    n_events, seed:     of `synthetic`
    keep_dates:         do not shift the times by whole days so that the last event lies within the
                        24 hours before `now`; `events` always keeps its dates

    Raises SettingsError, SourceError or Unreachable.
    """
    with _reader(kind, now, settings, file, items, users, n_events, seed, keep_dates) as read:
        written = shop.fill(url, read, kind, now, say)
    loaded = Loaded(
        written.n_events,
        written.n_products,
        written.n_customers,
        written.first_at,
        written.last_at,
        read.customer,
        read.product,
    )
    say(told(loaded))
    if complaint := ids.complaint(loaded.user, loaded.item, settings.ids):
        say(complaint)
    return loaded


def told(loaded: Loaded) -> str:
    """One line for a person."""
    if loaded.first_at is None or loaded.last_at is None:
        return f"{loaded.n_events:,} events, none of them with a time"
    return (
        f"{loaded.n_events:,} events of {loaded.n_customers:,} customers and {loaded.n_products:,} products, "
        f"{loaded.first_at:%Y-%m-%d %H:%M} to {loaded.last_at:%Y-%m-%d %H:%M} UTC"
    )


def is_stale(url: str, now: datetime) -> bool:
    """Whether the shop is not there, or its newest event is older than 24 hours."""
    last = shop.last_event_at(url)
    return last is None or utc(now) - last > timedelta(hours=24)


def _reader(
    kind: str,
    now: datetime,
    settings: Settings,
    file: Path | None,
    items: Path | None,
    users: Path | None,
    n_events: int,
    seed: int,
    keep_dates: bool,
) -> AbstractContextManager[Shop]:
    if kind == "complete-journey":
        return complete_journey.read(now, keep_dates=keep_dates)
    if kind == "synthetic":
        return synthetic.read(n_events, seed, now, keep_dates=keep_dates)
    if kind not in KINDS:
        raise SettingsError(f"no shop `{kind}` to load", promised=", ".join(KINDS))
    if file is None:
        raise SettingsError(f"`{kind}` is loaded from a file", then=f"python -m pipeline load {kind} FILE")
    if kind == "retailrocket":
        return retailrocket.read(file, now, settings.ids, keep_dates=keep_dates)
    return events_file.read(file, items, users, settings.ids, settings.source.timezone)
