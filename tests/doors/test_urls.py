"""Generated database URLs: every dialect, host, login and password, raw or percent-encoded."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import sqlalchemy
from hypothesis import strategies as st

from pipeline.databases import airflow_connection, connect, urls
from pipeline.errors import SettingsError
from tests.doors.tries import SECRET, ends_well, fewer_tries, texts, through, tries

DIALECTS = st.sampled_from(
    [
        *(
            "postgresql",
            "postgres",
            "postgresql+psycopg",
            "postgresql+psycopg2",
            "mysql",
            "mariadb",
            "mysql+pymysql",
        ),
        *("sqlite", "oracle", "mssql", "nothing", "", "http", "jdbc:postgresql", "POSTGRESQL", "snowflake"),
    ]
)
HOSTS = st.sampled_from(
    [
        *(
            "127.0.0.1",
            "[::1]",
            "::1",
            "[fe80::1%25eth0]",
            "[",
            "]",
            "",
            "/nowhere",
            "%2Fnowhere",
            "127.0.0.1,127.0.0.1",
        ),
        *(
            "127.0.0.1:1,127.0.0.1",
            "m\u00fcnchen.invalid",
            "xn--.invalid",
            "a" * 300,
            "127.0.0.1%20",
            "a..b",
            ".",
            "@",
        ),
    ]
)
PORTS = st.sampled_from(["", ":1", ":", ":0", ":65536", ":99999999999999999999", ":one", ":-1", ":1:2"])
QUERIES = st.sampled_from(
    [
        *(
            "",
            "?",
            "?sslmode=disable",
            "?sslmode=never",
            "?connect_timeout=one",
            "?options=-c%20role%3Da",
            "?host=/nowhere",
        ),
        *(
            f"?password={SECRET}",
            f"?user=a&password={SECRET}%25",
            "?a=b&a=c",
            "?%",
            "?=",
            "?service=none",
            "#x",
        ),
        *(
            f"?passwd={SECRET}",
            f"?sslpassword={SECRET}",
            "?charset=none",
            "?port=one",
            "?dbname=b",
            "?application_name=%00",
        ),
    ]
)


@st.composite
def addresses(draw: st.DrawFn) -> str:
    """A URL with SECRET in its password."""
    password = draw(texts) + SECRET + draw(texts)
    if draw(st.booleans()):
        password = quote(password, safe="", errors="replace")
    login = draw(texts) if draw(st.booleans()) else "shop"
    host = draw(HOSTS) + draw(PORTS)
    return f"{draw(DIALECTS)}://{login}:{password}@{host}/{draw(texts)}{draw(QUERIES)}"


@tries
def test_no_url_ends_in_a_trace_or_shows_its_password(n: int) -> None:
    def check(url: str) -> None:
        for which in ("source", "serving"):
            ends_well(urls.normalise, url, which)
            ends_well(urls.postgresql, url, which)
            ends_well(urls.with_role, url, "nightshelf_reader")
            ends_well(connect.engine, url, which)
        assert SECRET not in urls.shown(url)
        assert SECRET not in urls.scrub(f"could not reach {url}", url)

    through(n, check, url=addresses())


@fewer_tries
def test_no_connection_ends_in_a_trace_or_shows_its_password(n: int) -> None:
    """With hosts on which nobody answers, at once."""
    hosts = st.sampled_from(
        ["127.0.0.1:1", "[::1]:1", "127.0.0.1:1,127.0.0.1:1", "", "127.0.0.1:65536", "%2Fnowhere"]
    )
    dialects = st.sampled_from(["postgresql", "mysql", "mariadb", "sqlite"])

    def check(dialect: str, password: str, host: str, database: str, query: str) -> None:
        secret = quote(password + SECRET, safe="", errors="replace")
        url = f"{dialect}://shop:{secret}@{host}/{quote(database, errors='replace')}{query}"

        def attempt() -> None:
            engine = connect.engine(url, "source")
            with connect.reaching(url, "source"), engine.connect():
                pass

        ends_well(attempt)
        if dialect == "postgresql":
            ends_well(lambda: connect.psycopg_connect(url).close())

    through(n, check, dialect=dialects, password=texts, host=hosts, database=texts, query=QUERIES)


@fewer_tries
def test_an_airflow_connection_keeps_its_parts(n: int) -> None:
    """What Airflow holds arrives at the driver as it is, whatever characters it has."""

    def check(login: str, password: str, schema: str, extra: dict[str, Any]) -> None:
        def read() -> sqlalchemy.URL:
            url = airflow_connection.url(
                "postgres", host="db", port=5432, login=login, password=password, schema=schema, extra=extra
            )
            return urls.normalise(url, "source")

        parsed = ends_well(read)
        if isinstance(parsed, SettingsError):
            return
        assert (parsed.username or "", parsed.password or "") == (login, password)
        assert (parsed.host, parsed.port, parsed.database or "") == ("db", 5432, schema)

    extras = st.dictionaries(texts, st.one_of(texts, st.integers(), st.booleans(), st.none()), max_size=3)
    through(n, check, login=texts, password=texts, schema=texts, extra=extras)
