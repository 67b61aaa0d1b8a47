"""The Redis server: connecting to it, and one error for whatever keeps it from holding the lists.

No message holds the URL's password, a key or a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import redis
from redis import exceptions
from redis.connection import AbstractConnection

from pipeline.errors import LoginRefused, NightshelfError, RedisRefused, SettingsError, Unreachable

CONNECT_SECONDS, ANSWER_SECONDS = 5, 60
SET_URL = "mend NIGHTSHELF_REDIS_URL, or the Airflow connection that [redis] names"
UNMOVED = "apps read what they read before"
AGAIN = "the same again (Airflow does so by itself)"


@contextmanager
def connected(url: str) -> Iterator[redis.Redis]:
    """A client that decodes answers; what the server then refuses is raised as a NightshelfError.

    url: redis://[user:password@]host[:port][/number], or rediss:// for TLS, or unix://PATH
    """
    try:
        client = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            client_name="nightshelf",
        )
    except (ValueError, TypeError, AttributeError):
        raise SettingsError(
            "the URL of the Redis server cannot be read",
            promised="redis://user:password@host:port/0, or rediss://... for TLS, percent-encoded",
            then=SET_URL,
        ) from None
    try:
        with client:
            yield client
    except (exceptions.RedisError, OSError) as error:
        raise meaning(error, url) from None


@contextmanager
def connection(client: redis.Redis) -> Iterator[AbstractConnection]:
    """A connection of the client's, for commands that are packed here."""
    connection = client.connection_pool.get_connection()
    try:
        yield connection
    finally:
        # After an error an answer may be under way, which the next command would take for its own.
        connection.disconnect()  # type: ignore[no-untyped-call]
        client.connection_pool.release(connection)


def packed(words: Sequence[str]) -> bytes:
    """A command as Redis reads it. redis-py cuts long ones into pieces, which are slower to send."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        text = word.encode()
        parts += (b"$%d\r\n" % len(text), text, b"\r\n")
    return b"".join(parts)


def check(client: redis.Redis) -> None:
    """Raise RedisRefused where the server cannot keep the lists whole."""
    about = client.info()
    if about.get("cluster_enabled"):
        raise _cluster()
    if about.get("role") != "master":
        raise _read_only()
    policy, most = str(about.get("maxmemory_policy")), int(about.get("maxmemory") or 0)
    if most and policy.startswith("allkeys"):
        raise RedisRefused(
            "the Redis server drops lists without a word when it is full",
            found=f"maxmemory-policy {policy}, maxmemory {most:,} bytes",
            promised=f"noeviction, or a policy that drops keys with a time to live alone; {UNMOVED}",
            then="in Redis: CONFIG SET maxmemory-policy volatile-ttl (and in its configuration)",
        )


def shown(url: str) -> str:
    """The URL for messages: scheme, host and port alone."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return f"unix://{unquote(parts.path)}"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or "localhost"
        return f"{parts.scheme}://{host}:{parts.port or 6379}"
    except ValueError:
        return "(a URL that cannot be read)"


def meaning(error: Exception, url: str) -> NightshelfError:
    """What an error of the client or the server means."""
    words = " ".join(str(error).split())[:200]
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthorizationError) or words.startswith(
        ("NOAUTH", "WRONGPASS")
    ):
        return LoginRefused(
            f"the Redis server at {shown(url)} refuses the login",
            promised="a user and a password that it accepts",
            then=SET_URL,
        )
    if isinstance(error, exceptions.NoPermissionError):
        return LoginRefused(
            f"the login at the Redis server {shown(url)} lacks a right",
            found=words,
            promised="reading and writing all keys of the shop, SCAN, UNLINK, EXPIRE, MULTI and WATCH",
            then="in Redis: ACL SETUSER name +@read +@write +@transaction +scan +info ~schema:*",
        )
    if isinstance(error, exceptions.OutOfMemoryError):
        return RedisRefused(
            "the Redis server is full: the lists do not fit beside those of before",
            found="it has reached maxmemory",
            promised=f"memory for two editions of the lists; {UNMOVED}",
            then="raise maxmemory, or lower redis.length or redis.keep_minutes, then the same again",
        )
    if isinstance(error, exceptions.ReadOnlyError | exceptions.MasterDownError):
        return _read_only()
    if isinstance(error, exceptions.MovedError | exceptions.AskError | exceptions.ClusterDownError):
        return _cluster()
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
        return Unreachable(
            f"the Redis server cannot be reached at {shown(url)}",
            found=words,
            promised=f"a server that answers; {UNMOVED}",
            then=f"{AGAIN}, or {SET_URL}",
        )
    return RedisRefused(
        f"the Redis server at {shown(url)} refuses a command", found=words, promised=UNMOVED, then=SET_URL
    )


def _read_only() -> RedisRefused:
    return RedisRefused(
        "the Redis server is a replica, which cannot be written to",
        promised=f"the server that it follows; {UNMOVED}",
        then=SET_URL,
    )


def _cluster() -> RedisRefused:
    return RedisRefused(
        "the Redis server is one of a cluster",
        promised=f"a server that has all keys, with replicas if you like; {UNMOVED}",
        then=SET_URL,
    )
