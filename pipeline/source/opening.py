"""Opens the shop's database for reading, and tells when its newest event was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from pipeline.config import IdType
from pipeline.config import Source as SourceSettings
from pipeline.databases import sessions
from pipeline.databases.embedded import silent
from pipeline.errors import DataError
from pipeline.source.reader import Source
from pipeline.times import utc

ANY_IDS: Mapping[str, IdType] = {"user": "text", "item": "text"}


@contextmanager
def opened(
    url: str,
    settings: SourceSettings,
    ids: Mapping[str, IdType],
    say: Callable[[str], None] = silent,
) -> Iterator[Source]:
    """Connect for reading. Raises Unreachable, or SourceError where the server lacks the shop's time zone.

    say: takes a line while the server is silent
    """
    with sessions.source_session(
        url, silent_minutes=settings.silent_minutes, zone=settings.timezone, is_read_only=True, say=say
    ) as (db, watch):
        yield Source(url, settings, ids, db, watch)


def last_event_at(url: str, settings: SourceSettings, now: datetime) -> datetime:
    """The time of the newest event at or before `now`, UTC. Raises DataError when there is none."""
    with opened(url, settings, ANY_IDS) as source:
        span = source.span(end=now + timedelta(microseconds=1))
    if span is None:
        raise DataError(
            "the source has no events yet",
            found=f"none at or before {utc(now).isoformat()}",
            then=f"load some (python -m pipeline load --help), or edit {settings.sql}/events.sql",
        )
    return span[1]
