from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from pipeline.config import Settings
from pipeline.contract.datasets import TIMES_OF_ITEMS
from pipeline.databases.embedded import Server
from pipeline.errors import DataError, SourceError, Unreachable
from pipeline.source import last_event_at, opened
from tests.source import shops

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDS = {"user": "integer", "item": "integer"}


@pytest.fixture(params=shops.DIALECTS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty source database of each kind."""
    return shops.url_for(request.param, tmp_path, request)


def test_rows_come_in_batches_of_the_size_that_is_set(
    url: str, make_settings: Callable[..., Settings]
) -> None:
    shops.make(url, *(f"({n}, 1, 'view', '2025-12-01 10:00:00+00:00', NULL, 1)" for n in range(2_500)))
    settings = make_settings(source={"batch_rows": 1_000}).source
    with opened(url, settings, IDS) as source:
        assert [batch.num_rows for batch in source.batches("events")] == [1_000, 1_000, 500]
        assert [batch.num_rows for batch in source.batches("events", limit=1_200)] == [1_000, 200]
        assert [batch.num_rows for batch in source.batches("events", limit=1_000)] == [1_000]
        assert source.span() == (datetime(2025, 12, 1, 10, tzinfo=UTC),) * 2


def test_the_last_event_is_the_newest_that_is_not_in_the_future(
    url: str, make_settings: Callable[..., Settings]
) -> None:
    shops.make(
        url,
        "(1, 1, 'view', '2025-12-31 23:00:00+00:00', NULL, 1)",
        "(1, 1, 'view', '2025-12-31 20:00:00+00:00', NULL, 1)",
        "(1, 1, 'view', '2026-02-01 00:00:00+00:00', NULL, 1)",
    )
    settings = make_settings().source
    assert last_event_at(url, settings, NOW) == datetime(2025, 12, 31, 23, tzinfo=UTC)
    with pytest.raises(DataError, match="no events yet"):
        last_event_at(url, settings, NOW - timedelta(days=365))


def test_a_source_is_read_in_one_snapshot_and_never_written(
    shop_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    shops.make(shop_url, "(1, 1, 'view', '2025-12-01 10:00:00+00:00', NULL, 1)")
    settings = make_settings().source
    with opened(shop_url, settings, IDS) as source:
        assert sum(batch.num_rows for batch in source.batches("events")) == 1
        shops.run(shop_url, "INSERT INTO events SELECT * FROM events")
        assert sum(batch.num_rows for batch in source.batches("events")) == 1
    folder = shops.write(tmp_path / "sql", items="SELECT 1 AS item_id FROM gone")
    with opened(shop_url, settings.model_copy(update={"sql": folder}), IDS) as source:
        shops.write(tmp_path / "sql", items="DELETE FROM products RETURNING product_id AS item_id")
        with pytest.raises(SourceError):
            list(source.batches("items"))


@pytest.mark.parametrize(
    ("kind", "value", "ids", "found"),
    [
        ("numeric(12)", "17", "integer", 17),
        ("smallint", "17", "integer", 17),
        ("varchar(9)", "'00123'", "text", "00123"),
        ("char(3)", "'abc'", "text", "abc"),
        ("uuid", "'0C9A9B6E-21B2-4E0F-8E0F-0D6E1F2A3B4C'", "uuid", "0c9a9b6e-21b2-4e0f-8e0f-0d6e1f2a3b4c"),
    ],
)
def test_ids_of_postgresqls_types_are_read(
    shop_url: str,
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    kind: str,
    value: str,
    ids: str,
    found: object,
) -> None:
    folder = shops.write(tmp_path / "sql", users=f"SELECT {value}::{kind} AS user_id, NULL AS segment")
    settings = make_settings(source={"sql": folder}).source
    with opened(shop_url, settings, {"user": ids, "item": "integer"}) as source:
        assert next(source.batches("users")).to_pylist() == [{"user_id": found, "segment": None}]


@pytest.mark.parametrize(
    ("value", "ids", "message"),
    [
        ("gen_random_uuid()", "text", "is uuid, not text"),
        ("true", "integer", "is boolean, not integer"),
        ("1.5::float8", "integer", "holds a value that is not whole numbers"),
        ("1.5::numeric", "integer", "holds a value that is not whole numbers"),
        ("'{1}'::int[]", "text", "is a list, not text"),
        ("99999999999999999999::numeric", "integer", "holds a value that is not whole numbers"),
    ],
)
def test_ids_of_other_types_are_refused(
    shop_url: str,
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    value: str,
    ids: str,
    message: str,
) -> None:
    folder = shops.write(tmp_path / "sql", users=f"SELECT {value} AS user_id, NULL AS segment")
    settings = make_settings(source={"sql": folder}).source
    with (
        opened(shop_url, settings, {"user": ids, "item": "integer"}) as source,
        pytest.raises(SourceError, match=message),
    ):
        list(source.batches("users"))


def test_enums_numbers_and_flags_of_postgresql_become_the_contracts(
    shop_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    shops.run(shop_url, "CREATE TYPE aisle AS ENUM ('tea', 'jam')")
    select = (
        "SELECT 1 AS item_id, 7 AS name, 'tea'::aisle AS category, 2.50::numeric AS price, "
        "NULL AS discount, 1 AS available"
    )
    settings = make_settings(source={"sql": shops.write(tmp_path / "sql", items=select)}).source
    with opened(shop_url, settings, IDS) as source:
        assert next(source.batches("items")).to_pylist() == [
            {"item_id": 1, "name": "7", "category": "tea", "price": 2.5, "discount": None, "available": True}
            | dict.fromkeys(TIMES_OF_ITEMS)
        ]


@pytest.mark.parametrize("encoding", ["LATIN9", "SQL_ASCII"])
def test_a_database_in_another_encoding_is_read(
    server: Server, make_settings: Callable[..., Settings], tmp_path: Path, encoding: str
) -> None:
    name = f"t_{uuid.uuid4().hex[:12]}"
    settings = make_settings(
        source={"sql": shops.write(tmp_path / "sql", users="SELECT 1 AS user_id, 'été €'::text AS segment")}
    )
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        try:
            with opened(server.admin_url(name), settings.source, IDS) as source:
                assert next(source.batches("users")).to_pylist() == [{"user_id": 1, "segment": "été €"}]
        finally:
            db.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_flag_that_is_two_is_refused(
    url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    shops.make(url)
    select = (
        "SELECT 1 AS item_id, 'x' AS name, NULL AS category, NULL AS price, NULL AS discount, 2 AS available"
    )
    settings = make_settings(source={"sql": shops.write(tmp_path / "sql", items=select)}).source
    with opened(url, settings, IDS) as source, pytest.raises(SourceError, match="1 and 0") as refused:
        list(source.batches("items"))
    assert "items.sql" in refused.value.then


def test_values_of_several_types_in_one_column_are_refused(
    tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    url = shops.make(f"sqlite:///{tmp_path / 'shop.db'}")
    select = "SELECT 1 AS user_id, NULL AS segment UNION ALL SELECT 'bob', NULL"
    settings = make_settings(source={"sql": shops.write(tmp_path / "sql", users=select)}).source
    with opened(url, settings, IDS) as source, pytest.raises(SourceError, match="one type") as refused:
        list(source.batches("users"))
    assert refused.value.found == "1 int, 1 str; the str for instance 'bob'"


def test_a_connection_that_is_lost_while_reading_is_told_as_such(
    shop_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    select = "SELECT n AS user_id, repeat('x', 200) AS segment FROM generate_series(1, 1000000) n"
    settings = make_settings(source={"sql": shops.write(tmp_path / "sql", users=select), "batch_rows": 1_000})
    with opened(shop_url, settings.source, IDS) as source:
        batches = source.batches("users")
        assert next(batches).num_rows == 1_000
        shops.run(
            shop_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        with pytest.raises(Unreachable, match=r"the source (server|database)") as refused:
            list(batches)
    assert refused.value.can_retry


def test_a_statement_that_fails_in_the_middle_is_told_once_and_the_session_goes_on(
    shop_url: str, make_settings: Callable[..., Settings], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """After rows have come: what PostgreSQL then says is fetched to its end, so that nothing is cancelled."""
    select = "SELECT 100 / (5000 - n) AS user_id, 'x' AS segment FROM generate_series(1, 9000) n"
    settings = make_settings(source={"sql": shops.write(tmp_path / "sql", users=select), "batch_rows": 1_000})
    with opened(shop_url, settings.source, IDS) as source:
        with pytest.raises(SourceError, match="division by zero"):
            list(source.batches("users"))
        source.db.rollback()
        assert source.db.scalar(sa.text("SELECT 1")) == 1
    assert capfd.readouterr().err == ""


def test_another_driver_of_postgresql_reads_the_same(
    shop_url: str, make_settings: Callable[..., Settings]
) -> None:
    shops.make(shop_url, "(1, 10, 'purchase', '2025-12-01 10:00:00+02:00', 'A', 2)")
    other = shop_url.replace("postgresql://", "postgresql+psycopg2://")
    for url in (shop_url, other):
        with opened(url, make_settings().source, IDS) as source:
            assert [row for batch in source.batches("events") for row in batch.to_pylist()] == [
                {
                    "user_id": 1,
                    "item_id": 10,
                    "event_type": "purchase",
                    "occurred_at": datetime(2025, 12, 1, 8, tzinfo=UTC),
                    "order_id": "A",
                    "quantity": 2.0,
                    **dict.fromkeys(("price", "discount", "rating")),
                }
            ]
