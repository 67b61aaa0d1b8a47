"""pipeline/service/redis_lists.py: a service that reads Redis answers as one that reads PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.export.redis import export
from pipeline.service.run import run
from tests.export.conftest import store
from tests.export.servers import RedisServer
from tests.service.browsing import cards, open_page, visiting
from tests.service.conftest import LISTS
from tests.service.running import Running, running
from tests.serving.nights import Shop

__all__ = ["store"]

SAME = [
    *(f"/users/{user}/recommendations?n={n}" for user in (1, 2, 3, 7, 99) for n in (1, 4)),
    "/topN=3for_user=2",
    *(f"/items/{item}/{what}?n=5" for item in (11, 12, 21, 99) for what in ("similar", "also-bought")),
    "/popular",
    "/popular?category=fruit&n=1",
    "/popular?category=tea%20%26%20coffee",
    "/popular?category=none",
    "/popular?segment=2",
    "/popular?segment=5",
    "/publication",
    "/users?n=10",
]
"""Requests that both answer alike."""


def from_redis(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"service": settings.service.model_copy(update={"lists_from": "redis"})}
    )


@pytest.fixture
def both(
    shop: Shop, store: RedisServer, reader_url: Callable[..., str], tmp_path: Path
) -> Iterator[tuple[Running, Running]]:
    """The service that reads PostgreSQL, and the one that reads Redis."""
    (tmp_path / "redis_lists").mkdir()
    with ExitStack() as stack:
        sql = stack.enter_context(running(reader_url(shop), shop.settings, tmp_path))
        settings, folder = from_redis(shop.settings), tmp_path / "redis_lists"
        yield sql, stack.enter_context(running("", settings, folder, NIGHTSHELF_REDIS_URL=store.url()))


def same(both: tuple[Running, Running]) -> None:
    sql, copy = both
    for path in SAME:
        assert copy.get(path) == sql.get(path), path


def test_the_answers_are_the_same_whatever_is_live_and_blocked(
    both: tuple[Running, Running], shop: Shop, store: RedisServer
) -> None:
    _, copy = both
    empty = copy.ask("/popular")
    assert (empty.status, "export redis" in empty.json["detail"]) == (503, True)
    assert copy.ask("/ready").status == 503
    export(shop.url, store.url(), shop.settings)
    same(both)
    assert copy.get("/ready") == {"status": "ready", "version": 1}
    with shop.connect("owner") as db:
        db.execute(
            "INSERT INTO serving.blocked_items (item_id, reason) VALUES (11, 'sold out'), (13, 'sold out')"
        )
    export(shop.url, store.url(), shop.settings)
    same(both)
    shop.publish(shop.night(2, {1: [14, 11]}, **LISTS))
    export(shop.url, store.url(), shop.settings)
    same(both)
    with shop.connect("operator") as db:
        db.execute("SELECT * FROM serving.rollback()")
    export(shop.url, store.url(), shop.settings)
    same(both)


def test_what_keys_cannot_answer_is_refused_and_so_is_what_cannot_be(
    both: tuple[Running, Running], shop: Shop, store: RedisServer
) -> None:
    _, copy = both
    export(shop.url, store.url(), shop.settings)
    for path in (
        "/users/1/recommendations?explain=true",
        "/users/1/recommendations?category=fruit",
        "/users/1/recommendations/11/explanation",
    ):
        reply = copy.ask(path)
        assert (reply.status, "from Redis" in reply.json["detail"]) == (501, True), path
    assert copy.ask("/session/recommendations", "POST", {"item_ids": [11]}).status == 501
    assert copy.ask("/users/x/recommendations").status == 422
    too_many = copy.ask("/users/1/recommendations?n=21")
    assert (too_many.status, "from 1 to 20" in too_many.json["detail"]) == (422, True)


@pytest.mark.slow
def test_the_page_shows_shelves_without_words_and_says_that_baskets_are_elsewhere(
    both: tuple[Running, Running], shop: Shop, store: RedisServer
) -> None:
    _, copy = both
    export(shop.url, store.url(), shop.settings)
    with visiting(copy.url) as visit:
        page = open_page(visit, "/?user=1")
        expect(page.locator("#shelf .note")).to_have_text("7 items, the best first.")
        expect(cards(page).first).to_contain_text("BANANAS")
        expect(page.locator("#shelf .fault")).to_be_empty()
        cards(page).first.get_by_role("button").click()
        expect(page.locator("#basket .fault")).to_contain_text("which has no words, no baskets")
        expect(page.locator("#basket .fault button")).to_have_count(0)
        visit.shoot("from_redis")
        assert all("501" in complaint for complaint in visit.complaints), (
            "refused questions, and nothing else"
        )


def test_a_server_that_is_away_is_a_503_and_shows_nothing(
    both: tuple[Running, Running], shop: Shop, store: RedisServer
) -> None:
    _, copy = both
    export(shop.url, store.url(), shop.settings)
    assert copy.ask("/popular").status == 200
    store.process.kill()
    store.process.wait()
    reply = copy.ask("/popular")
    assert (reply.status, reply.json["detail"]) == (503, "Redis cannot be reached")
    assert reply.headers["retry-after"]
    assert copy.ask("/health").status == 200
    assert "nightshelf_database_up 0.0" in copy.ask("/metrics").body.decode()


@pytest.mark.parametrize(
    ("url", "what"), [("", "does not know its Redis server"), ("http://x", "cannot be read")]
)
def test_without_a_server_it_does_not_start(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, what: str
) -> None:
    monkeypatch.setenv("NIGHTSHELF_REDIS_URL", url)
    settings: Any = from_redis(shop.settings)
    monkeypatch.setattr("pipeline.config.load", lambda file: settings)
    with pytest.raises(SettingsError, match=what):
        run(None, tmp_path, "127.0.0.1", 0, print)
