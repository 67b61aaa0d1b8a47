"""Guesses from its values how a column writes times, and gives the SQL that reads them.

Day before month, month before day, or two digits of the year before both: decided by the values. Where
several would do, by which of them lets the days of the file lie closest together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

import duckdb
import pyarrow as pa

from pipeline.loading.head import Column
from pipeline.loading.words import literal
from pipeline.times import FIRST_OF_A_SHOP, moments

DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%Y%m%d"),
    *("%y-%m-%d", "%y/%m/%d", "%y.%m.%d"),
    *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%m %d, %Y", "%b %d %Y"),
)  # fmt: skip
CLOCKS = (
    *("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%H", "%H.%M", "%H%M%S"),
)  # fmt: skip
BETWEEN = (" ", "T", ", ", "  ", "")
ZONES = ("", " %Z", " %z", "%z", "Z")
UNITS = {1: "seconds", 10**3: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}
"""How many of a unit are a second."""

LAST = datetime(2100, 1, 1, tzinfo=UTC)
NUMBER = re.compile(r"[0-9]{1,19}(\.[0-9]+)?")
START = "2000-01-01"
"""Where days begin that are counted from an unknown one."""


@dataclass(frozen=True)
class TimeFormat:
    """How times are written.

    sql:      reads them; `{0}` stands for the column, `{1}` for the one with the time of day
    words:    what was guessed, as a comment
    has_zone: whether the values say which zone they are of
    is_day:   whether they are days without a time of day
    """

    sql: str
    words: str
    has_zone: bool = False
    is_day: bool = False


def guess(column: Column, clock: Column | None = None) -> TimeFormat | None:
    """How `column` writes times, and `clock` the time of day; None where it holds no times of a shop."""
    if column.kind.startswith(("TIMESTAMP", "DATE")):
        is_day = column.kind == "DATE"
        return TimeFormat("{0}", f"a column of the type {column.kind}", "ZONE" in column.kind, is_day)
    if not column.values:
        return None
    if clock is not None:
        return _with_clock(column, clock)
    if all(map(NUMBER.fullmatch, column.values)):
        return _compact(column) or _epoch(column)
    return (_iso(column) or _strptime(column)) if column.is_text else None


def day_number(column: Column) -> TimeFormat | None:
    """Days counted from one that the file does not say."""
    if not column.values or not all(re.fullmatch(r"[0-9]{1,4}", value) for value in column.values):
        return None
    words = f"days that are counted from one which the file does not say: {START} stands for day 0"
    return TimeFormat(f"DATE '{START}' + CAST({{0}} AS INTEGER)", words, is_day=True)


def _iso(column: Column) -> TimeFormat | None:
    """Texts that are read as they are."""
    try:
        moments(pa.array(column.values), "UTC")
    except (ValueError, pa.ArrowInvalid):
        return None
    first = column.values[0]
    is_day = all(len(value) == len("2026-01-31") for value in column.values)
    has_zone = bool(re.search(r"\d(Z|[+-]\d\d(:?\d\d)?)$", first[10:]))
    return TimeFormat("{0}", f"such as {first}", has_zone, is_day)


def _epoch(column: Column) -> TimeFormat | None:
    numbers = [float(value) for value in column.values]
    for per_second, unit in UNITS.items():
        first, last = min(numbers) / per_second, max(numbers) / per_second
        if FIRST_OF_A_SHOP.timestamp() <= first <= last < LAST.timestamp():
            kind = "BIGINT" if all(value.isdigit() for value in column.values) else "DOUBLE"
            value = f"CAST({{0}} AS {kind})" if column.is_text else "{0}"
            divided = f" / {per_second}" if per_second > 1 else ""
            shown = datetime.fromtimestamp(numbers[0] / per_second, UTC)
            words = f"{unit} since 1970: {column.values[0]} is {shown:%Y-%m-%d %H:%M:%S} UTC"
            return TimeFormat(f"to_timestamp({value}{divided})", words, has_zone=True)
    return None


def _compact(column: Column) -> TimeFormat | None:
    """20260131 and 20260131180500."""
    for length, form in ((8, "%Y%m%d"), (14, "%Y%m%d%H%M%S")):
        if all(len(value) == length for value in column.values) and _read_all(column.values, [form]):
            value = "{0}" if column.is_text else "CAST({0} AS VARCHAR)"
            return _as_format(form, column.values[0], value, "")
    return None


def _strptime(column: Column) -> TimeFormat | None:
    clocks = ["", *(f"{sep}{clock}{zone}" for sep, clock, zone in product(BETWEEN, CLOCKS, ZONES))]
    forms = [day + clock for day, clock in product(DAYS, clocks)]
    chosen = _chosen(column.values, forms)
    return chosen and _as_format(chosen[0], column.values[0], "{0}", chosen[1])


def _with_clock(column: Column, clock: Column) -> TimeFormat | None:
    """A day in one column, the time of day in another."""
    day, time = _chosen(column.values, DAYS), _chosen(clock.values, CLOCKS, "2000-01-01 ", "%Y-%m-%d ")
    if day is None or time is None or not column.is_text or not clock.is_text:
        return None
    form = f"{day[0]} {time[0].removeprefix('%Y-%m-%d ')}"
    return _as_format(form, f"{column.values[0]} {clock.values[0]}", "{0} || ' ' || {1}", day[1])


def _chosen(
    values: Sequence[str], forms: Iterable[str], before: str = "", form_before: str = ""
) -> tuple[str, str] | None:
    """The format that reads all values, and why where it is one of two that do; None where none does."""
    values = [before + value for value in values]
    forms = [form_before + form for form in forms]
    if not values:
        return None
    alike = [form for form in forms if _shape(form) == _shape(values[0])]
    spans = _read_all(values, alike) if alike else {}
    if not spans:
        return None
    first = next(iter(spans))
    other = first.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
    others = [form for form in spans if form != first and (form == other or form.startswith("%y"))]
    if not others:
        return first, _reason(first)
    best = min((first, *others), key=lambda form: spans[form])
    is_even = len({spans[form] for form in (first, *others)}) == 1
    why = "" if is_even else ", and this puts the days closer together"
    return best, f"{_reason(best)}: LOOK AT IT, the other way round would do as well{why}"


def _shape(text: str) -> str:
    """`9/9/9 9:9 a` of `13/12/2009 07:45 PM` and of the formats that may read it."""
    text = re.sub(r"%z", "+9", re.sub(r"%[bBpZ]", "a", text))
    text = re.sub(r"%[a-zA-Z]", "9", text)
    text = re.sub(r"([:.]\d+ ?)[+-]\d\d(:?\d\d)?$", r"\1+9", text)
    return re.sub(r"\s+", " ", re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text)))


def _reason(form: str) -> str:
    if "%m" not in form or form.startswith("%Y"):
        return ""
    if form.startswith("%y"):
        return "the year first"
    return "month before day" if form.find("%m") < form.find("%d") else "day before month"


def _read_all(values: Sequence[str], forms: Sequence[str]) -> dict[str, float]:
    """The formats that read every value as a time of a shop -> seconds from the first to the last."""
    read = [f"try_strptime(v, {literal(form)})::TIMESTAMP" for form in forms]
    shop = f"BETWEEN TIMESTAMP '{FIRST_OF_A_SHOP:%Y-%m-%d}' AND TIMESTAMP '{LAST:%Y-%m-%d}'"
    columns = ", ".join(
        f"count(*) FILTER ({sql} {shop}), epoch(max({sql})) - epoch(min({sql}))" for sql in read
    )
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("texts", pa.table({"v": list(values)}))
        row = db.execute(f"SELECT {columns} FROM texts").fetchone() or ()
    found = zip(forms, row[0::2], row[1::2], strict=True)
    return {form: span for form, n, span in found if n == len(values)}


def _as_format(form: str, first: str, value: str, why: str) -> TimeFormat:
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        query = f"SELECT CAST(strptime({literal(first)}, {literal(form)}) AS VARCHAR)"
        [(shown,)] = db.execute(query).fetchall()
    words = f"{first} is {shown}" + (f"; {why}" if why else "")
    has_clock = any(sign in form for sign in ("%H", "%I"))
    sql = f"strptime({value}, {literal(form)})"
    if form.endswith("Z") and not form.endswith("%Z"):  # a letter, which strptime reads over
        return TimeFormat(f"{sql} AT TIME ZONE 'UTC'", words, has_zone=True)
    return TimeFormat(sql, words, form.lower().endswith("%z"), not has_clock)
