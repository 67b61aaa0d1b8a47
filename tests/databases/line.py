"""A line to a server that can be held: packets are taken and not passed on, as a broken proxy does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy


class Line:
    """hold: from now on nothing is passed on, in either direction; the sockets stay open."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._is_held = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        self._is_held.set()

    def close(self) -> None:
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._is_held.is_set():
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def line_to(url: str) -> Iterator[tuple[Line, str]]:
    """A line to the server of a URL, and the URL that goes through it."""
    parsed = sqlalchemy.make_url(url)
    line = Line(parsed.host or "", parsed.port or 5432)
    try:
        through = parsed.set(host="127.0.0.1", port=line.port)
        yield line, through.render_as_string(hide_password=False)
    finally:
        line.close()
