"""Reads a CSV file strictly: every row of the right width, in words of our own where one is not.

Lines may end in LF, CR, CR LF or CR CR LF, also within one file; blank ones are no rows. The text is UTF-8,
or UTF-16 or UTF-32 that begins with its mark; what gzip compressed is read whatever its name.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import SourceError
from pipeline.loading.progress import Say, is_due, silent

CHUNK = 512
"""Rows that are Python's lists at a time. With more than some 700 of them alive, its garbage collector walks
through them again and again: with 65,536 half of the time went into that."""

GROUP = 65_536
"""Rows that are held in memory, and that make a row group."""

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""How a file in another encoding than UTF-8 begins; the longer marks first."""

OTHERS = {b"PAR1": "a Parquet file", b"PK\x03\x04": "a zip archive or an Excel workbook"}
"""How files begin that are no CSV, whatever their name."""

QUOTES = {
    "unexpected end of data": "a quote that opens there and is never closed",
    "field larger than field limit": "a value of more than 131,072 characters: is a quote never closed?",
    "expected after": "a quote in the middle of a value",
}
"""Words in messages of Python's csv module -> what a person looks for."""

AGAIN = "then the same again; nothing was changed"


def names(path: Path) -> list[str]:
    """The names in the first line. Raises SourceError where it has none that can be read."""
    with _text(path) as text:
        return _header(path, csv.reader(text, strict=True))


def to_parquet(path: Path, target: Path, say: Say = silent) -> int:
    """Write the rows of the CSV file `path` to the Parquet file `target`, each value as text, in their order.

    say: a line of progress now and then, while there are more rows to read

    An empty value is the empty text. Returns the number of rows. Raises SourceError, which names the row
    (row 1 comes after the names of the columns), where the file cannot be read to its end.
    """
    with _text(path) as text:
        reader = csv.reader(text, strict=True)
        names = _header(path, reader)
        schema = pa.schema([(name, pa.string()) for name in names])
        n_rows, group = 0, list[pa.Table]()
        with pq.ParquetWriter(target, schema, compression="lz4") as writer:
            for rows in _chunks(path, reader, len(names)):
                group.append(_table(path, rows, schema, n_rows + 1))
                n_before, n_rows = n_rows, n_rows + len(rows)
                if n_before // GROUP < n_rows // GROUP:
                    writer.write_table(pa.concat_tables(group))
                    group.clear()
                if len(rows) == CHUNK and is_due(n_before, n_rows):
                    say(f"{path.name}: {n_rows:,} rows read so far")
            if group:
                writer.write_table(pa.concat_tables(group))
    return n_rows


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    """The file as text; bytes that are not UTF-8 become lone surrogates, which `_table` finds."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if is_gzip else path.open("rb") as file:
        first = _first_bytes(path, file)  # type: ignore[arg-type]
    encoding = next((name for mark, name in MARKS if first.startswith(mark)), "utf-8-sig")
    kind = next((kind for mark, kind in OTHERS.items() if first.startswith(mark)), None)
    if kind:
        raise SourceError(f"{path} is no CSV file", found=kind, then="rename or export it, then load again")
    errors = "surrogateescape" if encoding == "utf-8-sig" else "strict"
    opened = gzip.open if is_gzip else open
    with opened(path, "rt", encoding=encoding, errors=errors, newline="") as text:
        yield text  # type: ignore[misc]


def _first_bytes(path: Path, file: gzip.GzipFile) -> bytes:
    try:
        return file.read(4)
    except (EOFError, OSError, zlib.error) as error:
        raise _broken(path, "its beginning", error) from error


def _header(path: Path, reader: Iterator[list[str]]) -> list[str]:
    try:
        names = [name.strip() for name in next((row for row in reader if row), [])]
    except (csv.Error, EOFError, UnicodeError, OSError, zlib.error) as error:
        raise _broken(path, "the first line", error) from error
    doubled = {name for name in names if names.count(name) > 1}
    unreadable = any("\0" in name or not _is_utf8(name) for name in names)
    if doubled or not names or unreadable:
        found = f"{', '.join(sorted(doubled))} twice" if doubled else "an empty file"
        raise SourceError(
            f"the first line of {path} does not name its columns",
            found=ascii(",".join(names))[:200] if unreadable else found,
            promised="one name for each column, with commas between, in UTF-8",
            then=f"{'save it as UTF-8' if unreadable else 'mend the first line'}, {AGAIN}",
        )
    return names


def _chunks(path: Path, reader: Iterator[list[str]], width: int) -> Iterator[list[list[str]]]:
    """Lists of at most CHUNK rows of `width` values. Raises SourceError naming the row that is not."""
    rows: list[list[str]] = []
    number = 1
    try:
        for row in reader:
            if len(row) != width:
                if not row:
                    continue
                raise _ragged(path, row, width, number, is_last=next(reader, None) is None)
            rows.append(row)
            number += 1
            if len(rows) == CHUNK:
                yield rows
                rows = []
    except (csv.Error, EOFError, UnicodeError, OSError, zlib.error) as error:
        raise _broken(path, f"row {number:,}", error) from error
    if rows:
        yield rows


def _table(path: Path, rows: list[list[str]], schema: pa.Schema, start: int) -> pa.Table:
    """Rows as a table; `start` is the number of the first. Raises SourceError for what is not UTF-8."""
    try:
        columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    except UnicodeEncodeError as error:
        number, value = next(
            (number, value) for number, row in enumerate(rows, start) for value in row if not _is_utf8(value)
        )
        shown = value.encode("utf-8", "surrogateescape")
        raise SourceError(
            f"row {number:,} of {path} is not UTF-8",
            found=str(shown)[:200],
            promised="a CSV file in UTF-8",
            then="save it as UTF-8 (from Windows: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW.csv), " + AGAIN,
        ) from error
    return pa.table(columns, schema=schema)


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _ragged(path: Path, row: list[str], width: int, number: int, *, is_last: bool) -> SourceError:
    n_values = f"{len(row)} value{'s' if len(row) > 1 else ''}"
    cut = " (the last row: the file may be cut off)" if is_last else ""
    return SourceError(
        f"row {number:,} of {path} has {n_values}, not {width}",
        found=ascii(",".join(row))[:200] + cut,
        promised="as many values in each row as the first line has names, those with a comma in quotes",
        then=f"mend that row, {AGAIN}",
    )


def _broken(path: Path, where: str, error: Exception) -> SourceError:
    then = "mend that row"
    if isinstance(error, csv.Error):
        found = next((words for sign, words in QUOTES.items() if sign in str(error)), str(error))
    elif isinstance(error, UnicodeError):
        found, then = "text that is neither UTF-8 nor what the file's first bytes say", "save it as UTF-8"
    elif isinstance(error, (EOFError, zlib.error, gzip.BadGzipFile)):
        found, then = "a gzip file that is damaged or cut off", "make it again"
    else:
        found, then = str(error), "mend that"
    return SourceError(
        f"{path} cannot be read beyond {where}",
        found=found,
        promised="a whole UTF-8 CSV file; values with a comma or line end in quotes, quotes in those doubled",
        then=f"{then}, {AGAIN}",
    )
