"""pipeline/export/redis.py: what Redis holds is what is live, whole, whatever happens meanwhile."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.config import Settings
from pipeline.errors import ExportBusy, RedisRefused, ServingError
from pipeline.export.lists import Lists
from pipeline.export.redis import Exported, erase, export
from pipeline.reading import Queries
from pipeline.reading.keys import Keys
from pipeline.serving.forgotten import remember
from tests.export.servers import RedisServer
from tests.service.conftest import LISTS
from tests.serving.nights import Shop

KEYS = Keys("serving")


def copied(shop: Shop, store: RedisServer, **options: Any) -> Exported:
    return export(shop.url, store.url(), shop.settings, **options)


def value(store: RedisServer, name: str) -> Any:
    """The value of a key of the live edition; None: there is no such key."""
    client = store.client()
    text = client.get(KEYS.of(client.get(KEYS.live)) + name)
    return None if text is None else json.loads(text)


def shown(store: RedisServer, user: object, n: int) -> list[dict[str, Any]]:
    """The first items of a user that are not blocked, as docs/apps.md has an app read them."""
    own, segment = value(store, f"user:{user}"), value(store, f"segment_of:{user}")
    if own is None and segment is not None:
        own = value(store, f"segment:{segment}")
    blocked = json.loads(store.client().get(KEYS.blocked))
    items = own or value(store, "popular")
    return [item for item in items if item["item_id"] not in blocked][:n]


def recommended(shop: Shop, user: object, n: int) -> list[dict[str, Any]]:
    """What the HTTP service answers: recommend() with names. Nulls and ranks are left out."""
    query = Queries("serving", shop.settings.ids).recommendations(user, n)
    with shop.connect("reader") as db:
        body = json.loads(db.execute(query.statement, query.values).fetchone()[2])
    return [
        {key: value for key, value in item.items() if key != "rank" and value is not None}
        for item in body["items"]
    ]


def live(shop: Shop) -> int:
    with shop.connect("reader") as db:
        return db.execute("SELECT version FROM serving.shop").fetchone()[0]


@pytest.mark.parametrize("user", [1, 2, 3, 7, 99])
@pytest.mark.parametrize("n", [1, 3, 10])
def test_everybody_reads_what_recommend_gives(shop: Shop, store: RedisServer, user: int, n: int) -> None:
    """User 2 is filled up, 7 has a segment, 99 is unknown."""
    copied(shop, store)
    assert shown(store, user, n) == recommended(shop, user, n)


@pytest.mark.parametrize("user", [2, 3])
def test_who_has_no_list_reads_what_recommend_gives(shop: Shop, store: RedisServer, user: int) -> None:
    """Of user 2 categories and purchases are known, of user 3 nothing."""
    shop.publish(shop.night(2, {1: [14]}, **LISTS))
    copied(shop, store)
    assert shown(store, user, 10) == recommended(shop, user, 10)


def test_the_keys_are_those_of_the_docs(shop: Shop, store: RedisServer) -> None:
    done = copied(shop, store)
    client = store.client()
    edition = client.get("serving:live")
    assert edition == "1-1"
    lists = {key.removeprefix("serving:1-1:") for key in store.all_keys() if key.startswith("serving:1-1:")}
    assert lists == {
        *("about", "users", "user:1", "user:2", "user:3", "segment_of:7", "segment:2"),
        *("popular", "popular:fruit", "popular:tea & coffee"),
        *("item:11", "item:12", "item:13", "item:21", "item:22"),
        *("similar:11", "similar:12", "also_bought:11", "also_bought:12"),
    }
    assert store.all_keys() == {
        *(f"serving:1-1:{name}" for name in lists),
        *("serving:live", "serving:blocked", "serving:editions", "serving:counter"),
    }
    assert done == Exported(1, len(lists), 0)
    assert {client.ttl(key) for key in store.all_keys()} == {-1}, "what is live never expires"
    about = value(store, "about")
    assert about["length"] == 20
    assert about["publication"]["version"] == 1
    assert value(store, "users") == [1, 2, 3]


def test_lists_of_items_have_names_and_numbers(shop: Shop, store: RedisServer) -> None:
    copied(shop, store)
    assert value(store, "similar:11") == [
        {"item_id": 12, "name": "Äpfel & Birnen", "category": "fruit", "score": 1.0},
        {"item_id": 13, "category": "fruit", "score": 0.5},
    ]
    assert value(store, "also_bought:12")[1] == {
        "item_id": 21, "name": "Green tea", "category": "tea & coffee", "support": 0.5, "lift": 1.5
    }  # fmt: skip
    assert [item["item_id"] for item in value(store, "popular:fruit")] == [11, 12]
    assert value(store, "popular:fruit")[0]["source"] == "popular_in_category"


def test_a_second_export_copies_nothing_unless_it_is_wanted(shop: Shop, store: RedisServer) -> None:
    first = copied(shop, store)
    assert copied(shop, store) == Exported(1, 0, 0)
    assert copied(shop, store, again=True) == first
    assert store.client().get(KEYS.live) == "1-2"


def test_another_length_is_copied(
    shop: Shop, store: RedisServer, make_settings: Callable[..., Settings]
) -> None:
    copied(shop, store)
    settings = shop.settings.model_copy(
        update={"redis": shop.settings.redis.model_copy(update={"length": 2})}
    )
    assert export(shop.url, store.url(), settings).n_keys > 0
    assert len(value(store, "user:1")) == 2


def test_a_rollback_in_sql_is_followed_and_what_was_read_before_expires(
    shop: Shop, store: RedisServer
) -> None:
    copied(shop, store)
    shop.publish(shop.night(2, {1: [14]}, **LISTS))
    copied(shop, store)
    assert [item["item_id"] for item in shown(store, 1, 1)] == [14]
    with shop.connect("operator") as db:
        db.execute("SELECT * FROM serving.rollback()")
    assert copied(shop, store).version == live(shop) == 1
    client = store.client()
    assert client.get(KEYS.live) == "1-3"
    assert [item["item_id"] for item in shown(store, 1, 1)] == [11]
    of = {
        edition: {client.ttl(key) for key in client.keys(f"{KEYS.of(edition)}*")}
        for edition in ("1-1", "2-2")
    }
    most = 60 * shop.settings.redis.keep_minutes
    assert all(0 < seconds <= most for found in of.values() for seconds in found)
    assert {client.ttl(key) for key in client.keys("serving:1-3:*")} == {-1}


def test_blocked_items_are_followed_without_copying(shop: Shop, store: RedisServer) -> None:
    copied(shop, store)
    with shop.connect("owner") as db:
        db.execute("INSERT INTO serving.blocked_items (item_id, reason) VALUES (11, 'sold out'), (13, 'x')")
        db.execute(
            "INSERT INTO serving.blocked_items (item_id, reason, until)"
            " VALUES (12, 'x', now() - interval '1 s')"
        )
        assert copied(shop, store) == Exported(1, 0, 2)
        for user in (1, 3, 7, 99):
            assert shown(store, user, 1) == recommended(shop, user, 1)
        db.execute("DELETE FROM serving.blocked_items WHERE item_id = 11")
        assert copied(shop, store) == Exported(1, 0, 1)
    assert json.loads(store.client().get(KEYS.blocked)) == [13]
    assert shown(store, 1, 1) == recommended(shop, 1, 1)


def test_before_the_first_publication_there_is_nothing_to_export(
    new_shop: Callable[..., Shop], store: RedisServer
) -> None:
    with pytest.raises(ServingError, match="nothing was published yet"):
        copied(new_shop(), store)
    assert store.all_keys() == set()


@pytest.mark.parametrize("kind", ["text", "uuid"])
def test_ids_of_any_type_and_odd_texts(new_shop: Callable[..., Shop], store: RedisServer, kind: str) -> None:
    texts = (
        ['a:b"c', "d e*[1]", "\u00e9\\n"] if kind == "text" else [str(uuid.UUID(int=n)) for n in (1, 2, 3)]
    )
    user, first, second = texts
    shop = new_shop(ids={"user": kind, "item": kind})
    names = {first: ('He said "no"', "a:b"), second: ("x\ty", "a:b")}
    shop.publish(
        shop.night(
            1, {user: [first, second]}, popular={"all": [second], "a:b": [first]},
            similar={first: [second]}, names=names,
        )
    )  # fmt: skip
    copied(shop, store)
    assert shown(store, user, 5) == recommended(shop, user, 5)
    assert value(store, f"similar:{first}")[0]["item_id"] == second
    assert value(store, "popular:a:b")[0]["name"] == 'He said "no"'
    assert value(store, "users") == [user]
    assert erase(store.url(), shop.settings, user) == 2
    assert value(store, f"user:{user}") is None


def test_one_export_at_a_time(shop: Shop, store: RedisServer) -> None:
    with shop.connect("publisher") as db, db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(hashtextextended('nightshelf export serving_storage', 0))")
        with pytest.raises(ExportBusy, match="another export"):
            copied(shop, store)
    assert copied(shop, store).version == 1


def test_who_was_forgotten_is_not_copied_and_is_erased(shop: Shop, store: RedisServer) -> None:
    copied(shop, store)
    assert erase(store.url(), shop.settings, 1) == 2
    assert value(store, "users") == [2, 3]
    assert store.client().ttl("serving:1-1:users") == -1
    assert erase(store.url(), shop.settings, 7) == 1
    assert erase(store.url(), shop.settings, 99) == 0
    remember(shop.url, shop.settings, 1)
    remember(shop.url, shop.settings, 7)
    copied(shop, store, again=True)
    assert value(store, "user:1") is value(store, "segment_of:7") is None
    assert value(store, "users") == [2, 3]


def test_who_is_forgotten_while_lists_are_copied_is_not_shown(
    shop: Shop, store: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries, times = Lists.entries, []

    def forgetful(self: Lists) -> Any:
        yield from entries(self)
        times.append(1)
        remember(shop.url, shop.settings, 1)

    monkeypatch.setattr(Lists, "entries", forgetful)
    copied(shop, store)
    assert len(times) == 2
    assert value(store, "user:1") is None
    assert store.client().hgetall(KEYS.editions) == {"1-2": "live"}


def test_a_version_that_goes_live_meanwhile_is_copied_too(
    shop: Shop, store: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries, nights = Lists.entries, [shop.night(2, {1: [14]}, **LISTS)]

    def late(self: Lists) -> Any:
        yield from entries(self)
        if nights:
            shop.publish(nights.pop())

    monkeypatch.setattr(Lists, "entries", late)
    assert copied(shop, store).version == 2
    assert [item["item_id"] for item in shown(store, 1, 1)] == [14]


def test_an_export_that_was_overtaken_does_not_move_the_pointer(
    shop: Shop, store: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if its connection to PostgreSQL had been lost, and another one had swept."""
    copied(shop, store)
    shop.publish(shop.night(2, {1: [14]}, **LISTS))
    entries = Lists.entries

    def overtaken(self: Lists) -> Any:
        yield from entries(self)
        store.client().hdel(KEYS.editions, "2-2")

    monkeypatch.setattr(Lists, "entries", overtaken)
    with pytest.raises(ExportBusy, match="has begun meanwhile"):
        copied(shop, store)
    assert store.client().get(KEYS.live) == "1-1"


def test_a_full_server_keeps_what_is_read(shop: Shop, store: RedisServer) -> None:
    copied(shop, store)
    before = store.all_keys()
    many = {user: [11, 12, 13, 14, 15] for user in range(10_000)}
    shop.publish(shop.night(2, many, **LISTS), force=True)
    client = store.client()
    client.config_set("maxmemory", client.info()["used_memory"] + 1_000_000)
    with pytest.raises(RedisRefused, match="is full") as refused:
        copied(shop, store)
    assert "redis.length" in refused.value.then
    assert client.get(KEYS.live) == "1-1"
    assert store.all_keys() == before, "what was written of the others is gone"
    client.config_set("maxmemory", 0)
    assert copied(shop, store).version == 2
