"""What DuckDB may do for a shop: read files of this machine, and nothing else.

It serves queries over files (loading) and database files of its own (sources). Neither writes, loads an
extension, or reaches the network, secrets or the environment of this process.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline import config
from pipeline.home import make_home

LOCKS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    "http_proxy": "",
    "enable_external_access": "false",
    "lock_configuration": "true",
}
"""Settings of DuckDB, in the order in which they are set; after the last, none can be changed."""

UNSAFE = ("proc", "dev")
"""Folders at the root that show the environment of this process; /dev by its links: /dev/fd/../environ."""

ADVICE = (
    (r"Permission Error.*://", "download the file, and name the copy on this machine"),
    (r"IO Error: No files found", "name a file that is there: a relative path counts from {folder}"),
    (
        r"CSV Error.*Expected Number of Columns",
        "mend that line (is it the last one, cut off?); or add ignore_errors = true to read_csv, which leaves"
        " out every such line without a word",
    ),
    (r"(CSV Error|Error when converting)", "mend that line, or read the column as text and cast it"),
    (
        r"Conversion Error: Could not convert string '-?[\d.]*,\d+' to",
        "write replace(COLUMN, ',', '.') in the cast: the comma stands before the decimals",
    ),
    (
        r"Conversion Error",
        "leave the cast away, so that the column is text (ids may be); or leave such values out; or use"
        " try_cast, which makes them null",
    ),
    (
        r'Referenced column "TODO"',
        "put a column in the place of TODO: the comment above it says which it may be",
    ),
    (r"extension", "export what it reads as CSV or Parquet: no extension is loaded"),
    (r"Permission Error", "name another file"),
    (r"Catalog Error: Table ", "name a file, in quotes, such as FROM 'purchases.csv'"),
)
"""What DuckDB's words look like -> what to do; the first that fits counts."""

RAISED = {
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "IO Error": duckdb.IOException,
    "Conversion Error": duckdb.ConversionException,
    "Invalid Input Error": duckdb.InvalidInputException,
    "INTERRUPT Error": duckdb.InterruptException,
}
"""How a message begins -> the error that DuckDB's own interface raises for it."""


def confine(db: duckdb.DuckDBPyConnection, zone: str = "UTC") -> None:
    """Leave a connection nothing but files, with `zone` for casts between times with and without zone.

    Files under UNSAFE are not among them. Raises duckdb.Error where DuckDB does not know the zone.
    """
    roots = [str(path) for path in Path("/").iterdir() if path.name not in UNSAFE and path.name.isprintable()]
    for name in ("allowed_directories", "allowed_paths"):
        db.execute(f"SET {name} = [{', '.join(map(_literal, roots))}]")
    for name, value in {"TimeZone": zone, **LOCKS}.items():
        db.execute(f"SET {name} = {_literal(value)}")


def bound(db: duckdb.DuckDBPyConnection, memory_gb: float, spill: Path) -> None:
    """Let a connection hold no more than `memory_gb` in memory; beyond that it spills to the folder."""
    db.execute(f"SET memory_limit = {_literal(f'{int(memory_gb * 1000)}MB')}")
    db.execute(f"SET temp_directory = {_literal(str(spill))}")


@contextmanager
def beside(file: Path) -> Iterator[Path]:
    """The working folder of this process is that of `file` in the block; yields a folder to spill to.

    DuckDB looks for a relative path in the working folder first, whatever its `file_search_path` says.
    """
    home = config.home()
    make_home(home)
    with tempfile.TemporaryDirectory(prefix="duckdb-", dir=home) as scratch, chdir(file.absolute().parent):
        yield Path(scratch)


def batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The rows; the reader is closed at the end. Raises duckdb.Error.

    Arrow hands on what DuckDB raises between two batches as an error of the operating system.
    """
    try:
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except (pa.ArrowException, OSError) as error:
                message = str(error)
                kind = next((kind for sign, kind in RAISED.items() if message.startswith(sign)), duckdb.Error)
                raise kind(message) from error
            yield batch
    finally:
        reader.close()


def advice(message: str, folder: Path) -> str:
    """What to do about an error of DuckDB's; empty where its words say it themselves."""
    then = next((then for sign, then in ADVICE if re.search(sign, message, re.DOTALL)), "")
    return then.format(folder=folder)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
