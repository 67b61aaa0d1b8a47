"""How a door connects to the serving database, and what that says where it gives no answer."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import errors as pg

from pipeline.config import Serving
from pipeline.errors import ServingError, SettingsError
from pipeline.reading.queries import Answer
from pipeline.reading.refusals import EMPTY, SLOW, Unavailable, Unstorable
from pipeline.reading.shop import Rights, check, no_shop

CONNECT_SECONDS = 3
KEPT_ALIVE = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A host that is gone without a word is noticed within half a minute, also by a connection nobody uses."""
OPTIONS: Mapping[str, Any] = {"autocommit": True, "client_encoding": "UTF8", **KEPT_ALIVE}
"""What a door connects with."""
GRACE_SECONDS = 0.5
"""How much later than the server a door gives a statement up: a server that is frozen ends nothing."""
NOT_OURS = (
    pg.UndefinedTable,
    pg.UndefinedColumn,
    pg.UndefinedFunction,
    pg.InvalidSchemaName,
    pg.InsufficientPrivilege,
)
"""What a schema that is missing, of an earlier version or just being reset gives."""
WHO_ANSWERS = "SELECT pg_catalog.pg_backend_pid()"


class NoShop(Unavailable):
    """The schema is missing, of an earlier version or just being reset."""


class Line:
    """What a connection of a door is beside one of psycopg, which stands before it among the bases.

    is_pooled: whether a pooler stands between, which hands each transaction another server connection
    is_given_up: whether the server took too long, and the socket was shut for that
    """

    is_pooled = False
    is_given_up = False

    def give_up(self) -> None:
        """Shut the socket: whoever waits for an answer there gets an error at once."""
        self.is_given_up = True
        with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(self.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    def fileno(self) -> int:
        """The file number of the socket."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """Whether it is of no use any more."""
        raise NotImplementedError


def conninfo(url: str) -> str:
    """The URL as libpq takes it: without the name of a driver."""
    return re.sub(r"^(postgres(?:ql)?)\+\w+:", r"\1:", url)


def check_url(url: str, then: str) -> None:
    """Raise SettingsError for a URL that leads to no server; it does not show the URL.

    then: what mends it
    """
    try:
        parts = psycopg.conninfo.conninfo_to_dict(conninfo(url))
        for host in str(parts.get("host") or "").split(","):
            if "@" in host or host != host.strip():
                raise ValueError
            if host and not host.startswith("/"):
                host.encode("idna")
        for port in str(parts.get("port") or "").split(","):
            if port and not 0 < int(port) <= 65_535:
                raise ValueError
    except (psycopg.Error, ValueError):
        raise SettingsError(
            "the URL of the serving database cannot be read",
            promised="postgresql://user:password@host:port/database, special characters percent-encoded",
            then=then,
        ) from None


@contextmanager
def reading(serving: Serving, connection: Line) -> Iterator[None]:
    """Around a statement: raises NoShop, Unavailable or Unstorable for what an error of it means.

    psycopg.OperationalError is a connection that was lost.
    """
    try:
        yield
    except NOT_OURS:
        raise NoShop(no_shop(serving).what) from None
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


def admit(rights: Sequence[Any], serving: Serving) -> None:
    """Raise Unavailable for a login that may not read, or may do more. rights: the row of rights_query"""
    try:
        check(Rights(*rights), serving)
    except ServingError as error:
        raise Unavailable(error.what) from None


def answer_of(row: Sequence[Any]) -> Answer:
    """The answer of the row of a query, always of a live version. Raises Unavailable."""
    answer = Answer(*row)
    if answer.version is None:
        raise Unavailable(EMPTY)
    return answer
