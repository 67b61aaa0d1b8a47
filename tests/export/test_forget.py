"""`forget` reaches the copy in Redis, and says so where it does not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import RunBusy
from pipeline.export.redis import export
from pipeline.retention.forget import forget
from tests.export.servers import RedisServer, redis_server
from tests.serving.nights import Shop


def erase(shop: Shop, redis_url: str, runs: Path) -> list[str]:
    lines: list[str] = []
    forget("1", shop.settings, shop.url, runs, redis_url, now=datetime.now(UTC), say=lines.append)
    return lines


def test_a_user_is_gone_from_redis_and_does_not_come_back(
    shop: Shop, store: RedisServer, tmp_path: Path
) -> None:
    export(shop.url, store.url(), shop.settings)
    lines = erase(shop, store.url(), tmp_path / "runs")
    assert "Redis: 2 keys erased or mended" in lines
    export(shop.url, store.url(), shop.settings, again=True)
    assert not [key for key in store.all_keys() if key.endswith("user:1")]


def test_a_server_that_is_away_is_named_and_the_same_again_ends_it(
    shop: Shop, store: RedisServer, tmp_path: Path
) -> None:
    """All else is erased by then."""
    export(shop.url, store.url(), shop.settings)
    store.process.kill()
    store.process.wait()
    with pytest.raises(RunBusy, match="not erased everywhere") as undone:
        erase(shop, store.url(), tmp_path / "runs")
    assert "Redis server cannot be reached" in undone.value.found
    assert shop.read("SELECT count(*) FROM serving.recommendations WHERE user_id = 1") == [(0,)]
    with redis_server(tmp_path / "again", port=store.port):
        assert "Redis: 0 keys erased or mended" in erase(shop, store.url(), tmp_path / "runs")


def test_who_is_forgotten_where_redis_is_not_named_is_left_out_of_the_next_copy(
    shop: Shop, store: RedisServer, tmp_path: Path
) -> None:
    """The command does not know the connection of Airflow that `[redis]` names."""
    redis = shop.settings.redis.model_copy(update={"connection": "redis"})
    settings = shop.settings.model_copy(update={"redis": redis})
    export(shop.url, store.url(), settings)
    lines: list[str] = []
    forget("1", settings, shop.url, tmp_path / "runs", now=datetime.now(UTC), say=lines.append)
    assert any("the next run of the DAG export_redis leaves the user out" in line for line in lines)
    assert export(shop.url, store.url(), settings).n_keys
    live = store.client().get("serving:live")
    left = [key for key in store.all_keys() if key.endswith("user:1")]
    assert left, "apps may still be reading what was live"
    assert not [key for key in left if key.startswith(f"serving:{live}:")]
    assert all(0 < store.client().ttl(key) <= 60 * redis.keep_minutes for key in left)
    assert export(shop.url, store.url(), settings).n_keys == 0, "once"
