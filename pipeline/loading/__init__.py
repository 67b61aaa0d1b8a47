"""Fills the source database with a shop: a public dataset, a made-up one, or a shop's own files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pipeline.config import Ids, IdType, Settings
from pipeline.errors import SettingsError
from pipeline.loading import complete_journey, dataset_file, events_file, ids, retailrocket, shop, synthetic
from pipeline.loading.query_file import Query
from pipeline.loading.shop import Shop
from pipeline.times import FIRST_OF_A_SHOP, utc


@dataclass(frozen=True)
class Loaded:
    """What a load wrote.

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

    @property
    def has_times(self) -> bool:
        """Whether some event is of a time in which there were shops."""
        return self.last_at is not None and self.last_at >= FIRST_OF_A_SHOP


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
    properties: Sequence[Path] = (),
    embeddings: Path | None = None,
    n_events: int = 0,
    seed: int = 0,
    promotion_days: int = 0,
    look_first: float = 0.0,
    n_products: int = 0,
    keep_dates: bool = False,
    copy: Path | None = None,
) -> Loaded:
    """Replace the shop behind `url`, in one transaction; a failure changes nothing.

    kind:               complete-journey, retailrocket, events, query or synthetic
    file, items, users: of `retailrocket` (file), `events` and `query`
    properties:         of `retailrocket`: its files of the items' properties
    embeddings:         of `events` and `query`: a Parquet file
    n_events, seed, promotion_days, look_first, n_products: of `synthetic`
    keep_dates:         do not shift the times by whole days so that the last event lies within the
                        24 hours before `now`; `events` and `query` always keep their dates

    copy:               a Parquet file, which the events are written to as well, as the dataset `events`;
                        what they hold is then for the caller to say

    Raises SettingsError, SourceError or Unreachable.
    """
    readers: Mapping[str, Callable[[], AbstractContextManager[Shop]]] = {
        "complete-journey": lambda: complete_journey.read(now, keep_dates=keep_dates),
        "retailrocket": lambda: retailrocket.read(
            _required(file, kind), now, settings.ids, say, properties=properties, keep_dates=keep_dates
        ),
        "events": lambda: events_file.read(
            _required(file, kind), items, users, settings.ids, settings.source.timezone, now, say, embeddings
        ),
        "query": lambda: events_file.read(
            Query(_required(file, kind)),
            items and Query(items),
            users and Query(users),
            settings.ids,
            settings.source.timezone,
            now,
            say,
            embeddings,
        ),
        "synthetic": lambda: synthetic.read(
            n_events,
            seed,
            now,
            keep_dates=keep_dates,
            promotion_days=promotion_days,
            look_first=look_first,
            n_products=n_products,
        ),
    }
    if kind not in readers:
        raise SettingsError(f"no shop `{kind}` to load", promised=", ".join(readers))
    shop.refuse_read_only(url)
    with readers[kind]() as read:
        if copy:
            types = Ids(user=read.customer, item=read.product)
            read = replace(read, events=dataset_file.copied(copy, "events", types, read.events))
        written = shop.fill(url, read, kind, now, say, settings.source.silent_minutes)
    loaded = Loaded(
        written.n_events,
        written.n_products,
        written.n_customers,
        written.first_at,
        written.last_at,
        read.customer,
        read.product,
    )
    for note in read.notes:
        say(note)
    if copy is None or not loaded.has_times:
        say(_in_words(loaded))
    if advice := ids.advice(loaded.user, loaded.item, settings.ids):
        say(advice)
    return loaded


def _in_words(loaded: Loaded) -> str:
    if loaded.first_at is None or loaded.last_at is None:
        return f"{loaded.n_events:,} events, none of them with a time"
    return (
        f"{loaded.n_events:,} events of {loaded.n_customers:,} customers and {loaded.n_products:,} products, "
        f"{loaded.first_at:%Y-%m-%d %H:%M} to {loaded.last_at:%Y-%m-%d %H:%M} UTC"
    )


def is_stale(url: str, now: datetime) -> bool:
    """Whether there is no shop behind `url`, an earlier version loaded it, or its events end 24 hours ago."""
    last = shop.last_event_at(url)
    return last is None or utc(now) - last > timedelta(hours=24)


def _required(file: Path | None, kind: str) -> Path:
    if file is None:
        raise SettingsError(f"`{kind}` is loaded from a file", then=f"python -m pipeline load {kind} FILE")
    return file
