"""Times as files and databases write them, read as moments in UTC: one reader for both."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.datasets import TIME

ZONED = r"[0-9:.](Z|z|[+-][0-9]{2}(:?[0-9]{2})?)$"
WITH_TIME = r"[0-9][T ][0-9]"
YEAR_1, YEAR_10000 = -62_135_596_800_000_000, 253_402_300_800_000_000
"""Microseconds since 1970: what databases and Python's datetime hold lies between them."""


def utc(moment: datetime) -> datetime:
    """The same moment in UTC; a time without zone is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def moments(column: pa.Array, zone: str) -> pa.Array:
    """Texts, timestamps or dates -> timestamp[us, UTC]. A time without zone is one of `zone`.

    Texts are ISO 8601; nulls stay. An hour that `zone` skips in spring is read an hour later, one
    it has twice in autumn is the first. Raises ValueError with the first text that is no time.
    """
    return _checked(_moments(column, zone))


def _moments(column: pa.Array, zone: str) -> pa.Array:
    if pa.types.is_timestamp(column.type) and column.type.tz:
        return column.cast(TIME, safe=False)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _in_zone(column.cast(pa.timestamp("us"), safe=False), zone)
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    has_zone = pc.and_(pc.match_substring_regex(texts, ZONED), pc.match_substring_regex(texts, WITH_TIME))
    absent = pa.scalar(None, pa.string())
    zoned = _parsed(pc.if_else(has_zone, texts, absent), TIME)
    plain = _parsed(pc.if_else(has_zone, absent, texts), pa.timestamp("us"))
    return pc.coalesce(zoned, _in_zone(plain, zone))


def _parsed(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        for value in texts.drop_null():
            try:
                value.cast(kind)
            except pa.ArrowInvalid:
                raise ValueError(value.as_py()) from None
        raise


def _in_zone(naive: pa.Array, zone: str) -> pa.Array:
    """Python's own zone data, not Arrow's: those come from the system, which may have none."""
    if zone == "UTC":
        return naive.cast(TIME)
    place = ZoneInfo(zone)
    distinct = pc.unique(_checked(naive).drop_null())
    read = [_moment(value, place) for value in distinct.to_pylist()]
    return pa.array(read, TIME).take(pc.index_in(naive, value_set=distinct))


def _moment(naive: datetime, place: ZoneInfo) -> datetime:
    return naive.replace(tzinfo=place)


def _checked(times: pa.Array) -> pa.Array:
    """The same; ValueError when one is of a year that Python and databases do not have."""
    span = pc.min_max(times.cast(pa.int64())).as_py()
    for edge in (span["min"], span["max"]):
        if edge is not None and not YEAR_1 <= edge < YEAR_10000:
            raise ValueError(f"{edge} microseconds after 1970")
    return times
