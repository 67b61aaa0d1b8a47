"""Converts the columns that a source statement returns to the types of the contract, or refuses them by name.

Shops store the same thing in different types; PROMISES lists which types are accepted for what. No type
is guessed from values: a number in a text column stays text, and the error says what to edit.
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
"""What a column is promised to hold -> the kinds of column accepted for it, and the promise in words."""


@dataclass(frozen=True)
class Shape:
    """What the columns of a statement must look like.

    dataset:        the dataset of the contract that the rows go into
    file:           the statement's path for messages: `sql/source/events.sql`
    ids:            type of ids: `user` and `item` -> integer, text or uuid
    timezone:       zone of times without one
    has_text_times: the database has no type for times (SQLite): ISO 8601 text is read as a time
    """

    dataset: Dataset
    file: str
    ids: Mapping[str, IdType]
    timezone: str
    has_text_times: bool = False

    @property
    def then(self) -> str:
        """The next step that an error about this statement names."""
        return f"edit {self.file}, then: python -m pipeline run extract"

    def promise(self, column: str) -> str:
        """The key of PROMISES for a column of the dataset."""
        kind = self.dataset.columns[column]
        if kind in (USER, ITEM):
            return self.ids["user" if kind == USER else "item"]
        if column == "event_type":
            return "text"
        names = {pa.string(): "label", pa.float64(): "number", pa.bool_(): "boolean", TIME: "time"}
        return names[kind]

    def schema(self) -> pa.Schema:
        """The Arrow schema that the rows are converted to."""
        return self.dataset.schema(self.ids)


def check_names(shape: Shape, names: Sequence[str]) -> None:
    """Raise SourceError where a column of the dataset is missing, unknown or returned twice."""
    wanted = list(shape.dataset.columns)
    name = shape.dataset.name
    if missing := [column for column in wanted if column not in names]:
        column = missing[0]
        hint = f" ({HINTS[column]})" if column in HINTS else ""
        raise SourceError(
            f"`{name}` has no column `{column}`",
            found=", ".join(names),
            promised=f"{shape.file} selects it{hint}",
            then=shape.then,
        )
    if unknown := [column for column in names if column not in wanted]:
        raise SourceError(
            f"`{name}` has unknown column {', '.join(f'`{u}`' for u in unknown)}",
            found=", ".join(names),
            promised=f"{shape.file} selects {', '.join(wanted)} and nothing else",
            then=shape.then,
        )
    if doubled := sorted({column for column in names if list(names).count(column) > 1}):
        raise SourceError(
            f"`{name}` has column `{doubled[0]}` {list(names).count(doubled[0])} times",
            found=", ".join(names),
            promised=f"{shape.file} selects it once",
            then=shape.then,
        )


def check_kinds(shape: Shape, kinds: Mapping[str, str], example: object = None) -> None:
    """Raise SourceError where a column is of a kind that is not accepted; kind `null` fits everywhere.

    kinds:   column -> kind, in the words of PROMISES
    example: a value of the refused column, for the message
    """
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
    """An Arrow type in the words of PROMISES; Arrow's own name for any other type."""
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
    """`batch` with the contract's columns, order and types. Raises SourceError naming the column at fault.

    kinds: column -> what the source says it holds (`kind_of` the Arrow type, or `uuid`)
    """
    schema = shape.schema()
    columns = [column(shape, name, batch.column(name), kinds[name]) for name in schema.names]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def column(shape: Shape, name: str, values: pa.Array, kind: str) -> pa.Array:
    """One column in the type of the contract; a column of nulls only is accepted whatever its type."""
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
    """UUIDs in lower case with hyphens, from any of the usual spellings.

    Raises pa.ArrowInvalid (a ValueError) naming the first value that is no UUID.
    """
    digits = pc.replace_substring_regex(pc.utf8_lower(values), r"^(urn:uuid:)|[{}-]", "")
    valid = pc.match_substring_regex(digits, r"^[0-9a-f]{32}$")
    if pc.any(pc.invert(valid)).as_py():
        bad = values.filter(pc.invert(valid))[0].as_py()
        raise pa.ArrowInvalid(f"{bad!r} is no UUID")
    return pc.replace_substring_regex(digits, r"^(.{8})(.{4})(.{4})(.{4})(.{12})$", r"\1-\2-\3-\4-\5")


def as_arrow(shape: Shape, name: str, values: Sequence[Any]) -> tuple[pa.Array, str]:
    """Values as a database driver returns them, as an Arrow array, and their kind.

    Raises SourceError where they are of several types.
    """
    first = next((value for value in values if value is not None), None)
    if type(first).__name__ == "UUID":
        return pa.array([None if value is None else str(value) for value in values], pa.string()), "uuid"
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        types = sorted({type(value).__name__ for value in values if value is not None})
        raise SourceError(
            f"`{shape.dataset.name}.{name}` cannot be read as one type",
            found=", ".join(types) if len(types) > 1 else re.sub(r"\s+", " ", str(error)),
            promised=PROMISES[shape.promise(name)][1],
            then=shape.then,
        ) from error
    return array, kind_of(array.type)


def _plural(kind: str) -> str:
    return {"integer": "whole numbers", "number": "numbers", "decimal": "numbers", "time": "times"}.get(
        kind, kind
    )
