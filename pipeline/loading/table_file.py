"""One file of a shop, Parquet, CSV or a query, as an SQL relation: streamed; errors name file and row."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import config, engine
from pipeline.errors import DiskFull, SourceError
from pipeline.home import make_home
from pipeline.loading import csv_file, progress, query_file
from pipeline.loading.progress import Say, silent
from pipeline.loading.query_file import Query

CSV = (".csv", ".csv.gz")
AGAIN = csv_file.AGAIN


@dataclass(frozen=True)
class TableFile:
    """One file. Every column of a CSV file is text; those of a Parquet file and of a query keep their types.

    db:       shared by the files of one shop, so that SQL can compare them
    path:     as the user names it; it is one file, whatever characters it has
    scratch:  a folder for the rows of a CSV file and of a query, which are read once
    notes:    of one shop's files: what a user should know of them, in sentences; those who read them add some
    say:      one line of progress, of a file with many rows
    is_query: whether the file holds a SELECT; row numbers are those of its result
    """

    db: duckdb.DuckDBPyConnection
    path: Path
    scratch: Path
    notes: list[str] = field(default_factory=list)
    say: Say = silent
    is_query: bool = False

    @property
    def is_csv(self) -> bool:
        return not self.is_query and self.path.name.lower().endswith(CSV)

    def _check(self) -> None:
        """Raise SourceError where there is no such file, or it is of a kind that cannot be loaded."""
        with reading(self.path):
            if not self.path.is_file():
                kind = "query file" if self.is_query else "Parquet or CSV file"
                raise SourceError(f"no file {self.path}", then=f"name an existing {kind}")
        if not self.is_query and not self.is_csv and self.path.suffix.lower() != ".parquet":
            is_sql = self.path.suffix.lower() == ".sql"
            raise SourceError(
                f"{self.path} is of no kind that can be loaded",
                found=self.path.suffix or "no extension",
                promised=f".parquet, {' or '.join(CSV)}",
                then="name it as a query (load query, backtest --query)"
                if is_sql
                else "save it as one of those",
            )

    @cached_property
    def source(self) -> str:
        """The file as an SQL relation. Raises SourceError where it is missing, damaged or no such file."""
        return engine.parquet(self._parquet)

    @cached_property
    def _parquet(self) -> Path:
        """Where the rows lie as Parquet."""
        self._check()
        target = self.scratch / f"{len(list(self.scratch.glob('*.parquet')))}.parquet"
        with reading(self.path):
            if self.is_query:
                query_file.to_parquet(self.path, target, self.scratch / "spill", self.say)
                return target
            if self.is_csv:
                self._say_many(csv_file.to_parquet(self.path, target, self.say))
                return target
            self._say_many(pq.read_metadata(self.path).num_rows)
            return self.path

    def _say_many(self, n_rows: int) -> None:
        if n_rows >= progress.EVERY:
            self.say(f"{self.path.name}: {n_rows:,} rows; every value is checked")

    @cached_property
    def types(self) -> dict[str, str]:
        """Column -> DuckDB type; HALFFLOAT, which DuckDB reads as FLOAT. Of CSV it reads one line."""
        if self.is_csv:
            self._check()
            with reading(self.path):
                return dict.fromkeys(csv_file.names(self.path), "VARCHAR")
        rows = self.fetch(f"DESCRIBE SELECT * FROM {self.source}")
        types = {str(name): str(kind) for name, kind, *_ in rows}
        with reading(self.path):
            schema = pq.read_schema(self._parquet)
        halves = [field.name for field in schema if pa.types.is_float16(field.type)]
        return types | dict.fromkeys(halves, "HALFFLOAT")

    def require(self, columns: Iterable[str]) -> None:
        """Raise SourceError naming those of `columns` that the file lacks; other columns are ignored."""
        missing = [name for name in columns if name not in self.types]
        if missing:
            raise SourceError(
                f"{self.path} has no column {', '.join(f'`{name}`' for name in missing)}",
                found=", ".join(self.types),
                promised=", ".join(columns),
                then=f"{self._way_to(missing)}, then the same again",
            )

    def _way_to(self, missing: list[str]) -> str:
        """What gives the file the columns that are missing."""
        names = {name.lower() for name in self.types}
        if set(missing) <= names:
            return "write the names of the columns in small letters"
        if self.is_query:
            return "select it (a column gets its name with AS)"
        if len(names) == 1 and (between := next((sign for sign in ";\t|" if sign in min(names)), None)):
            return f"export it with commas between the values, not {between!r}"
        return "add it (in CSV the first line names the columns, with commas between)"

    def fetch(self, query: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query with few of them."""
        with reading(self.path):
            return self.db.cursor().execute(query, values or {}).fetchall()

    def first(self, column: str, condition: str) -> tuple[str, Any] | None:
        """`row 17` and the value of `column` in the first row where the SQL `condition` holds, or None.

        A time with a zone comes as text: DuckDB would need another package to make a Python object of it.
        """
        if not self.fetch(f"SELECT 1 FROM {self.source} WHERE {condition} LIMIT 1"):
            return None  # numbering the rows would take a single thread, and several times as long
        is_moment = self.types.get(column) == "TIMESTAMP WITH TIME ZONE"
        value = f"CAST({column} AS VARCHAR)" if is_moment else column
        numbered = f"SELECT row_number() OVER () AS n, {value} AS value, * FROM {self.source}"
        found = self.fetch(f"SELECT n, value FROM ({numbered}) WHERE {condition} ORDER BY n LIMIT 1")
        where = " of its result" if self.is_query else ""
        return f"row {found[0][0]:,}{where}", found[0][1]

    def refuse(self, column: str, condition: str, what: str, promised: str, then: str = "") -> None:
        """Raise SourceError with the first value of `column` that meets the SQL `condition`, if one does."""
        if found := self.first(column, condition):
            row, value = found
            raise SourceError(
                f"`{column}` of {self.path} {what}",
                found=f"{str(value)[:200]!r} in {row}",
                promised=promised,
                then=f"{then or 'mend that column'}, {AGAIN}",
            )

    def rows(self, query: str, batch_rows: int = engine.BATCH) -> Iterator[pa.RecordBatch]:
        """The rows of `query`, streamed in the file's order, at most `batch_rows` at a time.

        Raises SourceError for a text with NUL in it.
        """
        with reading(self.path):
            for batch in self.db.cursor().sql(query).to_arrow_reader(batch_rows):
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    if pa.types.is_string(column.type) and pc.any(pc.match_substring(column, "\0")).as_py():
                        self._refuse_nul(name, column)
                yield batch

    def _refuse_nul(self, name: str, column: pa.Array) -> None:
        value = column.filter(pc.match_substring(column, "\0"))[0].as_py()
        raise SourceError(
            f"`{name}` of {self.path} holds a NUL byte, which no database stores in a text",
            found=repr(value)[:200],
            promised="text",
            then=f"write the file without them (is it UTF-16? save it as UTF-8), {AGAIN}",
        )


@contextmanager
def opened(*files: Path | Query | None, say: Say = silent) -> Iterator[tuple[Any, ...]]:
    """A TableFile for each file, None for None, with one list of notes.

    Rows of CSV files and of queries lie in NIGHTSHELF_HOME during the block.
    """
    home = config.home()
    make_home(home)
    notes: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="load-", dir=home) as scratch,
        engine.connect(spill=Path(scratch) / "spill") as db,
    ):
        yield tuple(
            TableFile(db, file.path, Path(scratch), notes, say, is_query=True)
            if isinstance(file, Query)
            else file and TableFile(db, file, Path(scratch), notes, say)
            for file in files
        )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn a failure to read `path` into one SourceError that names it; DiskFull where the disk is full."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, UnicodeDecodeError, OSError) as error:
        message = " ".join(str(error).split("\n\n")[0].split())[:400]
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(
                f"no room to read {path}",
                found=message,
                then="make room in NIGHTSHELF_HOME, then the same again",
            ) from error
        raise SourceError(
            f"{path} cannot be read",
            found=message,
            promised="a whole Parquet or CSV file",
            then=f"mend the file, {AGAIN}",
        ) from error
