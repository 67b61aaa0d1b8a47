"""Runs a query file: one SELECT in DuckDB's SQL over a shop's own files, whatever their columns are called.

The query reads files of this machine and does nothing else: it writes nothing, loads no extension, and
reaches neither the network, secrets nor the environment. Relative paths in it count from its own folder.
Casts to a time with zone are read in UTC, whatever the zone of the machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import engine
from pipeline.databases import duckdb_files
from pipeline.errors import SourceError
from pipeline.loading import progress
from pipeline.loading.csv_file import AGAIN
from pipeline.loading.progress import Say
from pipeline.loading.words import counted

NODES = ("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE")
"""The kinds of query in DuckDB's syntax tree that only read; others (INSERT_QUERY_NODE) stand in a WITH."""

READERS = (
    *("read_csv", "read_csv_auto", "read_parquet", "parquet_scan", "read_json", "read_json_auto"),
    *("read_ndjson", "read_ndjson_auto", "read_json_objects", "read_ndjson_objects", "read_duckdb"),
    *("read_text", "read_blob", "glob", "range", "generate_series", "unnest", "repeat"),
    *("json_each", "json_tree"),
)
"""Functions that may stand in FROM: they read files, or no more than what they are given."""

MOST = 400
"""Characters of DuckDB's own words in an error."""


@dataclass(frozen=True)
class Query:
    """A query file, where a Parquet or CSV file could be: its rows are those of its SELECT."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


def to_parquet(path: Path, target: Path, spill: Path, say: Say) -> None:
    """Write the rows of the SELECT in the file `path` to the Parquet file `target`, in their order.

    target, spill: absolute paths: of the file, and of the folder for what does not fit into memory
    say:           one line of progress now and then, of a query with many rows

    The working folder of this process is that of the query meanwhile: DuckDB would look there for relative
    paths first. Raises SourceError, in DuckDB's words, where the file holds anything else than one SELECT, or
    the SELECT fails.
    """
    text = _text(path)
    try:
        with engine.connect(spill=spill) as db:
            duckdb_files.confine(db)
            _refuse_all_but_one_select(path, text, db)
            with chdir(path.absolute().parent):
                _write(path, db.sql(text), target, say)
    except duckdb.Error as error:
        raise _failed(path, str(error)) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path} cannot be read as a query",
            found=str(error),
            promised="one SELECT, in UTF-8",
            then=f"save it as UTF-8, {AGAIN}",
        ) from error


def _refuse_all_but_one_select(path: Path, text: str, db: duckdb.DuckDBPyConnection) -> None:
    """Raise SourceError where the text is not one statement that only reads, by DuckDB's own parser."""
    statements = db.extract_statements(text)
    kinds = [statement.type.name.replace("_", " ") for statement in statements]
    if len(statements) != 1:
        found = f"{counted(len(kinds), 'statement')}: {', '.join(kinds)}" if kinds else "no statement"
        raise _no_select(path, found, "write one SELECT")
    if kinds == ["MULTI"]:
        raise _no_select(path, "a PIVOT that does not name its columns", "write PIVOT ... ON column IN (...)")
    if kinds != ["SELECT"]:
        raise _no_select(path, f"a statement of the kind {kinds[0]}", "leave only the SELECT")
    if statements[0].named_parameters:
        names = ", ".join(sorted(f"${name}" for name in statements[0].named_parameters))
        raise _no_select(path, f"values that are not given: {names}", "write the values themselves")
    [(written,)] = db.execute("SELECT json_serialize_sql($1::VARCHAR)", [text]).fetchall()
    try:
        nodes = list(_nodes(json.loads(written)))
    except RecursionError:
        raise _no_select(path, "expressions that are nested too deep", "write it with fewer levels") from None
    for node in nodes:
        kind = str(node.get("type", ""))
        if kind.endswith("_NODE") and kind not in NODES:
            inner = kind.removesuffix("_NODE").removesuffix("_QUERY")
            raise _no_select(path, f"a statement of the kind {inner} inside it", "leave only the SELECT")
        if kind == "TABLE_FUNCTION":
            name = str(node["function"]["function_name"])
            if name.lower() not in READERS:
                raise _no_select(
                    path,
                    f"the function {name} in FROM",
                    "leave it out",
                    f"only functions that read files, such as {', '.join(READERS[:3])}",
                )


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of a tree of JSON."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _write(path: Path, rows: duckdb.DuckDBPyRelation, target: Path, say: Say) -> None:
    names = [name.lower() for name in rows.columns]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise SourceError(
            f"the query in {path} returns {', '.join(f'`{name}`' for name in doubled)} twice",
            found=", ".join(rows.columns),
            promised="each column once",
            then=f"name the columns in place of *, {AGAIN}",
        )
    reader = rows.to_arrow_reader(engine.BATCH)
    count = 0
    with _writer(path, rows, target, reader.schema) as writer:
        for batch in duckdb_files.batches(reader):
            writer.write_batch(batch)
            before, count = count, count + batch.num_rows
            if progress.is_due(before, count):
                say(f"{path.name}: {count:,} rows so far")


def _writer(path: Path, rows: duckdb.DuckDBPyRelation, target: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of the rows. Raises SourceError where a column is of a type that no Parquet file holds."""
    try:
        return pq.ParquetWriter(target, schema, compression="lz4")
    except pa.ArrowNotImplementedError as error:
        kinds = zip(rows.columns, rows.types, strict=True)
        raise SourceError(
            f"the query in {path} returns a column that is neither text, a number nor a time",
            found=", ".join(f"{name} {kind}" for name, kind in kinds),
            promised="no INTERVAL and no UNION",
            then=f"leave that column out, {AGAIN}",
        ) from error


def _no_select(path: Path, found: str, then: str, promised: str = "") -> SourceError:
    return SourceError(
        f"{path} holds something else than one SELECT that reads files",
        found=found,
        promised=promised or "one SELECT over files; WITH, FROM and UNION are fine",
        then=f"{then}, {AGAIN}",
    )


def _failed(path: Path, message: str) -> SourceError:
    """The refusal of a query that DuckDB cannot run, in DuckDB's words."""
    said, *rest = message.strip().split("\n\n")
    line = next((part.splitlines()[0] for part in rest if part.startswith("LINE ")), "")
    said = said.partition("Possible fixes")[0]
    found = " ".join(said.split())[:MOST] + (f" ({' '.join(line.split())[:MOST]})" if line else "")
    is_remote = "Permission Error" in said and "://" in said
    folder = path.absolute().parent
    return SourceError(
        f"the query in {path} reads over the network" if is_remote else f"the query in {path} fails",
        found=found,
        promised="files of this machine" if is_remote else "a SELECT that DuckDB can run to its end",
        then=f"{duckdb_files.advice(said, folder) or 'mend the query'}, {AGAIN}",
    )
