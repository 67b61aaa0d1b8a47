"""The way to the copy of the lists in Redis: the answers of the database, but for words and baskets.

Blocked items are left out here, from what Redis says of them. A list there has `redis.length` items, and so
many may be asked for.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from pipeline.config import Ids, Settings
from pipeline.reading import Answer, Shop, keys
from pipeline.reading.keys import Keys
from pipeline.reading.refusals import Refusal, Unavailable
from pipeline.reading.shop import NEEDED_VERSION
from pipeline.service.database import Connections

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3
AWAY = "Redis cannot be reached"
EMPTY = (
    "nothing is in Redis yet: python -m pipeline export redis, or the DAG export_redis, copies what is live"
)
NOT_HERE = (
    "this service reads its lists from Redis, which has no words, no baskets and no lists of a user within a"
    ' category; one with service.lists_from = "postgresql" has'
)
IN_SEGMENT = "popular_in_segment"
SCORED = ("item_id", "name", "category", "score")
RECOMMENDED = (*SCORED, "source", "reason", "because_item_id", "because_name")
BESIDE = ("item_id", "name", "category", "support", "lift")
"""The keys of an item in an answer, beside its rank: pipeline/reading/answers.py."""

Body = Mapping[str, Any]


class Edition:
    """One copy of the lists, as a request reads it.

    prefix: of its keys; hidden: ids of blocked items
    """

    def __init__(self, client: redis.asyncio.Redis, prefix: str, hidden: Sequence[Any]) -> None:
        self._client, self._prefix, self._hidden = client, prefix, frozenset(hidden)

    async def values(self, *names: str) -> list[Any]:
        """What stands under these keys; None where nothing does."""
        texts = await self._client.mget([self._prefix + name for name in names])
        return [None if text is None else json.loads(text) for text in texts]

    def shown(self, items: Sequence[Body] | None, names: Sequence[str], n: int) -> list[Body]:
        """The first `n` items that are not blocked, with ranks of their own; none of no list."""
        left = [item for item in items or () if item["item_id"] not in self._hidden]
        return [
            {"rank": rank, **{name: item.get(name) for name in names}}
            for rank, item in enumerate(left[:n], 1)
        ]


Question = Callable[[Edition], Awaitable[Body]]
"""What makes the answer, without the version, of what an edition holds."""


class KeyQueries:
    """The queries of `pipeline.reading.Queries`; those that the keys cannot answer are refused with 501."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def recommendations(
        self, user_id: str, n: int, category: str | None = None, *, explain: bool = False
    ) -> Question:
        """A user's list: answers.Recommendations."""
        if category is not None or explain:
            raise Refusal(501, NOT_HERE)

        async def ask(edition: Edition) -> Body:
            names = keys.user(user_id), keys.segment_of(user_id), keys.popular(keys.ALL)
            own, segment, popular = await edition.values(*names)
            if own is None and segment is not None:
                [own] = await edition.values(keys.segment(segment))
            items = edition.shown(own or popular, RECOMMENDED, n)
            return {"user_id": _plain(user_id, self._ids.user), "category": None, "items": items}

        return ask

    def explanation(self, user_id: str, item_id: str) -> Question:
        """Refused."""
        raise Refusal(501, NOT_HERE)

    def model_order(self, user_id: str, n: int) -> Question:
        """Refused."""
        raise Refusal(501, NOT_HERE)

    def session(self, item_ids: Sequence[str], n: int, *, explain: bool = False) -> Question:
        """Refused."""
        raise Refusal(501, NOT_HERE)

    def similar(self, item_id: str, n: int) -> Question:
        """What is like an item: answers.Similar."""
        return self._of_item(keys.similar(item_id), item_id, SCORED, n)

    def also_bought(self, item_id: str, n: int) -> Question:
        """What buyers of an item also bought: answers.AlsoBought."""
        return self._of_item(keys.also_bought(item_id), item_id, BESIDE, n)

    def popular(self, n: int, category: str | None = None) -> Question:
        """The best sellers of the shop or of a category: answers.Popular."""

        async def ask(edition: Edition) -> Body:
            [items] = await edition.values(keys.popular(category or keys.ALL))
            return {"category": category, "segment": None, "items": edition.shown(items, SCORED, n)}

        return ask

    def popular_in_segment(self, n: int, segment: int) -> Question:
        """What is popular in a segment, without what its list is filled up with: answers.Popular."""

        async def ask(edition: Edition) -> Body:
            [items] = await edition.values(keys.segment(segment))
            own = [item for item in items or () if item["source"] == IN_SEGMENT]
            return {"category": None, "segment": segment, "items": edition.shown(own, SCORED, n)}

        return ask

    def users(self, n: int) -> Question:
        """Some users that have a list: answers.Users."""

        async def ask(edition: Edition) -> Body:
            [user_ids] = await edition.values(keys.USERS)
            return {"user_ids": user_ids[:n]}

        return ask

    def publication(self) -> Question:
        """The live publication and how good it was: answers.LivePublication."""

        async def ask(edition: Edition) -> Body:
            [about] = await edition.values(keys.ABOUT)
            publication: Body = about["publication"]
            return publication

        return ask

    def _of_item(self, key: str, item_id: str, names: Sequence[str], n: int) -> Question:
        async def ask(edition: Edition) -> Body:
            items, item = await edition.values(key, keys.item(item_id))
            known = item or {}
            return {
                "item_id": _plain(item_id, self._ids.item),
                "name": known.get("name"),
                "category": known.get("category"),
                "items": edition.shown(items, names, n),
            }

        return ask


class RedisLists:
    """The copy of one shop, in the place of `database.Database`.

    url:      of the Redis server
    settings: of the shop
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self._keys = Keys(settings.serving.schema_name)
        self._pool = redis.asyncio.BlockingConnectionPool.from_url(
            url,
            decode_responses=True,
            max_connections=settings.service.connections,
            timeout=settings.service.pool_timeout_ms / 1000,
            socket_timeout=settings.service.statement_timeout_ms / 1000,
            socket_connect_timeout=CONNECT_SECONDS,
            client_name="nightshelf-service",
        )
        self._client = redis.asyncio.Redis(connection_pool=self._pool)
        self._shop: Shop | None = None

    async def open(self) -> None:
        """Nothing: the first request connects."""

    async def close(self) -> None:
        """Let all connections go."""
        await self._client.aclose()
        await self._pool.disconnect()

    def connections(self) -> Connections:
        """Those that there may be; Redis tells of no others."""
        return Connections(self._pool.max_connections, 0, 0)

    async def queries(self) -> KeyQueries:
        """The queries of this shop. Raises Unavailable."""
        return KeyQueries((await self.shop()).ids)

    async def shop(self) -> Shop:
        """The shop as it was when it was first seen. Raises Unavailable."""
        if self._shop is None:
            self._shop = await self.look()
        return self._shop

    async def look(self) -> Shop:
        """The shop as it is. Raises Unavailable, also where nothing is copied yet."""
        version, edition = await self._live()
        [about] = await self._asked(edition.values(keys.ABOUT))
        ids = about["user_id_type"], about["item_id_type"]
        return Shop(NEEDED_VERSION, *ids, about["length"], version)

    async def answer(self, query: Question) -> Answer:
        """The answer, always of what is live. Raises Unavailable."""
        version, edition = await self._live()
        body = await self._asked(query(edition))
        most = (await self.shop()).max_n
        return Answer(version, most, json.dumps({"version": version, **body}, ensure_ascii=False))

    async def _live(self) -> tuple[int, Edition]:
        """The live version, and its copy, whose keys stay for a minute at least from now on."""
        name, hidden = await self._asked(self._client.mget([self._keys.live, self._keys.blocked]))
        if name is None:
            raise Unavailable(EMPTY)
        edition = Edition(self._client, self._keys.of(name), json.loads(hidden or "[]"))
        return int(name.partition("-")[0]), edition

    async def _asked(self, asked: Awaitable[Any]) -> Any:
        try:
            return await asked
        except (RedisError, OSError) as error:
            log.warning("%s: %s", AWAY, type(error).__name__)
            raise Unavailable(AWAY) from None


def _plain(text: str, kind: str) -> int | str:
    """An id as JSON has it."""
    return int(text) if kind == "integer" else text
