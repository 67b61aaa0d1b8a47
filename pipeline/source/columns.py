"""The columns of a source statement, made what contract.py promises or refused by name.

A shop's own types vary; what may vary is written in PROMISES. Nothing is guessed from values: a
number in a text column stays text, and the message says what to edit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import IdType
from pipeline.contract.datasets import ITEM, TIME, USER, Dataset
from pipeline.errors import SourceError
from pipeline.times import moments

HINTS = {
    "order_id": "NULL AS order_id is fine for views and carts",
    "quantity": "a shop without quantities selects 1 AS quantity",
    **{name: f"a shop without one selects NULL AS {name}" for name in ("name", "category", "segment")},
    **{name: f"a shop without one selects NULL AS {name}" for name in ("price", "discount", "available")},
}
PROMISES: Mapping[str, tuple[frozenset[str], str]] = {
    "integer": (frozenset({"integer", "decimal"}), "whole numbers"),
    "text": (frozenset({"text"}), "text"),
    "uuid": (frozenset({"uuid", "text"}), "UUIDs"),
    "label": (frozenset({"text", "integer", "decimal", "number", "uuid", "boolean", "date"}), "one value"),
    "number": (frozenset({"integer", "decimal", "number"}), "a number"),
    "boolean": (frozenset({"boolean", "integer"}), "true or false, or 1 and 0"),
    "time": (frozenset({"time", "time with zone"}), "a time (timestamp, datetime)"),
}
"""Promise -> the kinds of column that keep it, and the promise in words."""


@dataclass(frozen=True)
class Shape:
    """What a statement's columns are held against.

    file:           the statement, as a person knows it: `sql/source/events.sql`
    timezone:       zone of times that carry none
    has_text_times: the database has no type for times (SQLite): ISO text is read as a time
    """

    dataset: Dataset
    file: str
    ids: Mapping[str, IdType]
    timezone: str
    has_text_times: bool = False

    @property
    def then(self) -> str:
        return f"edit {self.file}, then: python -m pipeline run extract"

    def promise(self, column: str) -> str:
        """The key of PROMISES that a column must keep."""
        kind = self.dataset.columns[column]
        if kind in (USER, ITEM):
            return self.ids["user" if kind == USER else "item"]
        if column == "event_type":
            return "text"
        names = {pa.string(): "label", pa.float64(): "number", pa.bool_(): "boolean", TIME: "time"}
        return names[kind]

    def schema(self) -> pa.Schema:
        return self.dataset.schema(self.ids)


def check_names(shape: Shape, found: Sequence[str]) -> None:
    """Refuse a missing, an unknown or a doubled column."""
    wanted = list(shape.dataset.columns)
    name = shape.dataset.name
    if missing := [column for column in wanted if column not in found]:
        column = missing[0]
        hint = f" ({HINTS[column]})" if column in HINTS else ""
        raise SourceError(
            f"`{name}` has no column `{column}`",
            found=", ".join(found),
            promised=f"{shape.file} selects it{hint}",
            then=shape.then,
        )
    if unknown := [column for column in found if column not in wanted]:
        raise SourceError(
            f"`{name}` has unknown column {', '.join(f'`{u}`' for u in unknown)}",
            found=", ".join(found),
            promised=f"{shape.file} selects {', '.join(wanted)} and nothing else",
            then=shape.then,
        )
    if doubled := sorted({column for column in found if list(found).count(column) > 1}):
        raise SourceError(
            f"`{name}` has column `{doubled[0]}` {list(found).count(doubled[0])} times",
            found=", ".join(found),
            promised=f"{shape.file} selects it once",
            then=shape.then,
        )


def check_kinds(shape: Shape, kinds: Mapping[str, str], example: object = None) -> None:
    """Refuse a column of a kind that cannot keep its promise; kind `null` can be anything."""
    for column, kind in kinds.items():
        allowed, _ = PROMISES[shape.promise(column)]
        is_text_time = shape.has_text_times and kind == "text" and shape.promise(column) == "time"
        if kind != "null" and kind not in allowed and not is_text_time:
            raise _wrong_kind(shape, column, kind, example)


def _wrong_kind(shape: Shape, column: str, kind: str, example: object) -> SourceError:
    promise = shape.promise(column)
    promised, then = PROMISES[promise][1], shape.then
    what = f"`{shape.dataset.name}.{column}` holds {_plural(kind)}, not {promised}"
    if shape.dataset.columns[column] in (USER, ITEM):
        which = "user" if shape.dataset.columns[column] == USER else "item"
        what = f"`{shape.dataset.name}.{column}` is {kind}, not {promise}"
        promised = f'[ids] {which} = "{promise}" in config.toml'
        other = (
            f'set {which} = "{kind}" under [ids] in config.toml, or '
            if kind in ("integer", "text", "uuid")
            else ""
        )
        then = f"{other}CAST it in {shape.file}; then: python -m pipeline run extract"
    shown = "" if example is None else f", for instance {example!r}"
    return SourceError(what, found=f"{kind}{shown}", promised=promised, then=then)


def kind_of(kind: pa.DataType) -> str:
    """An Arrow type in the words of PROMISES; another type's own name for what has no place there."""
    types = pa.types
    if types.is_timestamp(kind):
        return "time with zone" if kind.tz else "time"
    for name, matches in (
        ("null", types.is_null),
        ("integer", types.is_integer),
        ("decimal", types.is_decimal),
        ("number", types.is_floating),
        ("text", lambda t: types.is_string(t) or types.is_large_string(t) or types.is_string_view(t)),
        ("boolean", types.is_boolean),
        ("date", types.is_date),
    ):
        if matches(kind):
            return name
    return str(kind)


def enforce(shape: Shape, batch: pa.RecordBatch, kinds: Mapping[str, str]) -> pa.RecordBatch:
    """`batch` with the contract's columns, order and types; SourceError naming what cannot be.

    kinds: column -> what the source says it holds (`kind_of` the Arrow type, or `uuid`)
    """
    schema = shape.schema()
    columns = [column(shape, name, batch.column(name), kinds[name]) for name in schema.names]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def column(shape: Shape, name: str, values: pa.Array, kind: str) -> pa.Array:
    """One column as the contract wants it; all nulls are welcome whatever their type."""
    field = shape.schema().field(name)
    if values.null_count == len(values):
        return pa.nulls(len(values), field.type)
    check_kinds(shape, {name: kind}, pc.drop_null(values)[0].as_py())
    promise = shape.promise(name)
    try:
        return _convert(shape, promise, values, kind).cast(field.type)
    except (ValueError, pa.ArrowNotImplementedError) as error:
        raise SourceError(
            f"`{shape.dataset.name}.{name}` holds a value that is not {PROMISES[promise][1]}",
            found=str(error).splitlines()[0],
            promised=PROMISES[promise][1],
            then=shape.then,
        ) from error


def _convert(shape: Shape, promise: str, values: pa.Array, kind: str) -> pa.Array:
    if promise == "uuid":
        return canonical_uuids(values)
    if promise == "time":
        return moments(values, shape.timezone)
    if promise == "boolean" and kind == "integer":
        outside = pc.any(pc.invert(pc.is_in(pc.drop_null(values), pa.array([0, 1], values.type)))).as_py()
        if outside:
            raise pa.ArrowInvalid("numbers other than 0 and 1")
    return values


def canonical_uuids(values: pa.Array) -> pa.Array:
    """UUIDs in lower case with hyphens, from any of the usual ways to write them."""
    digits = pc.replace_substring_regex(pc.utf8_lower(values), r"^(urn:uuid:)|[{}-]", "")
    valid = pc.match_substring_regex(digits, r"^[0-9a-f]{32}$")
    if pc.any(pc.invert(valid)).as_py():
        bad = values.filter(pc.invert(valid))[0].as_py()
        raise pa.ArrowInvalid(f"{bad!r} is no UUID")
    return pc.replace_substring_regex(digits, r"^(.{8})(.{4})(.{4})(.{4})(.{12})$", r"\1-\2-\3-\4-\5")


def as_arrow(shape: Shape, name: str, values: Sequence[Any]) -> tuple[pa.Array, str]:
    """Values as a driver hands them out, and their kind; SourceError when they are of several types."""
    first = next((value for value in values if value is not None), None)
    if type(first).__name__ == "UUID":
        return pa.array([None if value is None else str(value) for value in values], pa.string()), "uuid"
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        found = sorted({type(value).__name__ for value in values if value is not None})
        raise SourceError(
            f"`{shape.dataset.name}.{name}` cannot be read as one type",
            found=", ".join(found) if len(found) > 1 else re.sub(r"\s+", " ", str(error)),
            promised=PROMISES[shape.promise(name)][1],
            then=shape.then,
        ) from error
    return array, kind_of(array.type)


def _plural(kind: str) -> str:
    return {"integer": "whole numbers", "number": "numbers", "decimal": "numbers", "time": "times"}.get(
        kind, kind
    )
