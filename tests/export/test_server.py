"""pipeline/export/server.py: what keeps a Redis server from holding the lists, without secrets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.errors import LoginRefused, NightshelfError, RedisRefused, SettingsError, Unreachable
from pipeline.export import server
from tests.export.servers import RedisServer, free_port, redis_server

SECRET = "s3cr3t-horse"


def refused(url: str, kind: type[NightshelfError]) -> NightshelfError:
    """The error of checking the server, and writing a key to it."""

    def use() -> None:
        with server.connected(url) as client:
            server.check(client)
            client.set("serving:1-1:about", "text")

    with pytest.raises(kind) as error:
        use()
    assert SECRET not in f"{error.value!r}{error.value}"
    return error.value


@pytest.mark.parametrize(
    "url", ["host:6379", "http://h", f"redis://u:{SECRET}@h:port/0", "redis://h/0?socket_timeout=x"]
)
def test_a_url_that_is_none(url: str) -> None:
    assert refused(url, SettingsError).what == "the URL of the Redis server cannot be read"


def test_nobody_answers(store: RedisServer) -> None:
    store.process.kill()
    store.process.wait()
    error = refused(store.url(f"u:{SECRET}@"), Unreachable)
    assert f"redis://127.0.0.1:{store.port}" in error.what
    assert error.can_retry


def test_logins(store: RedisServer) -> None:
    store.client().execute_command(
        "ACL", "SETUSER", "shop", "on", f">{SECRET}", "~serving:*", "+@all", "-set"
    )
    store.client().execute_command("ACL", "SETUSER", "default", f">{SECRET}x")
    refused(store.url(), LoginRefused)
    refused(store.url(f":{SECRET}@"), LoginRefused)
    error = refused(store.url(f"shop:{SECRET}@"), LoginRefused)
    assert "lacks a right" in error.what
    assert "ACL SETUSER" in error.then


def test_a_policy_that_drops_lists(store: RedisServer) -> None:
    client = store.client()
    client.config_set("maxmemory-policy", "allkeys-lru")
    with server.connected(store.url()) as free:
        server.check(free)
    client.config_set("maxmemory", 100_000_000)
    error = refused(store.url(), RedisRefused)
    assert error.found == "maxmemory-policy allkeys-lru, maxmemory 100,000,000 bytes"
    client.config_set("maxmemory-policy", "volatile-ttl")
    with server.connected(store.url()) as careful:
        server.check(careful)


def test_a_replica(store: RedisServer, tmp_path: Path) -> None:
    with redis_server(tmp_path / "replica", "--replicaof", "127.0.0.1", str(store.port)) as replica:
        assert "is a replica" in refused(replica.url(), RedisRefused).what


def test_one_of_a_cluster(tmp_path: Path) -> None:
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with redis_server(tmp_path / "cluster", *options) as one:
        assert "is one of a cluster" in refused(one.url(), RedisRefused).what


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (b"-MOVED 3999 127.0.0.1:6381\r\n", "is one of a cluster"),
        (b"-READONLY You can't write against a read only replica.\r\n", "is a replica"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "is full"),
        (b"-ERR something else\r\n", "refuses a command"),
    ],
)
def test_what_a_server_says_later(store: RedisServer, answer: bytes, what: str) -> None:
    """The words of a server whose state changes after it was checked, read by the client itself."""
    script = f"return redis.error_reply({answer[1:-2].decode()!r})"
    with pytest.raises(RedisRefused, match=what), server.connected(store.url()) as client:
        client.eval(script, 0)


def test_tls(tmp_path: Path) -> None:
    """A certificate that the client does not know is refused; one it is told of is taken."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=127.0.0.1",
            ),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    options = ("--port", "0", "--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    options = (*options, "--tls-auth-clients", "no")
    known = {"host": "127.0.0.1", "ssl": True, "ssl_ca_certs": str(certificate)}
    with redis_server(tmp_path / "tls", *options, port_option="--tls-port", **known) as secure:
        refused(secure.url(scheme="rediss"), Unreachable)
        url = f"{secure.url(scheme='rediss')}?ssl_ca_certs={certificate}"
        with server.connected(url) as client:
            server.check(client)
            assert client.ping()
