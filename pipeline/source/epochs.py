"""Recognises times that a shop stores as numbers, and says how to cast them in the shop's own database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pipeline.times import FIRST_OF_A_SHOP

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = FIRST_OF_A_SHOP, datetime(2100, 1, 1, tzinfo=UTC)
"""A number that reads as a time between these is taken for one."""

PER_SECOND = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000, "nanoseconds": 1_000_000_000}
JULIAN_EPOCH = 2_440_587.5
JULIAN = "days of the Julian calendar"
"""How SQLite's own functions write a time as a number; 1970 begins at JULIAN_EPOCH."""

SQLITE = "strftime('%Y-%m-%dT%H:%M:%fZ', {0}{1})"
CASTS: Mapping[str, str] = {
    "postgresql": "to_timestamp({0}{1})",
    "mysql": "FROM_UNIXTIME({0}{1})",
    "mariadb": "FROM_UNIXTIME({0}{1})",
    "sqlite": SQLITE.format("{0}{1}", ", 'unixepoch'"),
    "duckdb": "make_timestamp(CAST({0}{1} * 1000000 AS BIGINT))",
}
"""Dialect -> SQL for a number of seconds since 1970 as a time; {1} divides other units to seconds."""


@dataclass(frozen=True)
class Recognised:
    """A number that reads as a time.

    unit: what it counts (PER_SECOND, JULIAN)
    """

    number: float
    unit: str
    dialect: str

    @property
    def meaning(self) -> str:
        """What it would mean, for a person: `as seconds since 1970 it is 2025-11-27T00:00:00+00:00`."""
        if self.unit == JULIAN:
            moment = EPOCH + timedelta(days=self.number - JULIAN_EPOCH)
            return f"as {self.unit} it is {moment.isoformat(timespec='seconds')}"
        moment = EPOCH + timedelta(seconds=self.number / PER_SECOND[self.unit])
        return f"as {self.unit} since 1970 it is {moment.isoformat(timespec='seconds')}"

    def cast(self, column: str) -> str | None:
        """SQL for `column` as a time; None where it is not known for this dialect."""
        if self.unit == JULIAN:
            return SQLITE.format(column, "")
        divisor = PER_SECOND[self.unit]
        pattern = CASTS.get(self.dialect)
        return pattern.format(column, "" if divisor == 1 else f" / {divisor}.0") if pattern else None


def recognised(value: object, dialect: str) -> Recognised | None:
    """How a number, or a text of digits, reads as a time of a shop; None where it does not."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    for unit, divisor in PER_SECOND.items():
        if FIRST.timestamp() <= number / divisor < LAST.timestamp():
            return Recognised(number, unit, dialect)
    days = [(moment - EPOCH) / timedelta(days=1) + JULIAN_EPOCH for moment in (FIRST, LAST)]
    if dialect == "sqlite" and days[0] <= number < days[1]:
        return Recognised(number, JULIAN, dialect)
    return None
