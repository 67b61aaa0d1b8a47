"""The way to a database that stops, starts, drags its feet, loses connections or has a pooler in front."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from pipeline import config
from pipeline.databases.embedded import Server
from tests.faults.conftest import new_server, shop_on
from tests.faults.pooler import pooled
from tests.service.conftest import LISTS, USERS
from tests.service.running import Reply, Running, patiently
from tests.serving.nights import Shop

__all__ = ["new_server", "shop_on"]

LIST = "/users/1/recommendations"
ANSWERS = (LIST, "/popular", "/items/11/similar", "/publication", "/users/1/recommendations/11/explanation")
SLOW = {"detail": "the database took too long for an answer"}


@pytest.fixture(scope="module")
def own(new_server: Callable[..., Server]) -> Server:
    """A server that may be stopped."""
    return new_server()


@pytest.fixture(scope="module")
def shop(own: Server, shop_on: Callable[..., Shop]) -> Shop:
    """A shop on it, whose service is soon out of patience."""
    shop = shop_on(own.url("serving"))
    shop.publish(shop.night(1, USERS, **LISTS))
    shop.settings = config.changed(
        shop.settings, "service", connections=2, statement_timeout_ms=400, pool_timeout_ms=400
    )
    return shop


def is_away(reply: Reply) -> None:
    """503, when to ask again, and one sentence; no list, no trace."""
    assert reply.status == 503, reply
    assert reply.headers["retry-after"] == "2"
    assert set(reply.json) == {"detail"}
    assert "\n" not in reply.json["detail"]


def answers(service: Running) -> None:
    for path in ANSWERS:
        assert service.ask(path).status == 200, path


@contextmanager
def locked(shop: Shop) -> Iterator[None]:
    """Nobody can read the pointer."""
    with shop.connect("publisher") as db, db.transaction():
        db.execute("LOCK TABLE serving_storage.live IN ACCESS EXCLUSIVE MODE")
        yield


def service_pids(server: Server, url: str) -> list[int]:
    login = conninfo_to_dict(url)["user"]
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        rows = db.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", [login]).fetchall()
    return [row[0] for row in rows]


@pytest.mark.slow
def test_a_database_that_stops_is_503_and_one_that_starts_again_is_found(
    own: Server, shop: Shop, serve: Callable[..., Running]
) -> None:
    service = serve(shop, own.url("serving", "reader"))
    answers(service)
    for _ in range(2):
        own.stop()
        for path in (*ANSWERS, "/ready", "/users"):
            begun = time.monotonic()
            is_away(service.ask(path))
            assert time.monotonic() - begun < 3
        assert service.get("/health") == {"status": "ok"}
        assert "nightshelf_database_up 0.0" in service.ask("/metrics").body.decode()
        own.start()
        begun = time.monotonic()
        patiently(lambda: answers(service))
        assert time.monotonic() - begun < 5
        assert service.get("/ready")["version"] == 1


@pytest.mark.slow
def test_connections_that_are_lost_cost_no_answer(
    own: Server, shop: Shop, serve: Callable[..., Running]
) -> None:
    service = serve(shop, own.url("serving", "reader"))
    answers(service)
    for _ in range(10):
        with psycopg.connect(own.admin_url(), autocommit=True) as db:
            for pid in service_pids(own, own.url("serving", "reader")):
                db.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        answers(service)


def test_a_database_that_is_slow_is_503_until_it_is_not(
    own: Server, shop: Shop, serve: Callable[..., Running]
) -> None:
    service = serve(shop, own.url("serving", "reader"))
    answers(service)
    with locked(shop):
        begun = time.monotonic()
        reply = service.ask(LIST)
        assert 0.35 < time.monotonic() - begun < 2
        is_away(reply)
        assert reply.json == SLOW
        is_away(service.ask("/ready"))
    answers(service)


def test_more_requests_than_connections_wait_and_then_get_503(
    own: Server, shop: Shop, serve: Callable[..., Running]
) -> None:
    service = serve(shop, own.url("serving", "reader"))
    answers(service)
    with locked(shop), ThreadPoolExecutor(12) as threads:
        replies = list(threads.map(service.ask, [LIST] * 12))
    for reply in replies:
        is_away(reply)
    details = {reply.json["detail"] for reply in replies}
    assert "the database cannot be reached, or its connections are all in use" in details
    answers(service)


@pytest.mark.slow
def test_a_server_that_is_frozen_holds_no_request_for_long(
    own: Server, shop: Shop, serve: Callable[..., Running]
) -> None:
    service = serve(shop, own.url("serving", "reader"))
    answers(service)
    pids = service_pids(own, own.url("serving", "reader"))
    assert pids
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        reply = service.ask(LIST)
        assert time.monotonic() - begun < 3
        is_away(reply)
        patiently(lambda: answers(service))
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
def test_a_service_that_is_started_before_its_database_waits_for_it(
    own: Server, shop: Shop, serve: Callable[..., Running]
) -> None:
    url = own.url("serving", "reader")
    own.stop()
    try:
        service, of_the_owner = serve(shop, url), serve(shop, own.url("serving"))
        assert service.get("/health") == {"status": "ok"}
        is_away(service.ask("/ready"))
        is_away(service.ask(LIST))
    finally:
        own.start()
    patiently(lambda: answers(service))
    for path in (*ANSWERS, "/ready"):
        reply = of_the_owner.ask(path)
        is_away(reply)
        assert "may do more than read" in reply.json["detail"], "it is refused as soon as it can be looked at"


@pytest.mark.slow
def test_after_a_failover_it_reads_from_the_other_server(
    own: Server,
    shop: Shop,
    new_server: Callable[..., Server],
    shop_on: Callable[..., Shop],
    serve: Callable[..., Running],
) -> None:
    """Two servers of one content and one password, named in one URL."""
    other = new_server()
    twin = shop_on(other.url("serving"))
    twin.publish(twin.night(1, USERS, **LISTS))
    words = conninfo_to_dict(own.url("serving", "reader"))
    with psycopg.connect(other.admin_url(), autocommit=True) as db:
        db.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(words["user"]), words["password"])
        )
    login = f"{words['user']}:{words['password']}"
    url = f"postgresql://{login}@127.0.0.1:{own.port},127.0.0.1:{other.port}/serving"
    service = serve(shop, url)
    answers(service)
    own.stop()
    try:
        begun = time.monotonic()
        patiently(lambda: answers(service))
        assert time.monotonic() - begun < 5
    finally:
        own.start()
    answers(service)


@pytest.mark.slow
def test_it_works_through_pgbouncer_with_the_same_patience(
    own: Server, shop: Shop, serve: Callable[..., Running]
) -> None:
    with pooled(own, n_connections=2) as pooler:
        service = serve(shop, pooler.url("reader"))
        for _ in range(20):
            answers(service)
        with psycopg.connect(pooler.url("reader"), autocommit=True, prepare_threshold=None) as db:
            for _ in range(6):
                row = db.execute("SHOW statement_timeout").fetchone()
                assert row == ("0",), "nothing that the service sets is left behind for others"
        with locked(shop):
            reply = service.ask(LIST)
            is_away(reply)
            assert reply.json == SLOW
        answers(service)
        with ThreadPoolExecutor(8) as threads:
            replies = list(threads.map(service.ask, [LIST] * 400))
        assert {reply.status for reply in replies} == {200}


def test_a_schema_that_goes_away_is_503_and_is_found_again(
    own: Server, shop: Shop, serve: Callable[..., Running]
) -> None:
    service = serve(shop, own.url("serving", "reader"))
    answers(service)
    with psycopg.connect(own.admin_url("serving"), autocommit=True) as db:
        db.execute("ALTER SCHEMA serving RENAME TO away")
        for path in (*ANSWERS, "/ready"):
            is_away(service.ask(path))
        db.execute("ALTER SCHEMA away RENAME TO serving")
    answers(service)
