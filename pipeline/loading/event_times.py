"""Reads times of a shop's files in UTC: refuses numbers, notes times of no shop.

`occurred_at` of events must be times; those of items may be dates, and stand for always or for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.datasets import TIME
from pipeline.contract.missing import WORDS
from pipeline.errors import SourceError
from pipeline.loading.ids import EXACT, FLOATS, INTEGERS
from pipeline.loading.table_file import AGAIN, TableFile
from pipeline.loading.words import counted, is_word, literal, trimmed, without
from pipeline.times import FIRST_OF_A_SHOP, moments, open_moments, utc

NAME = "occurred_at"
AHEAD = timedelta(days=1)
UNITS = {"s": ("seconds", 1), "ms": ("milliseconds", 10**3), "us": ("microseconds", 10**6)}
UNITS |= {"ns": ("nanoseconds", 10**9)}
NUMERIC = r"[+-]?[0-9]+([.,][0-9]*)?([eE][+-]?[0-9]+)?"
COMPACT = r"(19|20)[0-9]{6}([0-9]{6})?"
"""20260131 and 20260131180500: dates without separators, not numbers."""


def sql(file: TableFile, name: str = NAME) -> str:
    """SQL for the column; words for a missing time are null, and all of it where the file has no such column.

    Raises SourceError where it holds no times.
    """
    kind = file.types.get(name, '"NULL"')
    if kind.startswith((*INTEGERS, *EXACT, *FLOATS)) and not kind.endswith("]"):
        _refuse_numbers(file, name, f"{name} IS NOT NULL")
        return "CAST(NULL AS TIMESTAMP)"
    if kind == '"NULL"':
        return "CAST(NULL AS TIMESTAMP)"
    if kind == "VARCHAR" or kind.startswith("ENUM"):
        value = trimmed(name)
        has_no_colon = f"NOT contains(CAST({name} AS VARCHAR), ':')"  # as no number has: a quick first look
        is_number = f"{has_no_colon} AND regexp_full_match({value}, {literal(NUMERIC)})"
        _refuse_numbers(file, name, f"{is_number} AND NOT regexp_full_match({value}, '{COMPACT}')")
        query = f"SELECT count(*), min({value}) FROM {file.source} WHERE {is_word(value, WORDS)}"
        [(n_rows, shown)] = file.fetch(query)
        if n_rows:
            file.notes.append(
                f"{file.path.name}: `{name}`: {shown} in {counted(n_rows, 'row')}, read as missing"
            )
        return without(value)
    if kind.startswith(("TIMESTAMP", "DATE")) and not kind.endswith("]"):
        return name
    raise SourceError(
        f"`{name}` of {file.path} holds no times",
        found=kind,
        promised="timestamps, dates, or ISO 8601 texts such as 2026-01-31 18:05:00",
        then=f"write it as one of those, {AGAIN}",
    )


def _refuse_numbers(file: TableFile, name: str, condition: str) -> None:
    found = file.first(name, condition)
    if found is None:
        return
    row, value = found
    unit = _unit(value)
    meaning = (
        f", which is {unit[1]:%Y-%m-%d %H:%M:%S} UTC if it counts {UNITS[unit[0]][0]} since 1970"
        if unit
        else ""
    )
    then = "write times instead"
    if unit:
        divided = f" / {UNITS[unit[0]][1]}.0" if UNITS[unit[0]][1] > 1 else ""
        pandas = f'in pandas pd.to_datetime({name}, unit="{unit[0]}", utc=True), in PostgreSQL '
        then += f": {'' if file.is_query else pandas}to_timestamp({name}{divided})"
    raise SourceError(
        f"`{name}` of {file.path} holds numbers, not times",
        found=f"{value} in {row}{meaning}",
        promised="timestamps, dates, or ISO 8601 texts such as 2026-01-31 18:05:00",
        then=f"{then}; {AGAIN}",
    )


def _unit(value: object) -> tuple[str, datetime] | None:
    """The unit in which a number since 1970 is a time of a shop, and that time; None where there is none."""
    try:
        number = float(str(value).replace(",", "."))
    except ValueError:
        return None
    for unit, (_, per_second) in UNITS.items():
        seconds = number / per_second
        if FIRST_OF_A_SHOP.timestamp() <= seconds < datetime(2100, 1, 1, tzinfo=UTC).timestamp():
            return unit, datetime.fromtimestamp(seconds, UTC)
    return None


def in_utc(file: TableFile, query: str, zone: str, now: datetime) -> Iterator[pa.RecordBatch]:
    """The rows of `query`, `occurred_at` read as times in UTC; those without zone are of `zone`.

    Raises SourceError with the first value that is no time, and its row. At the end the notes say how many
    times are before FIRST_OF_A_SHOP or in the future.
    """
    early, late = (
        Outside(f"before {FIRST_OF_A_SHOP.year}"),
        Outside(f"after {utc(now) + AHEAD:%Y-%m-%d %H:%M} UTC, in the future"),
    )
    for batch in file.rows(query):
        index = batch.schema.get_field_index(NAME)
        try:
            times = moments(batch.column(index), zone)
        except ValueError as error:
            raise _no_time(file, NAME, str(error)) from error
        early.count(times, pc.less(times, pa.scalar(FIRST_OF_A_SHOP, TIME)))
        late.count(times, pc.greater(times, pa.scalar(utc(now) + AHEAD, TIME)))
        yield batch.set_column(index, NAME, times)
    file.notes.extend(f"{file.path.name}: `{NAME}`: {part}" for part in (early, late) if part.n_rows)


def open_in_utc(
    file: TableFile, batches: Iterable[pa.RecordBatch], names: Iterable[str], zone: str
) -> Iterator[pa.RecordBatch]:
    """The rows of `batches`, the columns `names` read as times in UTC (`times.open_moments`).

    Raises SourceError with the first value that is no time, and its row.
    """
    for batch in batches:
        for name in names:
            index = batch.schema.get_field_index(name)
            try:
                times = open_moments(batch.column(index), zone)
            except ValueError as error:
                raise _no_time(file, name, str(error)) from error
            batch = batch.set_column(index, name, times)
        yield batch


class Outside:
    """Counts times that cannot be a shop's, with the first of them."""

    def __init__(self, where: str) -> None:
        self.where, self.n_rows, self.first = where, 0, ""

    def count(self, times: pa.Array, mask: pa.Array) -> None:
        found = times.filter(mask)
        self.first = self.first or (found[0].as_py().isoformat() if len(found) else "")
        self.n_rows += len(found)

    def __str__(self) -> str:
        return f"{counted(self.n_rows, 'time')} {self.where}, such as {self.first}"


def _no_time(file: TableFile, name: str, value: str) -> SourceError:
    found = file.first(name, f"{trimmed(name)} = {literal(value)}")
    return SourceError(
        f"`{name}` of {file.path} holds what is no time",
        found=f"{value} in {found[0]}" if found else value,
        promised="ISO 8601, such as 2026-01-31 18:05:00 or 2026-01-31T18:05:00+01:00",
        then=f"write every time like that, {AGAIN}",
    )
