"""Times of events as shops store them: exact, read by a rule, or recognised as what they are."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pymysql
import pytest

from pipeline.config import Settings
from pipeline.errors import SourceError
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.source import Source, last_event_at, opened
from pipeline.source.window import first_local
from tests.source import shops
from tests.source.engines import PASSWORD, SLOW, database, mariadb, of_each

__all__ = ["database", "mariadb"]

IDS = {"user": "integer", "item": "integer"}
AS_OF = datetime(2026, 11, 28, tzinfo=UTC)
MOMENT = datetime(2026, 11, 27, 3, 30, 15, tzinfo=UTC)
SELECT = (
    "SELECT customer_id AS user_id, product_id AS item_id, event_type, occurred_at AS occurred_at, order_id, "
    "quantity FROM events WHERE occurred_at >= :window_start AND occurred_at < :window_end"
)
ENGINES = ("postgresql", "sqlite", "duckdb", pytest.param("mariadb", marks=SLOW))
BERLIN = "Europe/Berlin"
PASSES = datetime(2026, 10, 25, 1, tzinfo=UTC)
"""When the hour from two to three begins a second time in Berlin."""


@pytest.fixture
def shop(database: Callable[[str], str]) -> Callable[..., str]:
    """`shop(engine, type of occurred_at, *times in SQL)`: a shop with an event at each, items 1, 2, ..."""

    def make(engine: str, kind: str, *times: str) -> str:
        url = database(engine)
        shops.run(url, shops.EVENTS.format(time=kind), shops.PRODUCTS, shops.CUSTOMERS)
        rows = [f"(1, {item}, 'purchase', {time}, NULL, 1)" for item, time in enumerate(times, 1)]
        if rows:
            shops.run(url, f"INSERT INTO events VALUES {', '.join(rows)}".replace(":", "\\:"))
        return url

    return make


@pytest.fixture
def zones(request: pytest.FixtureRequest) -> None:
    """The time zone tables of MariaDB, as far as Berlin needs them: its changes of the years around."""
    port = request.getfixturevalue("mariadb")
    with pymysql.connect(host="127.0.0.1", port=port, user="shop", password=PASSWORD) as db:
        with db.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM mysql.time_zone_name WHERE Name = %s", (BERLIN,))
            if cursor.fetchone() != (0,):
                return
            cursor.execute("INSERT INTO mysql.time_zone (Use_leap_seconds) VALUES ('N')")
            zone = cursor.lastrowid
            cursor.execute("INSERT INTO mysql.time_zone_name VALUES (%s, %s)", (BERLIN, zone))
            cursor.execute(
                "INSERT INTO mysql.time_zone_transition_type VALUES (%s, 0, 3600, 0, 'CET'), "
                "(%s, 1, 7200, 1, 'CEST')",
                (zone, zone),
            )
            moment, info = datetime(2024, 1, 1, tzinfo=UTC), zoneinfo.ZoneInfo(BERLIN)
            while moment.year < 2030:
                later = moment + timedelta(hours=1)
                offset = later.astimezone(info).utcoffset()
                if moment.astimezone(info).utcoffset() != offset:
                    cursor.execute(
                        "INSERT INTO mysql.time_zone_transition VALUES (%s, %s, %s)",
                        (zone, int(later.timestamp()), int(offset == timedelta(hours=2))),
                    )
                moment = later
        db.commit()


def read(source: Source, **window: datetime) -> list[tuple[int, datetime]]:
    rows = [row for batch in source.batches("events", **window) for row in batch.to_pylist()]
    return sorted((row["item_id"], row["occurred_at"]) for row in rows)


def read_all(url: str, settings: Settings) -> list[tuple[int, datetime]]:
    with opened(url, settings.source, IDS) as source:
        return read(source)


NUMBERS: list[tuple[object, ...]] = [
    # engine, type, number that means MOMENT, what it reads as
    ("postgresql", "bigint", 1, "as seconds since 1970"),
    ("postgresql", "bigint", 1_000, "as milliseconds since 1970"),
    ("postgresql", "numeric(20)", 1_000_000, "as microseconds since 1970"),
    ("postgresql", "double precision", 1, "as seconds since 1970"),
    ("postgresql", "integer", 1, "as seconds since 1970"),
    ("postgresql", "text", 1, "as seconds since 1970"),
    ("sqlite", "integer", 1, "as seconds since 1970"),
    ("sqlite", "integer", 1_000, "as milliseconds since 1970"),
    ("sqlite", "integer", 1_000_000, "as microseconds since 1970"),
    ("sqlite", "real", 1, "as seconds since 1970"),
    ("sqlite", "text", 1, "as seconds since 1970"),
    ("sqlite", "datetime", 1_000, "as milliseconds since 1970"),
    ("duckdb", "bigint", 1, "as seconds since 1970"),
    ("duckdb", "bigint", 1_000, "as milliseconds since 1970"),
    ("duckdb", "bigint", 1_000_000, "as microseconds since 1970"),
    ("duckdb", "double", 1, "as seconds since 1970"),
    ("mariadb", "bigint", 1, "as seconds since 1970"),
    ("mariadb", "bigint", 1_000, "as milliseconds since 1970"),
    ("mariadb", "bigint", 1_000_000, "as microseconds since 1970"),
    ("mariadb", "int unsigned", 1, "as seconds since 1970"),
    ("mariadb", "double", 1, "as seconds since 1970"),
    ("mariadb", "varchar(20)", 1, "as seconds since 1970"),
]


@pytest.mark.parametrize(
    ("engine", "kind", "per_second", "meaning"),
    of_each(NUMBERS),
)
def test_numbers_are_told_by_every_door_and_the_cast_reads_them(
    shop: Callable[..., str],
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    engine: str,
    kind: str,
    per_second: int,
    meaning: str,
) -> None:
    url = shop(engine, kind, str(int(MOMENT.timestamp()) * per_second))

    def settings(select: str) -> Settings:
        return make_settings(source={"sql": shops.write(tmp_path / "sql", events=select)})

    for asked in (
        lambda: last_event_at(url, settings(SELECT).source, AS_OF),
        lambda: span(url, settings(SELECT)),
    ):
        with pytest.raises(SourceError, match=r"`events\.occurred_at` holds") as refused:
            asked()
        assert f"{meaning} it is 2026-11-27T03:30:15+00:00" in refused.value.found
    written = re.search(r"write (.*) in place of occurred_at, before its AS and in WHERE", refused.value.then)
    assert written
    cast = written.group(1)
    mended = SELECT.replace("occurred_at AS", f"{cast} AS").replace("WHERE occurred_at", f"WHERE {cast}")
    mended = mended.replace("AND occurred_at", f"AND {cast}")
    if (engine, kind) != ("postgresql", "text"):
        assert read_all(url, settings(mended)) == [(1, MOMENT)]
    assert last_event_at(url, settings(mended).source, AS_OF) == MOMENT


def span(url: str, settings: Settings) -> object:
    with opened(url, settings.source, IDS) as source:
        return source.span()


def test_numbers_in_another_column_than_the_one_compared_are_told(
    shop: Callable[..., str], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    url = shop("postgresql", "timestamptz", "'2026-11-27 03:30:15+00'")
    select = SELECT.replace("occurred_at AS", "1795750215 AS")
    settings = make_settings(source={"sql": shops.write(tmp_path / "sql", events=select)})
    with pytest.raises(SourceError, match="holds whole numbers, not a time") as refused:
        read_all(url, settings)
    assert "1795750215: as seconds since 1970 it is 2026-11-27T03:30:15+00:00" in refused.value.found
    assert "to_timestamp(occurred_at)" in refused.value.then


def test_days_of_the_julian_calendar_are_told_on_sqlite(
    shop: Callable[..., str], make_settings: Callable[..., Settings]
) -> None:
    url = shop("sqlite", "real", "julianday('2026-11-27 12:00:00')")
    with pytest.raises(SourceError) as refused:
        read_all(url, make_settings())
    assert "days of the Julian calendar it is 2026-11-27T12:00:00+00:00" in refused.value.found
    assert "strftime('%Y-%m-%dT%H:%M:%fZ', occurred_at)" in refused.value.then


def test_a_few_numbers_among_texts_are_told_too(
    shop: Callable[..., str], make_settings: Callable[..., Settings]
) -> None:
    url = shop("sqlite", "datetime", "'2026-11-27 03:30:15'", "1795750215")
    with pytest.raises(SourceError, match="holds whole numbers, not a time"):
        read_all(url, make_settings())


@pytest.mark.parametrize("text", ["Nov 27 2026", "01/11/2026", "27.11.2026 10:00", "yesterday", "20261127"])
def test_texts_that_are_no_times_are_named_by_every_door(
    shop: Callable[..., str],
    job: Callable[..., Job],
    make_settings: Callable[..., Settings],
    serving_url: str,
    text: str,
) -> None:
    url = shop("sqlite", "text", f"'{text}'")
    doors = (
        lambda: span(url, make_settings()),
        lambda: run_stage("extract", job(source=url, serving=serving_url, as_of=AS_OF, now=AS_OF)),
        lambda: last_event_at(url, make_settings().source, AS_OF),
    )
    for door in doors:
        with pytest.raises(SourceError, match=r"`events\.occurred_at` holds") as refused:
            door()
        assert text in refused.value.found


@pytest.mark.parametrize(
    ("engine", "kind"), of_each([("postgresql", "text"), ("duckdb", "varchar"), ("mariadb", "varchar(30)")])
)
def test_texts_with_the_day_first_get_a_format_and_no_cast_that_swaps_days_and_months(
    shop: Callable[..., str], make_settings: Callable[..., Settings], tmp_path: Path, engine: str, kind: str
) -> None:
    url = shop(engine, kind, "'03.04.2026 10:00:00'")
    with pytest.raises(SourceError, match=r"`events\.occurred_at` holds text") as refused:
        span(url, make_settings())
    written = re.search(r"write (.*) \(with the format of your texts\) in place of", refused.value.then)
    assert written
    select = SELECT.replace("occurred_at AS", f"{written.group(1)} AS")
    select = select.replace("WHERE occurred_at", f"WHERE {written.group(1)}")
    mended = select.replace("AND occurred_at", f"AND {written.group(1)}")
    settings = make_settings(source={"sql": shops.write(tmp_path / "sql", events=mended)})
    assert read_all(url, settings) == [(1, datetime(2026, 4, 3, 10, tzinfo=UTC))]


def test_a_number_that_reads_as_no_time_is_told_without_a_guess(
    shop: Callable[..., str], make_settings: Callable[..., Settings]
) -> None:
    with pytest.raises(SourceError, match="holds whole numbers, not a time") as refused:
        span(shop("sqlite", "integer", "17"), make_settings())
    assert refused.value.found == "integer, for instance 17"


@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        ("postgresql", "timestamp"),
        ("sqlite", "text"),
        ("duckdb", "timestamp"),
        pytest.param("mariadb", "datetime", marks=SLOW),
    ],
)
def test_the_hours_that_a_clock_repeats_and_skips_are_read_by_one_rule(
    request: pytest.FixtureRequest,
    shop: Callable[..., str],
    make_settings: Callable[..., Settings],
    engine: str,
    kind: str,
) -> None:
    """A repeated hour is the first of the two, a skipped one lies an hour later, at both ends of a window."""
    if engine == "mariadb":
        request.getfixturevalue("zones")
    settings = make_settings(source={"timezone": BERLIN})
    url = shop(engine, kind, "'2026-10-25 02:30:00'", "'2026-10-25 03:10:00'", "'2026-03-29 02:30:00'")
    first, after, skipped = (
        (1, PASSES - timedelta(minutes=30)),
        (2, PASSES + timedelta(minutes=70)),
        (3, datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    )
    with opened(url, settings.source, IDS) as source:
        assert read(source) == [first, after, skipped]
        for minutes in range(-90, 150, 20):
            cut = PASSES + timedelta(minutes=minutes)
            rows = read(source, end=cut)
            assert rows == [row for row in (first, after, skipped) if row[1] < cut], cut
            assert read(source, start=cut) == [row for row in (first, after) if row[1] >= cut], cut
        for minutes in range(-50, 120, 20):
            cut = skipped[1] + timedelta(minutes=minutes)
            assert (skipped in read(source, start=cut)) is (skipped[1] >= cut), cut
            assert (skipped in read(source, end=cut)) is (skipped[1] < cut), cut
        assert source.span(end=PASSES + timedelta(minutes=10)) == (skipped[1], first[1])


@pytest.mark.parametrize("engine", ["postgresql", "duckdb"])
def test_a_date_is_refused_with_the_cast(
    shop: Callable[..., str], make_settings: Callable[..., Settings], engine: str
) -> None:
    with pytest.raises(SourceError, match="holds date, not a time") as refused:
        read_all(shop(engine, "date", "'2026-10-25'"), make_settings())
    assert "CAST(occurred_at AS timestamp" in refused.value.then


@pytest.mark.parametrize(
    ("engine", "kind"), [("postgresql", "timestamptz"), pytest.param("mariadb", "timestamp", marks=SLOW)]
)
def test_moments_are_exact_in_the_hour_that_comes_twice(
    request: pytest.FixtureRequest,
    shop: Callable[..., str],
    make_settings: Callable[..., Settings],
    engine: str,
    kind: str,
) -> None:
    if engine == "mariadb":
        request.getfixturevalue("zones")
    url = shop(engine, kind)
    moments = [PASSES + timedelta(minutes=minutes) for minutes in (-30, 30, 90)]
    zone = "SET time_zone = '+00\\:00'" if engine == "mariadb" else "SET TIME ZONE 'UTC'"
    for item, moment in enumerate(moments, 1):
        text = f"{moment:%Y-%m-%d %H\\:%M\\:%S}"
        shops.run(url, zone, f"INSERT INTO events VALUES (1, {item}, 'purchase', '{text}', NULL, 1)")
    settings = make_settings(source={"timezone": BERLIN})
    with opened(url, settings.source, IDS) as source:
        assert read(source) == list(enumerate(moments, 1))
        assert source.span() == (moments[0], moments[-1])
        for minutes in range(-90, 150, 20):
            cut = PASSES + timedelta(minutes=minutes)
            expected = [(item, moment) for item, moment in enumerate(moments, 1) if moment >= cut]
            assert read(source, start=cut) == expected
            before = [moment for moment in moments if moment < cut]
            assert source.span(end=cut) == ((before[0], before[-1]) if before else None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "expression",
    [
        "CAST(occurred_at AS datetime)",
        "coalesce(occurred_at, created_at)",
        "FROM_UNIXTIME(UNIX_TIMESTAMP(occurred_at))",
        "greatest(occurred_at, occurred_at)",
        "if(customer_id = 1, occurred_at, occurred_at)",
    ],
)
@pytest.mark.parametrize("compared", ["{}", "created_at"])
def test_what_mysql_makes_of_a_timestamp_is_the_same_moment(
    zones: None,
    shop: Callable[..., str],
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    expression: str,
    compared: str,
) -> None:
    """Through a view too, and where WHERE compares a column of the clock beside it."""
    url = shop("mariadb", "timestamp")
    shops.run(
        url,
        "ALTER TABLE events ADD created_at datetime",
        "SET time_zone = '+00\\:00'",
        "INSERT INTO events VALUES (1, 1, 'purchase', '2026-07-01 10\\:00\\:00', NULL, 1, "
        "'2026-07-01 12\\:00\\:00')",
        f"CREATE VIEW shown AS SELECT events.*, {expression} AS at FROM events",
    )
    settings = make_settings(source={"timezone": BERLIN})
    moment = datetime(2026, 7, 1, 10, tzinfo=UTC)
    for column, table in ((expression, "events"), ("at", "shown")):
        if table == "shown" and "coalesce" not in expression and "if(" not in expression:
            continue
        select = SELECT.replace("occurred_at AS", f"{column} AS").replace("FROM events", f"FROM {table}")
        select = select.replace("WHERE occurred_at", f"WHERE {compared.format(column)}")
        select = select.replace("AND occurred_at", f"AND {compared.format(column)}")
        mended = settings.source.model_copy(update={"sql": shops.write(tmp_path / "sql", events=select)})
        with opened(url, mended, IDS) as source:
            for start, end, n in (
                (moment, moment + timedelta(seconds=1), 1),
                (moment - timedelta(1), moment, 0),
            ):
                batches = list(source.batches("events", start, end))
                assert sum(batch.num_rows for batch in batches) == n, (column, start)


IMPOSSIBLE: list[tuple[object, ...]] = [
    ("postgresql", "timestamptz", ("'1970-01-01 00:00+00'", "'-infinity'", "'0044-03-15 BC'"), "-infinity"),
    (
        "postgresql",
        "timestamp",
        ("'1970-01-01'", "'0044-03-15 BC'", "'1989-12-31 23:59'"),
        "0044-03-15 00:00:00 BC",
    ),
    ("sqlite", "text", ("'0000-00-00 00:00:00'", "'1970-01-01'", "'1899-12-30'"), "0000-00-00 00:00:00"),
    ("sqlite", "datetime", ("'0000-00-00 00:00:00'", "'11/27/2026 10:00'", "0"), "0"),
    ("duckdb", "timestamp", ("'1970-01-01'", "'1900-01-01'", "'1989-12-31'"), "1900-01-01 00:00:00"),
    ("mariadb", "datetime", ("'0000-00-00'", "'1970-01-01'", "'1900-01-01'"), "0000-00-00 00:00:00"),
    ("mariadb", "timestamp", ("'0000-00-00'", "'1970-01-02'", "'1989-12-30'"), "0000-00-00 00:00:00"),
]


@pytest.mark.parametrize(
    ("engine", "kind", "times", "oldest"),
    of_each(IMPOSSIBLE),
)
def test_times_older_than_any_shop_are_counted_and_the_oldest_is_shown(
    shop: Callable[..., str],
    make_settings: Callable[..., Settings],
    engine: str,
    kind: str,
    times: tuple[str, ...],
    oldest: str,
) -> None:
    url = shop(engine, kind, "'2026-11-27 03:30:15'", "'1990-01-02'", *times)
    with opened(url, make_settings().source, IDS) as source:
        assert source.before_any_shop() == (len(times), oldest)
        assert [item for item, _ in read(source, start=AS_OF - timedelta(days=365))] == [1]
    shops.run(url, "DELETE FROM events WHERE product_id > 2")
    with opened(url, make_settings().source, IDS) as source:
        assert source.before_any_shop() == (0, "")


def test_they_are_counted_where_the_statement_cannot_compute_with_infinity(
    shop: Callable[..., str], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    url = shop("postgresql", "bigint", "0", str(int(MOMENT.timestamp())))
    select = SELECT.replace("occurred_at AS", "to_timestamp(occurred_at) AS")
    for name in ("window_start", "window_end"):
        select = select.replace(f":{name}", f"extract(epoch FROM CAST(:{name} AS timestamptz))::bigint")
    folder = shops.write(tmp_path / "sql", events=select)
    with opened(url, make_settings(source={"sql": folder}).source, IDS) as source:
        assert read(source, start=AS_OF - timedelta(days=1), end=AS_OF) == [(2, MOMENT)]
        assert source.before_any_shop() == (1, "1970-01-01 00:00:00+00")

    shops.run(
        url,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 100', current_database());"
        " END $$",
        "ALTER TABLE events RENAME TO raw_events",
        "CREATE VIEW events AS SELECT raw_events.* FROM raw_events, pg_sleep(0.2)",
    )
    try:
        with opened(url, make_settings(source={"sql": folder}).source, IDS) as source:
            assert source.before_any_shop()[0] == 1  # the second try is not under the database's limit either
    finally:  # the tests of this file share the database
        shops.run(
            url,
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET statement_timeout', current_database());"
            " END $$",
            "DROP VIEW events",
            "ALTER TABLE raw_events RENAME TO events",
        )


@pytest.mark.slow
def test_extract_counts_them_and_validate_warns(
    shop: Callable[..., str], job: Callable[..., Job], serving_url: str
) -> None:
    url = shop("postgresql", "timestamptz", "'2026-11-27 03:30:15'", "'1970-01-01 00:00+00'", "'-infinity'")
    shops.run(
        url,
        "INSERT INTO customers VALUES (1, NULL)",
        "INSERT INTO products VALUES (1, 'tea', NULL, 1, NULL, true)",
    )
    done = job(source=url, serving=serving_url, as_of=AS_OF, now=AS_OF)
    run_stage("extract", done)
    counts = done.folder.receipt("extract")["counts"]
    assert (counts["n_before_1990"], counts["oldest"]) == (2, "-infinity")
    run_stage("validate", done)
    document = done.folder.document("validation")
    assert document["success"]
    [told] = [line for line in document["failed"] if "before 1990" in line]
    assert "2 rows against it (for instance occurred_at -infinity)" in told
    assert done.folder.receipt("validate")["counts"]["n_warnings"] == len(document["failed"])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_last_day_of_the_calendar_is_a_time_of_the_future(
    shop: Callable[..., str], job: Callable[..., Job], serving_url: str, engine: str
) -> None:
    kind = {"postgresql": "timestamp", "sqlite": "text", "duckdb": "timestamp", "mariadb": "datetime"}[engine]
    url = shop(engine, kind, "'2026-11-27 03:30:15'", "'9999-12-31 23:59:59'", "'9999-12-31'")
    done = job(source=url, serving=serving_url, as_of=AS_OF, now=AS_OF)
    run_stage("extract", done)
    assert done.folder.table("events")["item_id"].to_pylist() == [1, 3, 2]


@pytest.mark.slow
def test_a_zero_date_that_is_selected_is_named(
    shop: Callable[..., str], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    url = shop("mariadb", "datetime not null", "'2026-11-27 03:30:15'", "'0000-00-00'")
    folder = shops.write(tmp_path / "sql", events=f"{SELECT} OR occurred_at IS NULL")
    with pytest.raises(SourceError, match=r"`events\.occurred_at`") as refused:
        read_all(url, make_settings(source={"sql": folder}))
    assert "'0000-00-00 00:00:00'" in refused.value.found


def test_sqlite_times_with_and_without_zone_are_the_moments_they_name(
    shop: Callable[..., str], make_settings: Callable[..., Settings]
) -> None:
    times = ("'2026-11-27 12:00'", "'2026-11-27T12:00:00+02:00'", "'2026-11-27T12:00:00.5Z'", "'2026-11-27'")
    url = shop("sqlite", "text", *times)
    day = datetime(2026, 11, 27, tzinfo=UTC)
    assert read_all(url, make_settings(source={"timezone": BERLIN})) == [
        (1, day + timedelta(hours=11)),
        (2, day + timedelta(hours=10)),
        (3, day + timedelta(hours=12, seconds=0.5)),
        (4, day - timedelta(hours=1)),
    ]


def test_the_first_time_of_a_clock_that_is_read_as_a_moment_or_later() -> None:
    first = datetime(2026, 10, 25, 2, 30)
    assert first_local(PASSES - timedelta(minutes=30), BERLIN) == first
    for minutes in (0, 10, 59.5):
        assert first_local(PASSES + timedelta(minutes=minutes), BERLIN) == datetime(2026, 10, 25, 3)
    assert first_local(PASSES + timedelta(minutes=61), BERLIN) == datetime(2026, 10, 25, 3, 1)
    assert first_local(datetime.max.replace(tzinfo=UTC), BERLIN) == datetime.max
    assert first_local(datetime.min.replace(tzinfo=UTC), "America/New_York") == datetime.min
