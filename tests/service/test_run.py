"""How the service starts, what it refuses to start with, and how it stops."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.config import ROOT
from pipeline.environment import child_environment
from pipeline.errors import ServingError, SettingsError
from pipeline.reading.shop import NEEDED_VERSION
from pipeline.service.run import look_first, run
from tests.service.running import Running
from tests.serving.nights import Shop

TOKEN = "a-token-nobody-should-read"


def test_a_port_in_use_is_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            run("postgresql://nobody@127.0.0.1:1/none", None, "127.0.0.1", port, str)
    assert "--port" in caught.value.then
    with pytest.raises(SettingsError, match="cannot listen on no-such-host"):
        run("postgresql://nobody@127.0.0.1:1/none", None, "no-such-host", 0, str)
    for host in ("", "a" * 64, "a..b", "a\0b"):
        with pytest.raises(SettingsError, match="the service cannot listen on"):
            run("postgresql://nobody@127.0.0.1:1/none", None, host, 0, str)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly(service: Running, number: int) -> None:
    assert service.get("/ready")["version"] == 1
    service.process.send_signal(number)
    assert service.process.wait(timeout=10) == 0


def test_a_request_that_is_being_answered_is_answered_before_it_stops(shop: Shop, service: Running) -> None:
    where = urlsplit(service.url)
    service.get("/popular")
    with shop.connect("publisher") as db, db.transaction():
        db.execute("LOCK TABLE serving_storage.live IN ACCESS EXCLUSIVE MODE")
        line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        line.request("GET", "/popular")
        time.sleep(0.2)
        stopping = threading.Thread(target=service.process.terminate)
        stopping.start()
        time.sleep(0.2)
    assert line.getresponse().status == 200
    assert service.process.wait(timeout=10) == 0


def test_a_login_with_more_rights_is_refused(shop: Shop, reader_url: Callable[..., str]) -> None:
    look_first(reader_url(shop), shop.settings, str)
    with pytest.raises(ServingError, match="may do more than read what is published"):
        look_first(reader_url(shop, f"{shop.settings.serving.role_prefix}_operator"), shop.settings, str)
    with pytest.raises(ServingError, match="may do more"):
        look_first(shop.url, shop.settings, str)


def test_a_schema_that_is_missing_or_old_is_refused(
    shop: Shop, new_shop: Callable[..., Shop], reader_url: Callable[..., str]
) -> None:
    url = reader_url(shop)
    with shop.connect("publisher") as db:
        db.execute(f"UPDATE serving_storage.schema_info SET schema_version = {NEEDED_VERSION - 1}".encode())
    old = f"no serving schema `serving` of version {NEEDED_VERSION} or later"
    with pytest.raises(ServingError, match=old):
        look_first(url, shop.settings, str)
    with shop.connect("owner") as db:
        db.execute("DROP VIEW serving.shop")
    with pytest.raises(ServingError, match=old) as caught:
        look_first(url, shop.settings, str)
    assert "migrate" in caught.value.then
    with pytest.raises(ServingError, match="no serving schema `elsewhere`"):
        look_first(
            url, new_shop(schema="elsewhere", role_prefix=shop.settings.serving.role_prefix).settings, str
        )


def test_a_url_that_is_none_is_refused_without_its_password(shop: Shop) -> None:
    for url in ("postgresql://reader:word@[::1/name", "reader word", "host=a nothing=b password=word"):
        with pytest.raises(SettingsError) as caught:
            look_first(url, shop.settings, str)
        assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    "where", ["a..b/name", "a" * 64 + "/name", "db:port/name", "db:0/name", "db:65536/name", "ok,a..b/name"]
)
def test_an_address_that_no_server_can_have_is_refused_at_once(shop: Shop, where: str) -> None:
    with pytest.raises(SettingsError, match="the URL of the serving database cannot be read") as caught:
        look_first(f"postgresql://reader:hushhush@{where}", shop.settings, str)
    assert "hushhush" not in str(caught.value)


def test_a_database_that_does_not_answer_is_told_without_its_password(shop: Shop) -> None:
    said: list[str] = []
    look_first("postgresql://reader:hushhush@127.0.0.1:1/none", shop.settings, said.append)
    [line] = said
    assert line.startswith("the serving database does not answer yet")
    assert "hushhush" not in line


def started(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.service", *words],
        cwd=ROOT,
        env=child_environment("NIGHTSHELF_", **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_tells_what_is_missing() -> None:
    done = started()
    assert (done.returncode, done.stdout) == (1, "")
    assert "NIGHTSHELF_READER_URL" in done.stderr
    done = started("--port", "70000", NIGHTSHELF_READER_URL="postgresql://a@127.0.0.1:1/b")
    assert done.returncode == 2
    assert "a port is a whole number" in done.stderr


def test_a_token_that_is_easy_to_guess_is_refused_and_not_shown(tmp_path: Path) -> None:
    url = {"NIGHTSHELF_READER_URL": "postgresql://a@127.0.0.1:1/b"}
    done = started(NIGHTSHELF_SERVICE_TOKENS=f"{TOKEN}\nshort", **url)
    assert done.returncode == 1
    assert "at least 16" in done.stderr
    assert "short" not in done.stderr.replace("shorter", "")
    assert TOKEN not in done.stderr
    done = started(NIGHTSHELF_SERVICE_TOKENS=" \n ", **url)
    assert (done.returncode, "holds no token" in done.stderr) == (1, True)
    empty = tmp_path / "tokens"
    empty.touch()
    done = started(NIGHTSHELF_SERVICE_TOKENS_FILE=str(empty), **url)
    assert (done.returncode, "which gives no token" in done.stderr) == (1, True)
