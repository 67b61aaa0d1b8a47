"""Converts the columns that a source statement returns to the types of the contract, or refuses them by name.

Shops store the same thing in different types; PROMISES lists which types are accepted for what. No type
is guessed from values: a number in a text column stays text, and the error says what to edit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import IdType
from pipeline.contract.datasets import DEFAULT_KIND, EMBEDDING, ITEM, TIME, USER, Dataset
from pipeline.errors import SourceError
from pipeline.source import advice, epochs
from pipeline.source.embeddings import VECTORS, embeddings
from pipeline.source.values import EXACT, canonical_uuids, first_json, labels, whole_numbers
from pipeline.times import NO_DATE, moments, open_moments

HINTS = {
    "order_id": "NULL AS order_id is fine for views and carts",
    "quantity": "a shop without quantities selects 1 AS quantity",
}
PROMISES: Mapping[str, tuple[frozenset[str], str]] = {
    "integer": (frozenset({"integer", "decimal", *EXACT}), "whole numbers"),
    "text": (frozenset({"text"}), "text"),
    "uuid": (frozenset({"uuid", "text"}), "UUIDs"),
    "label": (frozenset({"text", "integer", "decimal", "uuid", "boolean", "date", *EXACT}), "one value"),
    "number": (frozenset({"integer", "decimal", *EXACT}), "a number"),
    "boolean": (frozenset({"boolean", "integer"}), "true or false, or 1 and 0"),
    "time": (frozenset({"time", "time with zone"}), "a time (timestamp, datetime)"),
    "embedding": (frozenset({"list", "text", "json", *VECTORS}), "a list of numbers, such as [0.1, 0.2]"),
}
"""What a column is promised to hold -> the kinds of column accepted for it, and the promise in words."""

ONE_OF_MANY = ("category", "segment")
"""Columns in which a shop that allows several values may keep a list of them, as JSON in a text."""

PADDED = "padded text"
"""Kind of a column of fixed length (CHAR), which is filled up with spaces that are no part of the value."""

AGAIN = "python -m pipeline run extract"


@dataclass(frozen=True)
class Shape:
    """What the columns of a statement must look like.

    dataset:  the dataset of the contract that the rows go into
    file:     the statement's path for messages: `sql/source/events.sql`
    ids:      type of ids: `user` and `item` -> integer, text or uuid
    timezone: zone of times without one
    dialect:  SQLAlchemy's name of the database system, for the SQL in messages
    in_utc:   columns whose times without zone are of UTC, whatever `timezone` says
    """

    dataset: Dataset
    file: str
    ids: Mapping[str, IdType]
    timezone: str
    dialect: str = ""
    in_utc: frozenset[str] = frozenset()

    @property
    def has_text_times(self) -> bool:
        """Whether the database has no type for times (SQLite): ISO 8601 text is read as a time."""
        return self.dialect == "sqlite"

    @property
    def has_open_times(self) -> bool:
        """Whether times may be dates, and may stand for always or for ever: those of events may not."""
        return self.dataset.name != "events"

    @property
    def then(self) -> str:
        """The next step that an error about this statement names."""
        return f"edit {self.file}, then: {AGAIN}"

    def promise(self, column: str) -> str:
        """The key of PROMISES for a column of the dataset."""
        kind = self.dataset.columns[column]
        if kind in (USER, ITEM):
            return self.ids["user" if kind == USER else "item"]
        if column == "event_type":
            return "text"
        names = {pa.string(): "label", pa.float64(): "number", pa.bool_(): "boolean", TIME: "time"}
        names |= {EMBEDDING: "embedding"}
        return names[kind]

    def schema(self) -> pa.Schema:
        """The Arrow schema that the rows are converted to."""
        return self.dataset.schema(self.ids)


def check_names(shape: Shape, names: Sequence[str], *, may_have_more: bool = False) -> None:
    """Raise SourceError where a column of the dataset is missing, or one is unknown or returned twice.

    may_have_more: whether columns that the dataset does not have are welcome
    """
    wanted = list(shape.dataset.columns)
    name = shape.dataset.name
    if missing := [column for column in wanted if column not in (*names, *shape.dataset.optional)]:
        column = missing[0]
        hint = f" ({HINTS[column]})" if column in HINTS else ""
        raise SourceError(
            f"`{name}` has no column `{column}`",
            found=", ".join(names),
            promised=f"{shape.file} selects it{hint}",
            then=shape.then,
        )
    unknown = [column for column in names if column not in wanted]
    if unknown and not may_have_more:
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


def is_accepted(shape: Shape, column: str, kind: str) -> bool:
    """Whether a column may be of this kind, in the words of PROMISES; kind `null` fits everywhere."""
    promise = shape.promise(column)
    may_be = {"text": shape.has_text_times, "date": shape.has_open_times} if promise == "time" else {}
    return kind == "null" or kind in PROMISES[promise][0] or may_be.get(kind, False)


def wrong_kind(shape: Shape, column: str, kind: str, example: object) -> SourceError:
    """The refusal of a column, with the cast that makes it acceptable in the shop's own database."""
    promise = shape.promise(column)
    if kind == "json" and (isinstance(example, dict) or str(example).lstrip().startswith("{")):
        kind = "json object"
    promised = PROMISES[promise][1]
    what = f"`{shape.dataset.name}.{column}` holds {_plural(kind)}, not {promised}"
    found = kind if example is None else f"{kind}, for instance {example!r}"
    then = f"write {advice.cast(shape.dialect, column, kind, promise)} AS {column} in {shape.file}"
    if promise == "time":
        numbers = advice.cast(shape.dialect, column, kind, "integer") if kind == "text" else column
        read = epochs.recognised(example, shape.dialect)
        found += f": {read.meaning}" if read else ""
        sql = read.cast(numbers) if read else None
        if sql is None and kind == "text":
            sql = advice.text_as_time(shape.dialect, column, example)
        sql = sql or advice.cast(shape.dialect, column, kind, promise)
        also = " and in WHERE" if shape.dataset.name == "events" else ""
        then = f"in {shape.file} write {sql} in place of {column}, before its AS{also}"
    elif shape.dataset.columns[column] in (USER, ITEM):
        which = "user" if shape.dataset.columns[column] == USER else "item"
        words = kind if kind in PROMISES or kind in EXACT or kind == "decimal" else _plural(kind)
        what = f"`{shape.dataset.name}.{column}` is {words}, not {promise}"
        promised = f'[ids] {which} = "{promise}" in config.toml'
        other = {"integer": "integer", "text": "text", "uuid": "uuid", "decimal": "integer", "bytes": "text"}
        other |= dict.fromkeys(EXACT, "integer")
        if kind == "bytes" and promise == "integer":
            then = f'set {which} = "text" under [ids] in config.toml, and {then}'
        elif kind in other and other[kind] != promise and kind != "bytes":
            then = f'set {which} = "{other[kind]}" under [ids] in config.toml, or {then}'
    return SourceError(what, found=found, promised=promised, then=f"{then}; then: {AGAIN}")


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
        ("list", lambda t: types.is_list(t) or types.is_fixed_size_list(t)),
        ("record", lambda t: types.is_struct(t) or types.is_map(t)),
        ("bytes", types.is_binary),
    ):
        if matches(kind):
            return name
    return f"type {kind}"


def enforce(shape: Shape, batch: pa.RecordBatch, kinds: Mapping[str, str]) -> pa.RecordBatch:
    """`batch` with the contract's columns, order and types; an optional column that it lacks is null.

    An embedding without a kind is of DEFAULT_KIND. Raises SourceError naming the column at fault.

    kinds: column -> what the source says it holds (`kind_of` the Arrow type, or `uuid`)
    """
    schema = shape.schema()
    columns = [
        column(shape, field.name, batch.column(field.name), kinds[field.name])
        if field.name in kinds
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    if (place := schema.get_field_index("kind")) >= 0:
        columns[place] = pc.fill_null(columns[place], DEFAULT_KIND)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def column(shape: Shape, name: str, values: pa.Array, kind: str) -> pa.Array:
    """One column in the type of the contract; a column of nulls only is accepted whatever its type."""
    field = shape.schema().field(name)
    if values.null_count == len(values):
        return pa.nulls(len(values), field.type)
    if not is_accepted(shape, name, kind):
        raise wrong_kind(shape, name, kind, pc.drop_null(values)[0].as_py())
    if name in ONE_OF_MANY and kind == "text" and (listed := first_json(values)) is not None:
        raise wrong_kind(shape, name, "json", listed)
    promise = shape.promise(name)
    try:
        return _convert(shape, name, values, kind).cast(field.type)
    except (ValueError, pa.ArrowNotImplementedError) as error:
        if promise == "time" and epochs.recognised(str(error), shape.dialect):
            raise wrong_kind(shape, name, kind, str(error)) from error
        raise SourceError(
            f"`{shape.dataset.name}.{name}` holds a value that is not {PROMISES[promise][1]}",
            found=str(error).splitlines()[0],
            promised=PROMISES[promise][1],
            then=shape.then,
        ) from error


def _convert(shape: Shape, name: str, values: pa.Array, kind: str) -> pa.Array:
    promise = shape.promise(name)
    if promise == "uuid":
        return canonical_uuids(values)
    if promise == "time":
        read = open_moments if shape.has_open_times else moments
        return read(values, "UTC" if name in shape.in_utc else shape.timezone)
    if promise == "embedding":
        return embeddings(values)
    if promise == "integer":
        return whole_numbers(values, kind)
    if promise == "label":
        return labels(values, kind)
    if promise == "number" and shape.dataset.name == "user_attributes":
        return values.cast(pa.float64(), safe=False)  # of whole numbers beyond 2^53 the nearest
    if promise == "boolean" and kind == "integer":
        outside = pc.any(pc.invert(pc.is_in(pc.drop_null(values), pa.array([0, 1], values.type)))).as_py()
        if outside:
            raise pa.ArrowInvalid("numbers other than 0 and 1")
    return values


def as_arrow(shape: Shape, name: str, values: Sequence[Any], kind: str | None = None) -> tuple[pa.Array, str]:
    """Values as a database driver returns them, as an Arrow array, and their kind.

    kind: what the driver says of the column, where that is more than its values show

    Raises SourceError where they are of several types.
    """
    if shape.promise(name) == "time" and shape.has_open_times:
        values = [None if isinstance(value, str) and re.match(NO_DATE, value) else value for value in values]
    first = next((value for value in values if value is not None), None)
    if type(first).__name__ == "UUID":
        return pa.array([None if value is None else str(value) for value in values], pa.string()), "uuid"
    try:
        array = pa.array(values)
        if kind == PADDED:
            return pc.utf8_rtrim(array.cast(pa.string()), " "), "text"
    except OverflowError:
        # whole numbers beyond 64 bits; as text they keep their value until it is refused by name
        return pa.array([None if value is None else str(value) for value in values], pa.string()), "decimal"
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise _several_types(shape, name, values, error) from error
    return array, kind or kind_of(array.type)


def _several_types(shape: Shape, name: str, values: Sequence[Any], error: Exception) -> SourceError:
    """The refusal of a column whose values are of several types: one of the rarest type is named."""
    types = Counter(type(value).__name__ for value in values if value is not None)
    rarest = min(reversed(types), key=types.__getitem__)
    example = next(value for value in values if type(value).__name__ == rarest)
    found = ", ".join(f"{n} {kind}" for kind, n in types.items())
    return SourceError(
        f"`{shape.dataset.name}.{name}` cannot be read as one type",
        found=f"{found}; the {rarest} for instance {example!r}"
        if len(types) > 1
        else re.sub(r"\s+", " ", str(error)),
        promised=PROMISES[shape.promise(name)][1],
        then=shape.then,
    )


def _plural(kind: str) -> str:
    words = {"integer": "whole numbers", "decimal": "numbers", "time": "times", "list": "a list"}
    words |= {"json": "a list as JSON", "json object": "JSON", "range": "a range", "record": "a record"}
    words |= {"set": "a set of values", "float": "numbers", "real": "numbers", "number": "numbers"}
    return words.get(kind, kind)
