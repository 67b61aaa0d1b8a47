"""Find texts that the serving database cannot hold: too long for an index, NUL, not in its encoding."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

KEYS = ("user_id", "item_id", "category")
"""Columns whose values are keys in the serving schema."""

MOST_BYTES = 2684
"""The longest text that PostgreSQL can index beside a version: an entry of a btree has at most 2,704 bytes,
of which 20 are not the text's (measured). Some longer ones fit compressed: only the server knows."""

SHOWN = 40
"""Most characters of a value in a message."""

UNIVERSAL = ("UTF8", "SQL_ASCII")
"""Encodings in which any text can be stored; SQL_ASCII stores bytes as they come."""

SCHEMA = pa.schema({"name": pa.string(), "value": pa.string(), "n_bytes": pa.int64(), "why": pa.string()})


def unstorable(texts: Iterable[pa.RecordBatch], encoding: str) -> pa.Table:
    """Rows (name, value, n_bytes, why) of the texts that cannot be stored, in their order.

    texts:    columns `name` (of the column that a text is of) and `value`
    encoding: PostgreSQL's name of the serving database's encoding, e.g. UTF8, LATIN1, WIN1252

    `value` is shortened. A NUL in a name is no fault: `recommend` leaves it out.
    """
    codec = None if encoding in UNIVERSAL else _codec(encoding)
    rows = [row for batch in texts for row in _of_batch(batch, codec, encoding)]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _of_batch(batch: pa.RecordBatch, codec: str | None, encoding: str) -> Iterator[dict[str, object]]:
    n_bytes = pc.binary_length(batch["value"])
    is_key = pc.is_in(batch["name"], pa.array(KEYS))
    is_bad = pc.and_(
        is_key, pc.or_(pc.greater(n_bytes, MOST_BYTES), pc.match_substring(batch["value"], "\0"))
    )
    if codec:
        is_bad = pc.or_(is_bad, pc.invert(pc.string_is_ascii(batch["value"])))
    for row in batch.append_column("n_bytes", n_bytes.cast(pa.int64())).filter(is_bad).to_pylist():
        if why := _why(row, codec, encoding):
            yield {**row, "value": shortened(row["value"]), "why": why}


def _why(row: dict[str, object], codec: str | None, encoding: str) -> str:
    value, is_key = str(row["value"]), row["name"] in KEYS
    if is_key and int(str(row["n_bytes"])) > MOST_BYTES:
        return f"longer than {MOST_BYTES:,} bytes, the most that an index of the serving database holds"
    if is_key and "\0" in value:
        return "holds the character NUL, which PostgreSQL cannot store"
    lacking = lacked(value, codec) if codec else ""
    if lacking:
        return (
            f"holds {lacking!r}, which the serving database's encoding {encoding} lacks:"
            " create the serving database with ENCODING 'UTF8'"
        )
    return ""


def lacked(value: str, codec: str) -> str:
    """The first character of `value` that the codec has not; empty where it has all."""
    try:
        value.encode(codec)
    except UnicodeEncodeError as error:
        return value[error.start]
    return ""


def shortened(value: str) -> str:
    """A value for a message: printable, at most SHOWN characters."""
    shown = value if value.isprintable() else repr(value)[1:-1]
    return shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 1]}…"


def _codec(encoding: str) -> str | None:
    """Python's codec for an encoding of PostgreSQL; None where it has none, and nothing can be checked."""
    try:
        return codecs.lookup(encoding.replace("WIN", "cp").replace("KOI8", "koi8_")).name
    except LookupError:
        return None
