"""Embeddings of items, as each database keeps them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS, EMBEDDING
from pipeline.errors import SourceError
from pipeline.source import opened
from pipeline.source.embeddings import embeddings
from tests.source import shops
from tests.source.engines import database, mariadb, of_each

__all__ = ["database", "mariadb"]

IDS = {"user": "integer", "item": "integer"}
TABLE = "item_embeddings"
Read = Callable[..., list[dict[str, Any]] | None]


@pytest.fixture
def read(database: Callable[[str], str], make_settings: Callable[..., Settings], tmp_path: Path) -> Read:
    """`read(engine, table's columns, *rows, select="")`: the rows; None where the statement is left out."""

    def go(engine: str, columns: str, *rows: str, select: str = "") -> list[dict[str, Any]] | None:
        url = database(engine)
        shops.run(url, f"DROP TABLE IF EXISTS {TABLE}")
        if columns:
            shops.run(url, f"CREATE TABLE {TABLE} ({columns})")
        for row in rows:
            shops.run(url, f"INSERT INTO {TABLE} VALUES ({row})".replace(":", "\\:"))
        folder = shops.write(tmp_path / "sql", item_embeddings=select) if select else "sql/source"
        with opened(url, make_settings(source={"sql": folder}).source, IDS) as source:
            if not source.has(TABLE):
                return None
            batches = list(source.batches(TABLE))
        assert all(batch.schema == DATASETS[TABLE].schema(IDS) for batch in batches)
        return [row for batch in batches for row in batch.to_pylist()]

    return go


FORMS: list[tuple[object, ...]] = [
    # engine, type, the numbers 0.5 and -2 and 1000 as SQL writes them
    ("postgresql", "real[]", "'{0.5, -2, 1e3}'"),
    ("postgresql", "double precision[]", "'{0.5, -2, 1e3}'"),
    ("postgresql", "numeric[]", "'{0.5, -2, 1000}'"),
    ("postgresql", "text", "'[0.5,-2,1e3]'"),
    ("postgresql", "jsonb", "'[0.5, -2, 1000]'"),
    ("sqlite", "text", "'[0.5, -2, 1e3]'"),
    ("duckdb", "float[]", "[0.5, -2, 1e3]"),
    ("duckdb", "double[]", "[0.5, -2, 1e3]"),
    ("duckdb", "float[3]", "[0.5, -2, 1e3]"),
    ("duckdb", "decimal(9, 1)[]", "[0.5, -2, 1e3]"),
    ("duckdb", "varchar", "'[0.5, -2, 1e3]'"),
    ("duckdb", "json", "'[0.5, -2, 1e3]'"),
    ("mariadb", "json", "'[0.5, -2, 1e3]'"),
    ("mariadb", "longtext", "' [0.5,-2,1e3] '"),
]


@pytest.mark.parametrize(("engine", "kind", "value"), of_each(FORMS))
def test_numbers_are_read_in_every_form(read: Read, engine: str, kind: str, value: str) -> None:
    rows = read(engine, f"product_id bigint, embedding {kind}", f"7, {value}", "8, NULL")
    whole = {"kind": "default", "known_at": None}
    assert rows == [
        {"item_id": 7, "embedding": [0.5, -2.0, 1000.0], **whole},
        {"item_id": 8, "embedding": None, **whole},
    ]


EVERY = of_each(
    [
        ("postgresql", "real[]", "'{1}'"),
        ("sqlite", "text", "'[1]'"),
        ("duckdb", "float[]", "[1]"),
        ("mariadb", "json", "'[1]'"),
    ]
)


@pytest.mark.parametrize(("engine", "kind", "value"), EVERY)
def test_a_shop_without_the_table_has_none(read: Read, engine: str, kind: str, value: str) -> None:
    assert read(engine, "") is None


@pytest.mark.parametrize(("engine", "kind", "value"), EVERY)
def test_kinds_and_times_are_read_where_the_table_has_them(
    read: Read, engine: str, kind: str, value: str
) -> None:
    name = "text" if engine != "mariadb" else "varchar(20)"
    time = "date" if engine != "sqlite" else "text"
    columns = f"product_id bigint, kind {name}, embedding {kind}, known_at {time}"
    rows = read(engine, columns, f"7, 'picture', {value}, '2026-05-01'", f"7, NULL, {value}, NULL")
    assert rows == [
        {"item_id": 7, "kind": "picture", "embedding": [1.0], "known_at": datetime(2026, 5, 1, tzinfo=UTC)},
        {"item_id": 7, "kind": "default", "embedding": [1.0], "known_at": None},
    ]


@pytest.mark.parametrize(
    ("engine", "kind", "value", "words"),
    of_each(
        [
            ("postgresql", "text", "'red'", "'red' is no list of numbers"),
            ("postgresql", "text[]", "'{red}'", "red"),
            ("postgresql", "real[]", "'{{1,2},{3,4}}'", "is no list of numbers"),
            ("postgresql", "integer", "5", "integer"),
            ("postgresql", "bytea", "'\\x00'", "bytes"),
            ("sqlite", "text", "'[1, null]'", "null"),
            ("sqlite", "blob", "x'0000'", "bytes"),
            ("duckdb", "varchar", "'1, 2'", "'1, 2' is no list of numbers"),
            ("mariadb", "json", "'{\"a\": 1}'", "a"),
        ]
    ),
)
def test_what_is_no_list_of_numbers_is_refused_by_name(
    read: Read, engine: str, kind: str, value: str, words: str
) -> None:
    with pytest.raises(SourceError, match=r"`item_embeddings\.embedding`") as refused:
        read(engine, f"product_id bigint, embedding {kind}", f"7, {value}")
    assert words in refused.value.found
    assert "sql/source/item_embeddings.sql" in refused.value.then


def test_an_own_statement_is_read_without_asking_for_a_table(read: Read) -> None:
    select = "SELECT 7 AS item_id, 'text' AS kind, '[1, 2]' AS embedding"
    rows = read("sqlite", "", select=select)
    assert rows == [{"item_id": 7, "kind": "text", "embedding": [1.0, 2.0], "known_at": None}]


def test_texts_and_lists() -> None:
    texts = pa.array(["[]", None, " [ NaN , 1 ] ", "{}", "{-Infinity,.5}"])
    read = embeddings(texts)
    assert read.type == EMBEDDING
    assert [row if row is None else [str(number) for number in row] for row in read.to_pylist()] == (
        [[], None, ["nan", "1.0"], [], ["-inf", "0.5"]]
    )
    halves = pa.array([[0.5, None], None], pa.list_(pa.float16()))
    assert embeddings(halves).to_pylist() == [[0.5, None], None]
    assert embeddings(pa.array([[1, 2]], pa.list_(pa.int8(), 2))).to_pylist() == [[1.0, 2.0]]
    with pytest.raises(ValueError, match="is no list of numbers"):
        embeddings(pa.array(["[1}", "[1], [2]"]))
