"""pipeline/databases/sessions.py: a session is told what it needs, whatever its database says."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from pipeline.databases import sessions
from pipeline.databases.embedded import Server

AWKWARD = {
    "datestyle": "German",
    "intervalstyle": "iso_8601",
    "timezone": "Asia/Kathmandu",
    "extra_float_digits": "-5",
    "statement_timeout": "90s",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "150ms",
}
WISHED = sessions.postgresql(zone="Europe/Berlin", lock_ms=2000, statement_ms=0, idle_ms=60_000)


@pytest.fixture
def awkward_url(server: Server, shop_url: str) -> str:
    """A database that gives every session settings that would make reading wrong or end it."""
    name = psycopg.conninfo.conninfo_to_dict(shop_url)["dbname"]
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        for setting, value in AWKWARD.items():
            db.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    return shop_url


def test_a_transaction_has_the_settings_it_needs_and_leaves_none_behind(awkward_url: str) -> None:
    ask = "SELECT lower(name), current_setting(name) FROM unnest(%s::text[]) AS wished (name)"
    with psycopg.connect(awkward_url, autocommit=True) as db:
        before = dict(db.execute(ask, [list(AWKWARD)]).fetchall())
        assert before["statement_timeout"] == "90s"
        with db.transaction():
            sessions.tell_postgresql(db, WISHED)
            told = dict(db.execute(ask, [list(AWKWARD)]).fetchall())
            assert told == {
                "datestyle": "ISO, YMD",
                "intervalstyle": "postgres",
                "timezone": "Europe/Berlin",
                "extra_float_digits": "3",
                "statement_timeout": "0",
                "lock_timeout": "2s",
                "idle_in_transaction_session_timeout": "1min",
            }
            moment = db.execute("SELECT timestamptz '2026-07-01 12:00+02'").fetchone()
            assert moment == (datetime(2026, 7, 1, 10, tzinfo=UTC),)
        assert dict(db.execute(ask, [list(AWKWARD)]).fetchall()) == before


def test_a_setting_that_the_server_does_not_know_is_left_out(shop_url: str) -> None:
    with psycopg.connect(shop_url) as db:
        sessions.tell_postgresql(db, {"lock_timeout": "77", "lock_timeout_of_another_release": "1"})
        assert db.execute("SHOW lock_timeout").fetchone() == ("77ms",)


def test_a_value_that_the_server_refuses_is_an_error(shop_url: str) -> None:
    with psycopg.connect(shop_url) as db, pytest.raises(psycopg.DataError, match="Middle/Earth"):
        sessions.tell_postgresql(db, {"TimeZone": "Middle/Earth"})
