"""pipeline/databases/failures.py: what each error of a database means."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pymysql
import pytest
import sqlalchemy as sa

from pipeline.databases import connect, failures
from pipeline.databases.connect import reaching
from pipeline.errors import (
    DamagedDatabase,
    DiskFull,
    Interrupted,
    LoginRefused,
    NightshelfError,
    Unreachable,
)

STATES = [
    ("08006", Unreachable, "cannot be reached"),
    ("25006", Interrupted, "takes no writes"),
    ("25P03", Interrupted, "found too long"),
    ("25P04", Interrupted, "found too long"),
    ("28P01", LoginRefused, "refuses the login"),
    ("3D000", LoginRefused, "refuses the login"),
    ("40001", Interrupted, "in the way of others"),
    ("40P01", Interrupted, "deadlock"),
    ("53100", DiskFull, "no room on the volume"),
    ("53200", Interrupted, "no room for a statement"),
    ("53300", Unreachable, "no connection left"),
    ("53400", Interrupted, "no room for a statement"),
    ("55P03", Interrupted, "a lock"),
    ("57014", Interrupted, "cancelled by a person"),
    ("57P01", Unreachable, "ended the connection"),
    ("57P03", Unreachable, "ended the connection"),
    ("57P04", LoginRefused, "refuses the login"),
    ("57P05", Unreachable, "ended the connection"),
    ("72000", Interrupted, "snapshot"),
    ("XX001", DamagedDatabase, "damaged data"),
    ("XX002", DamagedDatabase, "damaged index"),
]
NO_RETRY = (LoginRefused, DamagedDatabase)


@pytest.mark.parametrize(("state", "kind", "words"), STATES)
def test_what_postgresql_says_is_retried_where_that_helps(
    shop_url: str, state: str, kind: type[NightshelfError], words: str
) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'said by the server' USING ERRCODE = '{state}'; END $$"
    with (
        psycopg.connect(shop_url) as db,
        pytest.raises(kind, match=words) as refused,
        reaching(shop_url, "serving"),
    ):
        db.execute(raising)
    assert refused.value.found.startswith("said by the server")
    assert refused.value.can_retry == (kind not in NO_RETRY)
    assert "events.sql" not in str(refused.value)
    assert "migrate" not in str(refused.value)
    with (
        connect.engine(shop_url).connect() as engine,
        pytest.raises(kind, match=words),
        reaching(shop_url, "source"),
    ):
        engine.exec_driver_sql(raising)


@pytest.mark.parametrize("statement", ["SELECT 1/0", "SELECT nothing", "SELECT 'x'::int", "SELEC 1"])
def test_a_statement_that_is_wrong_itself_is_left_to_the_caller(shop_url: str, statement: str) -> None:
    with (
        connect.engine(shop_url).connect() as db,
        pytest.raises(sa.exc.DBAPIError) as error,
        reaching(shop_url, "source"),
    ):
        db.execute(sa.text(statement))
    assert failures.named(error.value, shop_url, "source") is None


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1020, Interrupted),
        (1021, DiskFull),
        (1040, Unreachable),
        (1045, LoginRefused),
        (1049, LoginRefused),
        (1053, Unreachable),
        (1205, Interrupted),
        (1213, Interrupted),
        (1290, Interrupted),
        (1317, Interrupted),
        (1969, Interrupted),
        (2013, Unreachable),
        (3024, Interrupted),
    ],
)
def test_mysqls_numbers_mean_the_same(number: int, kind: type[NightshelfError]) -> None:
    """MariaDB's own answers are tested in tests/source/test_mariadb.py, which is slow."""
    url = "mysql://u:hidden@h/d"
    error = sa.exc.DBAPIError.instance(
        "SELECT 1", None, pymysql.OperationalError(number, "told: hidden"), pymysql.Error
    )
    with pytest.raises(kind) as refused, reaching(url, "source"):
        raise error
    assert "hidden" not in str(refused.value)


def test_a_locked_sqlite_file_is_tried_again_and_a_file_that_is_none_is_not(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE events (id)")
        other.commit()
        other.execute("BEGIN EXCLUSIVE")
        url = f"sqlite:///{path}?timeout=0.05"
        with pytest.raises(Interrupted, match="a lock"), reaching(url, "source"):
            connect.engine(url).connect().execute(sa.text("SELECT * FROM events"))
    other.close()
    none = tmp_path / "none.db"
    none.write_bytes(b"this is no database, but long enough to be looked at " * 40)
    with pytest.raises(LoginRefused), reaching(f"sqlite:///{none}", "source"):
        connect.engine(f"sqlite:///{none}").connect().execute(sa.text("SELECT * FROM events"))


def test_a_number_that_is_not_mysqls_is_no_such_number() -> None:
    assert failures.sqlstate(ValueError(1045)) == ""
    assert failures.sqlstate(OSError(28, "No space left on device")) == ""
    assert failures.sqlstate(ConnectionResetError(104, "reset")) == failures.LOST
