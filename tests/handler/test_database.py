"""The connection that is kept: it dies, drags its feet, is refused, or has a pooler in front."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pipeline import config
from pipeline.databases.embedded import Server
from pipeline.handler import secret
from pipeline.handler.aws import Function
from pipeline.handler.secret import Login
from pipeline.reading.refusals import Unavailable
from tests.faults.conftest import new_server, shop_on
from tests.faults.pooler import pooled
from tests.service.conftest import LISTS, USERS
from tests.service.test_database import locked, service_pids
from tests.serving.nights import Shop

__all__ = ["new_server", "shop_on"]

CALLS: tuple[dict[str, Any], ...] = (
    {"route": "recommendations", "user_id": 1},
    {"route": "popular"},
    {"route": "similar", "item_id": 11},
    {"route": "publication"},
)


@pytest.fixture(scope="module")
def own(new_server: Callable[..., Server]) -> Server:
    """A server that may be stopped."""
    return new_server()


@pytest.fixture(scope="module")
def shop(own: Server, shop_on: Callable[..., Shop]) -> Shop:
    """A shop on it, whose function is soon out of patience."""
    shop = shop_on(own.url("serving"))
    shop.publish(shop.night(1, USERS, **LISTS))
    shop.settings = config.changed(shop.settings, "service", statement_timeout_ms=400)
    return shop


@pytest.fixture
def function(own: Server, shop: Shop, set_up: Callable[..., None]) -> Function:
    """A fresh process of the function; it has answered once."""
    set_up(shop, own.url("serving", "reader"))
    function = Function()
    answers(function)
    return function


def answers(function: Function) -> None:
    for call in CALLS:
        reply = function(call, None)
        assert reply["status"] == 200, reply


def is_away(function: Function, seconds: float = 3.0) -> str:
    """Every call is refused with one sentence, and soon; returns it."""
    details = set()
    for call in CALLS:
        begun = time.monotonic()
        reply = function(call, None)
        assert time.monotonic() - begun < seconds
        assert reply["status"] == 503, reply
        details.add(reply["body"]["detail"])
    [detail] = details
    assert "\n" not in detail
    return detail


def test_a_connection_that_died_between_two_calls_costs_no_answer(
    own: Server, function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(5):
        with psycopg.connect(own.admin_url(), autocommit=True) as db:
            for pid in service_pids(own, own.url("serving", "reader")):
                db.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        capsys.readouterr()
        answers(function)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["Connects"] for line in lines] == [1, 0, 0, 0]
        assert "terminating connection" in lines[0]["why"]


def test_one_connection_is_kept(own: Server, function: Function) -> None:
    before = service_pids(own, own.url("serving", "reader"))
    answers(function)
    assert service_pids(own, own.url("serving", "reader")) == before
    assert len(before) == 1


def test_a_database_that_is_slow_is_503_until_it_is_not(shop: Shop, function: Function) -> None:
    with locked(shop):
        begun = time.monotonic()
        assert function(CALLS[0], None)["body"]["detail"] == "the database took too long for an answer"
        assert 0.35 < time.monotonic() - begun < 2
    answers(function)


@contextmanager
def full(own: Server) -> Iterator[None]:
    """The login may have no connection more."""
    name = psycopg.conninfo.conninfo_to_dict(own.url("serving", "reader"))["user"]
    limit = sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}")
    with psycopg.connect(own.admin_url(), autocommit=True) as db:
        db.execute(limit.format(sql.Identifier(name), 0))
        try:
            yield
        finally:
            db.execute(limit.format(sql.Identifier(name), -1))


def test_a_database_that_takes_no_more_connections_is_503_until_it_does(
    own: Server, shop: Shop, function: Function, set_up: Callable[..., None]
) -> None:
    set_up(shop, own.url("serving", "reader"))
    fresh = Function()
    with full(own):
        assert "connections are all in use" in is_away(fresh)
        answers(function)
    answers(fresh)


@pytest.mark.slow
def test_a_database_that_stops_is_503_and_one_that_starts_again_is_found(
    own: Server, function: Function
) -> None:
    for _ in range(2):
        own.stop()
        is_away(function)
        assert function({"route": "popular", "n": 0}, None)["status"] == 422, "the shop is known"
        own.start()
        answers(function)


@pytest.mark.slow
def test_a_connection_that_hangs_costs_no_answer(own: Server, function: Function) -> None:
    pids = service_pids(own, own.url("serving", "reader"))
    assert pids
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        answers(function)
        assert time.monotonic() - begun < 3, "by another connection"
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    assert threading.active_count() < 10, "no timer is left waiting"


def test_a_server_that_never_answers_after_the_login_holds_no_call_for_long(
    own: Server, shop: Shop, set_up: Callable[..., None]
) -> None:
    """As a pooler does that has no connection left: the login is welcome, and the first statement waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        set_up(shop, f"postgresql://anybody@127.0.0.1:{listener.getsockname()[1]}/x?sslmode=disable")
        threading.Thread(target=partial(welcome, listener), daemon=True).start()
        begun = time.monotonic()
        reply = Function()(CALLS[0], None)
    assert reply == {"status": 503, "body": {"detail": "the database took too long for an answer"}}
    assert time.monotonic() - begun < 3


def welcome(listener: socket.socket) -> None:
    """Let one client in, and say nothing more."""
    line, _ = listener.accept()
    line.recv(8_192)
    ok, key, ready = b"R\0\0\0\x08\0\0\0\0", b"K\0\0\0\x0c\0\0\0\x01\0\0\0\x01", b"Z\0\0\0\x05I"
    line.sendall(ok + key + ready)
    while line.recv(8_192):
        pass


def test_a_timer_that_comes_too_late_costs_the_next_call_nothing(function: Function) -> None:
    assert function._opened is not None
    database = function._opened[0]
    assert database._connection is not None
    database._connection.give_up()
    answers(function)


@pytest.mark.slow
def test_it_works_through_pgbouncer_with_the_same_patience(
    own: Server, shop: Shop, set_up: Callable[..., None]
) -> None:
    with pooled(own, n_connections=2) as pooler:
        set_up(shop, pooler.url("reader"))
        function = Function()
        for _ in range(5):
            answers(function)
        with psycopg.connect(pooler.url("reader"), autocommit=True, prepare_threshold=None) as db:
            for _ in range(3):
                assert db.execute("SHOW statement_timeout").fetchone() == ("0",)
        with locked(shop):
            assert function(CALLS[0], None)["body"]["detail"] == "the database took too long for an answer"
        answers(function)


def test_a_schema_that_goes_away_is_503_and_is_found_again(own: Server, function: Function) -> None:
    with psycopg.connect(own.admin_url("serving"), autocommit=True) as db:
        db.execute("ALTER SCHEMA serving RENAME TO away")
        assert "finds no serving schema `serving`" in is_away(function)
        db.execute("ALTER SCHEMA away RENAME TO serving")
    answers(function)


def test_a_refused_login_is_tried_with_a_secret_that_was_changed(
    own: Server, shop: Shop, set_up: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = own.url("serving", "reader")
    wrong = right.replace(str(psycopg.conninfo.conninfo_to_dict(right)["password"]), "of-yesterday")
    set_up(shop, wrong)
    monkeypatch.setattr(secret, "PAUSE_SECONDS", 0.0)
    function = Function()
    is_away(function)
    monkeypatch.setenv("NIGHTSHELF_READER_URL", right)
    answers(function)


def test_a_secret_that_cannot_be_read_again_leaves_the_login_that_was_right(
    own: Server, function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_read = 0

    def away(_: Login) -> str:
        nonlocal n_read
        n_read += 1
        raise Unavailable(secret.AWAY)

    monkeypatch.setattr(Login, "_read", away)
    assert function._opened is not None
    login, database = function._opened[0]._login, function._opened[0]
    login._read_at -= 2 * secret.PAUSE_SECONDS
    with full(own):
        for _ in range(3):
            database.close()
            assert "connections are all in use" in is_away(function)
    assert n_read == 1, "once in a pause"
    answers(function)
