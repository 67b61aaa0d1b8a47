"""PgBouncer in transaction pooling, in front of a server of the fault tests."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from pipeline.databases.embedded import ROLES, Role, Server
from pipeline.databases.install import unprivileged
from tests.faults import shelves

DATABASE = "serving"
PREPARES_SINCE = (1, 21)
"""The first version that can keep prepared statements in transaction pooling."""


@dataclass(frozen=True)
class Pooler:
    """server: what it stands in front of"""

    server: Server
    port: int
    version: tuple[int, int]

    def url(self, role: Role = "owner") -> str:
        """The server's own URL, through the pooler."""
        direct = urlsplit(self.server.url(DATABASE, role))
        return direct._replace(netloc=direct.netloc.replace(str(direct.port), str(self.port))).geturl()


@contextmanager
def pooled(server: Server, *, n_connections: int) -> Iterator[Pooler]:
    """At most `n_connections` to the server for each login; clients wait for their turn."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.fail("pgbouncer is not installed: apt-get install pgbouncer", pytrace=False)
    output = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.findall(r"\d+", output)[:2]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    home = Path(tempfile.mkdtemp(prefix="nightshelf-pgbouncer-"))
    home.chmod(0o755)
    logins = [urlsplit(server.url(DATABASE, role)) for role in ROLES]
    (home / "logins").write_text("".join(f'"{login.username}" "{login.password}"\n' for login in logins))
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": home / "logins",
        "pool_mode": "transaction",
        "default_pool_size": n_connections,
        "server_login_retry": 1,
    }
    if (int(major), int(minor)) >= PREPARES_SINCE:
        settings["max_prepared_statements"] = 100
    (home / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={logins[0].port}\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    account = {"user": unprivileged().uid} if os.geteuid() == 0 else {}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([program, home / "pgbouncer.ini"], stdout=log, stderr=log, **account)
    pooler = Pooler(server, port, (int(major), int(minor)))
    try:
        shelves.patiently(lambda: psycopg.connect(pooler.url()).close())
        yield pooler
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(home)
