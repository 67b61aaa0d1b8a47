"""Apps that ask without a pause during publications and rollbacks: no error, no mixed, no empty answer."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline.serving import rollback
from tests.faults import shelves
from tests.service.running import Running
from tests.serving.nights import Shop

pytestmark = pytest.mark.slow

N_REQUESTS = 10_000
N_MOVES = 100
"""Half of them publications, half rollbacks."""
N_APPS = 4
BASKET = json.dumps({"item_ids": [1, 2, 3]}).encode()
ASKED: tuple[tuple[str, str, bytes | None], ...] = (
    ("GET", "/users/7/recommendations", None),
    ("GET", "/users/499/recommendations?n=20&explain=true", None),
    ("GET", "/users/100000/recommendations", None),
    ("GET", "/items/5/similar", None),
    ("GET", "/items/6/also-bought", None),
    ("GET", "/popular", None),
    ("POST", "/session/recommendations", BASKET),
)


class App(threading.Thread):
    """Asks everything in turn over one connection, and keeps what it saw.

    seen:  (version, day) of every item of every answer
    wrong: answers that are not 200, or empty
    """

    def __init__(self, url: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        where = urlsplit(url)
        self.line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        self.stop, self.n = stop, 0
        self.seen: set[tuple[int, int]] = set()
        self.wrong: list[Any] = []

    def run(self) -> None:
        """Until it is told to stop and has asked its share."""
        for method, path, body in cycle(ASKED):
            if self.stop.is_set() and self.n >= N_REQUESTS // N_APPS:
                return
            self.line.request(method, path, body)
            reply = self.line.getresponse()
            text, self.n = reply.read(), self.n + 1
            answer = json.loads(text)
            if reply.status != 200 or not answer.get("items"):
                self.wrong.append((path, reply.status, text))
                continue
            self.seen |= {(answer["version"], item["item_id"] // shelves.DAY) for item in answer["items"]}


def test_every_answer_is_whole_and_of_one_version(
    new_shop: Callable[..., Shop], serve: Callable[..., Running]
) -> None:
    shop = new_shop(keep_versions=3)
    days = {shop.publish(shelves.night(shop, 1)).version: 1}
    service, stop = serve(shop), threading.Event()
    apps = [App(service.url, stop) for _ in range(N_APPS)]
    for app in apps:
        app.start()
    try:
        for day in range(2, N_MOVES // 2 + 2):
            before = shelves_version(service)
            published = shop.publish(shelves.night(shop, day)).version
            days[published] = day
            assert shelves_version(service) == (published, day)
            rollback(shop.url, shop.settings, say=shop.said.append)
            assert shelves_version(service) == before, "the next request sees a rollback"
            if day % 2:
                rollback(shop.url, shop.settings, say=shop.said.append)
                assert shelves_version(service) == (published, day)
    finally:
        stop.set()
        for app in apps:
            app.join(timeout=300)
    assert [app.wrong for app in apps] == [[]] * N_APPS
    assert sum(app.n for app in apps) >= N_REQUESTS
    seen = set().union(*(app.seen for app in apps))
    assert seen <= set(days.items())
    assert len(seen) > N_MOVES // 4


def shelves_version(service: Running) -> tuple[int, int]:
    """Version and day of the list of a user."""
    answer = service.get("/users/3/recommendations")
    [day] = {item["item_id"] // shelves.DAY for item in answer["items"]}
    return answer["version"], day
