"""A full disk under the serving database: under its tables alone, and under the whole server.

Small volumes are mounted for it, which takes root; anywhere else these tests are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pipeline.databases.connect import psycopg_connect
from pipeline.databases.embedded import PREFIX, Server
from pipeline.errors import DiskFull
from tests.faults import shelves
from tests.faults.conftest import served
from tests.serving.nights import Shop
from tests.volumes import MB, filled, volume

pytestmark = pytest.mark.slow

WAL_SEGMENT = 16 * MB


@pytest.fixture
def tables() -> Iterator[tuple[Path, str]]:
    """A database whose tables alone lie on a small volume: the volume, and its owner's URL."""
    with volume(48 * MB) as folder, volume(256 * MB) as home, served(home, is_durable=False) as server:
        owner = (server.folder / "cluster").stat()
        (folder / "tables").mkdir()
        os.chown(folder / "tables", owner.st_uid, owner.st_gid)
        with psycopg.connect(server.admin_url(), autocommit=True) as db:
            for statement in (
                "ALTER SYSTEM SET autovacuum = off",
                "SELECT pg_reload_conf()",
                f"CREATE TABLESPACE small LOCATION '{folder}/tables'",
                f"CREATE DATABASE small OWNER {PREFIX}_owner TABLESPACE small",
            ):
                db.execute(statement.encode())
        yield folder, server.url("small")


def test_no_room_for_the_tables(tables: tuple[Path, str], shop_on: Callable[[str], Shop]) -> None:
    folder, shop = tables[0], shop_on(tables[1])
    shop.publish(shelves.night(shop, 1))
    for day in (2, 3):
        before, run = shelves.shown(shop), shelves.night(shop, day)
        for room in (0, MB // 16, MB // 8):
            with filled(folder, room):
                with pytest.raises(DiskFull, match="no room on the volume of the serving database") as caught:
                    shop.publish(run)
                assert "No space left on device" in caught.value.found
                assert caught.value.can_retry
                assert shelves.shown(shop) == before
        assert shop.publish(run).is_live
        assert shelves.shown(shop)[1] == day
        assert shelves.leftovers(shop) == []


def test_no_room_for_the_write_ahead_log(shop_on: Callable[[str], Shop]) -> None:
    """PostgreSQL itself goes down then, and does not come up before there is room."""
    with volume(320 * MB) as folder, served(folder, is_durable=True) as server:
        shop = shop_on(server.url("serving"))
        shop.publish(shelves.night(shop, 1))
        before, run = shelves.shown(shop), shelves.night(shop, 2)
        with filled(folder, WAL_SEGMENT - MB):
            leave_in_segment(server, MB // 4)
            with pytest.raises(DiskFull, match="no room on the volume of the serving database"):
                shop.publish(run)
            shelves.until(lambda: not server.is_running())
        server.start()
        assert shelves.shown(shop) == before
        assert shop.publish(run).is_live
        assert shelves.shown(shop)[1] == 2
        assert shelves.leftovers(shop) == []


def leave_in_segment(server: Server, room: int) -> None:
    """Fill the segment of the log that is being written, but for `room` bytes."""
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        left = sql.SQL("{0} - mod(pg_current_wal_insert_lsn() - '0/0', {0}) - {1}").format(WAL_SEGMENT, room)
        message = sql.SQL("SELECT pg_logical_emit_message(false, 'faults', repeat('x', ({})::integer))")
        db.execute(message.format(left))


@pytest.mark.parametrize("room", [0, MB // 16, 20 * MB, 30 * MB, 38 * MB])
def test_no_room_to_make_the_embedded_server(room: int) -> None:
    """From the lock to the first database; with room again the same start goes on."""
    with volume(320 * MB) as folder:
        server = Server(folder / "home")
        try:
            with filled(folder, room), pytest.raises(DiskFull, match="no room for") as caught:
                server.start()
            assert f"the volume {folder} has" in caught.value.found
            server.start()
            with psycopg.connect(server.url("shop")) as db:
                assert db.execute("SELECT 1").fetchone() == (1,)
        finally:
            server.destroy()


def test_a_login_for_which_the_server_has_no_room() -> None:
    """PostgreSQL writes a file for the first session of a database; libpq hands on its words alone."""
    with volume(320 * MB) as folder, served(folder, is_durable=False) as server:
        with filled(folder, 0), pytest.raises(DiskFull, match="on the volume of the source database"):
            psycopg_connect(server.url("shop"), "source")
        psycopg_connect(server.url("shop"), "source").close()
