"""The way to the serving database: a pool of connections, and one error where it gives no answer."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from contextlib import suppress
from typing import Any, NamedTuple

import psycopg
from psycopg import errors as pg
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from pipeline.config import Settings
from pipeline.errors import ServingError
from pipeline.reading import Answer, Queries, Query
from pipeline.reading.shop import Rights, Shop, check, no_shop, rights_query, shop_query

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3
LINE = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A host that is gone without a word is noticed within half a minute, also by a connection nobody uses."""
RECONNECT_SECONDS = 1.5
"""How long a lost connection is tried again. Afterwards the next request makes one."""
GRACE_SECONDS = 0.5
"""How much later than the server this side gives a statement up: a server that is frozen ends nothing."""
CLOSE_SECONDS = 2.0
WAITING = 100
"""Requests that may wait for each connection."""
NOT_OURS = (pg.UndefinedTable, pg.UndefinedFunction, pg.InvalidSchemaName, pg.InsufficientPrivilege)
"""What a schema that is missing, of an earlier version or just being reset gives."""

SLOW = "the database took too long for an answer"
AWAY = "the database cannot be reached"
BUSY = "the database cannot be reached, or its connections are all in use"
EMPTY = (
    "nothing is published yet: the first night does it (python -m pipeline run, or the DAG recommendations)"
)


class Unavailable(Exception):
    """There is no answer now, and there may be one soon; the message is one sentence for the client."""


class Unstorable(Exception):
    """A value that the database cannot hold, so that nothing can be stored under it."""


class Connections(NamedTuple):
    """Connections, those that nobody uses, and requests that wait for one."""

    n: int
    n_idle: int
    n_waiting: int


class Connection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """is_pooled: whether a pooler stands between, which hands each transaction another server connection
    is_given_up: whether the server took too long, and the socket was shut for that
    """

    is_pooled = False
    is_given_up = False

    def give_up(self) -> None:
        """Shut the socket: whoever waits for an answer gets an error at once. A cancelled task would wait."""
        self.is_given_up = True
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


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
            kwargs={"autocommit": True, "client_encoding": "UTF8", **LINE},
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
        try:
            check(Rights(*await self._row(rights_query(self.serving))), self.serving)
            shop = Shop(*await self._row(shop_query(self.serving)))
        except ServingError as error:
            raise Unavailable(error.what) from None
        return shop

    async def answer(self, query: Query) -> Answer:
        """The answer, always of a live version. Raises Unavailable or Unstorable."""
        answer = Answer(*await self._row(query))
        if answer.version is None:
            raise Unavailable(EMPTY)
        return answer

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
            if connection.is_pooled:
                cursor = await self._through_a_pooler(connection, query)
            else:
                cursor = await connection.execute(query.statement, query.values)
            row = await cursor.fetchone()
        except NOT_OURS:
            self._shop = self._queries = None
            raise Unavailable(no_shop(self.serving).what) from None
        except pg.QueryCanceled:
            raise Unavailable(SLOW) from None
        except psycopg.DataError as error:
            raise Unstorable from error
        except psycopg.Error as error:
            if connection.is_given_up:
                raise Unavailable(SLOW) from None
            if connection.closed and not isinstance(error, psycopg.OperationalError):
                raise psycopg.OperationalError(f"the connection was lost: {error}") from None
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
        cursor = await connection.execute("SELECT pg_catalog.pg_backend_pid()")
        row = await cursor.fetchone()
        connection.is_pooled = row is None or row[0] != connection.info.backend_pid
        connection.prepare_threshold = None if connection.is_pooled else 0
        if not connection.is_pooled:
            await connection.execute(f"SET {self._timeout}".encode())


def conninfo(url: str) -> str:
    """The URL as libpq takes it: without the name of a driver."""
    return re.sub(r"^(postgres(?:ql)?)\+\w+:", r"\1:", url)
