"""Reads a Parquet or CSV file through DuckDB: streamed, with errors that name the file."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline import engine
from pipeline.config import IdType
from pipeline.errors import SourceError
from pipeline.loading import ids

CSV = (".csv", ".csv.gz")
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL", "HUGEINT")


@dataclass(frozen=True)
class TableFile:
    """One file. Every column of a CSV file is text; those of a Parquet file keep their types."""

    db: duckdb.DuckDBPyConnection
    path: Path

    @property
    def is_csv(self) -> bool:
        return self.path.name.lower().endswith(CSV)

    @cached_property
    def source(self) -> str:
        """The file as an SQL relation. Raises SourceError where it is missing or of another format."""
        if not self.path.is_file():
            raise SourceError(f"no file {self.path}", then="name an existing Parquet or CSV file")
        with reading(self.path):
            if self.is_csv:
                columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in self._header())
                options = "auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"'"
                return f"read_csv({text(str(self.path))}, {options}, columns = {{{columns}}})"
        if self.path.suffix.lower() == ".parquet":
            return f"read_parquet({text(str(self.path))})"
        raise SourceError(
            f"{self.path} is of no kind that can be loaded",
            found=self.path.suffix or "no extension",
            promised=f".parquet, {' or '.join(CSV)}",
            then="save it as one of those",
        )

    @cached_property
    def types(self) -> dict[str, str]:
        """Column -> DuckDB type."""
        with reading(self.path):
            rows = self.db.sql(f"DESCRIBE SELECT * FROM {self.source}").fetchall()
        return {str(name): str(kind) for name, kind, *_ in rows}

    def require(self, columns: Iterable[str]) -> None:
        """Raise SourceError naming those of `columns` that the file lacks; other columns are ignored."""
        missing = [name for name in columns if name not in self.types]
        if missing:
            raise SourceError(
                f"{self.path} has no column {', '.join(f'`{name}`' for name in missing)}",
                found=", ".join(self.types),
                promised=", ".join(columns),
                then="add it (in CSV the first line names the columns, with commas between), then load again",
            )

    def id_types(self, column: str) -> set[IdType]:
        """The id types that the values of `column` allow. Raises SourceError where they are no ids."""
        kind = self.types[column]
        with reading(self.path):
            if kind in INTEGERS:
                return {"integer"}
            if kind == "UUID":
                return {"uuid"}
            if kind.startswith(FRACTIONS):
                # pandas stores whole numbers as floats as soon as one is missing
                whole = f"try_cast({column} AS BIGINT) IS NOT DISTINCT FROM {column}"
                fractions = self.db.execute(
                    f"SELECT {column} FROM {self.source} WHERE NOT ({whole}) LIMIT 1"
                ).fetchall()
                if not fractions:
                    return {"integer"}
                kind = f"{fractions[0][0]}, {kind}"
            elif kind == "VARCHAR" or kind.startswith("ENUM"):
                allowed = ids.of_texts(self.db, self.source, column)
                return allowed if self.is_csv or len(allowed) == 3 else allowed - {"integer"}
        raise SourceError(
            f"`{column}` of {self.path} holds no ids",
            found=kind,
            promised="whole numbers, texts or UUIDs",
            then="mend that column, then load again",
        )

    def rows(self, query: str) -> Iterator[pa.RecordBatch]:
        """The rows of `query`, streamed in the file's order."""
        with reading(self.path):
            yield from self.db.sql(query).to_arrow_reader(engine.BATCH)

    def _header(self) -> list[str]:
        opened = gzip.open if self.path.name.lower().endswith(".gz") else open
        with opened(self.path, "rt", encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
        doubled = {name for name in names if names.count(name) > 1}
        if doubled or not names:
            raise SourceError(
                f"the first line of {self.path} does not name its columns",
                found=f"{', '.join(sorted(doubled))} twice" if doubled else "an empty file",
                promised="one name for each column, with commas between",
                then="mend the first line, then load again",
            )
        return names


def id_as(column: str, kind: IdType) -> str:
    """SQL for an id column as BIGINT, or as text (UUIDs in lower case)."""
    if kind == "integer":
        return f"CAST({column} AS BIGINT)"
    return f"lower(CAST({column} AS VARCHAR))" if kind == "uuid" else f"CAST({column} AS VARCHAR)"


def text(value: str) -> str:
    """`value` as an SQL literal, for the arguments of read_csv and read_parquet, which cannot be bound."""
    return "'" + value.replace("'", "''") + "'"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn a failure to read `path` into one SourceError that names it."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, UnicodeDecodeError, csv.Error, EOFError, OSError) as error:
        raise SourceError(
            f"{path} cannot be read",
            found=" ".join(str(error).split("\n\n")[0].split())[:400],
            promised="a whole Parquet or UTF-8 CSV file with the columns of an events file",
            then="mend the file, then load again; the shop is as it was",
        ) from error
