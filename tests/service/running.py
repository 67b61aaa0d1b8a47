"""A real service in a process of its own, and what a client sees of it."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.config import ROOT, Settings
from pipeline.environment import child_environment

PATIENCE = 30.0


@dataclass(frozen=True)
class Reply:
    """An answer as it came over the wire; `headers` by small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Running:
    """url: where it answers; process: the service; lines: what it wrote to stdout is in this file"""

    url: str
    process: subprocess.Popen[bytes]
    log: Path = field(repr=False)

    def ask(
        self, path: str, method: str = "GET", body: object = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request; `path` as it goes over the wire, `body` is sent as JSON unless it is bytes."""
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE)
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if sent is not None else {}
        try:
            connection.request(method, path, sent, {**kind, **(headers or {})})
            reply = connection.getresponse()
            told = {name.lower(): value for name, value in reply.getheaders()}
            return Reply(reply.status, told, reply.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The JSON of a GET that must be answered with 200."""
        reply = self.ask(path)
        assert reply.status == 200, (path, reply.status, reply.body)
        return reply.json

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged: one JSON object a line."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


def settings_file(settings: Settings, folder: Path) -> Path:
    """A settings file that says what `settings` does, for another process."""
    from docs.settings_page import config_toml

    path = folder / "config.toml"
    path.write_text(config_toml(settings.model_dump(by_alias=True)), encoding="utf-8")
    return path


@contextmanager
def running(
    reader_url: str,
    settings: Settings,
    folder: Path,
    *,
    python: str = sys.executable,
    checkout: Path = ROOT,
    **variables: str,
) -> Iterator[Running]:
    """The service on a free port; it has begun to listen."""
    file, log = settings_file(settings, folder), folder / "service.log"
    environment = child_environment("NIGHTSHELF_", NIGHTSHELF_READER_URL=reader_url, **variables)
    command = [python, "-m", "pipeline.service", "--port", "0", "--config", str(file)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=out, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        told = b""
        for line in process.stderr:
            told += line
            if b"http://" in line:
                break
        else:
            raise AssertionError(f"the service did not start: {told.decode()}")
        yield Running("http" + told.decode().rpartition("http")[2].strip(), process, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        sys.stderr.write(process.stderr.read().decode(errors="replace"))
        process.stderr.close()


def patiently(check: Any, seconds: float = PATIENCE) -> None:
    """Try `check` until it raises no AssertionError."""
    until = time.monotonic() + seconds
    while True:
        try:
            return check()
        except (AssertionError, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
