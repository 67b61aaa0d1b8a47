"""The zip for AWS Lambda: what is in it, and that it answers by itself, with a secret of a real API."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import psycopg
import pytest
from psycopg import sql

from deploy.aws import build_zip
from pipeline.config import ROOT
from pipeline.databases.embedded import Server
from pipeline.environment import child_environment
from tests.export.servers import free_port
from tests.faults.conftest import new_server, shop_on
from tests.handler.tools import Process, function_of, with_tools
from tests.reading.test_imports import NOT_FOR_A_DOOR
from tests.service.conftest import LISTS, USERS
from tests.service.running import patiently
from tests.service.test_database import service_pids
from tests.serving.nights import Shop

__all__ = ["new_server", "shop_on"]

pytestmark = pytest.mark.aws

MOST_MB = 25
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
POPULAR = {"route": "popular", "n": 2}
PASSWORD = "kept-from-every-log"
AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def build(out: Path, *options: str) -> str:
    """Write a zip; returns what was said."""
    command = [sys.executable, str(ROOT / "deploy" / "aws" / "build_zip.py"), "--out", str(out), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def own_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip for the Python that the tests run with."""
    out = tmp_path_factory.mktemp("zip") / "lambda.zip"
    assert "with bytecode" in build(out, "--python", OWN)
    return out


@pytest.fixture(scope="module")
def unpacked(own_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Lambda makes of it."""
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(own_zip) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def own(new_server: Callable[..., Server]) -> Server:
    """A server that may be stopped."""
    return new_server()


@pytest.fixture(scope="module")
def url(own: Server, shop_on: Callable[..., Shop]) -> str:
    """Of the reader of a shop with one publication."""
    shop = shop_on(own.url("serving"))
    shop.publish(shop.night(1, USERS, **LISTS))
    return own.url("serving", "reader")


def test_what_is_deployed_is_small_and_holds_nothing_of_a_night(tmp_path: Path) -> None:
    out = tmp_path / "lambda.zip"
    assert "Python 3.13, x86_64" in build(out)
    assert out.stat().st_size < MOST_MB * 1e6
    names = zipfile.ZipFile(out).namelist()
    top = {name.partition("/")[0] for name in names}
    assert {"pipeline", "psycopg", "psycopg_binary", "pydantic", "config.toml", "sql"} <= top
    assert not top & (NOT_FOR_A_DOOR | {"boto3", "botocore", "fastapi", "starlette", "redis", "bin"})
    compiled = [name for name in names if name.endswith(".so")]
    assert any("cpython-313-x86_64" in name for name in compiled)
    assert not any("cpython-311" in name for name in compiled)
    of_pipeline = {name.split("/")[1] for name in names if name.startswith("pipeline/")}
    assert of_pipeline - {"__pycache__"} == {*build_zip.FILES, *build_zip.PACKAGES}


def test_settings_of_all_shops_and_certificates_are_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deploy" / "aws").mkdir(parents=True)
    for name in ("pipeline", "sql"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("config.toml", "config.books.toml", "config.books.local.toml", "deploy/aws/bundle.pem"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr(build_zip, "ROOT", tmp_path)
    folder = tmp_path / "gathered"
    folder.mkdir()
    build_zip.gather(folder)
    beside = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in (".toml", ".pem")}
    assert beside == {"config.toml", "config.books.toml", "certificates/bundle.pem"}


def test_the_same_files_make_the_same_bytes(own_zip: Path, tmp_path: Path) -> None:
    build(tmp_path / "again.zip", "--python", OWN)
    assert (tmp_path / "again.zip").read_bytes() == own_zip.read_bytes()


def test_the_zip_alone_answers_and_follows_a_database_that_restarts(
    unpacked: Path, own: Server, url: str, tmp_path: Path
) -> None:
    with function_of(unpacked, tmp_path / "log", NIGHTSHELF_READER_URL=url) as function:
        seconds, reply = function.timed(POPULAR)
        assert (reply["status"], [item["item_id"] for item in reply["body"]["items"]]) == (200, [11, 15])
        assert seconds < 30
        own.stop()
        assert function(POPULAR)["status"] == 503
        own.start()
        assert function(POPULAR)["status"] == 200
    lines = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]
    assert [line["status"] for line in lines] == [200, 503, 200]
    assert url not in (tmp_path / "log").read_text(encoding="utf-8")


def test_without_boto3_a_secret_is_refused_with_what_to_do(unpacked: Path, tmp_path: Path) -> None:
    with function_of(unpacked, tmp_path / "log", NIGHTSHELF_READER_SECRET="shop") as function:
        assert function(POPULAR)["status"] == 500
    assert "boto3, which reads secrets, is not installed" in (tmp_path / "log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def secrets() -> Iterator[str]:
    """The URL of a Secrets Manager: Moto's, which speaks AWS's API."""
    port = free_port()
    command = with_tools("moto_server", "-H", "127.0.0.1", "-p", str(port))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            patiently(lambda: urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=2).read(), 60)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture
def put(secrets: str) -> Callable[[str, str], None]:
    """`put(name, text)`: write a secret."""

    def write(name: str, text: str) -> None:
        code = (
            "import boto3, sys\nclient, (name, text) = boto3.client('secretsmanager'), sys.argv[1:]\n"
            "try: client.create_secret(Name=name, SecretString=text)\n"
            "except client.exceptions.ResourceExistsException:\n"
            "    client.put_secret_value(SecretId=name, SecretString=text)"
        )
        variables = child_environment("AWS_", **AWS, AWS_ENDPOINT_URL_SECRETS_MANAGER=secrets)
        subprocess.run(with_tools("python", "-c", code, name, text), check=True, env=variables)

    return write


@contextmanager
def reading_secret(unpacked: Path, log: Path, endpoint: str, name: str) -> Iterator[Process]:
    """A process of the function that reads its login from a secret."""
    variables = {**AWS, "AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint, "NIGHTSHELF_READER_SECRET": name}
    with function_of(unpacked, log, *with_tools("python", "-B"), **variables) as function:
        yield function


def test_the_login_is_read_from_a_secret_and_read_again_when_it_is_changed(
    unpacked: Path,
    own: Server,
    url: str,
    secrets: str,
    put: Callable[[str, str], None],
    tmp_path: Path,
) -> None:
    parts = urlsplit(url)
    login = {"host": parts.hostname, "port": parts.port, "dbname": "serving", "username": parts.username}
    put("shop/reader", json.dumps({**login, "password": parts.password, "engine": "postgres"}))
    change = sql.SQL("ALTER ROLE {} PASSWORD {}")
    with reading_secret(unpacked, tmp_path / "log", secrets, "shop/reader") as function:
        assert function(POPULAR)["status"] == 200
        function({"set": {"PAUSE_SECONDS": 0}})
        with psycopg.connect(own.admin_url(), autocommit=True) as db:
            db.execute(change.format(sql.Identifier(parts.username or ""), PASSWORD))
            for pid in service_pids(own, url):
                db.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            try:
                assert function(POPULAR)["status"] == 503
                put("shop/reader", url.replace(str(parts.password), PASSWORD))
                assert function(POPULAR)["status"] == 200
            finally:
                db.execute(change.format(sql.Identifier(parts.username or ""), str(parts.password)))
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert PASSWORD not in log
    assert str(parts.password) not in log


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "the secret shop/wrong cannot be read"),
        (f'{{"password": "{PASSWORD}", "host": "h", "username": "u"}}', "does not say how to log in"),
        (f'{{"password": "{PASSWORD}", "host": null, "username": "u", "dbname": "x"}}', "how to log in"),
        (f"{{{PASSWORD}", "the secret does not say how to log in"),
        (f"{PASSWORD} is no URL", "the URL of the serving database cannot be read"),
    ],
)
def test_a_secret_that_cannot_be_used_is_in_the_log_and_in_no_reply(
    unpacked: Path,
    secrets: str,
    put: Callable[[str, str], None],
    tmp_path: Path,
    text: str | None,
    why: str,
) -> None:
    if text is not None:
        put("shop/wrong", text)
    name = "shop/wrong" if text is not None else "shop/missing"
    with reading_secret(unpacked, tmp_path / "log", secrets, name) as function:
        reply = function(POPULAR)
    assert (reply["status"], reply["body"]["detail"]) == (
        500, "this function is not set up; its log says what is missing",
    )  # fmt: skip
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert why.replace("shop/wrong", name) in log
    assert "mend" in log
    assert PASSWORD not in log


class Busy(BaseHTTPRequestHandler):
    """Answers every request as AWS does when there are too many."""

    def do_POST(self) -> None:
        """400, and the code."""
        body = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
        self.send_response(400)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("answers", [True, False], ids=["throttled", "nobody-there"])
def test_secrets_that_cannot_be_read_now_are_a_503(unpacked: Path, tmp_path: Path, answers: bool) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as busy:
        threading.Thread(target=partial(busy.serve_forever, 0.05), daemon=True).start()
        port = busy.server_port if answers else free_port()
        with reading_secret(unpacked, tmp_path / "log", f"http://127.0.0.1:{port}", "shop") as function:
            reply = function(POPULAR)
        busy.shutdown()
    assert (reply["status"], reply["body"]["detail"]) == (
        503, "the secret with the database's login cannot be read now",
    )  # fmt: skip
    complaint = json.loads((tmp_path / "log").read_text(encoding="utf-8").splitlines()[0])
    found = "ThrottlingException" if answers else "EndpointConnectionError"
    assert (complaint["level"], complaint["found"]) == ("ERROR", found)
