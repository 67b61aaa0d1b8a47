"""Starts the service and stops it cleanly."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from pipeline import config, environment
from pipeline.errors import SettingsError
from pipeline.service.app import make_app


def run(url: str, file: Path | None, host: str, port: int, say: Callable[[str], None]) -> None:
    """Answer requests until SIGTERM or Ctrl-C.

    url:  of a login that is a member of the reader's role
    file: the settings; None: config.toml

    Raises SettingsError where the port is in use.
    """
    app = make_app(url, config.load(file), environment.service_tokens())
    with _listening(host, port) as listener:
        say(f"the service answers at http://{host}:{listener.getsockname()[1]}")
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        )
        server.run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=2048)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"the service cannot listen on {host}:{port}", found=str(error), then="choose another --port"
        ) from None
