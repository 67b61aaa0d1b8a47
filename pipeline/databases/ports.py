"""Chooses the ports of the local servers on 127.0.0.1.

A port set in the environment (NIGHTSHELF_UI_PORT, NIGHTSHELF_POSTGRES_PORT) is used or refused. Otherwise a
server keeps the port it had, or takes a free one where another process has that.
"""

from __future__ import annotations

import errno
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

from pipeline import environment
from pipeline.environment import LocalServer
from pipeline.errors import NightshelfError

TRIES = 50


def preferred(folder: Path, among: range) -> int:
    """The port that a new server in `folder` tries first: always the same, rarely another folder's."""
    return among[int(hashlib.sha256(str(folder).encode()).hexdigest(), 16) % len(among)]


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    return _obstacle(port) is None


def candidates(server: LocalServer, remembered: int, among: range) -> Iterator[int]:
    """The port set in the environment and no other; else `remembered`, then others of `among`."""
    asked = environment.port(server)
    if asked is not None:
        yield asked
        return
    yield remembered
    for offset in range(1, TRIES):
        yield among[(remembered + offset * 7) % len(among)]


def check(server: LocalServer, what: str, kind: type[NightshelfError]) -> None:
    """Raise `kind` where a port is set in the environment and cannot be listened on.

    what: the server's name in the message
    """
    port = environment.port(server)
    obstacle = None if port is None else _obstacle(port)
    if obstacle is None:
        return
    is_taken = obstacle.errno == errno.EADDRINUSE
    name = environment.port_variable(server)
    raise kind(
        f"port {port} is {'in use by another process' if is_taken else 'refused by the system'}",
        found=f"{name}={port} asks for it for {what}" + ("" if is_taken else f" ({obstacle.strerror})"),
        then=f"set {name} to another port, or unset it: a free one is then taken",
    )


def _obstacle(port: int) -> OSError | None:
    """Why nothing can listen on 127.0.0.1:`port`; None where something can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error
    return None
