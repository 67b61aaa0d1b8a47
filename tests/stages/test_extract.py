from __future__ import annotations

import json
import traceback
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import config
from pipeline.config import ROOT, Settings
from pipeline.databases import urls
from pipeline.errors import (
    DatabaseError,
    DataError,
    DiskFull,
    LoginRefused,
    ServingError,
    SourceError,
    Unreachable,
)
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.serving.forgotten import remember
from pipeline.stages import extract as stage
from tests.serving.nights import Shop
from tests.source import shops

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
SELECT = (
    "SELECT customer_id AS user_id, product_id AS item_id, event_type, occurred_at, order_id, quantity "
    "FROM events WHERE occurred_at >= :window_start AND occurred_at < :window_end"
)
NOTHING = (None, None, None)
"""What the events of a shop carry that gives neither prices nor discounts nor ratings."""

ROWS = (
    "(2, 20, 'view', '2025-12-01 10:00:00+00:00', NULL, 1)",
    "(1, 10, 'purchase', '2025-12-24 18:30:00.25+00:00', 'A1', 2)",
    "(1, 10, 'view', '2025-12-24 18:00:00+00:00', NULL, 1)",
)


@pytest.fixture(params=shops.DIALECTS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty source database of each kind."""
    return shops.url_for(request.param, tmp_path, request)


@pytest.fixture
def extract(job: Callable[..., Job], serving_url: str) -> Callable[..., Job]:
    """`extract(url, settings=..., ...)`: run the stage; returns its job."""

    def go(url: str, **options: Any) -> Job:
        new_job = job(source=url, serving=serving_url, **options)
        run_stage("extract", new_job)
        return new_job

    return go


def rows(job: Job, name: str = "events") -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in job.folder.table(name).to_pylist()]


def test_events_come_out_typed_sorted_and_in_utc(url: str, extract: Callable[..., Job]) -> None:
    done = extract(shops.make(url, *ROWS))
    assert rows(done) == [
        (1, 10, "view", datetime(2025, 12, 24, 18, tzinfo=UTC), None, 1.0, *NOTHING),
        (1, 10, "purchase", datetime(2025, 12, 24, 18, 30, 0, 250_000, tzinfo=UTC), "A1", 2.0, *NOTHING),
        (2, 20, "view", datetime(2025, 12, 1, 10, tzinfo=UTC), None, 1.0, *NOTHING),
    ]
    assert done.folder.document("live") == {}
    assert done.folder.document("serving") == {"encoding": "UTF8"}


def test_items_and_users_come_where_the_shop_has_them(url: str, extract: Callable[..., Job]) -> None:
    shops.make(url, *ROWS)
    shops.run(
        url,
        "INSERT INTO products VALUES (20, 'Tea', 'drinks', 2.5, NULL, true)",
        "INSERT INTO products VALUES (10, 'Jam', NULL, 3, 0.5, false)",
        "INSERT INTO customers VALUES (1, 'gold')",
    )
    done = extract(url)
    assert rows(done, "items") == [
        (10, "Jam", None, 3.0, 0.5, False, None, None, None),
        (20, "Tea", "drinks", 2.5, None, True, None, None, None),
    ]
    assert rows(done, "users") == [(1, "gold")]


def test_items_that_are_not_sold_yet_or_no_longer_are_not_available(
    url: str, extract: Callable[..., Job]
) -> None:
    """As of the night, whatever `available` says otherwise; without these times it says what it said."""
    shops.make(url, *ROWS)
    kind = "text" if url.startswith("sqlite") else "timestamp with time zone"
    for name in ("added_at", "available_until"):
        shops.run(url, f"ALTER TABLE products ADD COLUMN {name} {kind}")
    at, before = "'2026-01-01 00\\:00\\:00+00\\:00'", "'2025-12-31 23\\:59\\:59.999999+00\\:00'"
    after = "'2026-01-01 00\\:00\\:00.000001+00\\:00'"
    times = [(at, "NULL"), (after, "NULL"), ("NULL", at), ("NULL", after), (before, after), ("NULL", "NULL")]
    given = [(*pair, available) for pair in times for available in ("true", "false", "NULL")]
    for item, (added_at, until, available) in enumerate(given):
        row = f"{item}, NULL, NULL, NULL, NULL, {available}, {added_at}, {until}"
        shops.run(url, f"INSERT INTO products VALUES ({row})")
    found = extract(url, as_of=AS_OF).folder.table("items")
    said, gone = [True, False, None], [False] * 3
    assert found["available"].to_pylist() == [*said, *gone, *gone, *said, *said, *said]
    assert found["added_at"].to_pylist()[:3] == [AS_OF] * 3
    assert found["available_until"].to_pylist()[6:9] == [AS_OF] * 3


def test_embeddings_come_where_the_shop_has_a_table_of_them(url: str, extract: Callable[..., Job]) -> None:
    """Sorted by item and kind; a run that finds none any more drops those it had."""
    shops.make(url, *ROWS)
    assert not extract(url).folder.has("item_embeddings")
    kind = "text" if url.startswith("sqlite") else "double precision[]"
    one, two = ("'[1, 2]'", "'[3, 4]'") if kind == "text" else ("ARRAY[1, 2]", "ARRAY[3, 4]")
    shops.run(url, f"CREATE TABLE item_embeddings (product_id bigint, kind varchar(9), embedding {kind})")
    for item, given, numbers in ((20, "'text'", one), (10, "NULL", two), (20, "'picture'", two)):
        shops.run(url, f"INSERT INTO item_embeddings VALUES ({item}, {given}, {numbers})")
    done = extract(url)
    assert rows(done, "item_embeddings") == [
        (10, "default", [3.0, 4.0], None),
        (20, "picture", [3.0, 4.0], None),
        (20, "text", [1.0, 2.0], None),
    ]
    assert done.folder.receipt("extract")["counts"]["n_item_embeddings"] == 3
    first = done.folder.dataset("item_embeddings").read_bytes()
    assert extract(url, run_id="again").folder.dataset("item_embeddings").read_bytes() == first
    shops.run(url, "DROP TABLE item_embeddings")
    assert not extract(url).folder.has("item_embeddings")


ALL_COLUMNS = "SELECT customer_id AS user_id, segment, plan, age, mail, known_at, born FROM customers"


def with_attributes(url: str, tmp_path: Path) -> str:
    """A shop whose users have a plan, an age, an address and a birthday; the folder of its statements."""
    shops.make(url, *ROWS)
    time = "text" if url.startswith("sqlite") else "timestamp with time zone"
    born = "blob" if url.startswith("sqlite") else "date"
    for column in ("plan text", "age int", "mail text", f"known_at {time}", f"born {born}"):
        shops.run(url, f"ALTER TABLE customers ADD COLUMN {column}")
    birthday = "x'00'" if born == "blob" else "'1990-01-01'"
    rows = [
        (4, "'x'", "' paid'", "NULL", "'d@secret'", "NULL"),
        (3, "NULL", "'free '", "1.0", "'c@secret'", "'2025-12-31 12\\:00\\:00+00\\:00'"),
        (2, "NULL", "'paid'", "42", "'b@secret'", "NULL"),
        (1, "'gold'", "'free'", "NULL", "'a@secret'", "NULL"),
    ]
    for row in rows:
        shops.run(url, f"INSERT INTO customers VALUES ({', '.join(map(str, row))}, {birthday})")
    return shops.write(tmp_path / "sql", users=ALL_COLUMNS, events=SELECT)


def test_further_columns_of_users_are_attributes(
    url: str,
    extract: Callable[..., Job],
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    said: list[str],
) -> None:
    settings = make_settings(source={"sql": with_attributes(url, tmp_path)})
    done = extract(url, settings=settings)
    at = datetime(2025, 12, 31, 12, tzinfo=UTC)
    assert rows(done, "user_attributes") == [
        (1, "plan", "free", None, None),
        (2, "age", None, 42.0, None),
        (2, "plan", "paid", None, None),
        (3, "age", None, 1.0, at),
        (3, "plan", "free", None, at),
        (4, "plan", "paid", None, None),
    ]
    assert rows(done, "users") == [(1, "gold"), (2, None), (3, None), (4, "x")]
    assert done.folder.receipt("extract")["counts"]["n_user_attributes"] == 6
    kind = "bytes" if url.startswith("sqlite") else "date"
    assert [line for line in said if "left out" in line] == [
        f"extract: column `born` of users is left out: it holds {kind}, neither numbers nor words",
        "extract: column `mail` of users is left out:"
        " it holds 4 different texts, most of one user only, or e-mail addresses",
    ]
    files = [path for path in done.folder.path.rglob("*") if path.is_file()]
    assert not [path for path in files if b"secret" in path.read_bytes()]
    first = done.folder.dataset("user_attributes").read_bytes()
    again = extract(url, settings=settings, run_id="again").folder
    assert again.dataset("user_attributes").read_bytes() == first


def test_a_shop_without_attributes_gets_what_it_got(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Also where all further columns are left out. A run that finds none any more drops those it had."""
    settings = make_settings(source={"sql": with_attributes(url, tmp_path)})
    extract(url, settings=settings)
    users = tmp_path / "sql" / "users.sql"
    for select in ("customer_id AS user_id, segment", "segment, mail, born, customer_id AS user_id"):
        users.write_text(f"SELECT {select} FROM customers", encoding="utf-8")
        done = extract(url, settings=settings).folder
        assert not done.has("user_attributes")
        assert not (done.path / "user_attributes.parquet").exists()
        assert "n_user_attributes" not in done.receipt("extract")["counts"]
        assert done.table("users")["user_id"].to_pylist() == [1, 2, 3, 4]


def test_the_same_source_gives_the_same_bytes_whatever_order_it_answers_in(
    url: str, extract: Callable[..., Job]
) -> None:
    first = extract(shops.make(url, *ROWS)).folder
    before = first.dataset("events").read_bytes()
    shops.run(url, "DELETE FROM events", f"INSERT INTO events VALUES {', '.join(reversed(ROWS))}")
    assert extract(url, run_id="again").folder.dataset("events").read_bytes() == before
    assert extract(url).folder.dataset("events").read_bytes() == before


@pytest.mark.parametrize("is_given", [False, True], ids=["null", "given"])
def test_what_events_carry_comes_out_in_the_same_bytes_whatever_the_order(
    url: str, extract: Callable[..., Job], is_given: bool
) -> None:
    """Rows that differ in nothing else are sorted by it. Columns of nulls are as good as none."""
    bought = "1, 10, 'purchase', '2025-12-24 18:30:00+00:00', 'A1', 2"
    carried = (
        ["2.5, 0.5, 4", "2.5, 0, 4", "2.5, 0, 3", "NULL, 0, 3"] if is_given else ["NULL, NULL, NULL"] * 4
    )
    shops.make(url, *[f"({bought})"] * 4)
    without = extract(url, run_id="without").folder.dataset("events").read_bytes()
    for name in ("price", "discount", "rating"):
        shops.run(url, f"ALTER TABLE events ADD COLUMN {name} double precision")
    files = []
    for rows_given in (carried, carried[::-1]):
        values = ", ".join(f"({bought}, {row})" for row in rows_given)
        shops.run(url, "DELETE FROM events", f"INSERT INTO events VALUES {values}")
        done = extract(url, run_id=f"run_{len(files)}")
        files.append(done.folder.dataset("events").read_bytes())
    assert files[0] == files[1]
    assert (files[0] == without) != is_given
    if is_given:
        assert [row[6:] for row in rows(done)] == [(2.5, 0, 3), (2.5, 0, 4), (2.5, 0.5, 4), (None, 0, 3)]


def test_the_window_holds_its_start_and_not_its_end(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    shops.make(
        url,
        "(1, 1, 'view', '2025-12-21 23:59:59.999999+00:00', NULL, 1)",
        "(1, 2, 'view', '2025-12-22 00:00:00.000000+00:00', NULL, 1)",
        "(1, 3, 'view', '2025-12-31 23:59:59.999999+00:00', NULL, 1)",
        "(1, 4, 'view', '2026-01-01 00:00:00.000000+00:00', NULL, 1)",
    )
    later = AS_OF + timedelta(days=2)
    done = extract(url, settings=make_settings(run={"window_days": 10}), now=later)
    assert [row[1] for row in rows(done)] == [2, 3]


def test_events_of_the_future_are_handed_on_for_validate_to_refuse(
    url: str, extract: Callable[..., Job]
) -> None:
    ahead = "(1, 99, 'view', '2026-01-01 00:06:00+00:00', NULL, 1)"
    shops.make(url, *ROWS, ahead, "(1, 98, 'view', '2026-01-01 00:04:00+00:00', NULL, 1)")
    assert [row[1] for row in rows(extract(url))] == [10, 10, 99, 20]


def test_at_most_a_thousand_events_of_the_future_are_handed_on(url: str, extract: Callable[..., Job]) -> None:
    ahead = [f"(1, {n}, 'view', '2030-01-01 00:00:00+00:00', NULL, 1)" for n in range(1_005)]
    assert len(rows(extract(shops.make(url, *ROWS, *ahead)))) == 1_003


def test_null_ids_are_handed_on_for_validate_to_refuse(url: str, extract: Callable[..., Job]) -> None:
    done = extract(shops.make(url, "(NULL, NULL, NULL, '2025-12-01 10:00:00+00:00', NULL, NULL)"))
    assert rows(done) == [(None, None, None, datetime(2025, 12, 1, 10, tzinfo=UTC), None, None, *NOTHING)]


def test_an_event_without_a_time_is_handed_on_once_if_the_statement_selects_it(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    shops.make(url, *ROWS[:1], "(7, 70, 'view', NULL, NULL, 1)")
    folder = shops.write(tmp_path / "sql", events=f"{SELECT} OR occurred_at IS NULL")
    done = extract(url, settings=make_settings(source={"sql": folder}))
    assert [(row[0], row[3] is None) for row in rows(done)] == [(2, False), (7, True)]


@pytest.mark.parametrize(
    ("times", "found", "then"),
    [
        (
            ["2020-05-01 12:00:00+00:00", "2020-06-01 12:00:00+00:00"],
            "2020-05-01T12:00:00",
            "window_days = 2040",
        ),
        (["2026-01-03 12:00:00+00:00"], "2026-01-03T12:00:00", "--as-of last"),
        ([], "no events at any time", "sql/source/events.sql"),
    ],
)
def test_an_empty_window_says_which_times_would_find_events(
    url: str, extract: Callable[..., Job], times: list[str], found: str, then: str
) -> None:
    shops.make(url, *(f"(1, 1, 'view', '{time}', NULL, 1)" for time in times))
    with pytest.raises(DataError, match="no events in the window from 2025-01-01") as refused:
        extract(url, now=AS_OF + timedelta(days=30))
    assert found in refused.value.found
    assert then in refused.value.then


def test_a_missing_table_names_the_statement(url: str, extract: Callable[..., Job]) -> None:
    shops.run(url, "CREATE TABLE other (x int)")
    with pytest.raises(SourceError, match=r"refused sql/source/events\.sql") as refused:
        extract(url)
    assert "events" in refused.value.found
    assert "\n" not in refused.value.found


@pytest.mark.parametrize(
    ("statement", "message", "promised"),
    [
        (SELECT.replace(", order_id", ""), "`events` has no column `order_id`", "NULL AS order_id"),
        (SELECT.replace(", quantity", ""), "`events` has no column `quantity`", "1 AS quantity"),
        (SELECT.replace("quantity", "quantity, 1 AS colour"), "unknown column `colour`", "nothing else"),
        (SELECT.replace("quantity", "'two' AS quantity"), "`events.quantity` holds text", "a number"),
        (SELECT.replace("event_type", "1 AS event_type"), "`events.event_type` holds whole numbers", "text"),
        (SELECT.replace(" occurred_at,", " 17 AS occurred_at,"), "`events.occurred_at` holds", "a time"),
        (SELECT.replace("customer_id", "'u-1'"), "`events.user_id` is text, not integer", "[ids] user"),
        (SELECT.replace("product_id", "1.5"), "`events.item_id`", ""),
        (SELECT.replace(":window_end", ":window_finish"), "binds other names", ":window_start and"),
        ("-- nothing\n;", "is empty", ""),
    ],
)
def test_a_column_that_breaks_its_promise_is_refused_by_name(
    url: str,
    extract: Callable[..., Job],
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    statement: str,
    message: str,
    promised: str,
) -> None:
    shops.make(url, *ROWS)
    folder = shops.write(tmp_path / "sql", events=statement)
    with pytest.raises(SourceError) as refused:
        extract(url, settings=make_settings(source={"sql": folder}))
    assert message in refused.value.what
    assert promised in refused.value.promised
    assert "events.sql" in refused.value.then


def test_a_column_of_times_before_any_row_is_refused_on_postgresql(
    shop_url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    shops.make(shop_url)
    folder = shops.write(
        tmp_path / "sql", events=SELECT.replace(" occurred_at,", " occurred_at::date AS occurred_at,")
    )
    with pytest.raises(SourceError, match=r"`events\.occurred_at` holds date, not a time"):
        extract(shop_url, settings=make_settings(source={"sql": folder}))


def test_text_ids_are_refused_for_numbers_and_the_message_says_what_to_set(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    with pytest.raises(SourceError, match=r"`events\.user_id` is integer, not text") as refused:
        extract(shops.make(url, *ROWS), settings=make_settings(ids={"user": "text", "item": "integer"}))
    assert 'set user = "integer" under [ids]' in refused.value.then


def test_uuids_come_out_in_one_way_of_writing(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    shops.make(url, *ROWS[:1])
    settings = make_settings(
        ids={"user": "uuid", "item": "text"},
        source={
            "sql": shops.write(
                tmp_path / "sql",
                events=SELECT.replace("customer_id", "'{0C9A9B6E-21B2-4E0F-8E0F-0D6E1F2A3B4C}'").replace(
                    "product_id", "'00123'"
                ),
            )
        },
    )
    assert rows(extract(url, settings=settings))[0][:2] == ("0c9a9b6e-21b2-4e0f-8e0f-0d6e1f2a3b4c", "00123")


def test_a_text_that_is_no_uuid_is_shown(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    shops.make(url, *ROWS[:1])
    folder = shops.write(tmp_path / "sql", events=SELECT.replace("customer_id", "'bob'"))
    settings = make_settings(ids={"user": "uuid", "item": "integer"}, source={"sql": folder})
    with pytest.raises(SourceError, match="not UUIDs") as refused:
        extract(url, settings=settings)
    assert "'bob' is no UUID" in refused.value.found


def test_times_without_zone_are_the_shops_own(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    kind = "text" if url.startswith("sqlite") else "timestamp"
    shops.run(url, shops.EVENTS.format(time=kind), shops.PRODUCTS, shops.CUSTOMERS)
    shops.run(url, "INSERT INTO events VALUES (1, 1, 'view', '2025-07-01 12:00:00', NULL, 1)")
    shops.run(url, "INSERT INTO events VALUES (1, 2, 'view', '2026-01-01 00:59:59', NULL, 1)")
    settings = make_settings(source={"timezone": "Europe/Berlin"})
    done = extract(url, settings=settings, now=AS_OF + timedelta(days=1))
    assert [row[3] for row in rows(done)] == [
        datetime(2025, 7, 1, 10, tzinfo=UTC),
        datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC),
    ]


def test_times_with_zone_stay_the_moments_they_are_in_any_timezone(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    shops.make(
        url,
        "(1, 1, 'view', '2025-07-01 12:00:00+02:00', NULL, 1)",
        "(1, 2, 'view', '2025-12-31 23:59:59.5+00:00', NULL, 1)",
    )
    done = extract(url, settings=make_settings(source={"timezone": "Europe/Berlin"}))
    assert [row[3] for row in rows(done)] == [
        datetime(2025, 7, 1, 10, tzinfo=UTC),
        datetime(2025, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC),
    ]


def test_sqlite_times_may_be_written_in_several_ways(extract: Callable[..., Job], tmp_path: Path) -> None:
    times = (
        "2025-12-31T23:30:00Z",
        "2026-01-01 00:30:00+01:00",
        "2025-12-31 23:30",
        "2025-12-31T23:30:00.000",
    )
    rows_of_times = [f"(1, {n}, 'view', '{time}', NULL, 1)" for n, time in enumerate(times)]
    done = extract(shops.make(f"sqlite:///{tmp_path / 'shop.db'}", *rows_of_times))
    assert [row[3] for row in rows(done)] == [datetime(2025, 12, 31, 23, 30, tzinfo=UTC)] * 4


def test_text_survives_commas_quotes_newlines_and_emptiness(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    texts = ["a,b", 'say "hi"', "two\nlines", "", "NULL", "50 %", "\\N"]
    quoted = [text.replace("'", "''") for text in texts]
    shops.make(url, *(f"(1, 1, 'view', '2025-12-01 10:00:00+00:00', '{text}', 1)" for text in quoted))
    folder = shops.write(tmp_path / "sql", events=SELECT + " AND 'x' NOT LIKE '%y' -- 100 % :sure\n;")
    done = extract(url, settings=make_settings(source={"sql": folder}))
    assert sorted(str(row[4]) for row in rows(done)) == sorted(texts)


def test_an_optional_dataset_goes_when_its_statement_goes(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    shops.make(url, *ROWS)
    shops.run(url, "INSERT INTO customers VALUES (1, NULL)")
    folder = shops.write(
        tmp_path / "sql",
        events=SELECT,
        users="SELECT customer_id AS user_id, segment FROM customers WHERE 'a' LIKE '%a'",
    )
    settings = make_settings(source={"sql": folder})
    done = extract(url, settings=settings)
    assert (done.folder.has("users"), done.folder.has("items")) == (True, False)
    (tmp_path / "sql" / "users.sql").unlink()
    assert not extract(url, settings=settings).folder.file("users").exists()


def test_a_missing_statement_says_where_it_should_be(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=r"events\.sql cannot be read") as refused:
        extract(shops.make(url, *ROWS), settings=make_settings(source={"sql": str(tmp_path / "none")}))
    assert "[source] sql" in refused.value.then


def test_a_serving_database_that_cannot_be_reached_stops_the_night_at_once(
    url: str, job: Callable[..., Job]
) -> None:
    new_job = job(source=shops.make(url, *ROWS), serving="postgresql://me:hidden-word@127.0.0.1:9/none")
    with pytest.raises((Unreachable, ServingError), match="serving database") as refused:
        run_stage("extract", new_job)
    assert "hidden-word" not in str(refused.value)


@pytest.fixture
def bad_logins(shop_url: str) -> str:
    parsed = urls.normalise(shop_url)
    return parsed.set(password="not-the-password").render_as_string(hide_password=False)


def test_a_wrong_password_is_never_shown(extract: Callable[..., Job], bad_logins: str) -> None:
    with pytest.raises(LoginRefused, match="source database refuses the login") as refused:
        extract(bad_logins)
    assert not refused.value.can_retry
    text = "".join(traceback.format_exception(refused.value)) + repr(refused.value)
    assert "not-the-password" not in text


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("postgresql://me:hidden-word@127.0.0.1:9/shop", Unreachable),
        ("sqlite:////no/such/shop.db", LoginRefused),
    ],
)
def test_a_source_that_does_not_answer_is_named(
    extract: Callable[..., Job], address: str, kind: type[DatabaseError]
) -> None:
    with pytest.raises(kind, match="source database") as refused:
        extract(address)
    assert refused.value.can_retry is (kind is Unreachable)
    assert "hidden-word" not in "".join(traceback.format_exception(refused.value))


def test_the_segments_of_the_live_publication_are_read_without_forgotten_users(
    extract: Callable[..., Job],
    make_settings: Callable[..., Settings],
    run_folder: Callable[..., RunFolder],
    serving_url: str,
    tmp_path: Path,
) -> None:
    """Empty before the first publication, and for a night that ends before what is live."""
    url = shops.make(f"sqlite:///{tmp_path / 'shop.db'}", *ROWS)
    settings = make_settings(serving={"role_prefix": f"t{uuid.uuid4().hex[:8]}"})
    first = extract(url, settings=settings, as_of=AS_OF)
    assert (rows(first, "live_segments"), first.folder.rows("live_segments")) == ([], 0)
    shop = Shop(serving_url, settings, run_folder)
    shop.publish(shop.night(1, segments={9: 2, 7: 1, 8: 2}, in_segment={1: [11], 2: [12]}))
    remember(serving_url, settings, 8)
    done = extract(url, settings=settings, as_of=AS_OF)
    assert done.folder.document("live")["version"] == 1
    assert rows(done, "live_segments") == [(7, 1), (9, 2)]
    assert done.folder.receipt("extract")["counts"]["n_live_segments"] == 2
    earlier = extract(url, settings=settings, as_of=AS_OF - timedelta(seconds=1), run_id="earlier")
    assert earlier.folder.document("live")["version"] == 1
    assert rows(earlier, "live_segments") == []


def test_a_night_that_would_fill_the_disk_does_not_begin(
    url: str, extract: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL says about how many events there are; elsewhere the night before does."""
    shops.make(url, *ROWS)
    if not url.startswith("postgresql"):
        extract(url)
    monkeypatch.setattr(stage, "BYTES_AN_EVENT", 10**15)
    with pytest.raises(DiskFull, match=r"too little room in .* for a night of about") as caught:
        extract(url, run_id="next")
    assert "MB free" in caught.value.promised
    assert "MB free" in (caught.value.found or "")


def test_a_damaged_run_and_a_guess_about_a_join_keep_no_night_from_beginning(
    shop_url: str, extract: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """PostgreSQL's guess at what a join returns may be wrong by any factor."""
    shops.make(shop_url, *ROWS)
    before = extract(shop_url)
    (before.folder.path / "receipts" / "extract.json").write_text("{", encoding="utf-8")
    for file in (ROOT / "sql" / "source").glob("*.sql"):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    plain = (tmp_path / "events.sql").read_text(encoding="utf-8")
    joined = plain.replace("FROM events\n", "FROM events CROSS JOIN (SELECT DISTINCT 1 AS one) AS ones\n")
    joined = joined.replace("-- also, where events has them: price, discount, rating", "")
    assert joined != plain
    (tmp_path / "events.sql").write_text(joined, encoding="utf-8")
    monkeypatch.setattr(stage, "BYTES_AN_EVENT", 10**15)
    values = config.load().model_dump(by_alias=True)
    values["source"]["sql"] = str(tmp_path)
    assert rows(extract(shop_url, settings=Settings.model_validate(values), run_id="next"))


def test_a_night_of_another_window_says_nothing_of_how_many_events_there_are(
    extract: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = shops.make(f"sqlite:///{tmp_path / 'shop.sqlite'}", *ROWS)
    about = extract(shop).folder.path / "run.json"
    longer = {**json.loads(about.read_text(encoding="utf-8")), "overrides": {"window_days": 900}}
    about.write_text(json.dumps(longer), encoding="utf-8")
    monkeypatch.setattr(stage, "BYTES_AN_EVENT", 10**15)
    assert rows(extract(shop, run_id="next"))


@pytest.mark.parametrize("more", ["generate_series(1, 2)", "unnest(ARRAY[1, 2])"])
def test_a_guess_about_a_function_keeps_no_night_from_beginning(
    shop_url: str,
    extract: Callable[..., Job],
    make_settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    more: str,
) -> None:
    select = (
        f"SELECT n AS user_id, 1 AS item_id, 'view' AS event_type, NULL AS order_id, 1 AS quantity, "
        f"timestamptz '2025-12-01' AS occurred_at FROM {more} n"
        " WHERE timestamptz '2025-12-01' >= :window_start AND timestamptz '2025-12-01' < :window_end"
    )
    shops.make(shop_url, *ROWS)
    settings = make_settings(source={"sql": shops.write(tmp_path / "sql", events=select)})
    monkeypatch.setattr(stage, "BYTES_AN_EVENT", 10**15)
    assert len(rows(extract(shop_url, settings=settings))) == 2
