"""Readers at full speed while publications follow each other, are taken back and dropped."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import psycopg
import pytest

from pipeline.databases.embedded import PREFIX, Server
from pipeline.serving import rollback
from tests.faults import shelves
from tests.faults.readers import limit_lock_waits, reading
from tests.serving.nights import Shop

pytestmark = pytest.mark.slow

PREPARED_AFTER = (5, None, 5, None)
"""Of each reader; None: it prepares nothing."""
N_PUBLICATIONS = 50
N_ROLLBACKS = 10
EACH = N_PUBLICATIONS // N_ROLLBACKS


@pytest.fixture(scope="module")
def server(new_server: Callable[[], Server]) -> Server:
    server = new_server()
    limit_lock_waits(server)
    return server


@pytest.fixture
def database(server: Server) -> str:
    """The name of an empty one."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        server.create_database(name, owner=f"{PREFIX}_owner", db=db)
    return name


@pytest.fixture
def shop(server: Server, database: str, shop_on: Callable[..., Shop]) -> Shop:
    """A shop that keeps two old versions, with a live publication."""
    shop = shop_on(server.url(database), keep_versions=2)
    shop.publish(shelves.night(shop, 1))
    return shop


def test_nobody_notices(shop: Shop, server: Server, database: str) -> None:
    runs = [shelves.night(shop, day) for day in range(2, N_PUBLICATIONS + 2)]
    url = server.url(database, "reader")
    with reading(url, *PREPARED_AFTER) as stopped:
        for first in range(0, N_PUBLICATIONS, EACH):
            with psycopg.connect(url) as slow:
                slow.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                slow.execute("SELECT")
                before = shelves.shown(shop)
                for run in runs[first : first + EACH]:
                    assert shop.publish(run).is_live
                assert shelves.judged(slow.execute(shelves.SHOWN.encode()).fetchall()) == before
                newest = shelves.shown(shop)
                assert newest[1] == first + EACH + 1
            if first % 2:
                rollback(shop.url, shop.settings, say=str)
            else:
                with psycopg.connect(server.url(database, "operator")) as night_shift:
                    night_shift.execute("SELECT FROM serving.rollback()")
            assert shelves.shown(shop)[1] == newest[1] - 1
        report = stopped()
    assert dict(report.wrong) == {}, report.examples
    assert len(report.versions) > N_PUBLICATIONS // 2
    assert min(report.n_reads.values()) > N_PUBLICATIONS
    assert shop.publish(shelves.night(shop, N_PUBLICATIONS + 2)).is_live
    assert len(shop.versions()) == shop.settings.serving.keep_versions + 1


DAMAGE = {
    "error": "BEGIN; LOCK TABLE serving_storage.user_lists; SELECT pg_sleep(1); COMMIT",
    "empty": "BEGIN; UPDATE serving_storage.live SET version = NULL; COMMIT",
    "short": "UPDATE serving_storage.user_lists SET item_ids = item_ids[2:], scores = scores[2:],"
    " reasons = reasons[2:], because_item_ids = because_item_ids[2:]",
    "mixed": f"UPDATE serving_storage.popular_lists SET item_ids[1] = item_ids[1] + {shelves.DAY}",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_the_readers_would_notice(shop: Shop, server: Server, database: str, what: str) -> None:
    """What a publisher must never do, done on purpose."""
    with reading(server.url(database, "reader"), 5) as stopped:
        with shop.connect("publisher") as db:
            db.execute(DAMAGE[what].encode())
            time.sleep(0.5)
        report = stopped()
    assert set(report.wrong) == {what}
