"""The ends of a window of events, as each database compares them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.source.statement import WINDOW
from pipeline.times import utc

EARLIEST, LATEST = datetime(1000, 1, 3, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
"""A window that holds every event, within the range of times that MySQL and SQLite can compare."""

MARGIN = timedelta(days=1)


def ends(
    dialect: str, zone: str, start: datetime, end: datetime, margin: timedelta, *, are_moments: bool = False
) -> dict[str, Any]:
    """Values for the names that `events.sql` binds: moments, times of the clock in `zone`, or texts.

    zone:        where the statement's times are read; UTC where they are moments
    margin:      is added on both sides, for `within` to cut exactly
    are_moments: on DuckDB, whose session is in the shop's zone: the statement's times are moments
    """
    if are_moments or (dialect == "postgresql" and zone == "UTC"):
        return dict(zip(WINDOW, (utc(start), utc(end)), strict=True))
    local = [first_local(start, zone, -margin) - _skipped(start, zone), first_local(end, zone, margin)]
    if dialect == "sqlite":
        return dict(zip(WINDOW, map(_text, local), strict=True))
    return dict(zip(WINDOW, local, strict=True))


def _text(local: datetime) -> str:
    """As SQLite compares it; the last of all sorts after words too, for them to be refused by name."""
    return "~" if local == datetime.max else local.isoformat(" ", "microseconds")


def _skipped(moment: datetime, zone: str) -> timedelta:
    """How far the clock in `zone` jumped ahead in the hour before `moment`.

    A time that it skipped is read as one after the jump (`times.moments`), although it is smaller.
    """
    info = ZoneInfo(zone)
    now, before = (utc(moment) - timedelta(hours=hours) for hours in (0, 1))
    jumped = (now.astimezone(info).utcoffset() or MARGIN) - (before.astimezone(info).utcoffset() or MARGIN)
    return max(jumped, timedelta(0))


def first_local(moment: datetime, zone: str, shift: timedelta = timedelta(0)) -> datetime:
    """The first time of the clock in `zone` that is read as `moment` (plus `shift`) or later.

    In autumn an hour comes twice and is read as the first of the two (`times.moments`): at a moment in the
    second, all of its times lie in the past.
    """
    info = ZoneInfo(zone)
    try:
        moment = utc(moment) + shift
        local = moment.astimezone(info)
    except OverflowError:
        return datetime.min if utc(moment).year < 5000 else datetime.max
    while local.fold:
        moment = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        local = moment.astimezone(info)
    return local.replace(tzinfo=None)


def before(dialect: str, zone: str, moment: datetime, *, are_moments: bool = False) -> list[dict[str, Any]]:
    """Windows of all that comes before `moment`: from the first value that the database can hold, if it can
    hold more than times, then from EARLIEST."""
    first: Mapping[str, Any] = {"postgresql": "-infinity", "sqlite": -1e30, "mysql": 0, "mariadb": 0}
    values = ends(dialect, zone, EARLIEST, moment, timedelta(0), are_moments=are_moments)
    return [{**values, WINDOW[0]: first[dialect]}, values] if dialect in first else [values]


def within(batch: pa.RecordBatch, start: datetime, end: datetime) -> pa.RecordBatch:
    """The rows within [start, end), and those without a time, which `validate` judges.

    The database cannot cut exactly where times are texts, or where a margin was added.
    """
    moments = batch.column("occurred_at")
    scalar = [pa.scalar(utc(moment), moments.type) for moment in (start, end)]
    inside = pc.and_(pc.greater_equal(moments, scalar[0]), pc.less(moments, scalar[1]))
    return batch.filter(pc.fill_null(inside, True))
