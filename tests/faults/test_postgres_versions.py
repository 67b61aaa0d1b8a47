"""The serving schema on every PostgreSQL that is installed beside the embedded one, the oldest above all."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from pipeline import serving
from pipeline.databases.install import Account, unprivileged
from pipeline.databases.postmaster import SETTINGS, Postmaster
from tests.faults import shelves
from tests.faults.shelves import LENGTH, NOBODY
from tests.serving.nights import ABOUT, Shop

pytestmark = pytest.mark.slow

INSTALLED = sorted(path.parent.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres"))
"""Where Debian puts them, one folder for each major version."""
PASSWORD = "secret"


@pytest.fixture(scope="module", params=INSTALLED or [None], ids=lambda path: path.name if path else "none")
def owner_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database on such a server, as a login with CREATEROLE that is no superuser."""
    if request.param is None:
        pytest.fail("no other PostgreSQL is installed: apt-get install postgresql", pytrace=False)
    account = unprivileged() if os.geteuid() == 0 else Account()
    home = Path(tempfile.mkdtemp(prefix="nightshelf-postgres-"))
    (home / "password").write_text(PASSWORD)
    for path in (home, home / "password"):
        if account.uid is not None:
            os.chown(path, account.uid, account.gid or 0)
    postmaster = Postmaster(home / "data", request.param, account)
    try:
        initialise(postmaster, home / "password")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        assert postmaster.start(port)
        server = f"127.0.0.1:{port}"
        with psycopg.connect(f"postgresql://postgres:{PASSWORD}@{server}/postgres", autocommit=True) as db:
            db.execute(f"CREATE ROLE shop LOGIN CREATEROLE PASSWORD '{PASSWORD}'".encode())
            db.execute("CREATE DATABASE apps OWNER shop")
        yield f"postgresql://shop:{PASSWORD}@{server}/apps"
    finally:
        postmaster.stop()
        shutil.rmtree(home)


def initialise(postmaster: Postmaster, password_file: Path) -> None:
    """As `Postmaster.initialise` does, for an initdb that knows no --set (before 16)."""
    program = str(postmaster.programs / "bin" / "initdb")
    arguments = [f"--pgdata={postmaster.data}", "--username=postgres", f"--pwfile={password_file}"]
    arguments += ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-sync"]
    done = postmaster.account.run([program, *arguments])
    assert done.returncode == 0, done.stdout
    with (postmaster.data / "postgresql.conf").open("a") as file:
        file.writelines(f"{key} = '{value}'\n" for key, value in SETTINGS.items())


def test_publish_take_back_and_read(owner_url: str, shop_on: Callable[..., Shop]) -> None:
    shop = shop_on(owner_url, keep_versions=1)
    serving.migrate(shop.url, shop.settings, say=str)
    publications = [shop.publish(shelves.night(shop, day)) for day in (1, 2, 3)]
    assert shelves.shown(shop) == (publications[2].version, 3)
    assert shop.versions() == [publications[1].version, publications[2].version]
    assert (
        serving.rollback(shop.url, shop.settings, hold=True, say=str).live_version == publications[1].version
    )
    assert shelves.shown(shop)[1] == 2
    assert not shop.publish(shelves.night(shop, 4)).is_live
    assert serving.release(shop.url, shop.settings, say=str).is_held is False
    assert shelves.shown(shop)[1] == 4
    refused = serving.refuse(shop.url, shop.settings, shelves.night(shop, 5), ABOUT, say=str)
    assert refused.version is None
    with shop.connect("operator") as db:
        db.execute("SELECT FROM serving.rollback()")
        assert shelves.shown(shop)[1] == 2
        db.execute(
            "INSERT INTO serving.blocked_items (item_id, reason)"
            " SELECT item_id, 'sold out' FROM serving.recommend(%s, 1)",
            [NOBODY],
        )
    ranks = shop.read(f"SELECT rank, item_id FROM serving.recommend({NOBODY}, {LENGTH}) ORDER BY 1")
    assert [rank for rank, _ in ranks] == list(range(1, LENGTH))
    assert {source for (source,) in shop.read("SELECT source FROM serving.recommend(1, 30)")} == {
        "personal",
        "popular_in_category",
    }
    assert shop.read(f"SELECT serving.explain(1, {2 * shelves.DAY + shelves.KEY + 1})") != [(None,)]


def test_the_same_migration_again_changes_nothing(owner_url: str, shop_on: Callable[..., Shop]) -> None:
    shop, said = shop_on(owner_url), list[str]()
    serving.migrate(shop.url, shop.settings, say=str)
    serving.migrate(shop.url, shop.settings, say=said.append)
    assert said == []
