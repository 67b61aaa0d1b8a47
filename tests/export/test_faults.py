"""Exports that are killed, servers that die, and readers meanwhile: what is read is whole, of one version."""

from __future__ import annotations

import json
import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import pytest

from pipeline.errors import Unreachable
from pipeline.export import server
from pipeline.export.redis import export
from pipeline.reading.keys import Keys
from tests.export.servers import RedisServer, redis_server
from tests.serving.nights import Shop

pytestmark = pytest.mark.slow

KEYS = Keys("serving")
N_USERS = 5_000
PATIENCE = 60.0


@pytest.fixture
def big_shop(new_shop: Callable[..., Shop]) -> Shop:
    """A shop of many users; items of version n are 100 n to 100 n + 4."""
    shop = new_shop()
    publish(shop, 1)
    return shop


def publish(shop: Shop, version: int) -> None:
    items = [100 * version + n for n in range(5)]
    users = dict.fromkeys(range(N_USERS), items)
    shop.publish(shop.night(version, users, popular={"all": items}, similar={}))


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def n_keys(store: RedisServer, edition: str) -> int:
    return sum(1 for _ in store.client().scan_iter(f"{KEYS.of(edition)}*", count=5_000))


def is_writing(store: RedisServer) -> bool:
    return "writing" in store.client().hgetall(KEYS.editions).values()


def test_an_export_killed_at_any_point_changes_nothing_and_the_next_one_ends(
    big_shop: Shop, store: RedisServer
) -> None:
    settings, client, rng = big_shop.settings, store.client(), random.Random(1)
    first = export(big_shop.url, store.url(), settings)
    publish(big_shop, 2)
    spawn = multiprocessing.get_context("spawn")
    for _ in range(4):
        process = spawn.Process(target=export, args=(big_shop.url, store.url(), settings))
        process.start()
        until(lambda: is_writing(store))
        time.sleep(rng.random() * 0.5)
        process.kill()
        process.join()
        if client.get(KEYS.live) != "1-1":
            break
        assert n_keys(store, "1-1") == first.n_keys
        assert client.ttl(f"{KEYS.of('1-1')}user:7") == -1
    done = export(big_shop.url, store.url(), settings)
    edition = client.get(KEYS.live)
    assert edition.startswith("2-")
    assert n_keys(store, edition) in (done.n_keys, first.n_keys)
    export(big_shop.url, store.url(), settings)
    states = client.hgetall(KEYS.editions)
    assert states.pop(edition) == "live"
    assert [state.split()[0] for state in states.values()] == ["expiring"], "what killed ones left is gone"


def test_a_server_that_dies_in_the_middle_is_filled_anew(
    big_shop: Shop, store: RedisServer, tmp_path: Path
) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            export(big_shop.url, store.url(), big_shop.settings)
        except Unreachable as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: is_writing(store))
    store.process.kill()
    thread.join()
    assert len(errors) == 1
    with redis_server(tmp_path / "again", port=store.port) as again:
        done = export(big_shop.url, again.url(), big_shop.settings)
        assert n_keys(again, again.client().get(KEYS.live)) == done.n_keys > N_USERS


@pytest.mark.parametrize("lost", ["Redis", "PostgreSQL"])
def test_a_server_lost_between_two_batches_is_an_error_and_leaves_no_thread(
    big_shop: Shop, store: RedisServer, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Rows are being fetched ahead, and the batch before is not answered yet."""
    export(big_shop.url, store.url(), big_shop.settings)
    before = store.all_keys()
    publish(big_shop, 2)
    packed, times = server.packed, []

    def struck(words: Sequence[str]) -> bytes:
        times.append(len(words))
        if len(times) == 3:
            if lost == "Redis":
                store.process.kill()
                store.process.wait()
            else:
                end_exports(big_shop)
        return packed(words)

    monkeypatch.setattr(server, "packed", struck)
    with pytest.raises(Unreachable):
        export(big_shop.url, store.url(), big_shop.settings)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("nightshelf")]
    if lost == "PostgreSQL":
        assert store.client().get(KEYS.live) == "1-1"
        assert store.all_keys() == before, "what was written is gone"


def end_exports(shop: Shop) -> None:
    with psycopg.connect(shop.url, autocommit=True) as db:
        ended = db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'nightshelf export redis' AND datname = current_database()"
        )
        assert ended.fetchall() == [(True,)]


def test_readers_see_one_version_whole_under_exports_and_rollbacks(
    big_shop: Shop, store: RedisServer
) -> None:
    export(big_shop.url, store.url(), big_shop.settings)
    publish(big_shop, 2)
    seen: list[set[int]] = []
    is_over = threading.Event()

    def read() -> None:
        client, rng = store.client(), random.Random()
        while not is_over.is_set():
            prefix = KEYS.of(client.get(KEYS.live))
            users = rng.sample(range(N_USERS), 20)
            lists = client.mget([f"{prefix}user:{user}" for user in users])
            seen.append({item["item_id"] // 100 for text in lists for item in json.loads(text)})

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(3):
            export(big_shop.url, store.url(), big_shop.settings)
            with big_shop.connect("operator") as db:
                db.execute("SELECT * FROM serving.rollback()")
            export(big_shop.url, store.url(), big_shop.settings)
    finally:
        is_over.set()
        for reader in readers:
            reader.join()
    assert len(seen) > 100
    assert {len(versions) for versions in seen} == {1}
    assert set.union(*seen) == {1, 2}


def test_what_has_expired_is_no_edition_any_more(big_shop: Shop, store: RedisServer) -> None:
    """As if the minutes of redis.keep_minutes were over."""
    export(big_shop.url, store.url(), big_shop.settings)
    publish(big_shop, 2)
    export(big_shop.url, store.url(), big_shop.settings)
    client = store.client()
    for key in client.scan_iter(f"{KEYS.of('1-1')}*", count=5_000):
        client.expire(key, 0)
    client.hset(KEYS.editions, "1-1", f"expiring {int(time.time()) - 1}")
    export(big_shop.url, store.url(), big_shop.settings)
    assert client.hgetall(KEYS.editions) == {"2-2": "live"}
