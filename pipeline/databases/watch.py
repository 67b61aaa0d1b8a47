"""Ends a connection whose server has gone silent, and says meanwhile how long it has been silent.

A server that is switched off, a firewall that drops packets, a proxy that holds the line and a locked table
look the same from here: nothing comes. No driver gives up by itself in all of these.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from pipeline.databases.failures import AGAIN
from pipeline.errors import Unreachable

TELL_AFTER = 60.0
"""Seconds of silence before the first line about it; then the time between two lines doubles."""


class Watch:
    """Counts the seconds of every wait for a server; a thread ends the connection after `limit` of them.

    what:  the server, for the lines: `the source database`
    limit: seconds of silence
    bound: the setting that says so, for the error
    say:   takes a line about a silence that goes on
    """

    def __init__(self, what: str, limit: float, bound: str, say: Callable[[str], None]) -> None:
        self.what, self.limit, self.bound, self.say = what, limit, bound, say
        self._end: Callable[[], None] = _nothing
        self.since: float | None = None
        """When the wait of this moment began, on the monotonic clock; None: nobody waits."""
        self._longest_failed = 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="nightshelf-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closed.set()
        self._thread.join()

    def attach(self, connection: Any) -> None:
        """Watch this connection, of any driver. One whose waits cannot be ended from outside (pymysql) has
        the limit from its driver."""
        self._end = _ending(connection)
        if isinstance(connection, WatchedConnection):
            connection.watch = self

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While the block waits for the server. Waits may be nested: the inner one counts anew."""
        self.since = time.monotonic()
        try:
            yield
        except BaseException:
            self.failed()
            raise
        finally:
            self.since = None

    def failed(self) -> None:
        """A wait has ended in an error: it may be the end that its silence was put to."""
        if self.since is not None:
            self._longest_failed = max(self._longest_failed, time.monotonic() - self.since)

    @property
    def error(self) -> Unreachable | None:
        """Why a wait failed, where that was the server's silence."""
        if self._longest_failed < self.limit:
            return None
        return Unreachable(
            f"{self.what} said nothing for {_minutes(self.limit)}",
            found="the connection was ended from this side",
            promised=f"an answer within {self.bound}",
            then="look there for a locked table, and between here and there for what drops packets; " + AGAIN,
        )

    def _watch(self) -> None:
        begun, tell_after = None, TELL_AFTER
        while not self._closed.wait(min(1.0, self.limit / 4)):
            since = self.since
            if since != begun:
                begun, tell_after = since, TELL_AFTER
            if since is None:
                continue
            silent = time.monotonic() - since
            if silent >= self.limit:
                self._end()
            elif silent >= tell_after:
                self.say(f"{self.what} has said nothing for {_minutes(silent)}; the limit is {self.bound}")
                tell_after *= 2


class WatchedConnection(psycopg.Connection[Any]):
    """A psycopg connection that tells its watch of every wait for the server."""

    watch: Watch | None = None

    def wait(self, *args: Any, **options: Any) -> Any:
        """As `Watch.waiting`, without a context manager: COPY waits once for each row."""
        watch = self.watch
        if watch is None:
            return super().wait(*args, **options)
        watch.since = time.monotonic()
        try:
            return super().wait(*args, **options)
        except BaseException:
            watch.failed()
            raise
        finally:
            watch.since = None


def _ending(connection: Any) -> Callable[[], None]:
    """What ends a wait on this driver's connection from another thread."""
    if isinstance(connection, psycopg.Connection):
        return lambda: _shut_down(connection)
    interrupt = getattr(connection, "interrupt", None)
    return interrupt if callable(interrupt) else _nothing


def _shut_down(connection: psycopg.Connection[Any]) -> None:
    """Shut the socket down. Not closed: its number could be given to another file meanwhile."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.3g} minutes"


def _nothing() -> None:
    """A driver whose waits nobody else can end."""
