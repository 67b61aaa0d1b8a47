"""Record which users asked to be forgotten, as keyed hashes of their ids, and erase what is stored of them.

Only the publisher reads the key and the hashes. They are read to be compared with the ids of a night
(`Forgotten.without`) or of a version (`forget_in_version`), and are written nowhere else.
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

    @property
    def fingerprint(self) -> str:
        """Tells this record from any other; says nothing of whom it holds."""
        return hashlib.blake2b(b"".join(sorted(self.hashes)), digest_size=12).hexdigest()

    def among(self, users: Iterable[int | str]) -> list[int | str]:
        """Those of `users` who are forgotten; no id is hashed when nobody is."""
        if not self.hashes:
            return []
        return [user for user in users if self.hash_of(user) in self.hashes]

    def without(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """`rows` without those of forgotten users; rows without a user id (null) stay."""
        if not self.hashes or USER not in rows.schema.names:
            return rows
        users = rows.column(USER)
        gone = self.among(users.unique().drop_null().to_pylist())
        if not gone:
            return rows
        return rows.filter(pc.invert(pc.is_in(users, value_set=pa.array(gone, users.type))))


@dataclass(frozen=True)
class Erased:
    """How many rows of a user were deleted, in how many versions."""

    n_versions: int
    n_rows: int


NOBODY = Forgotten(b"", frozenset())


def read_forgotten(url: str, settings: Settings) -> Forgotten:
    """Whom a night leaves out; nobody where there is no schema yet."""
    with session(url, settings, "nightshelf read forgotten") as db:
        with db.transaction(as_publisher=False):
            if not db.has_table(db.names.storage, "forgotten"):
                return NOBODY
        with db.transaction():
            return forgotten_in(db)


def forgotten_in(db: Session) -> Forgotten:
    """The record, inside a transaction as the publisher."""
    key = db.one("forget_key") or {"key": b""}
    return Forgotten(bytes(key["key"]), frozenset(bytes(row["user_hash"]) for row in db.run("forgotten")))


def remember(url: str, settings: Settings, user: int | str) -> bool:
    """Record that `user` is to be kept out from now on; whether that is new."""
    with session(url, settings, "nightshelf forget") as db, db.transaction():
        user_hash = forgotten_in(db).hash_of(user)
        return db.run("remember", {"user_hash": user_hash, "forgotten_at": None}).rowcount == 1


def erase_stored(url: str, settings: Settings, user: int | str) -> Erased:
    """Delete what every stored version, the live one too, holds of `user`; readers do not wait.

    The records of publications lose their example rows of the user, and the planner's statistics, which
    hold ids, are gathered anew. Raises PublisherBusy when a publisher is at work for longer than
    lock_timeout_ms: nothing is erased then.
    """
    with session(url, settings, "nightshelf forget") as db:
        with db.transaction():
            db.lock(wait=True)
            tables = _tables(db)
            versions = [row["version"] for row in db.run("stored_versions")]
            erased = [_delete(db, table, user, versions) for table in tables]
            _clean_decisions(db, user)
        with db.transaction():
            for table in tables:
                name = sql.Identifier(db.names.storage, table)
                db.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {} ({})").format(name, sql.Identifier(USER)))
    return Erased(len(set(chain(*erased))), sum(map(len, erased)))


def read_record(db: Session) -> dict[str, Any] | None:
    """The key and the hashes, for `restore_record`; None where there are none.

    `migrate --reset-serving` drops the storage schema, and who was forgotten stays forgotten. Inside a
    transaction as the publisher.
    """
    if not db.has_table(db.names.storage, "forgotten"):
        return None
    return {"key": (db.one("forget_key") or {})["key"], "users": db.run("forgotten").fetchall()}


def restore_record(db: Session, record: Mapping[str, Any]) -> None:
    """Give a new storage schema the record of the one before it, inside a transaction as the publisher."""
    db.run("set_forget_key", record)
    for user in record["users"]:
        db.run("remember", user)


def forget_in_version(db: Session, version: int) -> int:
    """Delete what was loaded of forgotten users under `version`; how many users that were.

    For a publisher, in the transaction that loaded the version: the lists may come from a run folder
    that `forget` never saw, or that was extracted before it. Whoever is recorded later is erased by
    `erase_stored`, which waits for that transaction. Costs nothing when nobody is forgotten.
    """
    forgotten = forgotten_in(db)
    if not forgotten.hashes:
        return 0
    erased: set[int | str] = set()
    for table in _tables(db):
        name = sql.Identifier(db.names.storage, table)
        query = sql.SQL("SELECT user_id::text FROM {} WHERE version = %(version)s").format(name)
        with db.connection.cursor(f"users_of_{table}", row_factory=scalar_row) as ids:
            ids.itersize = FETCHED
            users = forgotten.among(ids.execute(query, {"version": version}))
        for user in users:
            statement = sql.SQL("DELETE FROM {} WHERE version = %(version)s AND user_id = %(user_id)s")
            db.execute(statement.format(name), {"version": version, "user_id": user})
        erased.update(users)
    return len(erased)


def _tables(db: Session) -> list[str]:
    """Every table of the storage schema that holds users."""
    return [row["name"] for row in db.run("tables_of_users", {"storage": db.names.storage})]


def _delete(db: Session, table: str, user: int | str, versions: list[int]) -> list[int]:
    """Those of `versions` in which the table held the user; one row each, found by index."""
    values = {"user_id": user, "versions": versions}
    if table == "user_lists":
        rows = db.run("erase_lists", values)
    else:
        statement = sql.SQL(
            "DELETE FROM {} WHERE version = ANY (%(versions)s) AND user_id = %(user_id)s RETURNING version"
        )
        rows = db.execute(statement.format(sql.Identifier(db.names.storage, table)), values)
    return [row["version"] for row in rows]


def _clean_decisions(db: Session, user: int | str) -> None:
    for row in db.run("decisions_with_examples").fetchall():
        cleaned = example_rows.without(row["decision"], str(user))
        if cleaned != row["decision"]:
            db.run("set_decision", {"number": row["number"], "decision": Jsonb(cleaned)})
