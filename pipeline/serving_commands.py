"""The commands of `python -m pipeline` on what is published: versions, rollbacks, doors, forgotten users."""

from __future__ import annotations

import argparse
import os
import pwd
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from pipeline import config
from pipeline.errors import SettingsError

Say = Callable[[str], None]


def migrate(options: argparse.Namespace, say: Say) -> None:
    """Create the serving schema, or reset it."""
    from pipeline.databases.urls import url_of
    from pipeline.serving import migrate as create

    settings = config.load(options.config)
    create(url_of("serving"), settings, say=say, reset=options.reset_serving)


def publications(options: argparse.Namespace, say: Say) -> None:
    """Print the stored versions, with the live one marked."""
    from pipeline.databases.urls import url_of
    from pipeline.serving import publications as stored
    from pipeline.serving.tables import publications_table

    rows, hold = stored(url_of("serving"), config.load(options.config))
    say(publications_table(rows, hold))


def rollback(options: argparse.Namespace, say: Say) -> None:
    """Put an earlier publication live again."""
    from pipeline.databases.urls import url_of
    from pipeline.rollback_form import save_choices
    from pipeline.serving import rollback as put_back

    settings, serving = config.load(options.config), url_of("serving")
    put_back(serving, settings, to=options.to, hold=options.hold, who=account(), say=say)
    save_choices(serving, settings, say)


def release(options: argparse.Namespace, say: Say) -> None:
    """End a hold."""
    from pipeline.databases.urls import url_of
    from pipeline.rollback_form import save_choices
    from pipeline.serving import release as end_hold

    settings, serving = config.load(options.config), url_of("serving")
    end_hold(serving, settings, who=account(), say=say)
    save_choices(serving, settings, say)


def export(options: argparse.Namespace, say: Say) -> None:
    """Copy what is live to Redis."""
    from pipeline import environment
    from pipeline.databases.urls import url_of
    from pipeline.export.redis import export as copy

    settings, redis_url = config.load(options.config), environment.redis_url()
    if redis_url is None:
        raise SettingsError(
            "no Redis server is named",
            then="set NIGHTSHELF_REDIS_URL, such as redis://user:password@host:6379/0 (rediss:// for TLS)",
        )
    say(copy(url_of("serving"), redis_url, settings, again=options.again).in_words())


def forget(options: argparse.Namespace, say: Say) -> None:
    """Erase a user, and keep that user out of later nights."""
    from pipeline import environment
    from pipeline.databases.urls import url_of
    from pipeline.retention.forget import forget as erase

    text = sys.stdin.read().rstrip("\r\n") if options.user_id == "-" else options.user_id
    settings = config.load(options.config)
    runs = config.runs_folder(settings)
    redis_url = environment.redis_url()
    erase(text, settings, url_of("serving"), runs, redis_url, now=datetime.now(UTC), say=say)


def serve(options: argparse.Namespace, say: Say) -> None:
    """Answer apps and people by HTTP, from NIGHTSHELF_READER_URL, the embedded database or Redis."""
    from pipeline import environment
    from pipeline.databases.urls import url_of
    from pipeline.service.run import run as answer

    url, settings = environment.configured_url("reader"), config.load(options.config)
    if url is None and settings.service.lists_from == "postgresql":
        url = url_of("serving", "reader", settings.serving.role_prefix)
    answer(url, options.config, options.host, options.port, say)


def account() -> str:
    """The caller's account, which rollbacks record: `anna@host`."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"
