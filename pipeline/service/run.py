"""Starts the service, and stops it cleanly."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import psycopg
import uvicorn

from pipeline import config, environment
from pipeline.config import Settings
from pipeline.errors import SettingsError
from pipeline.reading.connecting import CONNECT_SECONDS, NOT_OURS, check_url, conninfo
from pipeline.reading.shop import NEEDED_VERSION, Rights, Shop, check, no_shop, rights_query, shop_query
from pipeline.service.app import make_app
from pipeline.service.database import Database
from pipeline.service.lists import Lists

BACKLOG = 2048
STOP_SECONDS = 5
"""How long requests that are being answered may take when the service stops."""


def run(url: str | None, file: Path | None, host: str, port: int, say: Callable[[str], None]) -> None:
    """Answer requests until SIGTERM or Ctrl-C.

    url:  of a login that is a member of the reader's role; not needed where lists are read from Redis
    file: the settings; None: config.toml
    port: 0: a free one

    Raises SettingsError where the settings, the URL or the port cannot be used, ServingError where the schema
    or the login is not as it must be. A database that does not answer is waited for: requests get 503.
    """
    settings, tokens = config.load(file), environment.service_tokens()
    with _listening(host, port) as listener:
        app = make_app(_lists(url, settings, say), settings, tokens)
        where = f"[{host}]" if ":" in host else host
        say(f"the service answers at http://{where}:{listener.getsockname()[1]}")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                ws="none",
                date_header=True,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        server.run(sockets=[listener])


def _lists(url: str | None, settings: Settings, say: Callable[[str], None]) -> Lists:
    """Where lists are read. Raises SettingsError and ServingError where that can never do."""
    if settings.service.lists_from == "redis":
        from pipeline.service.redis_lists import RedisLists

        redis_url = environment.redis_url()
        if redis_url is None:
            raise SettingsError(
                "the service does not know its Redis server",
                promised='service.lists_from = "redis" in the settings',
                then="set NIGHTSHELF_REDIS_URL",
            )
        try:
            return RedisLists(redis_url, settings)
        except ValueError:
            raise SettingsError(
                "the URL of the Redis server cannot be read",
                promised="redis://user:password@host:port/0, or rediss://... for TLS, percent-encoded",
                then="mend NIGHTSHELF_REDIS_URL",
            ) from None
    if url is None:
        raise SettingsError(
            "the service does not know its database",
            then="set NIGHTSHELF_READER_URL to the URL of a login that is a member of nightshelf_reader",
        )
    look_first(url, settings, say)
    return Database(url, settings)


def _end(number: int, frame: FrameType | None) -> None:
    """End with status 0: uvicorn finishes its answers first, and then raises the signal again."""
    raise SystemExit(0)


def look_first(url: str, settings: Settings, say: Callable[[str], None]) -> None:
    """Refuse a URL, a login or a schema that can never do, before anybody asks."""
    serving = settings.serving
    check_url(url, "mend NIGHTSHELF_READER_URL")
    try:
        with psycopg.connect(conninfo(url), connect_timeout=CONNECT_SECONDS, autocommit=True) as db:
            db.prepare_threshold = None
            rights = rights_query(serving)
            found = db.execute(rights.statement, rights.values).fetchone()
            check(Rights(*found or ()), serving)
            about = shop_query(serving)
            shop = Shop(*db.execute(about.statement).fetchone() or ())
    except NOT_OURS:
        raise no_shop(serving) from None
    except psycopg.OperationalError as error:
        why = " ".join(str(error).split())
        say(f"the serving database does not answer yet, lists are a 503 until it does: {why}")
        return
    if shop.schema_version < NEEDED_VERSION:
        raise no_shop(serving)
    if shop.version is None:
        say("nothing is published yet: make demo, or python -m pipeline run; lists are a 503 until then")


def _listening(host: str, port: int) -> socket.socket:
    if not host:
        raise SettingsError(
            "the service cannot listen on no address", then="give --host one, such as 127.0.0.1"
        )
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError, ValueError, TypeError) as error:
        raise SettingsError(
            f"the service cannot listen on {host}:{port}",
            found=str(error),
            then="choose another one with --port, or stop what listens there",
        ) from None
