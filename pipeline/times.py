"""Converts times as files and databases write them to UTC, by the same rules for both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.datasets import TIME

FIRST_OF_A_SHOP = datetime(1990, 1, 1, tzinfo=UTC)
"""No shop has sold anything before: an older time stands for none, and no window ends before."""
CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock of the shop, or of Airflow, may run ahead of ours."""
ZONED = r"[0-9:.](Z|z|[+-][0-9]{2}(:?[0-9]{2})?)$"
WITH_TIME = r"[0-9][T ][0-9]"
NO_DATE = r"^0000-00-00([T ]00:00(:00([.]0*)?)?)?$"
DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_1, YEAR_10000 = -62_135_596_800_000_000, 253_402_300_800_000_000
"""In microseconds since 1970: the range that databases and Python's datetime can hold."""
MICROSECONDS = {"date32[day]": DAY * 10**6, "s": 10**6, "ms": 10**3, "date64[ms]": 10**3, "us": 1}
"""Of one unit that Arrow counts times or dates in."""


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def utc(moment: datetime) -> datetime:
    """The same moment in UTC; a time without zone is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def clock(zone: str, until: datetime) -> pa.Table:
    """How far the clock of `zone` is ahead of UTC, on each day of UTC from FIRST_OF_A_SHOP to `until`.

    `day` (days since 1970), `ahead` (seconds) before `changes_at` (seconds since 1970), and `ahead_after`.
    By Python's zone data, as `moments`.
    """
    info = ZoneInfo(zone)

    def ahead(second: int) -> int:
        there = datetime.fromtimestamp(second, info).utcoffset()
        return round(there.total_seconds()) if there else 0

    rows = []
    for day in range(int(FIRST_OF_A_SHOP.timestamp()) // DAY, int(until.timestamp()) // DAY + 1):
        before, after = day * DAY, (day + 1) * DAY
        first, last = ahead(before), ahead(after)
        while first != last and after - before > 1:
            middle = (before + after) // 2
            before, after = (middle, after) if ahead(middle) == first else (before, middle)
        rows.append({"day": day, "ahead": first, "changes_at": after, "ahead_after": last})
    return pa.Table.from_pylist(rows)


def moments(column: pa.Array, zone: str) -> pa.Array:
    """Texts, timestamps or dates as timestamp[us, UTC]; times without zone are read in `zone`.

    Texts are ISO 8601; nulls stay. Times in the hour that `zone` skips in spring are read an hour later,
    in the hour that it repeats in autumn as the first of the two. Raises ValueError with the first text that
    is no time, or for a year outside 1 to 9999.
    """
    return _checked(_moments(column, zone))


def open_moments(column: pa.Array, zone: str) -> pa.Array:
    """As `moments`, of times that may stand for always or for ever: the latter have many spellings.

    What lies outside the years 1 to 9999, such as `infinity` in PostgreSQL, is the first or the last moment
    of them; so is the text `infinity`. The text `0000-00-00`, which MySQL writes for no time, is null. A date
    is the midnight that it begins. Raises ValueError with the first text that is no time.
    """
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _bounded(_moments(_bounded(column), zone))
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    texts = pc.if_else(pc.match_substring_regex(texts, NO_DATE), pa.scalar(None, pa.string()), texts)
    for pattern, edge in ((r"^(?i)-infinity$", "0001-01-01"), (r"^(?i)\+?infinity$", "9999-12-31")):
        texts = pc.replace_substring_regex(texts, pattern, edge)
    return _bounded(_moments(texts, zone))


def _bounded(times: pa.Array) -> pa.Array:
    """Timestamps or dates; those outside the years 1 to 9999 are the first or the last of these years."""
    unit = str(times.type) if pa.types.is_date(times.type) else times.type.unit
    if unit == "ns":  # 64 bits of them end in the year 2262
        return times
    per = MICROSECONDS[unit]
    counts = (times.cast(pa.int32()) if unit == "date32[day]" else times).cast(pa.int64())
    late = pc.min_element_wise(counts, pa.scalar((YEAR_10000 - 1) // per), skip_nulls=False)
    inside = pc.max_element_wise(late, pa.scalar(YEAR_1 // per), skip_nulls=False)
    return (inside.cast(pa.int32()) if unit == "date32[day]" else inside).cast(times.type)


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
    """Naive times of `zone` in UTC, by Python's zone data: Arrow needs the system's, which may be missing."""
    if zone == "UTC":
        return naive.cast(TIME)
    info = ZoneInfo(zone)
    distinct = pc.unique(_checked(naive).drop_null())
    read = [value.replace(tzinfo=info) for value in distinct.to_pylist()]
    return pa.array(read, TIME).take(pc.index_in(naive, value_set=distinct))


def _checked(times: pa.Array) -> pa.Array:
    """`times` unchanged. Raises ValueError where one is outside the years 1 to 9999."""
    span = pc.min_max(times.cast(pa.int64())).as_py()
    for edge in (span["min"], span["max"]):
        if edge is not None and not YEAR_1 <= edge < YEAR_10000:
            raise ValueError(f"{edge} microseconds after 1970")
    return times
