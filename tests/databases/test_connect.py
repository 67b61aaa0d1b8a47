"""pipeline/databases/connect.py and urls.py: URLs, and failures that never show a password."""

from __future__ import annotations

from typing import Any

import psycopg
import pymysql
import pytest
import sqlalchemy
from psycopg import sql

from pipeline.databases import connect
from pipeline.databases.connect import psycopg_connect, reaching
from pipeline.databases.embedded import Server
from pipeline.databases.urls import Database, normalise, scrub, shown, url_of, with_role
from pipeline.errors import LoginRefused, NightshelfError, SettingsError, Unreachable

SECRET = "s3cr/t@ 50%"
ENCODED = "s3cr%2Ft%40%2050%25"


def failure(url: str, which: Database = "source") -> NightshelfError:
    """How connecting to `url` fails."""
    with (
        pytest.raises(NightshelfError) as caught,
        reaching(url, which),
        connect.engine(url, which).connect(),
    ):
        pass
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgres://u@h/d", "postgresql+psycopg"),
        ("postgresql://u@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg2://u@h/d", "postgresql+psycopg"),
        ("mysql://u@h/d", "mysql+pymysql"),
        ("mariadb://u@h/d", "mariadb+pymysql"),
        ("mysql+mysqldb://u@h/d", "mysql+mysqldb"),
        ("sqlite:///shop.db", "sqlite"),
    ],
)
def test_urls_get_the_driver_that_is_installed(url: str, driver: str) -> None:
    assert normalise(url).drivername == driver


@pytest.mark.parametrize(
    "url",
    [
        *(
            "nonsense",
            "postgresql//u:hidden@h/d",
            "postgresql://u:hid@den@h/d",
            "postgresql://u:h@h:hidden/d",
        ),
        *("postgresql:///:hidden@h/d", "postgresql://u/:hidden@h/d", "mysql:///u:hidden@h"),
        *("postgresql://u:hidden@h/d@e", "postgresql://u:hidden\udcff@h/d", "postgresql://u:hidden@h/\udcff"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        normalise(url, "serving")
    assert "NIGHTSHELF_SERVING_URL" in caught.value.then
    assert "hid" not in str(caught.value)
    assert "hid" not in shown(url)
    assert "hidden" not in scrub(f"cannot parse {url}", url)


def test_no_password_is_shown_or_left_in_a_message() -> None:
    url = f"postgresql://u:{ENCODED}@h/d?sslpassword=other"
    assert shown(url) == "postgresql://u:***@h/d"
    scrubbed = scrub(f"{url} or {SECRET} or {ENCODED} or other", url)
    assert scrubbed == "*** or *** or *** or ***"


def test_a_wrong_password_is_told_and_never_printed(server: Server) -> None:
    user, rest = server.url("shop").rsplit("@", 1)
    url = f"{user.rsplit(':', 1)[0]}:{ENCODED}@{rest}"
    for error in (failure(url), caught_by_psycopg(url)):
        assert isinstance(error, LoginRefused)
        assert not error.can_retry
        assert "password authentication failed" in error.found
        assert "s3cr" not in f"{error} {error!r}"


def caught_by_psycopg(url: str) -> NightshelfError:
    with pytest.raises(NightshelfError) as caught:
        psycopg_connect(url)
    return caught.value


def test_nobody_answers_and_no_such_database(server: Server) -> None:
    closed = failure("postgresql://u:hidden@127.0.0.1:1/d")
    assert isinstance(closed, Unreachable)
    assert "NIGHTSHELF_SOURCE_URL" in closed.then
    absent = failure(server.url("absent"))
    assert isinstance(absent, LoginRefused)
    assert 'database "absent" does not exist' in absent.found
    assert isinstance(failure("mysql://u:hidden@127.0.0.1:1/d"), Unreachable)
    assert "hidden" not in str(closed)


@pytest.mark.parametrize(
    "change",
    [
        {"password": ""},
        {"username": "nobody"},
        {"query": {"options": "-c role=nobody"}},
    ],
)
def test_a_login_that_is_turned_away_is_not_tried_again(server: Server, change: dict[str, Any]) -> None:
    url = normalise(server.url("shop")).set(**change).render_as_string(hide_password=False)
    assert isinstance(failure(url), LoginRefused)
    assert isinstance(caught_by_psycopg(url), LoginRefused)


def test_a_login_without_the_right_to_connect_is_refused(server: Server, shop_url: str) -> None:
    name = sqlalchemy.make_url(shop_url).database
    assert name
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        db.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    refused = failure(server.url(name, "reader"))
    assert isinstance(refused, LoginRefused)
    assert "permission denied" in refused.found


def test_a_server_that_is_full_is_tried_again(server: Server, shop_url: str) -> None:
    name = sqlalchemy.make_url(shop_url).database
    assert name
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        db.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(sql.Identifier(name)))
    assert isinstance(failure(shop_url), Unreachable)


@pytest.mark.parametrize(("code", "kind"), [(1044, 1), (1045, 1), (1049, 1), (1040, 0), (2003, 0)])
def test_what_mysql_refuses_and_what_it_may_grant_later(code: int, kind: int) -> None:
    """MariaDB's own answers are tested in tests/source/test_mariadb.py, which is slow."""
    url = "mysql://u:hidden@h/d"
    with pytest.raises((Unreachable, LoginRefused)[kind]) as caught, reaching(url, "source"):
        raise sqlalchemy.exc.DBAPIError.instance(
            None, None, pymysql.OperationalError(code, "told: hidden", sqlstate="42000"), pymysql.Error
        )
    assert "hidden" not in str(caught.value)


def test_a_session_that_is_ended_is_unreachable_and_a_wrong_statement_is_not(server: Server) -> None:
    url = server.url("shop")
    with connect.engine(url).connect() as db:
        with pytest.raises(sqlalchemy.exc.ProgrammingError), reaching(url, "source"):
            db.execute(sqlalchemy.text("SELECT nothing FROM nowhere"))
        db.rollback()
        with pytest.raises(Unreachable), reaching(url, "source"):
            db.execute(sqlalchemy.text("SELECT pg_terminate_backend(pg_backend_pid())"))


def test_a_missing_sqlite_file_is_not_made(tmp_path) -> None:
    assert isinstance(failure(f"sqlite:///{tmp_path / 'none.db'}"), LoginRefused)
    assert not (tmp_path / "none.db").exists()
    with connect.engine(f"sqlite:///{tmp_path / 'new.db'}", may_create=True).connect() as db:
        assert db.execute(sqlalchemy.text("SELECT 1")).scalar() == 1


def test_a_missing_driver_and_an_unknown_dialect() -> None:
    assert isinstance(failure("oracle://u:hidden@h/d"), SettingsError)
    assert "nosuch" in str(failure("nosuch://u:hidden@h/d"))
    assert "hidden" not in str(failure("nosuch://u:hidden@h/d"))


@pytest.mark.parametrize(
    "url",
    [
        *("mysql://u:hidden@127.0.0.1:1/d?charset=none", "mysql://u:hidden@127.0.0.1:1/d?port=one"),
        *("mysql://u@127.0.0.1:1/d?sslpassword=hidden", "mysql://u:hidden@127.0.0.1:1/d?nothing=1"),
        *(
            "postgresql://u:hidden@127.0.0.1:1/d?connect_timeout=one",
            "postgresql://u:hidden@127.0.0.1:1/d?passwd=a",
        ),
    ],
)
def test_a_part_of_a_url_that_its_driver_cannot_take_is_refused(url: str) -> None:
    error = failure(url)
    assert isinstance(error, SettingsError)
    assert error.what == "the URL of the source database cannot be used"
    assert "hidden" not in str(error)


def test_a_host_of_two_and_one_in_brackets_are_those_of_postgresql(server: Server) -> None:
    """libpq tries one host after the other; IPv6 stands in brackets, a socket's folder is percent-encoded."""
    parsed = sqlalchemy.make_url(server.url("shop"))
    two = f"postgresql://{parsed.username}:{parsed.password}@/shop?host=127.0.0.1:1&host=127.0.0.1:{parsed.port}"
    with connect.engine(two).connect() as db:
        assert db.exec_driver_sql("SELECT 1").scalar() == 1
    for url, words in (
        ("postgresql://u:hidden@[::1]:1/d", "[::1]:1"),
        ("postgresql://u:hidden@%2Fnowhere/d", "2Fnowhere"),
    ):
        error = failure(url)
        assert isinstance(error, Unreachable)
        assert words in str(error)
        assert "hidden" not in str(error)


def test_a_sqlite_path_that_no_file_can_have_is_no_file() -> None:
    assert isinstance(failure(f"sqlite:///{'x' * 5000}"), LoginRefused)


def test_serving_must_be_postgresql() -> None:
    with pytest.raises(SettingsError, match="must be PostgreSQL"):
        psycopg_connect("sqlite:///serving.db")
    with pytest.raises(SettingsError, match="must be PostgreSQL"):
        with_role("mysql://u@h/d", "r")


def test_a_configured_url_is_taken_and_gets_the_role(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.url("serving")
    monkeypatch.setenv("NIGHTSHELF_SERVING_URL", f"{url}?options=-c%20work_mem%3D8MB")
    monkeypatch.setenv("NIGHTSHELF_SOURCE_URL", "sqlite:///shop.db")
    assert url_of("source") == "sqlite:///shop.db"
    assert url_of("serving").startswith(url)
    as_reader = url_of("serving", "reader")
    with psycopg_connect(as_reader) as db:
        roles = db.execute("SELECT session_user::text, current_user::text, current_setting('work_mem')")
        assert roles.fetchone() == ("nightshelf_owner", "nightshelf_reader", "8MB")
    with reaching(as_reader, "serving"), connect.engine(as_reader).connect() as db:
        assert db.execute(sqlalchemy.text("SELECT current_user::text")).scalar() == "nightshelf_reader"
    with pytest.raises(SettingsError, match="no role `reader`"):
        url_of("source", "reader")


def test_without_a_configured_url_the_embedded_server_is_started() -> None:
    """NIGHTSHELF_HOME is a folder of the test's own (conftest)."""
    said: list[str] = []
    own = Server()
    try:
        url = url_of("serving", "publisher", say=said.append)
        assert said[-1].startswith("making a PostgreSQL server")
        with psycopg_connect(url) as db:
            assert db.execute("SELECT current_user::text").fetchone() == ("nightshelf_publisher",)
        assert url_of("serving", "reader", role_prefix="other").endswith("role%3Dother_reader")
    finally:
        own.destroy()
