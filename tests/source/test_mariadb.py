"""A shop on MariaDB, for real: loaded, extracted, its errors told. Needs Debian's mariadb-server."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pymysql
import pytest
import sqlalchemy as sa

from pipeline.config import Settings
from pipeline.contract.datasets import MAY_CARRY
from pipeline.databases import connect
from pipeline.errors import DiskFull, Interrupted, LoginRefused, NightshelfError, SourceError, Unreachable
from pipeline.loading.shop import Shop, fill
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.source import last_event_at
from tests import shelf
from tests.source import shops

pytestmark = pytest.mark.slow

AS_OF = shelf.DAY_0 + timedelta(days=10)
PASSWORD = "p@ss/w:rd"
STARTS_WITHIN = 60


def program(name: str) -> str:
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if path is None:
        pytest.fail(f"{name} is not installed: apt-get install mariadb-server", pytrace=False)
    return path


@pytest.fixture(scope="module")
def mariadb() -> Iterator[int]:
    """A MariaDB of the tests' own on a free port of 127.0.0.1; the port."""
    home = Path(tempfile.mkdtemp(prefix="nightshelf-mariadb-"))
    me = getpass.getuser()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    install = [program("mariadb-install-db"), "--no-defaults", f"--datadir={home}/data", f"--user={me}"]
    subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
    serve = [program("mariadbd"), "--no-defaults", f"--datadir={home}/data", f"--user={me}"]
    serve += [f"--socket={home}/socket", f"--port={port}", "--bind-address=127.0.0.1"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(serve, stdout=log, stderr=log)
    try:
        wait = [program("mariadb-admin"), "--no-defaults", f"--socket={home}/socket", "--user=root"]
        subprocess.run([*wait, f"--wait={STARTS_WITHIN}", "ping"], check=True, capture_output=True)
        with (
            pymysql.connect(unix_socket=f"{home}/socket", user="root", autocommit=True) as db,
            db.cursor() as cursor,
        ):
            cursor.execute("CREATE USER shop@'127.0.0.1' IDENTIFIED BY %s", (PASSWORD,))
            cursor.execute("GRANT ALL ON *.* TO shop@'127.0.0.1'")
        yield port
    finally:
        server.terminate()
        server.wait(timeout=60)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def url(mariadb: int) -> str:
    """An empty database of its own."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with (
        pymysql.connect(host="127.0.0.1", port=mariadb, user="shop", password=PASSWORD) as db,
        db.cursor() as cursor,
    ):
        cursor.execute(f"CREATE DATABASE {name}")
    return f"mysql://shop:p%40ss%2Fw%3Ard@127.0.0.1:{mariadb}/{name}"


@pytest.fixture
def extract(job: Callable[..., Job], serving_url: str) -> Callable[..., Job]:
    def go(url: str, settings: Settings | None = None, now: datetime = AS_OF) -> Job:
        started = job(source=url, serving=serving_url, settings=settings, as_of=AS_OF, now=now)
        run_stage("extract", started)
        return started

    return go


@pytest.mark.parametrize("password", ["p\u00e4ss", "\u20ac \u65e5\u672c", "%41@/:?#"])
def test_a_password_of_any_characters_is_sent_as_it_is(url: str, mariadb: int, password: str) -> None:
    login = f"u_{uuid.uuid4().hex[:12]}"
    with connect.engine(url).connect() as db:
        db.exec_driver_sql(f"CREATE USER {login}@'127.0.0.1' IDENTIFIED BY %s", (password,))
    own = f"mysql://{login}:{quote(password, safe='')}@127.0.0.1:{mariadb}/"
    with connect.engine(own).connect() as db:
        assert db.exec_driver_sql("SELECT 1").scalar() == 1
    with pytest.raises(LoginRefused) as refused, connect.reaching(f"{own}?charset=utf8mb4", "source"):
        connect.engine(own.replace("@", "x@")).connect()
    assert password not in str(refused.value)


def load(url: str, *rows: tuple[object, ...]) -> None:
    events = shelf.events(*rows).rename_columns(
        ["customer_id", "product_id", "event_type", "occurred_at", "order_id", "quantity", *MAY_CARRY]
    )
    fill(url, Shop("integer", "integer", events.to_batches()), "events", AS_OF, lambda _: None)


def test_a_loaded_shop_comes_out_as_it_went_in(url: str, extract: Callable[..., Job]) -> None:
    carried = (0.1 + 0.2, 0.0, 4.0)
    rows = [(2, 20, 1.25, "view"), (1, 10, 3, "purchase", "A,1", 2.5, *carried), (1, 30, -300)]
    load(url, *rows, (1, 40, 10.5))
    done = extract(url, now=AS_OF + timedelta(days=2))
    in_order = shelf.events(rows[2], rows[1], rows[0])
    assert done.folder.table("events").to_pylist() == in_order.to_pylist()
    assert done.folder.table("items")["available"].to_pylist() == [True] * 4
    assert last_event_at(url, done.settings.source, AS_OF) == shelf.day(3)


def test_decimals_flags_and_zones_are_read(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    shops.run(
        url,
        "CREATE TABLE events (customer_id int, product_id decimal(9), event_type enum('view', 'cart', "
        "'purchase'), occurred_at timestamp(3) NULL, order_id bigint, quantity decimal(9, 2), "
        "price decimal(9, 2), discount float, rating tinyint)",
        "CREATE TABLE products (product_id int, name varchar(9), category char(4), price decimal(9, 2), "
        "discount float, available tinyint)",
        "CREATE TABLE customers (customer_id int, segment int)",
        "SET time_zone = '+03:00'",
        "INSERT INTO events VALUES (1, 10, 'purchase', '2026-01-05 03:00:00.5', 77, 1.5, 2.50, 0.5, 4)",
        "INSERT INTO products VALUES (10, 'Jam', 'food', 2.50, 0.5, 0)",
        "INSERT INTO customers VALUES (1, 7)",
    )
    folder = extract(url).folder
    assert folder.table("events").to_pylist() == [
        {
            "user_id": 1,
            "item_id": 10,
            "event_type": "purchase",
            "occurred_at": datetime(2026, 1, 5, 0, 0, 0, 500_000, tzinfo=UTC),
            "order_id": "77",
            "quantity": 1.5,
            "price": 2.5,
            "discount": 0.5,
            "rating": 4.0,
        }
    ]
    assert folder.table("items").to_pylist()[0]["available"] is False
    assert folder.table("users").to_pylist() == [{"user_id": 1, "segment": "7"}]
    with pytest.raises(SourceError, match="does not know the time zone Europe/Berlin") as refused:
        extract(url, make_settings(source={"timezone": "Europe/Berlin"}))
    assert "time zone tables" in refused.value.then


def test_a_missing_table_is_told_in_one_line(url: str, extract: Callable[..., Job]) -> None:
    with pytest.raises(SourceError, match=r"refused sql/source/events\.sql") as refused:
        extract(url)
    assert "doesn't exist" in refused.value.found
    assert "\n" not in refused.value.found


def test_a_wrong_password_is_never_shown(url: str, extract: Callable[..., Job]) -> None:
    with pytest.raises(LoginRefused, match="source database refuses the login") as refused:
        extract(url.replace("p%40ss%2Fw%3Ard", "hidden-word"))
    assert "hidden-word" not in str(refused.value) + repr(refused.value)
    assert not refused.value.can_retry


def test_no_such_database_is_not_tried_again(url: str, extract: Callable[..., Job]) -> None:
    with pytest.raises(LoginRefused, match="source database refuses the login"):
        extract(f"{url.rsplit('/', 1)[0]}/absent")


@pytest.mark.parametrize(
    ("number", "state", "kind"),
    [
        (1205, "HY000", Interrupted),
        (1213, "40001", Interrupted),
        (1317, "70100", Interrupted),
        (1040, "08004", Unreachable),
        (1021, "HY000", DiskFull),
    ],
)
def test_what_the_server_breaks_off_is_tried_again(
    url: str, extract: Callable[..., Job], number: int, state: str, kind: type[NightshelfError]
) -> None:
    load(url, (1, 10, 3, "purchase", "A", 1.0))
    shops.run(
        url,
        "CREATE FUNCTION trip(x bigint) RETURNS bigint DETERMINISTIC BEGIN "
        f"SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'said by the server'; "
        "RETURN x; END",
        "RENAME TABLE events TO raw_events",
        "CREATE VIEW events AS SELECT trip(customer_id) AS customer_id, product_id, event_type, "
        "occurred_at, order_id, quantity FROM raw_events",
    )
    with pytest.raises(kind) as refused:
        extract(url)
    assert refused.value.can_retry
    assert "said by the server" in refused.value.found


def test_a_locked_table_and_a_silent_server_are_given_up_in_time(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    load(url, (1, 10, 3, "purchase", "A", 1.0))
    settings = make_settings(source={"silent_minutes": 0.02})
    parsed = sa.make_url(url)
    with (
        pymysql.connect(
            host="127.0.0.1", port=parsed.port or 0, user="shop", password=PASSWORD, database=parsed.database
        ) as other,
        other.cursor() as cursor,
    ):
        cursor.execute("LOCK TABLES events WRITE")
        with pytest.raises((Interrupted, Unreachable)) as refused:
            extract(url, settings)
        assert refused.value.can_retry
        cursor.execute("UNLOCK TABLES")
    shops.run(
        url,
        "RENAME TABLE events TO raw_events",
        "CREATE VIEW events AS SELECT raw_events.* FROM raw_events WHERE SLEEP(30) = 0",
    )
    with pytest.raises(Unreachable, match="source database said nothing") as refused:
        extract(url, settings)
    assert refused.value.can_retry


def test_limits_of_the_server_do_not_end_a_read(url: str, extract: Callable[..., Job], mariadb: int) -> None:
    load(url, (1, 10, 3, "purchase", "A", 1.0))
    shops.run(
        url,
        "RENAME TABLE events TO raw_events",
        "CREATE VIEW events AS SELECT raw_events.* FROM raw_events WHERE SLEEP(0.6) = 0",
    )
    with (
        pymysql.connect(host="127.0.0.1", port=mariadb, user="shop", password=PASSWORD) as db,
        db.cursor() as cursor,
    ):
        cursor.execute("SET GLOBAL max_statement_time = 0.2")
        try:
            assert extract(url).folder.table("events").num_rows == 1
        finally:
            cursor.execute("SET GLOBAL max_statement_time = 0")


def test_ids_that_only_its_collation_takes_for_equal_are_told(
    url: str, extract: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    """The foreign keys hold: to general_ci 'user1' is 'User1', 'jose' is 'José', and 'ann ' is 'ann'."""
    keys = "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
    shops.run(
        url,
        f"CREATE TABLE customers (customer_id {keys} PRIMARY KEY, segment varchar(9))",
        f"CREATE TABLE products (product_id {keys} PRIMARY KEY, name varchar(40), category varchar(40), "
        "price decimal(9, 2), discount decimal(9, 2), available tinyint)",
        f"CREATE TABLE events (customer_id {keys}, product_id {keys}, event_type varchar(9), "
        "occurred_at datetime, order_id varchar(20), quantity int, FOREIGN KEY (customer_id) REFERENCES "
        "customers (customer_id), FOREIGN KEY (product_id) REFERENCES products (product_id))",
        "INSERT INTO customers (customer_id) VALUES ('User1'), ('José'), ('ann'), ('Bob')",
        "INSERT INTO products (product_id) VALUES ('SKU1'), ('SKU2')",
        "INSERT INTO events VALUES ('user1', 'SKU1', 'purchase', '2026-01-05', 'a', 1), "
        "('jose', 'sku2', 'purchase', '2026-01-05', 'b', 1), "
        "('ann ', 'SKU1', 'purchase', '2026-01-05', 'c', 1), "
        "('Bob', 'SKU1', 'purchase', '2026-01-05', 'd', 1)",
    )
    done = extract(url, make_settings(ids={"user": "text", "item": "text"}))
    run_stage("validate", done)
    document = done.folder.document("validation")
    assert (document["left_out"]["users"]["n_unknown"], document["left_out"]["users"]["n_bought"]) == (3, 4)
    assert (document["left_out"]["items"]["n_unknown"], document["left_out"]["items"]["n_bought"]) == (1, 2)
    [alike] = [
        failure["examples"]
        for suite in document["suites"]
        for failure in suite["failed"]
        if suite["suite"] == "users" and "upper and lower case" in failure["expectation"]
    ]
    assert {(row["in_events"], row["in_users"], row["differs_in"]) for row in alike} == {
        ("ann ", "ann", "spaces at the ends"),
        ("jose", "José", "case, accents, spaces or Unicode normalisation"),
        ("user1", "User1", "upper and lower case"),
    }
