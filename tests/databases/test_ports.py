"""pipeline/databases/ports.py: a port asked for by name, with real sockets in the way."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import environment
from pipeline.databases import ports
from pipeline.errors import AirflowError, DatabaseError, SettingsError


@pytest.fixture
def listener() -> Iterator[Callable[[str], int]]:
    """`listener(address)` listens there until the test ends; its port."""
    sockets: list[socket.socket] = []

    def listen(address: str) -> int:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sockets.append(socket.socket(family))
        sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sockets[-1].bind((address, 0))
        sockets[-1].listen()
        return int(sockets[-1].getsockname()[1])

    yield listen
    for opened in sockets:
        opened.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use_is_told_with_who_asked_and_what_to_do(
    listener: Callable[[str], int], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    port = listener(address)
    monkeypatch.setenv("NIGHTSHELF_POSTGRES_PORT", str(port))
    with pytest.raises(DatabaseError) as caught:
        ports.check("postgres", "the embedded PostgreSQL", DatabaseError)
    assert str(caught.value) == (
        f"port {port} is in use by another process\n"
        f"  found:    NIGHTSHELF_POSTGRES_PORT={port} asks for it for the embedded PostgreSQL\n"
        "  next:     set NIGHTSHELF_POSTGRES_PORT to another port, or unset it: a free one is then taken"
    )
    assert not ports.is_free(port)


def test_a_free_port_and_none_at_all_are_in_order(
    listener: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NIGHTSHELF_UI_PORT", raising=False)
    ports.check("ui", "Airflow's UI", AirflowError)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("NIGHTSHELF_UI_PORT", str(port))
    ports.check("ui", "Airflow's UI", AirflowError)


def test_a_port_that_the_system_refuses_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first < 2:
        pytest.skip("every user may listen on every port here")
    monkeypatch.setenv("NIGHTSHELF_UI_PORT", "1")
    user = os.geteuid()
    os.seteuid(user or 65_534)
    try:
        with pytest.raises(AirflowError, match="port 1 is refused by the system") as caught:
            ports.check("ui", "Airflow's UI", AirflowError)
    finally:
        os.seteuid(user)
    assert "Permission denied" in caught.value.found


@pytest.mark.parametrize("text", ["0", "70000", "65536", "abc", "-1", "80.5", " 8080", "80a"])
@pytest.mark.parametrize("name", ["ui", "postgres"])
def test_what_is_no_port_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: environment.LocalServer, text: str
) -> None:
    monkeypatch.setenv(f"NIGHTSHELF_{name.upper()}_PORT", text)
    with pytest.raises(SettingsError) as caught:
        environment.port(name)
    assert caught.value.what == f"NIGHTSHELF_{name.upper()}_PORT is no port"
    assert caught.value.found == text


@pytest.mark.parametrize(("text", "port"), [("1", 1), ("65535", 65_535), ("", None)])
def test_ports_at_the_ends_and_an_empty_variable(
    monkeypatch: pytest.MonkeyPatch, text: str, port: int | None
) -> None:
    monkeypatch.setenv("NIGHTSHELF_UI_PORT", text)
    assert environment.port("ui") == port
