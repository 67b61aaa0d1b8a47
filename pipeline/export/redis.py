"""Makes what Redis holds what is live: compares, copies, moves the pointer, and follows blocked items."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psycopg
import redis
from psycopg import sql
from psycopg.rows import DictRow

from pipeline.config import Settings
from pipeline.errors import ExportBusy, NothingPublished
from pipeline.export import server
from pipeline.export.editions import Editions
from pipeline.export.lists import Entry, Lists, as_json
from pipeline.export.statements import statement
from pipeline.reading import keys
from pipeline.reading.keys import Keys
from pipeline.serving import schema
from pipeline.serving.forgotten import NOBODY, forgotten_in
from pipeline.serving.session import Session, session

SENT = 200
"""Lists that are sent at a time."""
TRIES = 3
"""Copies in a row, where another version went live or somebody was forgotten meanwhile."""
ONE_AT_A_TIME = "one at a time; apps read what they read before"
AGAIN = "the same again when it has ended (Airflow does so by itself)"


@dataclass(frozen=True)
class Exported:
    """What Redis holds now.

    version:   the publication
    n_keys:    lists that were copied; 0: they were there already
    n_blocked: items that are blocked
    """

    version: int
    n_keys: int
    n_blocked: int

    def in_words(self) -> str:
        """One line for a log."""
        lists = f"{self.n_keys:,} keys written" if self.n_keys else "its lists were there already"
        return f"Redis holds version {self.version}: {lists}; blocked items: {self.n_blocked:,}"


def export(url: str, redis_url: str, settings: Settings, *, again: bool = False) -> Exported:
    """Copy the live publication to Redis, unless it is there, and which items are blocked.

    url:       of the serving database
    redis_url: of the Redis server
    again:     copy it even if it is there

    Apps read the lists of before until all new ones are written, and also where this raises: NothingPublished
    before the first night; RedisRefused, LoginRefused or Unreachable where Redis cannot take it; ExportBusy
    where another export is at work.
    """
    with server.connected(redis_url) as client, session(url, settings, "nightshelf export redis") as db:
        schema.require(db, settings)
        server.check(client)
        db.connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        copy = _Copy(db, client, settings)
        for _ in range(TRIES):
            done, edition = copy.write(again=again)
            if edition is None or copy.put_live(done, edition):
                return done
    raise ExportBusy(
        "what is live changed again and again while it was copied to Redis",
        promised="a minute of rest",
        then=AGAIN,
    )


def erase(redis_url: str, settings: Settings, user: int | str) -> int:
    """Delete the lists of a user from every edition; returns how many keys were deleted or mended."""
    shop = Keys(settings.serving.schema_name)
    n_keys = 0
    with server.connected(redis_url) as client:
        for edition in Editions(client, shop).states():
            prefix = shop.of(edition)
            n_keys += client.unlink(prefix + keys.user(user), prefix + keys.segment_of(user))
            examples = json.loads(client.get(prefix + keys.USERS) or "[]")
            if user in examples:
                examples.remove(user)
                client.set(prefix + keys.USERS, json.dumps(examples), keepttl=True, xx=True)
                n_keys += 1
    return n_keys


class _Copy:
    """The copy of one shop in Redis. db: every transaction sees one state of the database"""

    def __init__(self, db: Session, client: redis.Redis, settings: Settings) -> None:
        self._db, self._client, self._settings = db, client, settings
        self._keys = Keys(settings.serving.schema_name)
        self._editions = Editions(client, self._keys)
        self._forgotten = NOBODY

    def write(self, *, again: bool) -> tuple[Exported, str | None]:
        """Write what is live as a new edition; None: it is there, and not wanted again."""
        with self._db.transaction():
            self._lock()
            self._forgotten = forgotten_in(self._db)
            version, most = self._live()
            n_blocked = self._follow_blocked()
            self._editions.sweep()
            self._editions.expire_old(60 * self._settings.redis.keep_minutes)
            length = min(self._settings.redis.length, most)
            if not again and self._holds(version, length):
                return Exported(version, 0, n_blocked), None
            edition = self._editions.begin(version)
            lists = Lists(self._db, self._settings.ids, length, self._forgotten)
            try:
                with closing(lists.entries()) as entries:
                    n_keys = self._send(edition, entries)
            except BaseException:
                with suppress(redis.RedisError):
                    self._editions.drop(edition)
                raise
        return Exported(version, n_keys, n_blocked), edition

    def put_live(self, done: Exported, edition: str) -> bool:
        """Let apps read `edition`; whether it is what is live now.

        False: another version is, or somebody was forgotten; the edition, which may have them, is dropped.
        """
        with self._db.transaction():
            is_whole = forgotten_in(self._db) == self._forgotten
            version, _ = self._live()
        if not is_whole:
            self._editions.drop(edition)
            return False
        self._editions.put_live(edition)
        self._editions.expire_old(60 * self._settings.redis.keep_minutes)
        return version == done.version

    def _run(self, name: str, **values: Any) -> psycopg.Cursor[DictRow]:
        """Execute `sql/export/<name>.sql`."""
        return self._db.execute(statement(self._db.names, name), values)

    def _lock(self) -> None:
        row = self._run("lock", storage=self._db.names.storage).fetchone()
        if not (row and row["is_free"]):
            raise ExportBusy("another export to Redis is at work", promised=ONE_AT_A_TIME, then=AGAIN)

    def _live(self) -> tuple[int, int]:
        """The version that is live and the most rows of a list; the transaction goes on as the owner."""
        owner = sql.Identifier(self._db.names.owner)
        self._db.execute(sql.SQL("SET LOCAL ROLE {}").format(owner))
        row = self._run("shop").fetchone() or {"version": None, "max_n": 0}
        if row["version"] is None:
            raise NothingPublished(
                "nothing is published yet, so there is nothing to export",
                then="python -m pipeline run (in Airflow: trigger the DAG recommendations)",
            )
        return row["version"], row["max_n"]

    def _holds(self, version: int, length: int) -> bool:
        """Whether apps read this version, with lists of this length, and without whoever is forgotten."""
        edition = self._editions.live()
        if edition is None or not edition.startswith(f"{version}-"):
            return False
        about = self._client.get(self._keys.of(edition) + keys.ABOUT)
        if about is None:
            return False
        known = json.loads(about)
        return (known["length"], known.get("forgotten")) == (length, self._forgotten.fingerprint)

    def _follow_blocked(self) -> int:
        """Make the blocked items in Redis those of the database; returns how many there are."""
        item_ids = [row["item_id"] for row in self._run("blocked")]
        self._client.set(self._keys.blocked, as_json(item_ids))
        return len(item_ids)

    def _send(self, edition: str, entries: Iterable[Entry]) -> int:
        """Write the entries; returns how many there were."""
        prefix, rest, n_keys = self._keys.of(edition), iter(entries), 0
        with server.connection(self._client) as connection:
            while batch := list(islice(rest, SENT)):
                words = [word for key, value in batch for word in (prefix + key, value)]
                command = server.packed(["MSET", *words])
                connection.send_packed_command([command])  # type: ignore[no-untyped-call]
                connection.read_response()
                n_keys += len(batch)
        return n_keys
