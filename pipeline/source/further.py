"""The further columns of `users.sql`: what kind each is of, and their values as rows of `user_attributes`.

A shop may select columns of any name beside those of `users`. Numbers and words are read; all else, such as
dates and JSON, is left out. Within the database the columns are called attribute_0, attribute_1, ...: their
own names may hold anything, and are told by the rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from pipeline.contract.datasets import DATASETS, TIME, USER, Dataset
from pipeline.source import arrow_rows, copying, driver_types
from pipeline.source.columns import PADDED, PROMISES, check_names
from pipeline.source.statement import Statement, quoted

USERS = DATASETS["users"]
KNOWN_AT = "known_at"
"""The column of `users.sql` that says since when a row says what its further columns say."""

NUMBERS, WORDS = PROMISES["number"][0], ("text", PADDED, "boolean")
"""The kinds of columns that are read, in the words of PROMISES."""

PYTHON_KINDS: Sequence[tuple[str, Collection[type]]] = (
    ("null", ()),
    ("number", (int, float, Decimal)),
    ("boolean", (bool,)),
    ("text", (str,)),
)
"""What a column is whose values all are of these types."""


@dataclass(frozen=True)
class Further:
    """The further columns of `users.sql`, each list in the order in which they are selected.

    numbers, words: names of columns that are read
    left_out:       the name of each other column, and what it holds
    is_dated:       whether there is a column KNOWN_AT
    """

    numbers: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    is_dated: bool = False

    @property
    def read(self) -> tuple[str, ...]:
        """The names of the columns that are read: the place of each is the number in its other name."""
        return (*self.numbers, *self.words)

    @property
    def dataset(self) -> Dataset:
        """What the statement of `selected` returns: a row for each user."""
        types = [pa.float64()] * len(self.numbers) + [pa.string()] * len(self.words)
        columns = {_alias(i): kind for i, kind in enumerate(types)}
        columns = {"user_id": USER, **columns, KNOWN_AT: TIME}
        return Dataset("user_attributes", "extract", columns, (), frozenset(columns), frozenset({KNOWN_AT}))


def of(db: sa.Connection, statement: Statement, is_copied: bool, batch_rows: int) -> Further:
    """The further columns of `users.sql`. `is_copied`: whether it is read through COPY."""
    if is_copied:
        kinds = copying.kinds(db, statement)
    elif db.dialect.name == "duckdb":
        kinds = arrow_rows.kinds(db, statement)
    else:
        kinds = _kinds(db, statement, batch_rows)
    return sorted_out(kinds)


def sorted_out(kinds: Mapping[str, str]) -> Further:
    """The columns of `users.sql`, name -> kind, sorted by whether they are read."""
    further = {name: kind for name, kind in kinds.items() if name not in (*USERS.columns, KNOWN_AT)}
    numbers = tuple(name for name, kind in further.items() if kind in NUMBERS)
    words = tuple(name for name, kind in further.items() if kind in WORDS)
    rest = {name: kind for name, kind in further.items() if name not in (*numbers, *words)}
    return Further(
        numbers,
        words,
        tuple((name, kind.removeprefix("type ")) for name, kind in rest.items() if kind != "null"),
        KNOWN_AT in kinds,
    )


def narrowed(db: sa.Connection, statement: Statement) -> Statement:
    """`users.sql` without its further columns; as it is where it has none.

    Raises SourceError where a column of the dataset is missing or one is selected twice.
    """
    query = statement.around("SELECT * FROM ({}) rows_of_source WHERE 1 = 0")
    names = arrow_rows.names(db, query) if db.dialect.name == "duckdb" else list(db.execute(query).keys())
    check_names(statement.shape, names, may_have_more=True)
    if set(names) <= set(USERS.columns):
        return statement
    wanted = ", ".join(name for name in USERS.columns if name in names)
    return replace(statement, sql=f"SELECT {wanted} FROM (\n{statement.sql}\n) rows_of_source")


def selected(statement: Statement, further: Further) -> Statement:
    """`users.sql` as a statement that returns `further.dataset`."""
    dialect = statement.shape.dialect
    numbers = "CAST({} AS REAL)" if dialect == "sqlite" else "{}"  # it has integers beside others in a column
    columns = [numbers.format(quoted(dialect, name)) for name in further.numbers]
    columns += [quoted(dialect, name) for name in further.words]
    parts = ["user_id", *(f"{sql} AS {_alias(i)}" for i, sql in enumerate(columns))]
    parts += [KNOWN_AT] if further.is_dated else []
    sql = f"SELECT {', '.join(parts)} FROM (\n{statement.sql}\n) rows_of_source"
    return replace(statement, sql=sql, shape=replace(statement.shape, dataset=further.dataset))


def aliased(batch: pa.RecordBatch, further: Further, user_id: str) -> pa.RecordBatch:
    """A batch with the ids, `further.read` and, if there, KNOWN_AT, in the columns of `further.dataset`."""
    dates = batch.column(KNOWN_AT) if further.is_dated else pa.nulls(batch.num_rows, TIME)
    columns = [batch.column(user_id), *map(batch.column, further.read), dates]
    return pa.RecordBatch.from_arrays(columns, names=list(further.dataset.columns))


def rows(batch: pa.RecordBatch, further: Further) -> pa.RecordBatch:
    """A row of `user_attributes` for each value: what is missing, empty or no finite number has none.

    batch: in the columns of `further.dataset`
    """
    schema = DATASETS["user_attributes"].schema({"user": "integer", "item": "integer"})
    schema = schema.set(0, pa.field("user_id", batch.column("user_id").type, nullable=False))
    tables = []
    for place, name in enumerate(further.read):
        values = batch.column(_alias(place))
        if name in further.words:
            values = pc.utf8_trim_whitespace(values)
            is_there = pc.not_equal(values, "")
        else:
            is_there = pc.is_finite(values)
        is_there = pc.and_(pc.fill_null(is_there, False), pc.is_valid(batch.column("user_id")))
        columns: dict[str, pa.Array] = {
            "user_id": batch.column("user_id"),
            "name": pa.repeat(pa.scalar(name, pa.string()), batch.num_rows),
            "category": values if name in further.words else pa.nulls(batch.num_rows, pa.string()),
            "number": values if name in further.numbers else pa.nulls(batch.num_rows, pa.float64()),
            KNOWN_AT: batch.column(KNOWN_AT),
        }
        tables.append(pa.RecordBatch.from_pydict(columns, schema=schema).filter(is_there))
    whole = pa.Table.from_batches(tables, schema=schema).combine_chunks()
    return whole.to_batches()[0] if whole.num_rows else pa.RecordBatch.from_pylist([], schema=schema)


def _kinds(db: sa.Connection, statement: Statement, batch_rows: int) -> dict[str, str]:
    """The kind of each column of a statement, by its values: all are read, none is kept.

    For databases whose drivers do not say what a column holds, or in which it may hold anything (SQLite).
    Empty where there are no further columns.
    """
    options = {"stream_results": True, "max_row_buffer": batch_rows}
    with db.execute(statement.text, execution_options=options) as result:
        names, told = list(result.keys()), driver_types.kinds(db.dialect.name, result.cursor)
        if set(names) <= {*USERS.columns, KNOWN_AT}:
            return {}
        types: list[set[type]] = [set() for _ in names]
        for part in result.partitions(batch_rows):
            for of_column, values in zip(types, zip(*part, strict=True), strict=True):
                of_column.update(map(type, values))
    told = {name: kind for name, kind in told.items() if kind not in (PADDED, *NUMBERS)}
    return {
        name: told.get(name) or _kind(of_column - {type(None)})
        for name, of_column in zip(names, types, strict=True)
    }


def _kind(types: Collection[type]) -> str:
    """The kind of a column whose values are of these types; else the names of the types."""
    fitting: list[str] = [kind for kind, all_of_it in PYTHON_KINDS if set(types) <= set(all_of_it)]
    return fitting[0] if fitting else " and ".join(sorted(kind.__name__ for kind in types))


def _alias(place: int) -> str:
    return f"attribute_{place}"
