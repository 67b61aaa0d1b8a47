"""A full disk under the serving database: under its tables alone, and under the whole server.

Small volumes are mounted for it, which takes root; anywhere else these tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pipeline.databases.embedded import PREFIX, Server
from pipeline.errors import DiskFull
from tests.faults import shelves
from tests.faults.conftest import served
from tests.serving.nights import Shop

pytestmark = pytest.mark.slow

MB = 1024 * 1024
WAL_SEGMENT = 16 * MB


@contextmanager
def volume(size: int) -> Iterator[Path]:
    """A volume of `size` bytes; everyone may enter it."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small volume takes root: run make test-all as root (a container will do)")
    folder = Path(tempfile.mkdtemp(prefix="nightshelf-volume-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        folder.rmdir()
        pytest.skip(f"mounting is not allowed here (a container needs --cap-add SYS_ADMIN): {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def filled(folder: Path, room: int) -> Iterator[None]:
    """No more than `room` bytes are free on the volume for the time being."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - room)
    try:
        yield
    finally:
        ballast.unlink()


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
