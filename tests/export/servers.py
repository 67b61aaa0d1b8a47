"""A real Redis server in a process of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

PATIENCE = 20.0


@dataclass(frozen=True)
class RedisServer:
    """port: on 127.0.0.1; process: the server"""

    port: int
    process: subprocess.Popen[bytes]

    def url(self, login: str = "", scheme: str = "redis") -> str:
        """Its URL. login: `user:password@`"""
        return f"{scheme}://{login}127.0.0.1:{self.port}/0"

    def client(self, **options: Any) -> redis.Redis:
        """A client that decodes answers."""
        return redis.Redis(port=self.port, decode_responses=True, **options)

    def all_keys(self) -> set[str]:
        """All keys."""
        return set(self.client().keys())


@contextmanager
def redis_server(
    folder: Path, *options: str, port: int = 0, port_option: str = "--port", **client: Any
) -> Iterator[RedisServer]:
    """A server that writes nothing to disk.

    options: of redis-server; port: 0 for a free one; port_option: which option names it
    client:  of who asks whether it is up
    """
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    port = port or free_port()
    command = [program, "--bind", "127.0.0.1", port_option, str(port), "--save", "", "--appendonly", "no"]
    folder.mkdir(exist_ok=True)
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen([*command, "--dir", str(folder), *options], stdout=log, stderr=log)
    server = RedisServer(port, process)
    try:
        _wait(server, client)
        yield server
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait(server: RedisServer, options: dict[str, Any]) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            server.client(**options).ping()
        except redis.AuthenticationError:
            return
        except redis.RedisError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return
