"""Times of items as shops keep them: dates, moments, times of a clock, and what stands for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Settings
from pipeline.contract.datasets import TIMES_OF_ITEMS
from pipeline.errors import SourceError
from pipeline.source import opened
from tests.source import shops
from tests.source.engines import database, mariadb, of_each
from tests.source.test_event_times import BERLIN, IDS, zones

__all__ = ["database", "mariadb", "zones"]

ENGINES = of_each([("postgresql",), ("sqlite",), ("duckdb",), ("mariadb",)])
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
Read = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def read(
    database: Callable[[str], str],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    make_settings: Callable[..., Settings],
) -> Read:
    """`read(engine, zone, select="", added_at=(type, *values), ...)`: the rows of a table `products` with
    such columns, by the shipped statement or by `select`; item 1 has the first value of each column."""

    def rows(engine: str, zone: str = "UTC", select: str = "", **columns: tuple[str, ...]) -> Any:
        if engine == "mariadb" and zone != "UTC":
            request.getfixturevalue("zones")
        url = database(engine)
        shops.run(url, shops.PRODUCTS)
        for name, (kind, *_) in columns.items():
            shops.run(url, f"ALTER TABLE products ADD COLUMN {name} {kind} NULL")
        clock = ["SET time_zone = '+00\\:00'"] if engine == "mariadb" else []
        values = [given for _, *given in columns.values()]
        for item, row in enumerate(zip(*values, strict=True), 1):
            texts = ", ".join((str(item), *row)).replace(":", "\\:")
            names = ", ".join(("product_id", *columns))
            shops.run(url, *clock, f"INSERT INTO products ({names}) VALUES ({texts})")
        folder = shops.write(tmp_path / "sql", items=select) if select else "sql/source"
        settings = make_settings(source={"sql": folder, "timezone": zone}).source
        with opened(url, settings, IDS) as source:
            found = [row for batch in source.batches("items") for row in batch.to_pylist()]
        return sorted(found, key=lambda row: row["item_id"])

    return rows


def times(row: dict[str, Any]) -> tuple[datetime | None, ...]:
    return tuple(row[name] for name in TIMES_OF_ITEMS)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_shop_without_them_and_with_some_of_them_is_read(read: Read, engine: str) -> None:
    kind = "text" if engine == "sqlite" else "date"
    assert times(read(engine, known_at=(kind, "'2026-05-01'"))[0]) == (None, None, utc(2026, 5, 1))
    assert read(engine) == []


KINDS: list[tuple[object, ...]] = [
    # engine, types of the three, in UTC; the middle of the night of 25 October comes twice in Berlin
    ("postgresql", "date", "timestamp", "timestamptz"),
    ("postgresql", "timestamptz(0)", "date", "timestamp(3)"),
    ("sqlite", "text", "text", "datetime"),
    ("duckdb", "date", "timestamp", "timestamptz"),
    ("duckdb", "timestamp_s", "timestamp_ns", "date"),
    ("mariadb", "date", "datetime(6)", "timestamp"),
    ("mariadb", "timestamp(6)", "date", "datetime"),
]
MOMENTS = ("timestamptz", "timestamptz(0)", "timestamp_tz")


@pytest.mark.parametrize("zone", ["UTC", BERLIN])
@pytest.mark.parametrize(("engine", "one", "two", "three"), of_each(KINDS))
def test_each_column_of_one_statement_is_read_by_its_own_type(
    read: Read, engine: str, one: str, two: str, three: str, zone: str
) -> None:
    """A date is the midnight in the shop's zone; a moment stays one, in the hour that comes twice too."""
    ahead = 0 if zone == "UTC" else 2
    given, wanted = {}, []
    for name, kind in zip(TIMES_OF_ITEMS, (one, two, three), strict=True):
        if kind == "date":
            given[name] = (kind, "'2026-10-24'")
            wanted.append(utc(2026, 10, 24) if zone == "UTC" else utc(2026, 10, 23, 22))
        elif kind in MOMENTS or (engine == "mariadb" and kind.startswith("timestamp")):
            zoned = "" if engine == "mariadb" else "+00:00"
            given[name] = (kind, f"'2026-10-25 01:30:00{zoned}'")
            wanted.append(utc(2026, 10, 25, 1, 30))
        else:
            given[name] = (kind, "'2026-10-25 01:30:00'")
            wanted.append(utc(2026, 10, 25, 1, 30) if not ahead else utc(2026, 10, 24, 23, 30))
    [row] = read(engine, zone, **given)
    assert times(row) == tuple(wanted)


def test_texts_of_sqlite_have_a_zone_or_not(read: Read) -> None:
    rows = read(
        "sqlite",
        BERLIN,
        added_at=("text", "'2026-07-01'", "'2026-07-01 10:00:00+00:00'", "' '", "'0000-00-00'"),
    )
    assert [row["added_at"] for row in rows] == [utc(2026, 6, 30, 22), utc(2026, 7, 1, 10), None, None]


@pytest.mark.slow
def test_what_mysql_computes_of_a_timestamp_is_a_time_of_the_shop(read: Read) -> None:
    select = (
        "SELECT product_id AS item_id, CAST(added_at AS datetime(6)) AS added_at, "
        "available_until AS known_at FROM products"
    )
    noon = ("timestamp(6)", "'2026-07-01 10:00:00.25'")
    [row] = read("mariadb", BERLIN, select, added_at=noon, available_until=noon)
    assert times(row) == (utc(2026, 7, 1, 10, 0, 0, 250_000), None, utc(2026, 7, 1, 10, 0, 0, 250_000))


EDGES: list[tuple[object, ...]] = [
    # engine, type, spellings of always, of for ever, and of no time
    ("postgresql", "timestamptz", "-infinity infinity 294276-01-01", "1"),
    ("postgresql", "timestamp", "-infinity infinity 0044-03-15_BC", "0"),
    ("postgresql", "date", "-infinity infinity 5874897-12-31", "1"),
    ("sqlite", "text", "-infinity Infinity 9999-12-31_23:59:59.999999", "1"),
    ("duckdb", "timestamptz", "-infinity infinity 294246-12-31_00:00:00+00", "1"),
    ("duckdb", "timestamp", "-infinity infinity 0044-03-15_(BC)", "0"),
    ("duckdb", "timestamp_s", "-infinity infinity 10000-01-01", "1"),
    ("duckdb", "date", "-infinity infinity 5874897-12-31", "1"),
]


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "America/New_York"])
@pytest.mark.parametrize(("engine", "kind", "spellings", "is_late"), of_each(EDGES))
def test_always_and_for_ever_have_many_spellings(
    read: Read, engine: str, kind: str, spellings: str, is_late: str, zone: str
) -> None:
    values = [f"'{text}'".replace("_", " ") for text in spellings.split()]
    found = [row["available_until"] for row in read(engine, zone, available_until=(kind, *values, "NULL"))]
    assert [moment and moment.year for moment in found] == [1, 9999, 9999 if is_late == "1" else 1, None]
    assert all(FIRST <= moment <= LAST for moment in found if moment)


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "America/New_York"])
@pytest.mark.parametrize("engine", ["postgresql", "sqlite", "duckdb"])
def test_the_first_and_the_last_day_are_times_in_every_zone(read: Read, engine: str, zone: str) -> None:
    kind = "text" if engine == "sqlite" else "timestamp"
    days = ("'0001-01-01 00:00:00'", "'9999-12-31 00:00:00'", "'9999-12-31 23:59:59'")
    found = [row["available_until"] for row in read(engine, zone, available_until=(kind, *days))]
    assert [moment.year for moment in found] == [1, 9999, 9999]


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["UTC", BERLIN])
@pytest.mark.parametrize("kind", ["date", "datetime", "datetime(6)", "timestamp"])
def test_zero_dates_of_mysql_are_none(read: Read, kind: str, zone: str) -> None:
    late = "'2038-01-01'" if kind == "timestamp" else "'9999-12-31'"
    rows = read("mariadb", zone, available_until=(kind, "'0000-00-00'", late, "NULL"))
    found = [row["available_until"] for row in rows]
    assert (found[0], found[2]) == (None, None)
    assert found[1].year in (2037, 2038, 9999)
    [row] = read("mariadb", zone, available_until=(kind, "'0000-00-00'"))
    assert row["available_until"] is None


NUMBERS = of_each(
    [("postgresql", "bigint"), ("sqlite", "integer"), ("duckdb", "bigint"), ("mariadb", "bigint")]
)


@pytest.mark.parametrize(("engine", "kind"), NUMBERS)
@pytest.mark.parametrize("name", TIMES_OF_ITEMS)
def test_numbers_are_refused_by_name_with_the_cast(read: Read, engine: str, kind: str, name: str) -> None:
    with pytest.raises(SourceError) as refused:
        read(engine, **{name: (kind, "1795750215")})
    assert f"`items.{name}` holds whole numbers, not a time" in refused.value.what
    assert "as seconds since 1970 it is 2026-11-27T03:30:15+00:00" in refused.value.found
    assert f"in place of {name}, before its AS; then" in refused.value.then
    cast = refused.value.then.partition(" write ")[2].partition(" in place of ")[0]
    select = f"SELECT product_id AS item_id, {cast} AS {name} FROM products"
    [row] = read(engine, select=select, **{name: (kind, "1795750215")})
    assert row[name] == utc(2026, 11, 27, 3, 30, 15)


@pytest.mark.parametrize(
    ("engine", "kind"),
    of_each([("postgresql", "text"), ("sqlite", "text"), ("duckdb", "varchar"), ("mariadb", "varchar(20)")]),
)
def test_texts_that_are_no_times_are_refused_by_name(read: Read, engine: str, kind: str) -> None:
    with pytest.raises(SourceError, match=r"`items\.added_at` holds") as refused:
        read(engine, added_at=(kind, "'soon'"))
    assert "soon" in refused.value.found
