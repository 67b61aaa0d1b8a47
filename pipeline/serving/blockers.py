"""Name who holds the locks that a session of the serving database has not got.

Every login sees which sessions hold which locks, with their login and the name they gave themselves. Since
when, from where and with which statement is shown only to the login itself, to members of it and of
pg_read_all_stats.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, LiteralString, Protocol

import psycopg
from psycopg import sql
from psycopg.rows import DictRow

from pipeline.serving.names import Names
from pipeline.times import utc

READING = ("AccessShareLock",)
ROWS = ("RowShareLock", "RowExclusiveLock")
PUBLISHING = ("ShareUpdateExclusiveLock",)
TABLE = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
"""Modes of locks on tables, from the weakest: who reads; who locks or writes rows; who has the publishers'
lock; what keeps writers out."""

LOCK = "schema_info"
"""The table that publishers lock: sql/serving/statements/lock_publishers.sql."""
OUR_NAME = "nightshelf "
"""How the names of all sessions of the pipeline begin."""
MOST = 3
"""Sessions named in an error."""
SHOWN = 60
"""Characters shown of another session's statement: its first words, never a value."""


class Session(Protocol):
    """What is needed of a session: pipeline/serving/session.py."""

    connection: psycopg.Connection[DictRow]
    names: Names
    is_altering: bool

    def transaction(self, *, as_publisher: bool) -> AbstractContextManager[None]:
        """A transaction with the shop's timeouts."""

    def execute(self, query: LiteralString | sql.Composed) -> psycopg.Cursor[DictRow]:
        """Execute a statement that is in no file."""

    def run(self, name: str, values: Mapping[str, Any]) -> psycopg.Cursor[DictRow]:
        """Execute `sql/serving/statements/<name>.sql`."""

    def one(self, name: str, values: Mapping[str, Any]) -> DictRow | None:
        """Its first row."""


@dataclass(frozen=True)
class Blocker:
    """A transaction that holds a lock. What this login may not see of it is None.

    pid:         of the server process; None for a prepared transaction, which has none
    prepared_as: the name of a prepared transaction
    waits_for:   processes that it waits for itself
    """

    pid: int | None
    prepared_as: str | None
    login: str | None
    application_name: str | None
    client: str | None
    since: datetime | None
    state: str | None
    query: str | None
    waits_for: list[int]

    def __str__(self) -> str:
        """In words, for a person."""
        if self.prepared_as is not None:
            who = f"the prepared transaction {self.prepared_as!r}, login {self.login}"
        else:
            who = f"process {self.pid} ({self.application_name or 'no name'}), login {self.login}"
        parts = [who]
        if self.client:
            parts.append(f"from {self.client}")
        if self.since:
            parts.append(f"since {utc(self.since).isoformat(timespec='seconds')}")
        if self.state:
            parts.append(self.state)
        if self.state and (words := first_words(self.query or "")):
            parts.append(f"its statement: {words}")
        if self.waits_for:
            parts.append(f"waits itself for process {', '.join(map(str, self.waits_for))}")
        if self.pid is not None and not self.state:
            parts.append(f"the rest is shown to members of {self.login} or of pg_read_all_stats")
        return ", ".join(parts)

    @property
    def is_ours(self) -> bool:
        """Whether it is a session of the pipeline, as far as its name says."""
        return (self.application_name or "").startswith(OUR_NAME)

    @property
    def way_out(self) -> str:
        """The statement that ends it; "" for a session of the pipeline, which ends by itself."""
        if self.prepared_as is not None:
            return f"ROLLBACK PREPARED '{self.prepared_as}'"
        return "" if self.is_ours else f"SELECT pg_terminate_backend({self.pid})"


def first_words(query: str) -> str:
    """How a statement begins, up to its first value: `UPDATE serving_storage.live SET held_by`."""
    text = re.split(r"['$=(\d]", " ".join(query.split()), maxsplit=1)[0]
    return text[:SHOWN].strip()


def lock_holders(db: Session) -> list[Blocker]:
    """Who has the publishers' lock."""
    return _holders(db, tables=[LOCK], modes=PUBLISHING + TABLE)


def blockers(db: Session, failure: psycopg.Error) -> list[Blocker]:
    """Who holds what a statement waited for in vain, looked up after it has failed.

    failure: its error; PostgreSQL says in the context which row it waited for, if it was a row
    """
    context = (failure.diag.context or "").partition("\n")[0]
    if re.search(r"\(\d+,\d+\)", context):
        words = re.findall(r"\w+", context)
        return _holders(
            db, tables=words, modes=ROWS + PUBLISHING + TABLE, beside=("pg_catalog",)
        ) or _holders(db, is_any_writer=True)
    found = _holders(db, modes=TABLE)
    if not found and db.is_altering:
        return _holders(db, modes=READING + ROWS + PUBLISHING)
    return found


def in_words(found: Sequence[Blocker]) -> str:
    """The first of them in words; "" for none."""
    more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
    return "; ".join(map(str, found[:MOST])) + more


def what_to_do(found: Sequence[Blocker]) -> str:
    """The next step for a person whom they block."""
    ways = [blocker.way_out for blocker in found[:MOST] if blocker.way_out]
    return "the same again when it has ended" + (f"; whoever may ends it: {'; '.join(ways)}" if ways else "")


def _holders(
    db: Session,
    *,
    tables: Sequence[str] = (),
    modes: Sequence[str] = (),
    beside: Sequence[str] = (),
    is_any_writer: bool = False,
) -> list[Blocker]:
    """Looked up as the login, which sees more of its own sessions than the publisher does."""
    values = {
        "schemas": [db.names.schema, db.names.storage, *beside],
        "tables": list(tables),
        "modes": list(modes),
        "is_any_writer": is_any_writer,
    }
    with db.transaction(as_publisher=False):
        db.execute("SET LOCAL ROLE NONE")
        db.execute("SET LOCAL lock_timeout = '200ms'")
        found = [Blocker(**row) for row in db.run("lock_holders", values)]
        return [_with_begin(db, blocker) for blocker in found]


def _with_begin(db: Session, blocker: Blocker) -> Blocker:
    """The same, since when it has been loading: publishers see that of each other, whatever their logins."""
    if blocker.since or blocker.pid is None:
        return blocker
    with suppress(psycopg.Error), db.connection.transaction():
        db.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(db.names.publisher)))
        return replace(blocker, since=(db.one("attempt_of", {"pid": blocker.pid}) or {}).get("since"))
    return blocker
