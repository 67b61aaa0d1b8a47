"""pipeline/times.py: ISO 8601 with and without zones, and what is no time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from pipeline.contract.datasets import DATASETS
from pipeline.source.columns import Shape, column
from pipeline.times import clock, moments, open_moments


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-01-01", "UTC", datetime(2026, 1, 1)),
        ("2026-01-01 10:00", "Europe/Berlin", datetime(2026, 1, 1, 9)),
        ("2026-07-01 10:00", "Europe/Berlin", datetime(2026, 7, 1, 8)),
        ("2026-01-01T10:00:00Z", "Europe/Berlin", datetime(2026, 1, 1, 10)),
        ("2026-01-01 10:00:00.5-0130", "Europe/Berlin", datetime(2026, 1, 1, 11, 30, 0, 500_000)),
        ("2026-01-01 10:00:00+02", "UTC", datetime(2026, 1, 1, 8)),
        ("2026-03-29 02:30:00", "Europe/Berlin", datetime(2026, 3, 29, 1, 30)),
        ("2026-10-25 02:30:00", "Europe/Berlin", datetime(2026, 10, 25, 0, 30)),
    ],
)
def test_texts(text: str, zone: str, moment: datetime) -> None:
    assert moments(pa.array([text, None]), zone).to_pylist() == [moment.replace(tzinfo=UTC), None]


def test_timestamps_and_dates() -> None:
    naive = pa.array([datetime(2026, 1, 1, 10)], pa.timestamp("ns"))
    assert moments(naive, "Europe/Berlin").to_pylist() == [datetime(2026, 1, 1, 9, tzinfo=UTC)]
    zoned = pa.array([datetime(2026, 1, 1, 10, tzinfo=UTC)], pa.timestamp("ms", tz="Asia/Tokyo"))
    assert moments(zoned, "Europe/Berlin").to_pylist() == [datetime(2026, 1, 1, 10, tzinfo=UTC)]
    assert moments(pa.array([date(2026, 1, 1)]), "UTC").to_pylist() == [datetime(2026, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize("text", ["soon", "2026-13-01", "1700000000", "01/02/2026", "2026-01-01 10:00:00+2"])
def test_what_is_no_time_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("+", r"\+")):
        moments(pa.array(["2026-01-01", None, text]), "UTC")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_years_that_no_database_holds_are_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="microseconds after 1970"):
        moments(pa.array([300_000_000_000_000_000], pa.timestamp("us")), zone)


FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("tz", [None, "UTC", "Asia/Tokyo"])
def test_times_beyond_all_years_stand_for_always_and_for_ever(unit: str, zone: str, tz: str | None) -> None:
    column = pa.array([-(2**63) + 1, 2**63 - 1, None, 0], pa.timestamp(unit, tz=tz))
    first, last, none, plain = open_moments(column, zone).to_pylist()
    assert FIRST <= first < FIRST + timedelta(days=1)
    assert LAST - timedelta(days=1) < last <= LAST
    assert (none, plain) == (None, moments(column.slice(3), zone)[0].as_py())


def test_dates_and_nanoseconds_that_stand_for_ever() -> None:
    days = pa.array([-(2**31) + 1, 2**31 - 1, None, 20_454], pa.int32()).cast(pa.date32())
    last_day = datetime(9999, 12, 31, tzinfo=UTC)
    assert open_moments(days, "UTC").to_pylist() == [FIRST, last_day, None, datetime(2026, 1, 1, tzinfo=UTC)]
    end = open_moments(pa.array([2**63 - 1], pa.timestamp("ns")), "UTC")[0].as_py()
    assert end.year == 2262


def test_texts_that_stand_for_always_for_ever_or_nothing() -> None:
    texts = pa.array(
        ["-infinity", "Infinity", "+infinity", "0000-00-00", "0000-00-00 00:00:00.000", " ", None]
    )
    last_day = datetime(9999, 12, 31, tzinfo=UTC)
    assert open_moments(texts, "UTC").to_pylist() == [FIRST, last_day, last_day, None, None, None, None]
    for text in ("infinite", "0000-00-01", "10000-01-01", "1795750215"):
        with pytest.raises(ValueError, match=text):
            open_moments(pa.array(["2026-01-01", text]), "UTC")
    with pytest.raises(ValueError, match="infinity"):
        moments(pa.array(["infinity"]), "UTC")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-29 02:30:00", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("2026-10-25 02:30:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_file_and_a_database_mean_the_same_moment(text: str, moment: datetime) -> None:
    """In the hour that Berlin skips in spring, and in the one it has twice in autumn."""
    shape = Shape(
        DATASETS["events"],
        "sql/source/events.sql",
        {"user": "integer", "item": "integer"},
        "Europe/Berlin",
        "sqlite",
    )
    texts = pa.array([text])
    naive = pa.array([datetime.fromisoformat(text)])
    assert moments(texts, "Europe/Berlin").to_pylist() == [moment]
    assert column(shape, "occurred_at", texts, "text").to_pylist() == [moment]
    assert column(shape, "occurred_at", naive, "time").to_pylist() == [moment]


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "Pacific/Auckland", "Asia/Kathmandu", "Australia/Lord_Howe"]
)
def test_the_clock_of_a_zone_is_known_for_every_day(zone: str) -> None:
    """Every 10 minutes of a year, and right before and after each change."""
    rows = {row["day"]: row for row in clock(zone, datetime(2026, 12, 31, tzinfo=UTC)).to_pylist()}
    first = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    edges = [row["changes_at"] + step for row in rows.values() for step in (-1, 0)]
    for second in [*range(first, first + 360 * 86_400, 600), *(edge for edge in edges if edge >= first)]:
        if row := rows.get(second // 86_400):
            ahead = row["ahead"] if second < row["changes_at"] else row["ahead_after"]
            assert datetime.fromtimestamp(second, ZoneInfo(zone)).utcoffset() == timedelta(seconds=ahead)
