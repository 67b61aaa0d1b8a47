"""Prices, discounts and ratings of events: read where the shop has them, null where it has not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS, MAY_CARRY, TIMES_OF_ITEMS
from pipeline.databases import connect
from pipeline.errors import SourceError
from pipeline.source import opened
from tests.source import shops

IDS = {"user": "integer", "item": "integer"}
ROW = "(1, 10, 'purchase', '2025-12-01 10:00:00+00:00', 'A1', 2)"
SELECT = (
    "SELECT customer_id AS user_id, product_id AS item_id, event_type, occurred_at, order_id, quantity{} "
    "FROM events WHERE occurred_at >= :window_start AND occurred_at < :window_end"
)


@pytest.fixture(params=shops.DIALECTS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A shop of one event, of each kind of database; its table has none of the three columns."""
    return shops.make(shops.url_for(request.param, tmp_path, request), ROW)


@pytest.fixture
def carried(make_settings: Callable[..., Settings], tmp_path: Path) -> Callable[..., tuple[object, ...]]:
    """`carried(url, select="")`: the three of the only event, by the shipped statement or by `select`."""

    def read(url: str, select: str = "") -> tuple[object, ...]:
        folder = shops.write(tmp_path / "sql", events=select) if select else "sql/source"
        with opened(url, make_settings(source={"sql": folder}).source, IDS) as source:
            [batch] = source.batches("events")
        assert batch.schema == DATASETS["events"].schema(IDS)
        [row] = batch.to_pylist()
        return tuple(row[name] for name in MAY_CARRY)

    return read


def give(url: str, kind: str, **values: str) -> None:
    """Add these columns to the table, and these values to its only row."""
    for name, value in values.items():
        shops.run(url, f"ALTER TABLE events ADD COLUMN {name} {kind}", f"UPDATE events SET {name} = {value}")


def test_the_shipped_statement_reads_a_table_without_them(url: str, carried: Callable[..., object]) -> None:
    assert carried(url) == (None, None, None)


def test_the_case_of_a_column_counts_only_where_the_engine_tells_it(
    url: str, carried: Callable[..., object]
) -> None:
    """PostgreSQL holds `"Price"` and `price` for two names."""
    is_told = sa.make_url(url).get_backend_name() == "postgresql"
    give(url, "numeric(9, 2)", **{'"Price"' if is_told else "Price": "2.5"})
    assert carried(url) == (None if is_told else 2.5, None, None)


def test_the_shipped_statement_reads_those_that_are_there(url: str, carried: Callable[..., object]) -> None:
    give(url, "numeric(9, 2)", discount="0.25")
    assert carried(url) == (None, 0.25, None)
    give(url, "integer", price="3")
    give(url, "double precision", rating="4.5")
    assert carried(url) == (3.0, 0.25, 4.5)


def test_a_table_of_nulls_and_a_view_are_read_too(url: str, carried: Callable[..., object]) -> None:
    give(url, "double precision", price="NULL", discount="NULL", rating="NULL")
    assert carried(url) == (None, None, None)
    give(url, "integer", worth="7")
    text = "SELECT customer_id, product_id, event_type, occurred_at, order_id, quantity, worth AS rating"
    shops.run(url, "ALTER TABLE events RENAME TO lines", f"CREATE VIEW events AS {text} FROM lines")
    assert carried(url) == (None, None, 7.0)


def test_an_own_statement_says_which_it_selects(url: str, carried: Callable[..., object]) -> None:
    assert carried(url, SELECT.format("")) == (None, None, None)
    assert carried(url, SELECT.format(", NULL AS rating, 5 AS price")) == (5.0, None, None)
    give(url, "numeric(9, 2)", paid="12.50")
    assert carried(url, SELECT.format(", paid / quantity AS price")) == (6.25, None, None)


@pytest.mark.parametrize("name", MAY_CARRY)
def test_what_is_no_number_is_refused_by_name(url: str, carried: Callable[..., object], name: str) -> None:
    give(url, "text", **{name: "'much'"})
    with pytest.raises(SourceError) as refused:
        carried(url)
    assert f"`events.{name}` holds text, not a number" in refused.value.what
    assert "'much'" in refused.value.found
    assert "sql/source/events.sql" in refused.value.then


def test_items_and_users_may_leave_out_all_but_their_ids(
    url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    folder = shops.write(
        tmp_path / "sql",
        items="SELECT product_id AS item_id, 'Tea' AS name FROM events",
        users="SELECT customer_id AS user_id FROM events",
    )
    with opened(url, make_settings(source={"sql": folder}).source, IDS) as source:
        [[item], [user]] = (next(source.batches(name)).to_pylist() for name in ("items", "users"))
    nothing = dict.fromkeys(("category", "price", "discount", "available", *TIMES_OF_ITEMS))
    assert item == {"item_id": 10, "name": "Tea", **nothing}
    assert user == {"user_id": 1, "segment": None}
    shops.write(tmp_path / "sql", users="SELECT 'gold' AS segment")
    with (
        opened(url, make_settings(source={"sql": folder}).source, IDS) as source,
        pytest.raises(SourceError, match="has no column `user_id`"),
    ):
        list(source.batches("users"))


def test_a_login_that_may_not_read_them_reads_the_rest(shop_url: str, carried: Callable[..., object]) -> None:
    """On PostgreSQL, where rights may be of single columns; the transaction goes on."""
    shops.make(shop_url, ROW)
    give(shop_url, "double precision", price="3", rating="4")
    with connect.engine(shop_url).begin() as db:
        name = sa.make_url(shop_url).database
        db.exec_driver_sql(f"CREATE ROLE reader_{name} LOGIN PASSWORD 'pw'")
        six = "customer_id, product_id, event_type, occurred_at, order_id, quantity"
        db.exec_driver_sql(f"GRANT SELECT ({six}) ON events TO reader_{name}")
    own = sa.make_url(shop_url).set(username=f"reader_{name}", password="pw")
    assert carried(own.render_as_string(hide_password=False)) == (None, None, None)
