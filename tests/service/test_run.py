"""How the service starts and stops."""

from __future__ import annotations

import socket

import pytest

from pipeline.errors import SettingsError
from pipeline.service.run import run
from tests.service.running import Running


def test_a_port_in_use_is_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}"):
            run("postgresql://nobody@127.0.0.1:1/none", None, "127.0.0.1", port, str)


def test_sigterm_stops_it_cleanly(service: Running) -> None:
    assert service.get("/ready")["version"] == 1
    service.process.terminate()
    assert service.process.wait(timeout=10) in (0, -15)
