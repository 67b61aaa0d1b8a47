"""pipeline/loading: every kind of shop on PostgreSQL, one on SQLite, and loads that must change nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pipeline import config, loading
from pipeline.cli import KINDS
from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS
from pipeline.errors import NightshelfError, SettingsError, SourceError
from pipeline.loading import Loaded, csv_file, is_stale, progress
from pipeline.source import opened

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
EVENTS = """\
user_id,item_id,event_type,occurred_at,order_id,quantity,page
1,10,view,2026-01-01 10:00:00,,1,a
1,10,purchase,2026-01-01T10:05:00Z,o-1,2,b
2,00123,view,2026-01-02T00:30:00+02:00,,1,c
"""
ROCKET = """\
timestamp,visitorid,event,itemid,transactionid,datetime
1433193132535,1134473,view,396045,,2015-06-01 21:12:12.535
1433194696771,1314862,addtocart,344224,,2015-06-01 21:38:16.771
1442544000000,1314862,transaction,344224,7,2015-09-18 02:40:00.000
"""


def load(url: str, kind: str, **options: Any) -> Loaded:
    options = {"now": NOW, "say": lambda _: None, "settings": config.load(), **options}
    return loading.load(kind, url, **options)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as db:
        return db.execute(query).fetchall()


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_complete_journey_whole(shop_url: str) -> None:
    said: list[str] = []
    loaded = load(shop_url, "complete-journey", say=said.append)
    assert (loaded.n_events, loaded.n_customers) == (1_469_307, 2_469)
    assert NOW - timedelta(hours=24) < loaded.last_at <= NOW
    assert (loaded.user, loaded.item) == ("integer", "integer")
    assert not is_stale(shop_url, NOW)
    assert is_stale(shop_url, NOW + timedelta(hours=24))
    assert "1,469,307 events of 2,469 customers" in said[-1]
    assert rows(shop_url, "SELECT count(*) FROM events WHERE quantity = 0") == [(8_869,)]
    assert rows(shop_url, "SELECT count(*) FROM customers WHERE segment IS NOT NULL") == [(801,)]
    unknown = "SELECT count(*) FROM events LEFT JOIN products USING (product_id) WHERE available IS NULL"
    assert rows(shop_url, unknown) == [(0,)]
    first = "SELECT customer_id, product_id, event_type, order_id, quantity, occurred_at::time::text"
    assert rows(shop_url, f"{first} FROM events ORDER BY events.occurred_at LIMIT 1") == [
        (900, 1095275, "purchase", "31198570044", 1.0, "11:53:26")
    ]
    paid = (
        "SELECT quantity, round(price::numeric, 4)::float8, round(discount::numeric, 4)::float8, rating FROM"
    )
    line = "events WHERE order_id = '{}' AND product_id = {}"
    assert rows(shop_url, f"{paid} {line.format(31198705046, 1053875)}") == [(2, 1.39, 0.4, None)]
    assert rows(shop_url, f"{paid} {line.format(31198795316, 850562)}") == [(2, 1.5, 1.39, None)]
    assert rows(shop_url, "SELECT count(*) FROM events WHERE price IS NULL") == [(8_869,)]
    assert rows(shop_url, "SELECT min(price), min(discount) FROM events") == [(0, 0)]


def test_a_shop_that_an_earlier_version_loaded_is_stale(shop_url: str) -> None:
    """Its events have no price, discount and rating; a night reads it as it is."""
    load(shop_url, "synthetic", n_events=200)
    assert not is_stale(shop_url, NOW)
    with psycopg.connect(shop_url) as db:
        db.execute("ALTER TABLE events DROP COLUMN rating")
    assert is_stale(shop_url, NOW)
    load(shop_url, "synthetic", n_events=200)
    assert not is_stale(shop_url, NOW)


def test_files_and_queries_of_items_may_say_since_when_and_until_when(
    shop_url: str, written: Callable[[str, str], Path], make_settings: Callable[..., Settings]
) -> None:
    """Times without zone, and dates, are of the shop's zone; a night reads them as they were meant."""
    berlin = make_settings(source={"timezone": "Europe/Berlin"})
    events = written("e.csv", EVENTS)
    days = "7,2026-05-01,infinity,\n8,2026-05-01 10:00Z,9999-12-31,NULL"
    items = written("i.csv", f"item_id,added_at,available_until,known_at\n{days}")
    query = written("i.sql", "SELECT * REPLACE (added_at::TIMESTAMPTZ AS added_at) FROM 'i.csv'")
    select = written("e.sql", "FROM 'e.csv'")
    for kind, file, catalogue, midnight in (
        ("events", events, items, datetime(2026, 4, 30, 22, tzinfo=UTC)),
        ("query", select, query, datetime(2026, 5, 1, tzinfo=UTC)),  # which computes in UTC
    ):
        load(shop_url, kind, file=file, items=catalogue, settings=berlin)
        with opened(shop_url, berlin.source, {"user": "integer", "item": "text"}) as source:
            found = [row for batch in source.batches("items") for row in batch.to_pylist()]
        added = {row["item_id"]: row["added_at"] for row in found}
        assert added == {"7": midnight, "8": datetime(2026, 5, 1, 10, tzinfo=UTC)}
        assert [row["available_until"].year for row in found] == [9999, 9999]
        assert [row["known_at"] for row in found] == [None, None]


def test_files_may_carry_prices_discounts_and_ratings(
    shop_url: str, written: Callable[[str, str], Path]
) -> None:
    """Columns that a file has are loaded; empty ones, and words for nothing, are null. Others are refused."""
    head, first, *others = EVENTS.splitlines()
    text = [f"{head},discount,price,rating", f"{first},0.5,2.50,NULL", *(f"{row},,," for row in others)]
    load(shop_url, "events", file=written("e.csv", "\n".join(text)))
    stored = "SELECT price, discount, rating FROM events ORDER BY occurred_at NULLS LAST LIMIT 2"
    assert rows(shop_url, stored) == [(2.5, 0.5, None), (None, None, None)]
    load(shop_url, "events", file=written("e.csv", EVENTS))
    assert rows(shop_url, "SELECT count(price), count(discount), count(rating) FROM events") == [(0, 0, 0)]
    text[1] = f"{first},0.5,2.50,good"
    with pytest.raises(SourceError, match="`rating`") as refused:
        load(shop_url, "events", file=written("e.csv", "\n".join(text)))
    assert "'good'" in refused.value.found


def test_retailrocket_with_a_column_more(shop_url: str, written: Callable[[str, str], Path]) -> None:
    file = written("events.csv", ROCKET)
    loaded = load(shop_url, "retailrocket", file=file)
    assert loaded.last_at == datetime(2026, 11, 21, 2, 40, tzinfo=UTC)
    assert rows(shop_url, "SELECT event_type, customer_id, order_id FROM events ORDER BY occurred_at") == [
        ("view", 1134473, None),
        ("cart", 1314862, None),
        ("purchase", 1314862, "7"),
    ]
    assert rows(shop_url, "SELECT count(price), count(discount), count(rating) FROM events") == [(0, 0, 0)]
    assert rows(shop_url, "SELECT * FROM products ORDER BY product_id") == [
        (344224, None, None, None, None, True, None, None, None),
        (396045, None, None, None, None, True, None, None, None),
    ]
    assert rows(shop_url, "SELECT * FROM customers ORDER BY 1") == [(1134473, None), (1314862, None)]
    kept = load(shop_url, "retailrocket", file=file, keep_dates=True)
    assert kept.last_at == datetime(2015, 9, 18, 2, 40, tzinfo=UTC)


PROPERTIES = """timestamp,itemid,property,value
1433041200000,396045,categoryid,1338
1433041200000,396045,888,n552.000 639502 n720.000 424566
1433041200000,396045,790,n12345.500
1433041200000,396045,available,1
1433041200000,7,112,679677
"""
LATER_PROPERTIES = """timestamp,itemid,property,value
1433646000000,396045,categoryid,99
1433646000000,396045,available,0
1449000000000,396045,categoryid,after the last event
1433041200000,9,available,0
1433041200000,9,888,n12.000
"""


def test_retailrocket_s_items_have_their_last_properties(
    shop_url: str, written: Callable[[str, str], Path]
) -> None:
    files = [written("part1.csv", PROPERTIES), written("part2.csv", LATER_PROPERTIES)]
    load(shop_url, "retailrocket", file=written("events.csv", ROCKET), properties=files)
    assert rows(shop_url, "SELECT * FROM products ORDER BY product_id") == [
        (9, None, None, None, None, False, None, None, None),
        (344224, None, None, None, None, True, None, None, None),
        (396045, "639502 424566", "99", 12345.5, None, False, None, None, None),
    ]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("n12345.500", "12345.500", "'12345.500' in row 3"),
        ("available,1", "available,yes", "'yes' in row 4"),
        ("1433041200000,7", "soon,7", "'soon' in row 5"),
        ("property,value", "property,values", "values"),
        ("1338", "13\0 38", r"'13\x00 38' in row 1"),
        ("639502", "639\0 502", r"'n552.000 639\x00 502 n720.000 424566' in row 2"),
        ("396045,categoryid", "396\0 045,categoryid", r"'396\x00 045' in row 1"),
    ],
)
def test_retailrocket_refuses_other_properties(
    shop_url: str, written: Callable[[str, str], Path], old: str, new: str, found: str
) -> None:
    file = written("part1.csv", PROPERTIES.replace(old, new))
    with pytest.raises(SourceError) as caught:
        load(shop_url, "retailrocket", file=written("events.csv", ROCKET), properties=[file])
    assert found in caught.value.found
    assert str(file) in caught.value.what


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("addtocart", "like", "'like'"),
        ("1433193132535", "soon", "'soon'"),
        ("visitorid", "visitor", "visitor"),
    ],
)
def test_retailrocket_refuses_another_file(
    shop_url: str, written: Callable[[str, str], Path], old: str, new: str, found: str
) -> None:
    with pytest.raises(SourceError) as caught:
        load(shop_url, "retailrocket", file=written("events.csv", ROCKET.replace(old, new)))
    assert found in caught.value.found


def test_events_csv_keeps_dates_zones_and_ids(shop_url: str, written: Callable[[str, str], Path]) -> None:
    said: list[str] = []
    loaded = load(shop_url, "events", file=written("e.csv", EVENTS), say=said.append)
    assert (loaded.user, loaded.item) == ("integer", "text")
    assert 'item = "text"' in said[-1]
    assert rows(shop_url, "SELECT * FROM events ORDER BY occurred_at") == [
        (1, "10", "view", datetime(2026, 1, 1, 10, 0, tzinfo=UTC), None, 1.0, None, None, None),
        (1, "10", "purchase", datetime(2026, 1, 1, 10, 5, tzinfo=UTC), "o-1", 2.0, None, None, None),
        (2, "00123", "view", datetime(2026, 1, 1, 22, 30, tzinfo=UTC), None, 1.0, None, None, None),
    ]


UUIDS = "6f0c8a3e-0d0a-4d6b-9a44-2f1f3c1d5a10,7,view,2026-01-01,,1,a\n"


@pytest.mark.parametrize(
    ("lines", "says", "kept"),
    [
        ("1,10,view,2026-01-01,,1,a\n", ("text", "text"), ("text", "text")),
        ("1,10,view,2026-01-01,,1,a\n", ("integer", "text"), ("integer", "text")),
        ("1,10,view,2026-01-01,,1,a\n", ("uuid", "uuid"), ("integer", "integer")),
        ("1,00123,view,2026-01-01,,1,a\n", ("integer", "integer"), ("integer", "text")),
        (UUIDS, ("text", "integer"), ("text", "integer")),
        (UUIDS, ("uuid", "integer"), ("uuid", "integer")),
        (UUIDS, ("integer", "integer"), ("uuid", "integer")),
    ],
)
def test_ids_of_a_csv_are_what_config_toml_says_if_they_can_be(
    shop_url: str,
    written: Callable[[str, str], Path],
    make_settings: Callable[..., config.Settings],
    lines: str,
    says: tuple[str, str],
    kept: tuple[str, str],
) -> None:
    said: list[str] = []
    settings = make_settings(ids={"user": says[0], "item": says[1]})
    file = written("e.csv", EVENTS.splitlines(keepends=True)[0] + lines)
    loaded = load(shop_url, "events", file=file, settings=settings, say=said.append)
    assert (loaded.user, loaded.item) == kept
    assert ("[ids]" in said[-1]) is (says != kept)
    types = "SELECT data_type FROM information_schema.columns WHERE table_name = 'events'"
    sql_types = {"integer": "bigint", "text": "text", "uuid": "uuid"}
    columns = rows(shop_url, f"{types} AND column_name IN ('customer_id', 'product_id') ORDER BY column_name")
    assert [kind for (kind,) in columns] == [sql_types[kind] for kind in kept]


def test_a_time_without_zone_is_of_the_source_timezone(
    shop_url: str, written: Callable[[str, str], Path], make_settings: Callable[..., config.Settings]
) -> None:
    berlin = make_settings(source={"timezone": "Europe/Berlin"})
    loaded = load(shop_url, "events", file=written("e.csv", EVENTS), settings=berlin)
    assert loaded.first_at == datetime(2026, 1, 1, 9, 0, tzinfo=UTC)
    assert loaded.last_at == datetime(2026, 1, 1, 22, 30, tzinfo=UTC)


def test_events_parquet_with_items_and_users(shop_url: str, tmp_path: Path) -> None:
    user = "6f0c8a3e-0d0a-4d6b-9a44-2f1f3c1d5a10"
    events = {"user_id": [user.upper()], "item_id": [7.0], "event_type": ["purchase"]}
    times = pa.array([datetime(2026, 1, 1, 10)], pa.timestamp("ns"))
    pq.write_table(pa.table({**events, "occurred_at": times}), tmp_path / "e.parquet")
    pq.write_table(pa.table({"item_id": [7, 8], "price": [1.5, None]}), tmp_path / "i.parquet")
    (tmp_path / "u.csv").write_text(f"user_id,segment\n{user},gold\n")
    files = {name: tmp_path / file for name, file in (("items", "i.parquet"), ("users", "u.csv"))}
    loaded = load(shop_url, "events", file=tmp_path / "e.parquet", **files)
    assert (loaded.user, loaded.item) == ("uuid", "integer")
    assert rows(shop_url, "SELECT customer_id::text, product_id, quantity, order_id FROM events") == [
        (user, 7, 1.0, None)
    ]
    assert rows(shop_url, "SELECT * FROM products ORDER BY product_id") == [
        (7, None, None, 1.5, None, True, None, None, None),
        (8, None, None, None, None, True, None, None, None),
    ]
    assert rows(shop_url, "SELECT customer_id::text, segment FROM customers") == [(user, "gold")]


def test_what_is_for_validate_to_judge_is_loaded(shop_url: str, written: Callable[[str, str], Path]) -> None:
    text = "user_id,item_id,event_type,occurred_at\n,10,like,2999-01-01\n1,,view,\n"
    assert load(shop_url, "events", file=written("e.csv", text)).n_events == 2
    assert rows(shop_url, "SELECT customer_id, product_id, event_type, quantity FROM events ORDER BY 3") == [
        (None, 10, "like", 1.0),
        (1, None, "view", 1.0),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("e.csv", EVENTS.replace("event_type", "type"), "no column `event_type`"),
        ("e.csv", EVENTS.replace("2026-01-01 10:00:00", "01/02/2026"), "01/02/2026"),
        ("e.csv", EVENTS.replace(",o-1,2,", ",o-1,many,"), "many"),
        ("e.csv", EVENTS.replace("1,10,view", '1,"10,view'), "cannot be read"),
        ("e.csv", EVENTS + "1,2\n", "has 2 values, not 7"),
        ("e.csv", "", "does not name its columns"),
        ("e.parquet", EVENTS, "cannot be read"),
        ("e.json", EVENTS, "of no kind"),
    ],
)
def test_a_file_that_cannot_be_read_leaves_the_shop_as_it_was(
    shop_url: str, written: Callable[[str, str], Path], name: str, text: str, message: str
) -> None:
    load(shop_url, "events", file=written("good.csv", EVENTS))
    with pytest.raises(SourceError) as caught:
        load(shop_url, "events", file=written(name, text))
    assert message in str(caught.value)
    assert rows(shop_url, "SELECT count(*) FROM events") == [(3,)]
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert rows(shop_url, tables) == [(4,)]


def test_a_file_in_another_encoding_is_told(shop_url: str, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_bytes(EVENTS.replace("o-1", "ö").encode("latin-1"))
    with pytest.raises(SourceError, match=r"row 2 of .* is not UTF-8"):
        load(shop_url, "events", file=tmp_path / "e.csv")


def test_a_second_load_says_what_it_replaces_and_an_empty_quantity_is_one(
    shop_url: str, written: Callable[[str, str], Path]
) -> None:
    said: list[str] = []
    load(shop_url, "events", file=written("e.csv", EVENTS), say=said.append)
    assert not [line for line in said if "replaced" in line]
    file = written("f.csv", EVENTS.replace(",o-1,2,", ",o-1,,"))
    load(shop_url, "events", file=file, say=said.append)
    assert "the shop that was there (`events`) is replaced" in said
    assert rows(shop_url, "SELECT quantity FROM events WHERE order_id = 'o-1'") == [(1.0,)]


def test_tables_that_no_load_made_are_never_replaced(shop_url: str) -> None:
    with psycopg.connect(shop_url) as db:
        db.execute("CREATE TABLE events (precious int)")
    with pytest.raises(SourceError) as caught:
        load(shop_url, "synthetic", n_events=100)
    assert caught.value.found == "events"
    assert rows(shop_url, "SELECT * FROM events") == []


def test_a_reader_in_a_transaction_sees_no_half_shop(shop_url: str) -> None:
    load(shop_url, "synthetic", n_events=100)
    with psycopg.connect(shop_url) as db:
        assert db.execute("SELECT count(*) FROM events").fetchone() == (100,)
        db.rollback()
        load(shop_url, "synthetic", n_events=200)
        assert db.execute("SELECT count(*) FROM events").fetchone() == (200,)


def test_a_login_without_rights_is_told(server: Any, shop_url: str) -> None:
    name = shop_url.rsplit("/", 1)[1]
    with pytest.raises(SourceError, match="permission denied"):
        load(server.url(name, "reader"), "synthetic", n_events=10)


def test_on_sqlite(tmp_path: Path, written: Callable[[str, str], Path]) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    assert is_stale(url, NOW)
    load(url, "synthetic", n_events=500)
    assert not is_stale(url, NOW)
    with pytest.raises(SourceError):
        load(url, "events", file=written("bad.csv", EVENTS.replace("2026-01-01 10:00:00", "soon")))
    engine = sa.create_engine(url)
    with engine.connect() as db:
        assert db.execute(sa.text("SELECT count(*) FROM events")).scalar() == 500
    load(url, "events", file=written("e.csv", EVENTS))
    with engine.connect() as db:
        assert db.execute(sa.text("SELECT * FROM events ORDER BY events.occurred_at LIMIT 1")).one() == (
            *(1, "10", "view", "2026-01-01 10:00:00.000000", None, 1.0, None, None, None),
        )
        assert sorted(db.execute(sa.text("SELECT product_id FROM products")).scalars()) == ["00123", "10"]
    engine.dispose()


def test_every_kind_is_a_command_is_documented_and_is_loaded_by_a_test(shop_url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(shop_url, "nothing")
    assert caught.value.promised == ", ".join(KINDS)
    page = (config.ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    for kind in KINDS:
        assert f"`load {kind}" in page, kind
        assert f'"{kind}", ' in tests, kind


@pytest.mark.parametrize("options", [{"kind": "nothing"}, {"kind": "events"}, {"kind": "synthetic"}])
def test_what_was_not_said_is_asked_for(shop_url: str, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        load(shop_url, **options)


def test_no_password_in_a_failure(server: Any) -> None:
    url = server.url("absent")
    password = url.split(":")[2].split("@")[0]
    with pytest.raises(NightshelfError) as caught:
        load(url, "synthetic", n_events=10)
    assert password not in str(caught.value)


def test_header_only(shop_url: str, written: Callable[[str, str], Path]) -> None:
    loaded = load(shop_url, "events", file=written("e.csv", EVENTS.splitlines()[0] + "\n"))
    assert (loaded.n_events, loaded.first_at, loaded.user) == (0, None, "integer")
    assert is_stale(shop_url, NOW)


def test_what_is_loaded_is_copied_as_the_dataset_events(
    shop_url: str, tmp_path: Path, written: Callable[[str, str], Path]
) -> None:
    """Row for row what the database holds. What it is like is then for others to say."""
    copy, said = tmp_path / "copy.parquet", list[str]()
    load(shop_url, "events", file=written("events.csv", EVENTS), copy=copy, say=said.append)
    assert pq.read_schema(copy).equals(DATASETS["events"].schema({"user": "integer", "item": "text"}))
    columns = "customer_id, product_id, event_type, occurred_at AT TIME ZONE 'UTC', order_id, quantity"
    stored = rows(shop_url, f"SELECT {columns}, price, discount, rating FROM events")
    kept = [(*row.values(),) for row in pq.read_table(copy).cast(naive(pq.read_schema(copy))).to_pylist()]
    assert kept == stored
    assert not [line for line in said if "customers" in line]


def naive(schema: pa.Schema) -> pa.Schema:
    """The same with times without zone, as the database gives those in UTC."""
    times = {field.name: pa.timestamp("us") for field in schema if pa.types.is_timestamp(field.type)}
    return pa.schema([(field.name, times.get(field.name, field.type)) for field in schema])


def test_a_file_of_many_rows_says_how_far_it_is(
    shop_url: str, written: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for every 4 rows or more of which others follow, then one for what takes as long: the checks."""
    monkeypatch.setattr(csv_file, "CHUNK", 4)
    monkeypatch.setattr(progress, "EVERY", 4)
    file = written("events.csv", EVENTS + EVENTS.partition("\n")[2] * 2)
    said: list[str] = []
    load(shop_url, "events", file=file, say=said.append)
    assert said[:3] == [
        "events.csv: 4 rows read so far",
        "events.csv: 8 rows read so far",
        "events.csv: 9 rows; every value is checked",
    ]
    monkeypatch.setattr(progress, "EVERY", 10)
    quiet: list[str] = []
    load(shop_url, "events", file=file, say=quiet.append)
    assert not [line for line in quiet if "so far" in line or "is checked" in line]
