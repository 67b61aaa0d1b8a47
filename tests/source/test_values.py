"""What a column of each database's types becomes, or in which words it is refused; the words help."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import Settings
from pipeline.errors import SourceError
from pipeline.source import opened
from tests.source import shops
from tests.source.engines import database, mariadb, of_each

__all__ = ["database", "mariadb"]

UUID = "0c9a9b6e-21b2-4e0f-8e0f-0d6e1f2a3b4c"
HEX = UUID.replace("-", "")
LOST = "not exact"
FRACTION = "17.5 is no whole number"
BIG = "9007199254740993"

KEPT: list[tuple[object, ...]] = [
    # engine, type of the column, value in SQL, ids or column, what is read
    ("postgresql", "char(10)", "'C1'", "text", "C1"),
    ("postgresql", "bpchar", "'C1  '", "text", "C1"),
    ("postgresql", "padded", "'C1'", "text", "C1"),
    ("postgresql", "varchar(10)", "'C1 '", "text", "C1 "),
    ("postgresql", "citext_like", "'Ab'", "text", "Ab"),
    ("postgresql", "char(40)", f"'{UUID.upper()}'", "uuid", UUID),
    ("postgresql", "uuid", f"'{UUID.upper()}'", "uuid", UUID),
    ("postgresql", "text", "'\\N'", "text", "\\N"),
    ("postgresql", "text", "''", "text", ""),
    ("postgresql", "aisle", "'tea'", "text", "tea"),
    ("postgresql", '"char"', "'x'", "text", "x"),
    ("postgresql", "name", "'x'", "text", "x"),
    ("postgresql", "whole", "17", "integer", 17),
    ("postgresql", "double precision", "17", "integer", 17),
    ("postgresql", "double precision", "9007199254740991", "integer", 2**53 - 1),
    ("postgresql", "double precision", "-17", "integer", -17),
    ("postgresql", "real", "16777215", "integer", 2**24 - 1),
    ("postgresql", "numeric(12, 2)", "17", "integer", 17),
    ("postgresql", "numeric", "-9223372036854775808", "integer", -(2**63)),
    ("postgresql", "bigint", "9223372036854775807", "integer", 2**63 - 1),
    ("postgresql", "char(9)", "'food'", "category", "food"),
    ("postgresql", "double precision", "17", "category", "17"),
    ("postgresql", "double precision", "1.5", "category", "1.5"),
    ("postgresql", "numeric(9, 2)", "17", "category", "17"),
    ("postgresql", "numeric(9, 2)", "1.5", "category", "1.5"),
    ("postgresql", "numeric(9, 2)", "100", "category", "100"),
    ("postgresql", "boolean", "true", "category", "true"),
    ("postgresql", "text", "'[sale] {tea}'", "category", "[sale] {tea}"),
    ("postgresql", "text", "repeat('[', 100000)", "category", "[" * 100_000),
    ("sqlite", "real", "17", "integer", 17),
    ("sqlite", "real", "9007199254740991", "integer", 2**53 - 1),
    ("sqlite", "decimal(12, 2)", "17.0", "integer", 17),
    ("sqlite", "char(10)", "'C1'", "text", "C1"),
    ("sqlite", "text", "'C1 '", "text", "C1 "),
    ("sqlite", "text", "'\\N'", "text", "\\N"),
    ("sqlite", "text", f"'{HEX}'", "uuid", UUID),
    ("sqlite", "real", "17", "category", "17"),
    ("sqlite", "real", "1.5", "category", "1.5"),
    ("duckdb", "double", "17", "integer", 17),
    ("duckdb", "float", "16777215", "integer", 2**24 - 1),
    ("duckdb", "hugeint", "17", "integer", 17),
    ("duckdb", "decimal(12, 2)", "17", "integer", 17),
    ("duckdb", "uuid", f"'{UUID}'", "uuid", UUID),
    ("duckdb", "enum('tea', 'jam')", "'tea'", "text", "tea"),
    ("duckdb", "decimal(9, 2)", "1.5", "category", "1.5"),
    ("duckdb", "double", "17", "category", "17"),
    ("duckdb", "ubigint", "9223372036854775807", "integer", 2**63 - 1),
    ("duckdb", "uhugeint", "17", "integer", 17),
    ("duckdb", "enum('tea', 'jam')", "'jam'", "category", "jam"),
    ("duckdb", "uuid", f"'{UUID.upper()}'", "category", UUID),
    ("duckdb", "date", "'2026-01-31'", "category", "2026-01-31"),
    ("duckdb", "boolean", "true", "category", "true"),
    ("duckdb", "boolean", "false", "available", False),
    ("duckdb", "decimal(38, 10)", "12.5", "price", 12.5),
    ("duckdb", "varchar", "'C1 '", "text", "C1 "),
    ("mariadb", "char(10)", "'C1'", "text", "C1"),
    ("mariadb", "varchar(10)", "'C1 '", "text", "C1 "),
    ("mariadb", "double", "17", "integer", 17),
    ("mariadb", "double", "9007199254740991", "integer", 2**53 - 1),
    ("mariadb", "float", "999999", "integer", 999_999),
    ("mariadb", "decimal(12, 2)", "17", "integer", 17),
    ("mariadb", "decimal(30)", "9223372036854775807", "integer", 2**63 - 1),
    ("mariadb", "bigint unsigned", "9223372036854775807", "integer", 2**63 - 1),
    ("mariadb", "boolean", "true", "integer", 1),
    ("mariadb", "uuid", f"'{UUID.upper()}'", "uuid", UUID),
    ("mariadb", "char(36)", f"'{UUID.upper()}'", "uuid", UUID),
    ("mariadb", "enum('tea', 'jam')", "'tea'", "text", "tea"),
    ("mariadb", "text", "'\\\\N'", "text", "\\N"),
    ("mariadb", "decimal(9, 2)", "17", "category", "17"),
    ("mariadb", "double", "17", "category", "17"),
    ("mariadb", "year", "2025", "category", "2025"),
]
REFUSED: list[tuple[object, ...]] = [
    # engine, type of the column, value in SQL, ids or column, words of the refusal
    ("postgresql", "double precision", BIG, "integer", LOST),
    ("postgresql", "double precision", "17.5", "integer", FRACTION),
    ("postgresql", "double precision", "'NaN'", "integer", LOST),
    ("postgresql", "double precision", "'-Infinity'", "integer", LOST),
    ("postgresql", "real", "16777217", "integer", LOST),
    ("postgresql", "numeric(12, 2)", "17.5", "integer", "17.5 is no whole number"),
    ("postgresql", "numeric", "'NaN'", "integer", "'NaN' is no whole number"),
    ("postgresql", "numeric", "9223372036854775808", "integer", "9223372036854775808 is outside"),
    ("postgresql", "double precision", "17", "text", "is number, not text"),
    ("postgresql", "numeric(12, 2)", "17", "text", "is decimal, not text"),
    ("postgresql", "bigint", "17", "text", "is integer, not text"),
    ("postgresql", "uuid", f"'{UUID}'", "text", "is uuid, not text"),
    ("postgresql", "boolean", "true", "integer", "is boolean, not integer"),
    ("postgresql", "boolean", "true", "text", "is boolean, not text"),
    ("postgresql", "bytea", f"'\\x{HEX}'", "uuid", "is bytes, not uuid"),
    ("postgresql", "bytea", "'\\x01'", "text", "is bytes, not text"),
    ("postgresql", "bytea", "'\\x01'", "integer", "is bytes, not integer"),
    ("postgresql", "bit(4)", "B'0101'", "integer", "is bits, not integer"),
    ("postgresql", "bit(4)", "B'0101'", "text", "is bits, not text"),
    ("postgresql", "money", "12", "integer", "is type money, not integer"),
    ("postgresql", "inet", "'10.0.0.1'", "text", "is type inet, not text"),
    ("postgresql", "number", "ROW(1)", "integer", "is a record, not integer"),
    ("postgresql", "text[]", "'{food,jam}'", "category", "holds a list, not one value"),
    ("postgresql", "words", "'{food,jam}'", "category", "holds a list, not one value"),
    ("postgresql", "char(4)[]", "'{food,jam}'", "category", "holds a list, not one value"),
    ("postgresql", "jsonb", """'["food", "jam"]'""", "category", "holds a list as JSON"),
    ("postgresql", "json", """'["food", "jam"]'""", "category", "holds a list as JSON"),
    ("postgresql", "text", """'["food", "jam"]'""", "category", "holds a list as JSON"),
    ("postgresql", "jsonb", """'{"name": "food"}'""", "category", "JSON"),
    ("postgresql", "int4range", "'[1,3)'", "category", "holds a range, not one value"),
    ("postgresql", "number", "ROW(1)", "category", "holds a record, not one value"),
    ("postgresql", "money", "12.5", "price", "holds type money, not a number"),
    ("postgresql", "bit(1)", "B'1'", "available", "holds bits"),
    ("postgresql", "double precision", BIG, "category", LOST),
    ("postgresql", "double precision", "'NaN'", "category", LOST),
    ("postgresql", "time", "'10:00'", "category", "type time without time zone"),
    ("sqlite", "real", BIG, "integer", LOST),
    ("sqlite", "integer", "9223372036854775808", "integer", LOST),
    ("sqlite", "real", "17.5", "integer", FRACTION),
    ("sqlite", "real", "17", "text", "is number, not text"),
    ("sqlite", "integer", "17", "text", "is integer, not text"),
    ("sqlite", "blob", f"x'{HEX}'", "uuid", "is bytes, not uuid"),
    ("sqlite", "blob", "x'41'", "text", "is bytes, not text"),
    ("sqlite", "text", """'["food", "jam"]'""", "category", "holds a list as JSON"),
    ("sqlite", "text", """'{"name": "food"}'""", "category", "JSON"),
    ("sqlite", "real", BIG, "category", LOST),
    ("duckdb", "double", BIG, "integer", LOST),
    ("duckdb", "float", "16777217", "integer", LOST),
    ("duckdb", "hugeint", "9223372036854775808", "integer", "9223372036854775808 is outside"),
    ("duckdb", "decimal(12, 2)", "17.5", "integer", "17.5 is no whole number"),
    ("duckdb", "double", "17", "text", "is number, not text"),
    ("duckdb", "varchar[]", "['food', 'jam']", "category", "holds a list, not one value"),
    ("duckdb", "struct(field varchar)", "{'field': 'food'}", "category", "holds a record, not one value"),
    ("duckdb", "blob", "'abc'", "text", "is bytes, not text"),
    ("duckdb", "json", """'["food", "jam"]'""", "category", "holds a list as JSON"),
    ("duckdb", "bit", "'0101'", "text", "is bits, not text"),
    ("duckdb", "ubigint", "9223372036854775808", "integer", "9223372036854775808 is outside"),
    ("duckdb", "uhugeint", "9223372036854775808", "integer", "9223372036854775808 is outside"),
    ("duckdb", "varchar[2]", "['food', 'jam']", "category", "holds a list, not one value"),
    ("duckdb", "json", """'{"name": "food"}'""", "category", "JSON"),
    ("duckdb", "map(varchar, varchar)", "map {'field': 'food'}", "category", "holds a record"),
    ("duckdb", "interval", "'1 day'", "category", "holds type interval"),
    ("duckdb", "time", "'10:00'", "category", "holds type time"),
    ("duckdb", "timestamptz", "'2026-01-31 10:00:00+02'", "text", "is time with zone, not text"),
    ("duckdb", "uuid", f"'{UUID}'", "text", "is uuid, not text"),
    ("mariadb", "double", BIG, "integer", LOST),
    ("mariadb", "double", "17.5", "integer", FRACTION),
    ("mariadb", "float", "1000001", "integer", LOST),
    ("mariadb", "decimal(12, 2)", "17.5", "integer", "17.5 is no whole number"),
    ("mariadb", "decimal(30)", "9223372036854775808", "integer", "9223372036854775808 is outside"),
    ("mariadb", "bigint unsigned", "18446744073709551615", "integer", "18446744073709551615 is outside"),
    ("mariadb", "double", "17", "text", "is number, not text"),
    ("mariadb", "decimal(12, 2)", "17", "text", "is decimal, not text"),
    ("mariadb", "binary(16)", f"x'{HEX}'", "uuid", "is bytes, not uuid"),
    ("mariadb", "varbinary(9)", "x'41'", "text", "is bytes, not text"),
    ("mariadb", "bit(4)", "b'0101'", "integer", "is bits, not integer"),
    ("mariadb", "bit(1)", "b'1'", "available", "holds bits"),
    ("mariadb", "json", """'["food", "jam"]'""", "category", "holds a list as JSON"),
    ("mariadb", "set('food', 'jam')", "'food,jam'", "category", "holds a set of values"),
]
TYPES_OF_POSTGRESQL = (
    "DROP DOMAIN IF EXISTS padded, whole, words, citext_like",
    "DROP TYPE IF EXISTS aisle, number",
    "CREATE DOMAIN padded AS char(10)",
    "CREATE DOMAIN whole AS double precision",
    "CREATE DOMAIN words AS text[]",
    "CREATE DOMAIN citext_like AS text CHECK (VALUE <> '')",
    "CREATE TYPE aisle AS ENUM ('tea', 'jam')",
    "CREATE TYPE number AS (field int)",
)
CANNOT_BE_MENDED = (LOST, "no whole number", "is outside")
"""Values that lost what they were, or never were ids: no cast brings them back."""


ITEMS = ("name", "category", "price", "discount", "available")


@pytest.fixture
def read(
    database: Callable[[str], str], tmp_path: Path, make_settings: Callable[..., Settings]
) -> Callable[..., object]:
    """`read(engine, type, value, what)`: the value as it comes from a column of that type; `what` is the
    type of ids, or a column of items. With `sql` the column is selected so, not by its name."""
    urls: list[str] = []

    def go(engine: str, kind: str, value: str, what: str, sql: str = "it") -> object:
        if not urls:
            urls.append(database(engine))
            if engine == "postgresql":
                shops.run(urls[0], *TYPES_OF_POSTGRESQL)
            escaped = re.sub(r":(?= )", r"\\:", value)
            shops.run(urls[0], f"CREATE TABLE shelf (it {kind})")
            shops.run(urls[0], f"INSERT INTO shelf VALUES ({escaped}), (NULL)")
        is_id = what in ("integer", "text", "uuid")
        names = ["user_id", "segment"] if is_id else ["item_id", *ITEMS]
        column = "user_id" if is_id else what
        selected = [f"{sql} AS {name}" if name == column else f"NULL AS {name}" for name in names]
        file = {"users" if is_id else "items": f"SELECT {', '.join(selected)} FROM shelf"}
        settings = make_settings(source={"sql": shops.write(tmp_path / "sql", **file)}).source
        ids = {"user": what if is_id else "integer", "item": "integer"}
        with opened(urls[0], settings, ids) as source:
            rows = [row[column] for batch in source.batches(next(iter(file))) for row in batch.to_pylist()]
        assert None in rows
        return next(row for row in rows if row is not None)

    return go


@pytest.mark.parametrize(("engine", "kind", "value", "what", "found"), of_each(KEPT))
def test_a_value_is_kept(
    read: Callable[..., object], engine: str, kind: str, value: str, what: str, found: object
) -> None:
    assert read(engine, kind, value, what) == found


@pytest.mark.parametrize(("engine", "kind", "value", "what", "words"), of_each(REFUSED))
def test_a_value_is_refused_by_name_and_what_comes_next_helps(
    read: Callable[..., object], engine: str, kind: str, value: str, what: str, words: str
) -> None:
    with pytest.raises(SourceError) as refused:
        read(engine, kind, value, what)
    told = f"{refused.value.what}, {refused.value.found}"
    assert words in told
    column = "user_id" if what in ("integer", "text", "uuid") else what
    assert f".{column}`" in refused.value.what
    if words.endswith(CANNOT_BE_MENDED):
        return
    written = re.search(rf"write (.*) AS {column} in ", refused.value.then)
    assert written, refused.value.then
    other = re.search(r'set user = "(\w+)" .* (and|or) write', refused.value.then)
    cast = re.sub(rf"\b{column}\b", "it", written.group(1))
    assert read(engine, kind, value, other.group(1) if other and other.group(2) == "and" else what, cast)
    if other and other.group(2) == "or":
        assert read(engine, kind, value, other.group(1))


@pytest.mark.slow
def test_mysql_s_padding_goes_whatever_its_sql_mode_says(
    database: Callable[[str], str], tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    url = database("mariadb")
    shops.run(url, "CREATE TABLE shelf (it char(10))", "INSERT INTO shelf VALUES ('C1')")
    folder = shops.write(tmp_path / "sql", users="SELECT it AS user_id, it AS segment FROM shelf")
    settings = make_settings(source={"sql": folder}).source
    padded = f"{url}?init_command=SET+sql_mode%3D%27PAD_CHAR_TO_FULL_LENGTH%27"
    with opened(padded, settings, {"user": "text", "item": "text"}) as source:
        assert next(source.batches("users")).to_pylist() == [{"user_id": "C1", "segment": "C1"}]
