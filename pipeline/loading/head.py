"""Reads the first rows of a table in a file, whatever its columns: how it is written, and what stands in it.

Of a text file the separator, quotes, encoding and whether the first line has names are guessed, by DuckDB's
sniffer. Only the beginning of a file is read, so that it takes no longer with a large one.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from pipeline import engine
from pipeline.errors import NightshelfError
from pipeline.loading import names
from pipeline.loading.words import literal, trimmed

ROWS = 10_000
ENOUGH_BYTES = 16 * 2**20
"""Bytes that are looked at to find the encoding."""

JSON = (".json", ".jsonl", ".ndjson")
NULLS = ("", "NULL", "null", "NA", "NaN", "\\N")
"""What stands for a missing value in text files."""

MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
SIMPLE = (
    *("VARCHAR", "ENUM", "BOOLEAN", "UUID", "DATE", "TIME", "DECIMAL", "FLOAT", "DOUBLE", "TINYINT"),
    *("SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
)  # fmt: skip
"""How DuckDB's types of single values begin."""


@dataclass(frozen=True)
class Column:
    """One column of the first rows.

    kind:      DuckDB's type; VARCHAR for all of a text file
    values:    its distinct values as text, without blanks around them, in their order
    n_missing: rows without a value
    """

    name: str
    kind: str
    values: tuple[str, ...]
    n_missing: int

    @property
    def is_text(self) -> bool:
        return self.kind == "VARCHAR" or self.kind.startswith("ENUM")


@dataclass(frozen=True)
class Head:
    """The first rows of a file.

    source:    from the name of the file, SQL that reads it
    has_names: whether its first line has the names of the columns; else DuckDB gives them
    notes:     what was guessed about the file, in sentences
    """

    path: Path
    columns: tuple[Column, ...]
    n_rows: int
    source: Callable[[str], str]
    has_names: bool = True
    notes: tuple[str, ...] = field(default=())


def read(path: Path, n_rows: int | None = None) -> Head | None:
    """The first `n_rows` rows (ROWS) of a Parquet, JSON or text file; None where it is no table.

    A pipe is none: whoever opens one waits for its writer.
    """
    try:
        if not path.is_file():
            return None
        with engine.connect() as db:
            db.execute("SET autoinstall_known_extensions = false")
            db.execute("SET autoload_known_extensions = false")
            source, has_names, notes = _source(db, path)
            db.execute(
                f"CREATE TEMP TABLE head AS FROM {source(str(path.absolute()))} LIMIT {n_rows or ROWS}"
            )
            [(count,)] = db.execute("SELECT count(*) FROM head").fetchall()
            columns = [_column(db, name, kind) for name, kind, *_ in db.execute("DESCRIBE head").fetchall()]
    except (duckdb.Error, NightshelfError, OSError, EOFError, ValueError, zlib.error):
        return None
    return Head(path, tuple(columns), count, source, has_names, notes) if count else None


def _column(db: duckdb.DuckDBPyConnection, name: str, kind: str) -> Column:
    """A column of lists or structures has no values."""
    if not kind.startswith(SIMPLE) or kind.endswith("]"):
        return Column(name, kind, (), 0)
    rows = db.execute(f"SELECT {trimmed(identifier(name))} FROM head").fetchall()
    there = [value for (value,) in rows if value is not None]
    return Column(name, kind, tuple(dict.fromkeys(there)), len(rows) - len(there))


def _source(db: duckdb.DuckDBPyConnection, path: Path) -> tuple[Callable[[str], str], bool, tuple[str, ...]]:
    """SQL that reads the file, whether it has names, and notes. Raises ValueError where it is no table."""
    with path.open("rb") as file:
        first = file.read(4)
    if first == b"PAR1":
        return lambda name: f"read_parquet({file_name(name)})", True, ()
    if first.startswith(b"PK\x03\x04") or path.suffix.lower() == ".sql":
        raise ValueError("a zip archive, an Excel workbook or a query")
    if path.name.lower().removesuffix(".gz").endswith(JSON):
        return lambda name: f"read_json({file_name(name)})", True, ()
    return _text(db, path, is_gzip=first.startswith(b"\x1f\x8b"))


def _text(
    db: duckdb.DuckDBPyConnection, path: Path, *, is_gzip: bool
) -> tuple[Callable[[str], str], bool, tuple[str, ...]]:
    with gzip.open(path) if is_gzip else path.open("rb") as file:
        data = file.read(ENOUGH_BYTES)
    encoding = _encoding(data)
    text = data.decode(encoding, errors="replace")
    if "\0" in text:
        raise ValueError("no text")
    line = text.lstrip("\ufeff").partition("\n")[0]
    given = {"encoding": literal(encoding)} if encoding != "utf-8" else {}
    if is_gzip and path.suffix.lower() != ".gz":
        given["compression"] = "'gzip'"
    options = {"delim": "'::'"} if "::" in line else {}
    if match := re.fullmatch(r"sep=(.)\s*", line):
        options = {"delim": literal(match[1]), "skip": "1"}
    sniffed = _call("sniff_csv", str(path.absolute()), {**given, **options})
    [(delim, quote, escape, skip, has_names, columns)] = db.execute(
        f"SELECT Delimiter, Quote, Escape, SkipRows, HasHeader, Columns FROM {sniffed}"
    ).fetchall()
    if len(columns) < 2:
        raise ValueError("one column")
    has_names = has_names or _are_names(line, delim)
    options = {
        "delim": literal(delim).replace("\t", "\\t"),
        **_quotes(text, delim, quote, escape),
        **({"skip": str(skip)} if skip else {}),
        "header": str(has_names).lower(),
        "all_varchar": "true",
        "nullstr": f"[{', '.join(map(literal, NULLS))}]",
        **given,
    }
    return lambda name: _call("read_csv", name, options), has_names, _notes(encoding, has_names)


def _quotes(text: str, delim: str, quote: str, escape: str) -> dict[str, str]:
    """The sniffer finds no quotes where they begin late, and where they are but signs within a text."""
    if quote == "(empty)":
        opens = re.search(rf'(?m)(^|{re.escape(delim)})"', text)
        return {"quote": literal('"' if opens or '"' not in text else "")}
    return {"quote": literal(quote), **({} if escape in ("(empty)", quote) else {"escape": literal(escape)})}


def _notes(encoding: str, has_names: bool) -> tuple[str, ...]:
    latin = "the text is not UTF-8 and is read as latin-1: look at accents, and at the euro sign"
    unnamed = "the first line has no names of columns, so DuckDB calls them column0, column1, ..."
    return (*([latin] if encoding == "latin-1" else []), *([] if has_names else [unnamed]))


def _call(function: str, name: str, options: dict[str, str]) -> str:
    """SQL for a table function over a file."""
    parts = [file_name(name), *(f"{option} = {value}" for option, value in options.items())]
    return f"{function}({', '.join(parts)})"


def _are_names(line: str, delim: str) -> bool:
    """Whether a first line that the sniffer takes for a row has names that we know: where all are texts."""
    words = [word.strip(' "\r') for word in line.split(delim)]
    tables = (names.USERS, names.ITEMS, names.TIMES, names.EVENTS, names.ORDERS)
    return sum(any(names.rank(word, table) is not None for table in tables) for word in words) > 1


def _encoding(data: bytes) -> str:
    if mark := next((name for mark, name in MARKS if data.startswith(mark)), None):
        return mark
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def identifier(name: str) -> str:
    """`name` as an SQL identifier, in quotes."""
    return '"' + name.replace('"', '""') + '"'


def file_name(name: str) -> str:
    """The name of one file as an SQL literal: DuckDB takes `*`, `?` and `[` in it for a pattern."""
    return literal(re.sub(r"([*?\[])", r"[\1]", name))
