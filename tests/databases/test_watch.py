"""pipeline/databases/watch.py: a server that goes silent is given up, and the silence is told meanwhile."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from pipeline.databases import connect, watch
from pipeline.databases.watch import Watch
from pipeline.errors import Unreachable
from tests.databases.line import line_to


def silence(said: list[str], limit: float = 0.5) -> Watch:
    return Watch("the source database", limit, "source.silent_minutes", said.append)


def test_a_silent_server_is_given_up_and_the_silence_is_told(
    shop_url: str, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "TELL_AFTER", 0.2)
    with (
        silence(said, 1.0) as watching,
        connect.psycopg_connect(shop_url, "source", watch=watching) as db,
        pytest.raises(Unreachable) as refused,
        connect.reaching(shop_url, "source", watching),
    ):
        db.execute("SELECT pg_sleep(60)")
    assert refused.value.can_retry
    assert "said nothing for 0.0167 minutes" in refused.value.what
    assert "source.silent_minutes" in refused.value.promised
    assert said[0].startswith("the source database has said nothing for 0.00")
    assert said[0].endswith("the limit is source.silent_minutes")


def test_a_line_that_is_held_is_ended_from_this_side(shop_url: str, said: list[str]) -> None:
    with line_to(shop_url) as (line, url), silence(said) as watching:
        engine = connect.engine(url, watch=watching)
        with engine.connect() as db:
            assert db.execute(sa.text("SELECT 1")).scalar() == 1
            line.hold()
            with pytest.raises(Unreachable, match="said nothing"), connect.reaching(url, "source", watching):
                db.execute(sa.text("SELECT 2"))
            db.invalidate()


def test_a_line_that_is_held_before_sqlalchemys_first_question_is_ended(
    shop_url: str, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the connection and the first statement of ours, SQLAlchemy asks for the server's version."""
    with line_to(shop_url) as (line, url), silence(said) as watching:
        engine = connect.engine(url, watch=watching)
        made = watch.WatchedConnection.connect

        def then_hold(*arguments: object, **options: object) -> psycopg.Connection[object]:
            connection = made(*arguments, **options)
            line.hold()
            return connection

        monkeypatch.setattr(watch.WatchedConnection, "connect", then_hold)
        with pytest.raises(Unreachable, match="said nothing"), connect.reaching(url, "source", watching):
            engine.connect()


def test_what_answers_within_the_limit_is_left_alone_however_long_all_of_it_takes(
    shop_url: str, said: list[str]
) -> None:
    with silence(said, 0.6) as watching, connect.psycopg_connect(shop_url, watch=watching) as db:
        for _ in range(4):
            assert db.execute("SELECT pg_sleep(0.2)::text").fetchone() == ("",)
        time.sleep(0.8)  # this side computes: nobody waits for the server
        assert db.execute("SELECT 1").fetchone() == (1,)
    assert watching.error is None
    assert said == []


def test_a_wait_in_sqlite_is_ended_too(tmp_path: Path, said: list[str]) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    endless = "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n) SELECT max(k) FROM n"
    with (
        silence(said) as watching,
        connect.engine(url, may_create=True, watch=watching).connect() as db,
        pytest.raises(Unreachable, match="said nothing"),
        connect.reaching(url, "source", watching),
        watching.waiting(),
    ):
        db.execute(sa.text(endless))


def test_a_failure_of_another_kind_is_no_silence(said: list[str]) -> None:
    with silence(said) as watching:
        with pytest.raises(sqlite3.Error), watching.waiting():
            raise sqlite3.Error("no such table")
        assert watching.error is None


def test_its_thread_ends_with_it(said: list[str]) -> None:
    with silence(said):
        assert "nightshelf-watch" in [thread.name for thread in threading.enumerate()]
    assert "nightshelf-watch" not in [thread.name for thread in threading.enumerate()]
