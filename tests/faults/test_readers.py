"""Readers at full speed while publications follow each other, are taken back and dropped."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import psycopg
import pytest

from pipeline.embedded import PREFIX, Role, Server
from pipeline.serving import rollback
from tests.faults import shelves
from tests.faults.readers import Report, reading
from tests.serving.nights import Shop

pytestmark = pytest.mark.slow

N_READERS = 4
N_PUBLICATIONS = 50
N_ROLLBACKS = 10
EACH = N_PUBLICATIONS // N_ROLLBACKS


@pytest.fixture(scope="module")
def server(new_server: Callable[[], Server]) -> Server:
    return new_server()


@pytest.fixture
def shop(server: Server, shop_on: Callable[..., Shop]) -> Shop:
    """A shop that keeps two old versions, with a live publication, on a database of its own."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.admin_url(), autocommit=True) as db:
        server.create_database(name, owner=f"{PREFIX}_owner", db=db)
    made = shop_on(server.url(name), keep_versions=2)
    made.publish(shelves.night(made, 1))
    return made


def url_of(server: Server, shop: Shop, role: Role) -> str:
    """The shop's database, as a login that has that role and no other."""
    return server.url(shop.url.rpartition("/")[2], role)


def in_one(reports: list[Report]) -> Report:
    whole = Report()
    for report in reports:
        whole.n_reads += report.n_reads
        whole.wrong += report.wrong
        whole.examples += report.examples
        whole.versions |= report.versions
    return whole


def test_nobody_notices(shop: Shop, server: Server) -> None:
    runs = [shelves.night(shop, day) for day in range(2, N_PUBLICATIONS + 2)]
    url = url_of(server, shop, "reader")
    with reading(url, N_READERS) as stopped:
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
                with psycopg.connect(url_of(server, shop, "operator")) as night_shift:
                    night_shift.execute("SELECT FROM serving.rollback()")
            assert shelves.shown(shop)[1] == newest[1] - 1
        report = in_one(stopped())
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
def test_the_readers_would_notice(shop: Shop, server: Server, what: str) -> None:
    """What a publisher must never do, done on purpose."""
    with reading(url_of(server, shop, "reader"), 1) as stopped:
        with shop.connect("publisher") as db:
            db.execute(DAMAGE[what].encode())
            time.sleep(0.5)
        report = in_one(stopped())
    assert set(report.wrong) == {what}
