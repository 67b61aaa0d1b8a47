"""What outlives a session that held locks: nothing after kill -9; a prepared transaction, for good."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import psycopg
import pytest

from pipeline.databases.embedded import Server
from pipeline.errors import PublisherBusy
from tests.faults import shelves
from tests.serving.nights import LOCK, Shop

pytestmark = pytest.mark.slow


def test_a_killed_publisher_and_a_prepared_transaction(
    new_server: Callable[[], Server], shop_on: Callable[[str], Shop]
) -> None:
    server = new_server()
    with psycopg.connect(server.admin_url(), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET max_prepared_transactions = 2")
    server.stop()
    server.start()
    shop = shop_on(server.url("serving"))
    shop.publish(shelves.night(shop, 1))

    publisher = psycopg.connect(server.url("serving", "publisher"))
    publisher.execute(LOCK)
    with pytest.raises(PublisherBusy):
        shop.publish(shelves.night(shop, 2))
    os.kill(publisher.info.backend_pid, signal.SIGKILL)
    publisher.close()
    assert shelves.published(shop, shelves.night(shop, 3)).is_live

    with psycopg.connect(server.admin_url("serving"), autocommit=True) as admin:
        admin.execute("BEGIN; SELECT FROM serving_storage.live FOR UPDATE; PREPARE TRANSACTION 'left behind'")
    server.stop()
    server.start()
    with pytest.raises(PublisherBusy) as caught:
        shop.publish(shelves.night(shop, 4))
    assert "the prepared transaction 'left behind', login postgres, since " in caught.value.found
    assert "ROLLBACK PREPARED 'left behind'" in caught.value.then
    with psycopg.connect(server.admin_url("serving"), autocommit=True) as admin:
        admin.execute("ROLLBACK PREPARED 'left behind'")
    assert shop.publish(shelves.night(shop, 5)).is_live
