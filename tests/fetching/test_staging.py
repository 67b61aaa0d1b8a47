"""staging.py: pages that are kept, and a table that is wholly old or wholly new."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from pipeline.databases import connect
from pipeline.errors import ApiError, DataError, SourceError
from pipeline.fetching.plan import Plan
from pipeline.fetching.staging import Place, Staging
from tests.fetching.conftest import planned

NOW = datetime(2026, 11, 28, tzinfo=UTC)
PLAN = planned(fields=["segment"])


def staging(url: str, plan: Plan = PLAN, run: str = "tonight", said: list[str] | None = None) -> Staging:
    return Staging(url, plan, run, (said if said is not None else []).append)


def users(*ids: Any, segment: str = "a") -> list[dict[str, Any]]:
    return [{"id": id_, "segment": segment} for id_ in ids]


def fetch(url: str, *ids: Any, run: str = "before", plan: Plan = PLAN) -> None:
    """A fetch of one page."""
    fetch = staging(url, plan, run)
    fetch.add(fetch.begin(NOW), "", None, users(*ids))
    fetch.replace(NOW)


def read(url: str, query: str = "SELECT id, segment FROM fetched_users ORDER BY id") -> list[tuple[Any, ...]]:
    with connect.engine(url).begin() as db:
        return [tuple(row) for row in db.execute(sa.text(query))]


def write(url: str, *statements: str) -> None:
    with connect.engine(url).begin() as db:
        for statement in statements:
            db.execute(sa.text(statement))


def test_nobody_sees_a_page_before_all_are_there(database: str) -> None:
    fetch(database, 1, 2)
    tonight = staging(database)
    place = tonight.add(tonight.begin(NOW), "", "c1", users(2, 3, segment="b"))
    place = tonight.add(place, "c1", None, users(3, 4, segment="c"))
    assert place == Place(2, None)
    assert read(database) == [(1, "a"), (2, "a")]
    counts = tonight.replace(NOW)
    assert (counts.n_before, counts.n_users) == (2, 3)
    assert read(database) == [(2, "b"), (3, "c"), (4, "c")]
    with connect.engine(database).connect() as db:
        assert set(sa.inspect(db).get_table_names()) == {"fetched_users", "nightshelf_fetches"}
        assert sa.inspect(db).get_pk_constraint("fetched_users")["constrained_columns"] == ["id"]


def test_the_same_run_goes_on_and_another_begins_anew(database: str) -> None:
    first = staging(database)
    first.add(first.add(first.begin(NOW), "", "c1", users(1)), "c1", "c2", users(2))
    said: list[str] = []
    assert staging(database, said=said).begin(NOW) == Place(2, "c2")
    assert said == ["going on after page 2, which this run has kept"]
    assert staging(database, planned(fields=["segment", "visits:number"])).begin(NOW) == Place()
    said.clear()
    other = staging(database, run="tomorrow", said=said)
    assert other.begin(NOW) == Place()
    assert said == ["the pages that run tonight left behind are dropped; this run begins anew"]
    with pytest.raises(SourceError, match="another run fetches the table fetched_users now"):
        first.add(Place(2, "c2"), "c2", None, users(3))
    other.add(Place(), "", None, users(7))
    with pytest.raises(SourceError, match="another run"):
        first.replace(NOW)
    other.replace(NOW)
    assert read(database) == [(7, "a")]


def test_a_run_that_has_ended_fetches_anew_where_its_task_is_cleared(database: str) -> None:
    fetch(database, 1, run="tonight")
    assert staging(database).begin(NOW) == Place()
    fetch(database, 1, run="tonight")
    assert read(database) == [(1, "a")]


def test_many_users_of_one_page(database: str) -> None:
    fetch(database, *range(1234))
    assert read(database, "SELECT count(*), max(id) FROM fetched_users") == [(1234, 1233)]


def test_an_api_that_never_comes_to_an_end(database: str) -> None:
    tonight = staging(database)
    place = tonight.add(tonight.begin(NOW), "", "c1", users(1))
    with pytest.raises(ApiError, match="page 2 leads to page 2, which was there before"):
        tonight.add(place, "c1", "c1", users(2))
    place = tonight.add(place, "c1", "c2", users(2))
    with pytest.raises(ApiError, match="page 3 leads to page 2, which was there before"):
        tonight.add(place, "c2", "c1", users(3))
    with pytest.raises(ApiError, match="page 3 has the same users as page 2"):
        tonight.add(place, "c2", "c3", users(2))
    assert staging(database).begin(NOW) == place
    place = tonight.add(tonight.add(place, "c2", "c3", []), "c3", "c4", [])
    assert place.n_pages == 4, "pages without users say nothing"


def test_fewer_than_half_are_refused_and_the_table_stays(database: str) -> None:
    fetch(database, 1, 2, 3, 4, 5)
    with pytest.raises(DataError, match="the API has 2 users") as error:
        fetch(database, 1, 2)
    assert error.value.found == "5 users in the table"
    assert "may_be_fewer" in error.value.then
    assert len(read(database)) == 5
    fetch(database, 1, 2, plan=planned(fields=["segment"], may_be_fewer=True))
    assert len(read(database)) == 2
    fetch(database, 1)
    assert len(read(database)) == 1


@pytest.mark.parametrize("may_be_fewer", [True, False])
def test_no_user_at_all_is_refused(database: str, may_be_fewer: bool) -> None:
    with pytest.raises(DataError, match="the API has 0 users"):
        fetch(database, plan=planned(fields=["segment"], may_be_fewer=may_be_fewer))
    fetch(database, 1)
    with pytest.raises(DataError, match="the API has 0 users"):
        fetch(database, plan=planned(fields=["segment"], may_be_fewer=may_be_fewer))
    assert read(database) == [(1, "a")]


def test_rows_that_no_fetch_wrote_are_left_as_they_are(database: str) -> None:
    write(database, "CREATE TABLE fetched_users (id bigint, segment text)")
    write(database, "INSERT INTO fetched_users VALUES (9, 'theirs')")
    with pytest.raises(SourceError, match="has rows that no fetch wrote"):
        fetch(database, 1)
    assert read(database) == [(9, "theirs")]
    write(database, "DELETE FROM fetched_users")
    staging(database, run="killed").begin(NOW)
    write(database, "INSERT INTO fetched_users VALUES (9, 'theirs')")
    with pytest.raises(SourceError, match="has rows that no fetch wrote"):
        fetch(database, 1)
    write(database, "DELETE FROM fetched_users")
    fetch(database, 1)
    assert read(database) == [(1, "a")]


def test_other_columns_are_refused_and_missing_ones_are_added(database: str) -> None:
    fetch(database, 1, 2)
    with pytest.raises(SourceError, match="has other columns than the form names") as error:
        staging(database, planned(fields=["city"]), run="other").begin(NOW)
    assert error.value.found == "id, segment"
    plan = planned(fields=["segment", "city", "since:date"])
    more = staging(database, plan, run="more")
    more.add(more.begin(NOW), "", None, [{"id": 1, "segment": "a", "city": "Ulm", "since": NOW.date()}])
    more.replace(NOW)
    assert read(database, "SELECT id, city, segment FROM fetched_users") == [(1, "Ulm", "a")]


@pytest.mark.parametrize(("kind", "id_"), [("text", "00a"), ("uuid", "6f9619ff-8b86-d011-b42d-00c04fc964ff")])
def test_ids_of_every_type(database: str, kind: Any, id_: str) -> None:
    plan = planned(id_type=kind, fields=["segment"])
    fetch(database, id_, plan=plan)
    fetch(database, id_, run="again", plan=plan)
    assert [(str(value), segment) for value, segment in read(database)] == [(id_, "a")]


def test_a_reader_with_a_snapshot_sees_the_old_users_whatever_happens(
    new_database: Callable[[], str],
) -> None:
    """The night reads in one REPEATABLE READ transaction; rights and views stay as well."""
    url = new_database()
    fetch(url, 1, 2)
    write(url, "CREATE VIEW gold AS SELECT id FROM fetched_users", "GRANT SELECT ON fetched_users TO PUBLIC")
    tonight = staging(url)
    place = tonight.add(tonight.begin(NOW), "", "c1", users(5))
    with psycopg.connect(url) as night:
        night.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert night.execute("SELECT count(*) FROM nightshelf_fetches").fetchone() == (1,)
        tonight.add(place, "c1", None, users(6))
        tonight.replace(NOW)
        assert night.execute("SELECT id FROM fetched_users ORDER BY id").fetchall() == [(1,), (2,)]
    with psycopg.connect(url) as later:
        assert later.execute("SELECT id FROM gold ORDER BY id").fetchall() == [(5,), (6,)]
        grants = "SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'PUBLIC'"
        assert later.execute(f"{grants} AND table_name = 'fetched_users'").fetchone() == (1,)


def test_a_schema_of_its_own(new_database: Callable[[], str]) -> None:
    url = new_database()
    write(url, "CREATE SCHEMA crm")
    plan = planned(fields=["segment"], table="crm.people")
    fetch(url, 1, plan=plan)
    fetch(url, 2, run="again", plan=plan)
    assert read(url, "SELECT id FROM crm.people") == [(2,)]


def test_a_login_that_may_not_write(new_database: Callable[[], str]) -> None:
    url = new_database()
    read_only = f"{url}?options=-c%20default_transaction_read_only%3Don"
    with pytest.raises(Exception, match="takes no writes at the moment"):
        staging(read_only).begin(NOW)
    with pytest.raises(SourceError, match=r"cannot be written to the table nowhere\.people") as error:
        staging(url, planned(fields=["segment"], table="nowhere.people")).begin(NOW)
    assert "nowhere" in error.value.found
    password = sa.make_url(url).password
    assert password
    assert password not in str(error.value)


def test_duckdb_is_only_read() -> None:
    with pytest.raises(SourceError, match="only read"):
        staging("duckdb:///shop.duckdb")
