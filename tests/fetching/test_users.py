"""users.py against a real API and a real database: every paging, waits, kills, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.config import ROOT
from pipeline.databases import connect
from pipeline.errors import ApiBusy, ApiError
from pipeline.fetching.pace import Pace
from pipeline.fetching.users import Fetched, fetch_users
from tests.fetching.api import Api, Reply, get, people
from tests.fetching.conftest import planned

NOW = datetime(2026, 11, 28, tzinfo=UTC)
PAGINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "cursor": ("/users", {}),
    "link in the answer": ("/links", {"paging": "next link"}),
    "link in the header": ("/links", {"paging": "next link", "next_field": None}),
    "page number": ("/pages", {"paging": "page number", "position_parameter": "page"}),
}


def fetch(api: Api, url: str, path: str = "/users", run: str = "tonight", **changes: Any) -> Fetched:
    said: list[str] = []
    plan = planned(f"{api.url}{path}", **changes)
    return fetch_users(url, plan, Pace(get, 6000, said.append), run=run, now=NOW, say=said.append)


def read(url: str) -> list[tuple[Any, ...]]:
    with connect.engine(url).begin() as db:
        if not sa.inspect(db).has_table("fetched_users"):
            return []
        query = sa.text("SELECT id, segment, visits FROM fetched_users ORDER BY id")
        return [tuple(row) for row in db.execute(query)]


def expected(count: int) -> list[tuple[Any, ...]]:
    return [(user["id"], user["segment"], user["visits"]) for user in people(count)]


@pytest.mark.parametrize("paging", PAGINGS)
@pytest.mark.parametrize("count", [7, 20, 23])
def test_every_user_of_every_page(api: Api, database: str, paging: str, count: int) -> None:
    path, changes = PAGINGS[paging]
    api.users = people(count)
    fetched = fetch(api, database, path, **changes)
    assert (fetched.n_before, fetched.n_users) == (0, count)
    assert fetched.n_pages == -(-count // 10) + (paging == "page number")
    assert len(api.asked) == fetched.n_pages
    assert read(database) == expected(count)
    again = fetch(api, database, path, **changes)
    assert (again.n_before, again.n_users) == (count, count)
    assert read(database) == expected(count)


def test_a_busy_api_is_waited_for(api: Api, shop_url: str) -> None:
    api.users = people(15)
    api.replies = [(429, {"Retry-After": "1"}, b"slow down")]
    said: list[str] = []
    pace = Pace(get, 6000, said.append)
    fetch_users(shop_url, planned(f"{api.url}/users"), pace, run="a", now=NOW, say=said.append)
    assert said[0] == "the API answers 429; attempt 2 of 8 in 1 seconds"
    assert said[-1] == "fetched_users: 15 users of 2 pages; before: 0"
    assert len(api.asked) == 3
    assert read(shop_url) == expected(15)


def test_users_that_move_between_pages_count_once(api: Api, shop_url: str) -> None:
    """A user is put in front while the pages are read: the last one of page 1 is on page 2 again."""
    api.users = people(20)
    pages = iter((api.users[:10], api.users[9:19], api.users[19:]))
    cursors = iter((10, 19, None))
    api.rewrite = lambda _: {"data": next(pages), "meta": {"next": next(cursors)}}
    assert fetch(api, shop_url) == Fetched(3, 0, 20)
    assert read(shop_url) == expected(20)


CHILD = """
import sys
from datetime import UTC, datetime
from pipeline.fetching.pace import Pace
from pipeline.fetching.users import fetch_users
from tests.fetching.api import get
from tests.fetching.conftest import planned
plan = planned(sys.argv[2])
fetch_users(sys.argv[1], plan, Pace(get, 6000, print), run="tonight", now=datetime.now(UTC), say=print)
"""


def test_what_is_killed_in_the_middle_goes_on_where_it_stopped(api: Api, shop_url: str) -> None:
    """kill -9 while page 4 is asked for: the same run asks for page 4, and for none of those before it."""
    api.users = people(95)
    fetch(api, shop_url, run="yesterday")
    api.asked.clear()
    process: list[subprocess.Popen[bytes]] = []

    def kill_at_page_4(document: dict[str, Any]) -> Any:
        if len(api.asked) == 4:
            os.kill(process[0].pid, signal.SIGKILL)
            process[0].wait()
        return document

    api.rewrite = kill_at_page_4
    command = [sys.executable, "-c", CHILD, shop_url, f"{api.url}/users"]
    process.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL))
    assert process[0].wait(60) == -signal.SIGKILL
    assert read(shop_url) == expected(95)
    api.users = people(97)
    assert fetch(api, shop_url) == Fetched(10, 95, 97)
    assert api.asked[:4] == [
        "/users?limit=10",
        *(f"/users?limit=10&cursor={start}" for start in (10, 20, 30)),
    ]
    assert api.asked[4:] == [f"/users?limit=10&cursor={start}" for start in range(30, 100, 10)]
    assert read(shop_url) == expected(97)


def test_an_error_in_the_middle_keeps_the_pages_before_it(api: Api, shop_url: str) -> None:
    api.users = people(40)
    good, bad = api.answer, iter([False, False, True])
    login: Reply = (401, {}, b'{"error": "bad key s3cret"}')
    api.answer = lambda target: login if next(bad, False) else good(target)  # type: ignore[method-assign]
    with pytest.raises(ApiError, match="refuses the login") as error:
        fetch(api, shop_url)
    assert "s3cret" not in str(error.value)
    assert read(shop_url) == []
    api.asked.clear()
    assert fetch(api, shop_url) == Fetched(4, 0, 40)
    assert api.asked == ["/users?limit=10&cursor=20", "/users?limit=10&cursor=30"]


@pytest.mark.parametrize(
    ("rewrite", "said"),
    [
        (lambda page: {**page, "meta": {"next": 10}}, "would never come to an end"),
        (lambda page: {**page, "data": [{**page["data"][0], "id": None}]}, "page 1, user 1: no id"),
        (lambda page: {**page, "data": [{**page["data"][0], "id": "x"}]}, "of another type"),
        (lambda page: {"users": page["data"]}, "has no list of users"),
        (lambda page: {"data": page["data"]}, "which leads to the next page"),
        (lambda _: "oops", "has no list of users"),
        (lambda page: {**page, "data": []}, "the API has 0 users"),
    ],
)
def test_a_broken_api_changes_nothing(
    api: Api, shop_url: str, rewrite: Callable[[dict[str, Any]], Any], said: str
) -> None:
    api.users = people(25)
    fetch(api, shop_url, run="yesterday")
    api.rewrite = rewrite
    with pytest.raises(Exception, match=said):
        fetch(api, shop_url)
    assert read(shop_url) == expected(25)


def test_what_is_no_json_changes_nothing(api: Api, shop_url: str) -> None:
    api.replies = [(200, {"Content-Type": "text/html"}, b"<html>s3cret</html>")]
    with pytest.raises(ApiError, match="page 1 of the API is no JSON"):
        fetch(api, shop_url)
    assert read(shop_url) == []


def test_a_server_that_is_gone_is_for_a_retry(shop_url: str) -> None:
    clock: list[float] = [0]
    pace = Pace(get, 6000, str, clock=lambda: clock[0], sleep=clock.append)
    with pytest.raises(ApiBusy, match="gives no answer"):
        fetch_users(shop_url, planned("http://127.0.0.1:9/users"), pace, run="a", now=NOW, say=str)


def test_a_list_without_anything_around_it(api: Api, shop_url: str) -> None:
    api.replies = [(200, {}, json.dumps(people(3)).encode())]
    fetched = fetch(api, shop_url, records=None, paging="next link", next_field=None)
    assert fetched == Fetched(1, 0, 3)
