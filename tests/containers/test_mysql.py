"""docker-compose.yml with the profile `mysql`: the shop is in a MariaDB, its lists in a PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.containers.conftest import timed
from tests.containers.engine import Engine
from tests.containers.stack import Stack, filled_in

pytestmark = pytest.mark.containers

EVENTS = 1_469_307
"""Purchase lines of the demo."""


@pytest.fixture(scope="module")
def shop(engine: Engine) -> Iterator[Stack]:
    """The profile's databases, with the shop in MariaDB and the serving schema in PostgreSQL."""
    stack = Stack(engine, "mysql", filled_in(is_mysql=True))
    with timed("profile mysql: the shop is loaded into MariaDB, init has ended"):
        stack.up("mysql-shop", "init")
    yield stack
    stack.down(volumes=True)


def test_the_shop_is_loaded_into_mariadb(shop: Stack) -> None:
    count = "SELECT count(*) FROM events"
    login = [
        "bash",
        "-c",
        f'mariadb -h127.0.0.1 -udemo -p"$(< /run/secrets/postgres_password)" -N -e "{count}" demo',
    ]
    assert shop.run_in("mysql", *login) == f"{EVENTS}\n"


def test_mariadb_does_not_run_as_root_nor_open_a_port(shop: Stack) -> None:
    box = shop.containers()["mysql"]
    assert not any(box["NetworkSettings"]["Ports"].values())
    _, *lines = shop.engine.docker("top", box["Id"], "-eo", "uid,pid,args").stdout.splitlines()
    assert "mariadbd" in lines[0]
    assert lines[0].split()[0] != "0"


def test_a_night_reads_the_shop(shop: Stack) -> None:
    with timed("profile mysql: extract and validate"):
        for stage in ("extract", "validate"):
            words = ["python", "-m", "pipeline", "run", stage]
            done = shop.compose("run", "--rm", "--no-deps", "-T", "scheduler", *words, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            assert stage in done.stdout + done.stderr
