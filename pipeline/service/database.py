"""The way to the serving database: a pool of connections, and one error where it gives no answer."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any, NamedTuple

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from pipeline.config import Settings
from pipeline.reading import Answer, Queries, Query
from pipeline.reading.connecting import (
    GRACE_SECONDS,
    OPTIONS,
    WHO_ANSWERS,
    Line,
    NoShop,
    admit,
    answer_of,
    conninfo,
    reading,
)
from pipeline.reading.refusals import AWAY, BUSY, EMPTY, Unavailable
from pipeline.reading.shop import Shop, no_shop, rights_query, shop_query

log = logging.getLogger(__name__)

RECONNECT_SECONDS = 1.5
"""How long a lost connection is tried again. Afterwards the next request makes one."""
CLOSE_SECONDS = 2.0
WAITING = 100
"""Requests that may wait for each connection."""


class Connections(NamedTuple):
    """Connections, those that nobody uses, and requests that wait for one."""

    n: int
    n_idle: int
    n_waiting: int


class Connection(psycopg.AsyncConnection[tuple[Any, ...]], Line):
    """A connection of the pool."""


class Database:
    """The serving database as one reader sees it.

    url:      of a login that is a member of the reader's role
    settings: of the shop
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self.settings, self.serving = settings.service, settings.serving
        self._patience = self.settings.statement_timeout_ms / 1000 + GRACE_SECONDS
        self._timeout = f"statement_timeout = {self.settings.statement_timeout_ms}"
        self._shop: Shop | None = None
        self._queries: Queries | None = None
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo=conninfo(url),
            connection_class=Connection,
            kwargs=dict(OPTIONS),
            min_size=min(2, self.settings.connections),
            max_size=self.settings.connections,
            timeout=self.settings.pool_timeout_ms / 1000,
            max_waiting=WAITING * self.settings.connections,
            reconnect_timeout=RECONNECT_SECONDS,
            configure=self._configure,
            open=False,
        )

    async def open(self) -> None:
        """Begin to connect."""
        await self.pool.open(wait=False)

    async def close(self) -> None:
        """Let all connections go."""
        await self.pool.close(timeout=CLOSE_SECONDS)

    def connections(self) -> Connections:
        """How many there are now."""
        pool = self.pool.get_stats()
        return Connections(
            pool.get("pool_size", 0), pool.get("pool_available", 0), pool.get("requests_waiting", 0)
        )

    async def queries(self) -> Queries:
        """The queries of this shop. Raises Unavailable, also where schema or login are wrong."""
        if self._queries is None:
            self._queries = Queries(self.serving.schema_name, (await self.shop()).ids)
        return self._queries

    async def shop(self) -> Shop:
        """The shop as it was when it was first seen with something live; another version may be live now.

        Raises Unavailable.
        """
        if self._shop is None:
            shop = await self.look()
            if shop.version is None:
                raise Unavailable(EMPTY)
            self._shop = shop
        return self._shop

    async def look(self) -> Shop:
        """The shop as it is, and the login as it must be. Raises Unavailable."""
        admit(await self._row(rights_query(self.serving)), self.serving)
        return Shop(*await self._row(shop_query(self.serving)))

    async def answer(self, query: Query) -> Answer:
        """The answer, always of a live version. Raises Unavailable or Unstorable."""
        return answer_of(await self._row(query))

    async def _row(self, query: Query) -> tuple[Any, ...]:
        """The row of a query.

        A server that went away took all connections with it. Each that is found lost is replaced, and the
        query, which only reads, is asked again.
        """
        for _ in range(self.settings.connections):
            with suppress(psycopg.OperationalError):
                return await self._attempt(query)
        try:
            return await self._attempt(query)
        except psycopg.OperationalError as error:
            log.warning("%s: %s", AWAY, " ".join(str(error).split()))
            raise Unavailable(AWAY) from None

    async def _attempt(self, query: Query) -> tuple[Any, ...]:
        try:
            connection = await self.pool.getconn()
        except (PoolTimeout, TooManyRequests):
            raise Unavailable(BUSY) from None
        timer = asyncio.get_running_loop().call_later(self._patience, connection.give_up)
        try:
            with reading(self.serving, connection):
                if connection.is_pooled:
                    cursor = await self._through_a_pooler(connection, query)
                else:
                    cursor = await connection.execute(query.statement, query.values)
                row = await cursor.fetchone()
        except NoShop:
            self._shop = self._queries = None
            raise
        finally:
            timer.cancel()
            await self.pool.putconn(connection)
        if row is None:  # no statement of sql/reading/ gives none, unless the shop's record is being reset
            raise Unavailable(no_shop(self.serving).what)
        return row

    async def _through_a_pooler(
        self, connection: Connection, query: Query
    ) -> psycopg.AsyncCursor[tuple[Any, ...]]:
        """In a transaction with its timeout: what a session sets, the pooler's next client would have."""
        async with connection.transaction():
            await connection.execute(f"SET LOCAL {self._timeout}".encode())
            return await connection.execute(query.statement, query.values)

    async def _configure(self, connection: Connection) -> None:
        """Find out whether a pooler stands between: another process answers then than was named at first.

        Through a pooler nothing is set for the session and no statement is prepared: an older one forwards
        neither to the right server connection.
        """
        cursor = await connection.execute(WHO_ANSWERS)
        row = await cursor.fetchone()
        connection.is_pooled = row is None or row[0] != connection.info.backend_pid
        connection.prepare_threshold = None if connection.is_pooled else 0
        if not connection.is_pooled:
            await connection.execute(f"SET {self._timeout}".encode())
