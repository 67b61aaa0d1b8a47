"""One connection to the serving database, kept between calls and made anew where it is dead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from pipeline.config import Settings
from pipeline.handler.secret import Login
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


class Connection(psycopg.Connection[tuple[Any, ...]], Line):
    """The connection of a handler."""


class Database:
    """The serving database as one reader sees it, a call at a time.

    login: of the reader
    """

    def __init__(self, login: Login, settings: Settings) -> None:
        self._login, self._serving = login, settings.serving
        milliseconds = settings.service.statement_timeout_ms
        self._patience = milliseconds / 1000 + GRACE_SECONDS
        self._timeout = f"statement_timeout = {milliseconds}"
        self._connection: Connection | None = None
        self._shop: Shop | None = None
        self._queries: Queries | None = None
        self._n_connects = 0
        self._why = ""

    def queries(self) -> Queries:
        """The queries of this shop. Raises Unavailable, also where schema or login are wrong."""
        if self._queries is None:
            self._queries = Queries(self._serving.schema_name, self.shop().ids)
        return self._queries

    def shop(self) -> Shop:
        """The shop as it was when it was first seen with something live. Raises Unavailable."""
        if self._shop is None:
            shop = self.look()
            if shop.version is None:
                raise Unavailable(EMPTY)
            self._shop = shop
        return self._shop

    def look(self) -> Shop:
        """The shop as it is, and the login as it must be. Raises Unavailable."""
        admit(self._row(rights_query(self._serving)), self._serving)
        return Shop(*self._row(shop_query(self._serving)))

    def answer(self, query: Query) -> Answer:
        """The answer, always of a live version. Raises Unavailable or Unstorable."""
        return answer_of(self._row(query))

    def counted(self) -> tuple[int, str]:
        """Connections made since the last time, and the newest error that was no answer: for a log."""
        counted = self._n_connects, self._why
        self._n_connects, self._why = 0, ""
        return counted

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _row(self, query: Query) -> tuple[Any, ...]:
        """The row of a query.

        A connection that was kept may have died since, while Lambda had stopped this process, and perhaps
        without a word. Then the query, which only reads, is asked again on a new one.
        """
        kept = self._connection
        if kept is not None:
            try:
                return self._attempt(kept, query)
            except psycopg.OperationalError as error:
                self._lose(error)
            except Unavailable as away:
                if not kept.is_given_up:
                    raise
                self._why = str(away)
        connection = self._connected()
        try:
            return self._attempt(connection, query)
        except psycopg.OperationalError as error:
            self._lose(error)
            raise Unavailable(AWAY) from None

    def _attempt(self, connection: Connection, query: Query) -> tuple[Any, ...]:
        try:
            with self._bounded(connection):
                if connection.is_pooled:
                    with connection.transaction():
                        connection.execute(f"SET LOCAL {self._timeout}".encode())
                        row = connection.execute(query.statement, query.values).fetchone()
                else:
                    row = connection.execute(query.statement, query.values).fetchone()
        except NoShop:
            self._shop = self._queries = None
            raise
        if row is None:  # no statement of sql/reading/ gives none, unless the shop's record is being reset
            raise Unavailable(no_shop(self._serving).what)
        return row

    @contextmanager
    def _bounded(self, connection: Connection) -> Iterator[None]:
        """Around statements: raises what `reading` does, and gives the connection up that takes too long."""
        timer = threading.Timer(self._patience, connection.give_up)
        timer.daemon = True
        timer.start()
        try:
            with reading(self._serving, connection):
                yield
        finally:
            timer.cancel()
            timer.join()  # else it might still shut a socket that is another one by now
            if connection.is_given_up:
                self.close()

    def _connected(self) -> Connection:
        """A new connection. Where it is refused and the secret is another one now, it is tried with that."""
        while True:
            try:
                return self._connect(self._login.url())
            except psycopg.OperationalError as error:
                self._lose(error)
                if not self._login.is_changed():
                    raise Unavailable(BUSY) from None

    def _connect(self, url: str) -> Connection:
        """Through a pooler nothing is set for the session, and no statement is prepared."""
        connection = self._connection = Connection.connect(conninfo(url), **OPTIONS)
        self._n_connects += 1
        with self._bounded(connection):
            row = connection.execute(WHO_ANSWERS).fetchone()
            connection.is_pooled = row is None or row[0] != connection.info.backend_pid
            connection.prepare_threshold = None if connection.is_pooled else 0
            if not connection.is_pooled:
                connection.execute(f"SET {self._timeout}".encode())
        return connection

    def _lose(self, error: psycopg.Error) -> None:
        self._why = " ".join(str(error).split())
        self.close()
