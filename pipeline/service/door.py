"""The way to the serving database: a pool of connections, and one error where it gives no answer."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from pipeline.config import Settings
from pipeline.reading import Answer, Question, Questions, shop
from pipeline.settings.service import Service

CONNECT_SECONDS = 3
GRACE_SECONDS = 0.5
"""How much later than the server this side gives a statement up."""
SESSION = "SELECT pg_catalog.pg_backend_pid()"
TIMEOUT = "SET {}statement_timeout = {}"


class Away(Exception):
    """The database gives no answer now; the message is one sentence for whoever asked."""


class Connection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """is_pooled: whether a pooler stands between, which hands each transaction another server connection"""

    is_pooled = False


class Door:
    """The serving database as one reader sees it.

    url:      of a login that is a member of the reader's role
    settings: of the shop
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self.settings: Service = settings.service
        self.schema = settings.serving.schema_name
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo=re.sub(r"^(postgres(?:ql)?)\+\w+:", r"\1:", url),
            connection_class=Connection,
            kwargs={"autocommit": True, "connect_timeout": CONNECT_SECONDS, "client_encoding": "UTF8"},
            min_size=min(2, self.settings.connections),
            max_size=self.settings.connections,
            timeout=self.settings.pool_timeout_ms / 1000,
            max_waiting=50 * self.settings.connections,
            reconnect_timeout=10,
            configure=self._configure,
            open=False,
        )
        self._questions: Questions | None = None

    async def questions(self) -> Questions:
        """The questions of this shop, with its types of ids. Raises Away."""
        if self._questions is None:
            question = shop.about(self.schema)
            ids = shop.ids_of(await self._row(question))
            if ids is None:
                raise Away(f"there is no schema `{self.schema}` that this login may read")
            self.ids = ids
            self._questions = Questions(self.schema, ids)
        return self._questions

    async def ask(self, question: Question) -> Answer:
        """The answer, always of a live version. Raises Away."""
        answer = Answer(*await self._row(question))
        if answer.version is None:
            raise Away("nothing is published yet")
        return answer

    async def _row(self, question: Question) -> tuple[Any, ...]:
        try:
            return await self._try(question)
        except psycopg.OperationalError as error:
            if error.sqlstate == "57014":
                raise Away("the database took too long for an answer") from None
            await self.pool.check()
        try:
            return await self._try(question)
        except psycopg.OperationalError:
            raise Away("the database cannot be reached") from None

    async def _try(self, question: Question) -> tuple[Any, ...]:
        try:
            connection = await self.pool.getconn()
        except (PoolTimeout, TooManyRequests):
            raise Away("the database cannot be reached, or all connections are in use") from None
        try:
            async with asyncio.timeout(self.settings.statement_timeout_ms / 1000 + GRACE_SECONDS):
                if connection.is_pooled:
                    async with connection.transaction():
                        await connection.execute(
                            TIMEOUT.format("LOCAL ", self.settings.statement_timeout_ms).encode()
                        )
                        cursor = await connection.execute(question.statement, question.values)
                else:
                    cursor = await connection.execute(question.statement, question.values)
                row = await cursor.fetchone()
        except TimeoutError:
            await connection.close()
            raise Away("the database took too long for an answer") from None
        finally:
            await self.pool.putconn(connection)
        assert row is not None
        return row

    async def _configure(self, connection: Connection) -> None:
        """Behind a pooler the process at the other end is not the one that the connection began with."""
        row = await (await connection.execute(SESSION)).fetchone()
        connection.is_pooled = row is None or row[0] != connection.info.backend_pid
        if connection.is_pooled:
            connection.prepare_threshold = None
        else:
            connection.prepare_threshold = 0
            await connection.execute(TIMEOUT.format("", self.settings.statement_timeout_ms).encode())
