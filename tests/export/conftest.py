"""A shop whose items have names, with one publication, and a Redis server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.export.servers import RedisServer, redis_server
from tests.service.conftest import LISTS, USERS
from tests.serving.conftest import new_login, new_shop
from tests.serving.nights import Shop

__all__ = ["new_login", "new_shop"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty Redis server."""
    with redis_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def shop(new_shop: Callable[..., Shop]) -> Shop:
    """A shop with integer ids, names and one publication."""
    shop = new_shop()
    shop.publish(shop.night(1, USERS, **LISTS))
    return shop
