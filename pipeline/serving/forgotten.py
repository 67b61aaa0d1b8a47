"""Users who asked to be forgotten: a keyed hash of each id, and every stored list without them.

Only the publisher reads the key and the hashes, and neither leaves the serving database but to be
compared with the ids of a night (`Forgotten.without`) or of a version (`forget_in_version`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from psycopg.rows import scalar_row
from psycopg.types.json import Jsonb

from pipeline.config import Settings
from pipeline.contract.datasets import USER
from pipeline.serving.session import Session, session
from pipeline.validation import example_rows

FETCHED = 50_000
"""Ids of a version fetched at a time."""


@dataclass(frozen=True)
class Forgotten:
    """The record: BLAKE2b of each forgotten id's canonical text, 32 bytes, under a key of the shop's own."""

    key: bytes = field(repr=False)
    hashes: frozenset[bytes] = field(repr=False)

    def hash_of(self, user: int | str) -> bytes:
        """What the record holds of a user."""
        return hashlib.blake2b(str(user).encode(), key=self.key, digest_size=32).digest()

    def among(self, users: Iterable[int | str]) -> list[int | str]:
        """Those of `users` who are forgotten; nothing is hashed when nobody is."""
        if not self.hashes:
            return []
        return [user for user in users if self.hash_of(user) in self.hashes]

    def without(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """`rows` less those of forgotten users; rows of nobody (null) stay."""
        if not self.hashes or USER not in rows.schema.names:
            return rows
        users = rows.column(USER)
        gone = self.among(users.unique().drop_null().to_pylist())
        if not gone:
            return rows
        return rows.filter(pc.invert(pc.is_in(users, value_set=pa.array(gone, users.type))))


@dataclass(frozen=True)
class Erased:
    """What the storage schema held of a user."""

    n_versions: int
    n_rows: int


NOBODY = Forgotten(b"", frozenset())


def read_forgotten(url: str, settings: Settings) -> Forgotten:
    """Whom a night leaves out; nobody where there is no schema yet, or one of an older release."""
    with session(url, settings, "nightshelf read forgotten") as here:
        with here.transaction(as_publisher=False):
            if not here.has_table(here.names.storage, "forgotten"):
                return NOBODY
        with here.transaction():
            return recorded(here)


def recorded(here: Session) -> Forgotten:
    """The record, inside a transaction as the publisher."""
    key = here.one("forget_key") or {"key": b""}
    return Forgotten(bytes(key["key"]), frozenset(bytes(row["user_hash"]) for row in here.run("forgotten")))


def remember(url: str, settings: Settings, user: int | str) -> bool:
    """Record that `user` is to be kept out from now on; whether that is new."""
    with session(url, settings, "nightshelf forget") as here, here.transaction():
        hashed = recorded(here).hash_of(user)
        return here.run("remember", {"user_hash": hashed, "forgotten_at": None}).rowcount == 1


def erase_stored(url: str, settings: Settings, user: int | str) -> Erased:
    """Delete what every stored version, the live one too, holds of `user`; readers do not wait.

    The records of publications lose their examples of the user, and the planner's statistics, which
    hold ids, are gathered anew. Raises PublisherBusy when a publisher is at work for longer than
    lock_timeout_ms: nothing is erased then.
    """
    with session(url, settings, "nightshelf forget") as here:
        with here.transaction():
            here.lock(wait=True)
            tables = _tables(here)
            versions = [row["version"] for row in here.run("stored_versions")]
            gone = [_delete(here, table, user, versions) for table in tables]
            _clean_decisions(here, user)
        with here.transaction():
            for table in tables:
                name = sql.Identifier(here.names.storage, table)
                here.db.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {} ({})").format(name, sql.Identifier(USER)))
    return Erased(len(set(chain(*gone))), sum(map(len, gone)))


def taken_along(here: Session) -> dict[str, Any] | None:
    """The record as `put_back` wants it; None where there is none. In a transaction as the publisher.

    For `migrate --reset-serving`, which drops the storage schema: who was forgotten stays forgotten.
    """
    if not here.has_table(here.names.storage, "forgotten"):
        return None
    return {"key": (here.one("forget_key") or {})["key"], "users": here.run("forgotten").fetchall()}


def put_back(here: Session, record: Mapping[str, Any]) -> None:
    """Give a new storage schema the record of the one before it. In a transaction as the publisher."""
    here.run("set_forget_key", record)
    for user in record["users"]:
        here.run("remember", user)


def forget_in_version(here: Session, version: int) -> int:
    """Delete what was loaded of forgotten users under `version`; how many users that were.

    For a publisher, in the transaction that loaded the version: the lists may come from a run folder
    that `forget` never saw, or that was extracted before it. Whoever is recorded later is erased by
    `erase_stored`, which waits for that transaction. Costs nothing when nobody is forgotten.
    """
    forgotten = recorded(here)
    if not forgotten.hashes:
        return 0
    gone: set[int | str] = set()
    for table in _tables(here):
        name = sql.Identifier(here.names.storage, table)
        query = sql.SQL("SELECT user_id::text FROM {} WHERE version = %(version)s").format(name)
        with here.db.cursor(f"users_of_{table}", row_factory=scalar_row) as users:
            users.itersize = FETCHED
            found = forgotten.among(users.execute(query, {"version": version}))
        for user in found:
            statement = sql.SQL("DELETE FROM {} WHERE version = %(version)s AND user_id = %(user_id)s")
            here.db.execute(statement.format(name), {"version": version, "user_id": user})
        gone.update(found)
    return len(gone)


def _tables(here: Session) -> list[str]:
    """Every table of the storage schema that holds users."""
    return [row["name"] for row in here.run("tables_of_users", {"storage": here.names.storage})]


def _delete(here: Session, table: str, user: int | str, versions: list[int]) -> list[int]:
    """Those of `versions` in which the table held the user; one row each, found by index."""
    values = {"user_id": user, "versions": versions}
    if table == "user_lists":
        found = here.run("erase_lists", values)
    else:
        statement = sql.SQL(
            "DELETE FROM {} WHERE version = ANY (%(versions)s) AND user_id = %(user_id)s RETURNING version"
        )
        found = here.db.execute(statement.format(sql.Identifier(here.names.storage, table)), values)
    return [row["version"] for row in found]


def _clean_decisions(here: Session, user: int | str) -> None:
    for row in here.run("decisions_with_examples").fetchall():
        cleaned = example_rows.without(row["decision"], str(user))
        if cleaned != row["decision"]:
            here.run("set_decision", {"number": row["number"], "decision": Jsonb(cleaned)})
