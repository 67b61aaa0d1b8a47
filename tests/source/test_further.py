"""The further columns of users.sql, as each database keeps them."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS
from pipeline.errors import SourceError
from pipeline.source import opened
from pipeline.source.further import Further, sorted_out
from tests.source import shops
from tests.source.engines import database, mariadb, of_each
from tests.source.test_event_times import BERLIN, zones

__all__ = ["database", "mariadb", "zones"]

IDS = {"user": "integer", "item": "integer"}
Read = Callable[..., tuple[Further, list[dict[str, Any]], list[dict[str, Any]]]]


@pytest.fixture
def read(
    database: Callable[[str], str],
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Read:
    """`read(engine, columns, *rows, select="*", zone="UTC")`: the further columns of a table `customers`, the
    rows of `users` and those of `user_attributes`, both sorted."""

    def go(
        engine: str, columns: str, *rows: str, select: str = "*", zone: str = "UTC"
    ) -> tuple[Further, list[dict[str, Any]], list[dict[str, Any]]]:
        if engine == "mariadb" and zone != "UTC":
            request.getfixturevalue("zones")
        url = database(engine)
        shops.run(url, f"CREATE TABLE customers (user_id bigint, segment varchar(20), {columns})")
        for row in rows:
            shops.run(url, f"INSERT INTO customers VALUES ({row})".replace(":", "\\:"))
        folder = shops.write(tmp_path / "sql", users=f"SELECT {select} FROM customers")
        settings = make_settings(source={"sql": folder, "batch_rows": 1_000, "timezone": zone}).source
        with opened(url, settings, IDS) as source:
            further = source.further()
            users = [row for batch in source.batches("users") for row in batch.to_pylist()]
            batches = list(source.attributes(further)) if further.read else []
        wanted = DATASETS["user_attributes"].schema(IDS)
        assert all(batch.schema == wanted for batch in batches)
        found = [row for batch in batches for row in batch.to_pylist()]
        return (
            further,
            sorted(users, key=lambda row: row["user_id"]),
            sorted(found, key=lambda row: (row["user_id"], row["name"])),
        )

    return go


def values(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """User, name and value of each row."""
    return [
        (row["user_id"], row["name"], row["category"] if row["number"] is None else row["number"])
        for row in rows
    ]


EVERY = of_each([("postgresql",), ("sqlite",), ("duckdb",), ("mariadb",)])


@pytest.mark.parametrize("engine", EVERY)
def test_a_shop_without_further_columns_has_none(read: Read, engine: str) -> None:
    further, users, found = read(engine, "extra int", "7, 'gold', 1", select="user_id, segment")
    assert (further, found) == (Further(), [])
    assert users == [{"user_id": 7, "segment": "gold"}]


@pytest.mark.parametrize("engine", EVERY)
@pytest.mark.parametrize("value", ["NULL", "''", "'  '"])
def test_a_column_of_which_nobody_has_a_value_gives_no_rows(read: Read, engine: str, value: str) -> None:
    _, users, found = read(engine, "city varchar(20)", f"7, 'gold', {value}", f"8, NULL, {value}")
    assert found == []
    assert [row["user_id"] for row in users] == [7, 8]


@pytest.mark.parametrize("engine", EVERY)
def test_numbers_and_words_are_read_and_what_is_missing_has_no_row(read: Read, engine: str) -> None:
    """Whatever the names are, those of columns of other datasets and of SQL among them."""
    sign = "`" if engine == "mariadb" else '"'
    columns = ", ".join(
        f"{sign}{name}{sign} {kind}"
        for name, kind in (
            ("order", "bigint"),
            ("Height (cm): 100%", "double precision"),
            ("income", "numeric(12, 2)"),
            ("kind", "varchar(20)"),
            ("category", "varchar(20)"),
            ("event_type", "integer"),
        )
    )
    further, users, found = read(
        engine,
        columns,
        "7, 'gold', 3, 180.5, 1000.25, ' red ', '[1]', 2",
        "8, NULL, NULL, NULL, NULL, '  ', '', NULL",
        "9, NULL, -9007199254740993, 0, 12, 'été', NULL, 0",
    )
    assert set(further.numbers) == {"order", "Height (cm): 100%", "income", "event_type"}
    assert set(further.words) == {"kind", "category"}
    assert (further.left_out, further.is_dated) == ((), False)
    assert users == [{"user_id": u, "segment": "gold" if u == 7 else None} for u in (7, 8, 9)]
    assert values(found) == [
        (7, "Height (cm): 100%", 180.5),
        (7, "category", "[1]"),
        (7, "event_type", 2.0),
        (7, "income", 1000.25),
        (7, "kind", "red"),
        (7, "order", 3.0),
        (9, "Height (cm): 100%", 0.0),
        (9, "event_type", 0.0),
        (9, "income", 12.0),
        (9, "kind", "été"),
        (9, "order", -9007199254740992.0),
    ]
    assert {row["known_at"] for row in found} == {None}


@pytest.mark.parametrize("engine", EVERY)
def test_dates_and_what_is_neither_number_nor_word_is_left_out(read: Read, engine: str) -> None:
    blob = "bytea" if engine == "postgresql" else "blob"
    further, users, found = read(
        engine,
        f"born date, seen timestamp, picture {blob}, plan varchar(9), nobody varchar(9)",
        "7, 'a', '1990-05-01', '2026-01-01 10:00:00', NULL, 'free', NULL",
    )
    if engine == "sqlite":  # it keeps them as text, as which they are judged later
        assert set(further.words) == {"born", "seen", "plan"}
    else:
        assert {"born", "seen"} <= {name for name, _ in further.left_out}
        assert values(found) == [(7, "plan", "free")]
    assert users == [{"user_id": 7, "segment": "a"}]


@pytest.mark.parametrize("engine", EVERY)
@pytest.mark.parametrize("zone", ["UTC", BERLIN])
def test_a_row_is_known_since_when_it_says(read: Read, engine: str, zone: str) -> None:
    kind = {"sqlite": "text", "mariadb": "datetime"}.get(engine, "timestamp")
    further, users, found = read(
        engine,
        f"known_at {kind}, plan varchar(9), age int",
        "7, NULL, '2026-01-02 12:00:00', 'free', 30",
        "8, NULL, NULL, 'paid', NULL",
        zone=zone,
    )
    at = datetime(2026, 1, 2, 12 if zone == "UTC" else 11, tzinfo=UTC)
    assert further == Further(("age",), ("plan",), (), is_dated=True)
    assert [(row["user_id"], row["name"], row["known_at"]) for row in found] == [
        (7, "age", at),
        (7, "plan", at),
        (8, "plan", None),
    ]
    assert users == [{"user_id": 7, "segment": None}, {"user_id": 8, "segment": None}]


@pytest.mark.slow
def test_a_timestamp_of_mysql_is_a_moment(read: Read) -> None:
    """Of the hour that comes twice, the second."""
    columns = "known_at timestamp null, plan varchar(9)"
    rows = ("7, NULL, FROM_UNIXTIME(1792893600), 'free'",)
    _, _, found = read("mariadb", columns, *rows, zone=BERLIN)
    assert [row["known_at"] for row in found] == [datetime.fromtimestamp(1792893600, UTC)]


def test_known_at_alone_is_no_attribute(read: Read) -> None:
    further, users, found = read("sqlite", "known_at text", "7, 'a', '2026-01-01'")
    assert (further.read, found) == ((), [])
    assert users == [{"user_id": 7, "segment": "a"}]


def test_what_postgresql_has_beyond_the_others(read: Read) -> None:
    further, _, found = read(
        "postgresql",
        "big numeric, wide double precision, small real, flag boolean, padded char(5), letters text,"
        " id uuid, about jsonb, many text[], at inet",
        "7, NULL, 'NaN', 'Infinity', 1.5, true, 'ab', 'x', gen_random_uuid(), '{}', '{a}', '10.0.0.1'",
        "8, NULL, 1e30, '-Infinity', 'NaN', false, NULL, '', NULL, NULL, NULL, NULL",
        "9, NULL, NULL, 'NaN', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
    )
    assert values(found) == [
        (7, "flag", "true"),
        (7, "letters", "x"),
        (7, "padded", "ab"),
        (7, "small", 1.5),
        (8, "big", 1e30),
        (8, "flag", "false"),
    ]
    assert further.left_out == (("id", "uuid"), ("about", "json"), ("many", "list"), ("at", "inet"))


def test_what_duckdb_has_beyond_the_others(read: Read) -> None:
    further, _, found = read(
        "duckdb",
        "plan enum('free', 'paid'), flag boolean, huge hugeint, wide double, parts integer[], id uuid",
        "7, NULL, 'paid', true, 170141183460469231731687303715884105727, 'inf', [1], uuid()",
    )
    assert values(found) == [
        (7, "flag", "true"),
        (7, "huge", pytest.approx(1.7e38, rel=0.01)),
        (7, "plan", "paid"),
    ]
    assert further.left_out == (("parts", "list"), ("id", "uuid"))


def test_what_sqlite_keeps_in_one_column(read: Read) -> None:
    """Whole numbers beside others are numbers; numbers beside words are neither."""
    further, _, found = read(
        "sqlite",
        "mixed, numbers, infinite",
        "7, NULL, 'a', 9007199254740993, 9e999",
        "8, NULL, 1, 0.5, 1",
    )
    assert further == Further(("numbers", "infinite"), (), (("mixed", "int and str"),))
    assert values(found) == [(7, "numbers", 2.0**53), (8, "infinite", 1.0), (8, "numbers", 0.5)]
    assert all(math.isfinite(row["number"]) for row in found)


@pytest.mark.slow
def test_mysqls_sets_json_and_bits_are_left_out(read: Read) -> None:
    further, _, found = read(
        "mariadb",
        "tags set('a', 'b'), flag boolean, bits bit(3), padded char(5), real_number float",
        "7, NULL, 'a,b', true, b'101', 'ab', 1.5",
    )
    assert {name for name, _ in further.left_out} == {"tags", "bits"}
    assert values(found) == [(7, "flag", 1.0), (7, "padded", "ab"), (7, "real_number", 1.5)]


@pytest.mark.parametrize("engine", EVERY)
def test_a_column_that_is_missing_is_refused_as_before(read: Read, engine: str) -> None:
    with pytest.raises(SourceError, match="`users` has no column `user_id`"):
        read(engine, "plan varchar(9)", "7, NULL, 'a'", select="user_id AS id, segment, plan")


def test_a_column_without_values_is_neither_read_nor_told() -> None:
    kinds = {
        "user_id": "integer",
        "segment": "text",
        "known_at": "time",
        "a": "null",
        "b": "real",
        "c": "type x",
    }
    assert sorted_out(kinds) == Further(("b",), (), (("c", "x"),), is_dated=True)
