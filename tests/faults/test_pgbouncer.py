"""Everything through PgBouncer in transaction pooling, and what PgBouncer will not do."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import psycopg
import pytest

from pipeline import serving
from pipeline.databases.embedded import PREFIX, Server
from pipeline.databases.urls import with_role
from pipeline.errors import PublisherBusy, Unreachable
from pipeline.retention.forget import forget
from tests.faults import shelves
from tests.faults.pooler import DATABASE, PREPARES_SINCE, Pooler, pooled
from tests.faults.readers import limit_lock_waits, reading
from tests.serving.nights import ABOUT, Shop

pytestmark = pytest.mark.slow

N_CONNECTIONS = 2
N_READERS = 6
N_PUBLICATIONS = 5
LOADED = "rows of recommendations loaded"


@pytest.fixture(scope="module")
def pooler(new_server: Callable[[], Server]) -> Iterator[Pooler]:
    server = new_server()
    limit_lock_waits(server)
    with pooled(server, n_connections=N_CONNECTIONS) as pooler:
        yield pooler


@pytest.fixture(scope="module")
def shop(pooler: Pooler, shop_on: Callable[..., Shop]) -> Shop:
    """A shop behind the pooler, its schema made through it, with a live publication."""
    shop = shop_on(pooler.url())
    serving.migrate(shop.url, shop.settings, say=str)
    shop.publish(shelves.night(shop, 1))
    return shop


@pytest.fixture(scope="module")
def direct(pooler: Pooler, shop_on: Callable[..., Shop]) -> Shop:
    """The same shop past the pooler: to look at with SET ROLE, which a pool would hand on."""
    return shop_on(pooler.server.url(DATABASE))


@pytest.fixture(scope="module")
def days() -> count[int]:
    return count(2)


def once(words: str, act: Callable[[], object]) -> Callable[[str], None]:
    """A `say` that acts when it is told a line with these words."""

    def say(line: str) -> None:
        if words in line:
            act()

    return say


def test_a_night_and_all_that_can_follow(
    shop: Shop, direct: Shop, pooler: Pooler, days: count[int], tmp_path: Path
) -> None:
    run = shelves.night(shop, next(days))
    done = shop.publish(run)
    assert shelves.shown(direct)[0] == done.version
    assert shop.publish(run) == done
    back = serving.rollback(shop.url, shop.settings, hold=True, say=str)
    assert shelves.shown(direct)[0] == back.live_version < back.from_version
    newer = shop.publish(shelves.night(shop, next(days)))
    assert not newer.is_live
    assert serving.release(shop.url, shop.settings, say=str).live_version == newer.version
    with psycopg.connect(pooler.url("operator"), autocommit=True) as night_shift:
        night_shift.execute("SELECT FROM serving.rollback()")
        night_shift.execute("SELECT FROM serving.rollback()")
    assert shelves.shown(direct)[0] == newer.version
    refused = serving.refuse(shop.url, shop.settings, shelves.night(shop, next(days)), ABOUT, say=str)
    stored, hold = serving.publications(shop.url, shop.settings)
    assert (refused.status, stored[-1].state, hold) == ("refused", "refused", None)
    assert serving.read_live(shop.url, shop.settings)["version"] == newer.version
    forget("999999", shop.settings, shop.url, tmp_path, now=done.published_at, say=str)
    assert shelves.shown(direct)[0] == newer.version


def test_more_readers_than_connections(shop: Shop, pooler: Pooler, days: count[int]) -> None:
    runs = [shelves.night(shop, next(days)) for _ in range(N_PUBLICATIONS)]
    with reading(pooler.url("reader"), *[None] * N_READERS) as stopped:
        for run in runs:
            assert shop.publish(run).is_live
        serving.rollback(shop.url, shop.settings, say=str)
        report = stopped()
    assert dict(report.wrong) == {}, report.examples
    assert len(report.versions) > N_PUBLICATIONS // 2


def test_two_publishers_at_once(shop: Shop, days: count[int]) -> None:
    first, second = (shelves.night(shop, next(days)) for _ in range(2))

    def collide() -> None:
        with pytest.raises(PublisherBusy) as caught:
            shop.publish(second)
        assert f"nightshelf publish {first.run_id}" in caught.value.found

    assert shop.publish(first, say=once(LOADED, collide)).is_live
    assert shop.publish(second).is_live


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "ended by an administrator"])
def test_a_backend_lost_behind_it(shop: Shop, direct: Shop, days: count[int], is_killed: bool) -> None:
    before, run = shelves.shown(direct), shelves.night(shop, next(days))

    def lose() -> None:
        [(pid,)] = direct.read(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'nightshelf pub%'", ""
        )
        if is_killed:
            os.kill(pid, signal.SIGKILL)
        else:
            direct.read(f"SELECT pg_terminate_backend({pid})", "")

    with pytest.raises(Unreachable):
        shop.publish(run, say=once(LOADED, lose))
    assert shelves.shown(direct) == before
    assert shelves.published(shop, run).is_live
    assert shelves.leftovers(direct) == []


def test_prepared_statements(shop: Shop, pooler: Pooler) -> None:
    """Psycopg prepares what it is asked for the sixth time, unless `prepare_threshold` is None."""
    with ExitStack() as stack:
        url = pooler.url("reader")
        clients = [stack.enter_context(psycopg.connect(url, autocommit=True)) for _ in range(N_READERS)]
        if pooler.version < PREPARES_SINCE:
            stack.enter_context(pytest.raises(psycopg.errors.DuplicatePreparedStatement))
        for _ in range(10):
            for client in clients:
                client.execute("SELECT FROM serving.recommend(%s)", [1])


def test_no_options_in_the_url(pooler: Pooler) -> None:
    """A role that the URL sets: an app behind PgBouncer has a login of its own instead."""
    with (
        pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"),
        psycopg.connect(with_role(pooler.url(), f"{PREFIX}_reader")),
    ):
        pass
