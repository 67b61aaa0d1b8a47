"""A publisher in a process of its own that is killed, or whose database backend is, at a chosen exchange.

An exchange is one request to the server and its answer: a statement, a piece of COPY, a BEGIN, a
COMMIT. psycopg waits for every one of them in `Connection.wait`, and that alone is replaced here.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Generator
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.waiting import Ready, Wait

from pipeline.config import Settings
from pipeline.errors import NightshelfError
from pipeline.runs.folder import RunFolder
from pipeline.serving import publish
from tests.serving.nights import ABOUT

NAME = 60
"""Characters of a name."""

SILENT = {"_set_isolation_level_gen", "_commit_gen"}
"""What in autocommit asks nothing of the server."""

Whom = Literal["publisher", "backend"]


@dataclass(frozen=True)
class Point:
    """One kill: of whom, at which exchange, before its request is sent or while its answer is awaited."""

    whom: Whom
    exchange: int
    is_sent: bool


def attempt(url: str, settings: Settings, folder: RunFolder, point: Point | None, pipe: Pipe) -> None:
    """Publish the run. Tells the exchanges (up to the kill), then `published` or the kind of the error.

    A publisher that is killed tells no end.
    """
    names: list[str] = []
    original = psycopg.Connection.wait

    def wait(self: psycopg.Connection[Any], exchange: Generator[Any, Any, Any], *_: Any, **__: Any) -> Any:
        if exchange.__name__ in SILENT:
            return original(self, exchange)
        due = point if point and point.exchange == len(names) else None
        names.append(name_of(exchange))
        if due and not due.is_sent:
            pipe.send(names)
            kill(due.whom, self)
        try:
            wanted = next(exchange)
            while True:
                if due and due.is_sent and not wanted & Wait.W:
                    pipe.send(names)
                    kill(due.whom, self)
                    due = None
                wanted = exchange.send(ready(self.pgconn.socket, wanted))
        except StopIteration as done:
            if due and due.is_sent:
                pipe.send(names)
                kill(due.whom, self)
            return done.value

    psycopg.Connection.wait = wait
    try:
        publish(url, settings, folder, ABOUT, say=str)
        end = "published"
    except NightshelfError as error:
        end = type(error).__name__
    if point is None:
        pipe.send(names)
    pipe.send(end)


def kill(whom: Whom, connection: psycopg.Connection[Any]) -> None:
    """End it as a failing machine would: no handler runs."""
    os.kill(os.getpid() if whom == "publisher" else connection.pgconn.backend_pid, signal.SIGKILL)


def ready(socket: int, wanted: Wait) -> Ready:
    readable, writable, _ = select.select(
        [socket] if wanted & Wait.R else [], [socket] if wanted & Wait.W else [], []
    )
    return Ready((Ready.R if readable else 0) | (Ready.W if writable else 0))


def name_of(exchange: Any) -> str:
    """What is asked of the server: the statement's first words, or psycopg's name for it."""
    statement = exchange.gi_frame.f_locals.get("query")
    text = statement.as_string() if isinstance(statement, sql.Composable) else statement
    return " ".join(str(text).split())[:NAME] if text else exchange.__name__.strip("_")
