"""Ports of the local servers on 127.0.0.1: the one asked for by name, else the one near the remembered."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from pipeline import config
from pipeline.config import LocalServer
from pipeline.errors import NightshelfError

TRIES = 50


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    return _obstacle(port) is None


def candidates(server: LocalServer, remembered: int, among: range) -> Iterator[int]:
    """The port asked for by name and no other; else the remembered one, then others of `among`."""
    asked = config.port(server)
    if asked is not None:
        yield asked
        return
    yield remembered
    for offset in range(1, TRIES):
        yield among[(remembered + offset * 7) % len(among)]


def check(server: LocalServer, what: str, kind: type[NightshelfError]) -> None:
    """Raise `kind` where the port asked for by name cannot be listened on; nothing where none is asked for.

    what: the server, as a person calls it
    """
    port = config.port(server)
    obstacle = None if port is None else _obstacle(port)
    if obstacle is None:
        return
    is_taken = obstacle.errno == errno.EADDRINUSE
    name = config.port_variable(server)
    raise kind(
        f"port {port} is {'in use by another process' if is_taken else 'refused by the system'}",
        found=f"{name}={port} asks for it for {what}" + ("" if is_taken else f" ({obstacle.strerror})"),
        then=f"set {name} to another port, or unset it: a free one is then taken",
    )


def _obstacle(port: int) -> OSError | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error
    return None
