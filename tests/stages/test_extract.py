from __future__ import annotations

import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Settings
from pipeline.databases import urls
from pipeline.errors import DatabaseError, DataError, LoginRefused, ServingError, SourceError, Unreachable
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
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
        (10, "Jam", None, 3.0, 0.5, False),
        (20, "Tea", "drinks", 2.5, None, True),
    ]
    assert rows(done, "users") == [(1, "gold")]


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
