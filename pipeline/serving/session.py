"""A session with the serving database: short transactions as the publisher, under one lock of all publishers.

Everything is set inside the transaction (role, timeouts, name, lock), so that a pooler that hands
every transaction another server connection does no harm.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import errors as pg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from pipeline.config import Settings
from pipeline.databases import failures, sessions
from pipeline.databases.connect import psycopg_connect, reaching
from pipeline.databases.embedded import silent
from pipeline.databases.urls import scrub
from pipeline.databases.watch import Watch
from pipeline.errors import PublisherBusy, ServingError
from pipeline.serving.blockers import Blocker, blockers, in_words, lock_holders, what_to_do
from pipeline.serving.names import Names, text_of
from pipeline.validation.storable import MOST_BYTES

CANNOT_PUT_BACK = "NS001"
"""SQLSTATE that rollback() raises, in sql/serving/schema/5_operators.sql."""
PUBLICATIONS = "choose a stored version from python -m pipeline publications"
MIGRATE = "run `python -m pipeline migrate` as the owner"

LOOK_AT_THE_LOG = "look at the log of that server, which says more; then run the same again"

NO_SUCH_OBJECT = ("42P01", "42703", "42883", "42704", "3F000")
"""SQLSTATE of a missing table, column, function, object and schema: what `migrate` makes."""
NOT_IN_ENCODING = ("22P05", "22021")
"""SQLSTATE of a character that the database's encoding lacks, and of bytes that are none."""
TOO_LONG = "54000"
"""SQLSTATE of a value that is too long for an index."""

IDLE_MS = 60_000
"""How long a transaction may wait for its next statement: what happens between two is a matter of seconds."""
MARGIN_SECONDS = 60.0
"""How much later than the server this side gives a statement up."""

FLUSH_AFTER = "256kB"
"""How much a session writes before it asks the system to write it to disk. Without this the system writes in
bursts, and every reader waits for them: benchmarks/README.md."""


class Session:
    """One connection to the serving database and the shop's names in it.

    connection: in autocommit; statements run inside `transaction()`
    doing:      what the session calls itself in pg_stat_activity, e.g. `nightshelf publish night`

    `is_altering` says that tables or views are changed, which waits for readers too.
    """

    def __init__(self, connection: psycopg.Connection[DictRow], settings: Settings, doing: str) -> None:
        self.connection, self.settings, self.doing = connection, settings, doing
        self.names = Names.of(settings.serving)
        self.is_altering = False

    @contextmanager
    def transaction(self, *, as_publisher: bool = True) -> Iterator[None]:
        """A transaction with the shop's timeouts, as the publisher or as the login itself.

        Raises ServingError when the login may not act as the publisher.
        """
        serving = self.settings.serving
        with self.connection.transaction():
            wished = sessions.postgresql(
                lock_ms=serving.lock_timeout_ms,
                statement_ms=serving.statement_timeout_ms,
                idle_ms=IDLE_MS,
                application_name=self.doing[:63],
                search_path="pg_catalog",
                backend_flush_after=FLUSH_AFTER,
            )
            sessions.tell_postgresql(self.connection, wished)
            if as_publisher:
                self._act_as_publisher()
            yield

    def execute(
        self, query: LiteralString | sql.Composed, values: Mapping[str, Any] | Sequence[Any] | None = None
    ) -> psycopg.Cursor[DictRow]:
        """Execute a statement that is in no file."""
        return self.connection.execute(query, values)

    def run(self, name: str, values: Mapping[str, Any] | None = None) -> psycopg.Cursor[DictRow]:
        """Execute `sql/serving/statements/<name>.sql` with its values bound."""
        return self.execute(self.names.compose(text_of(name)), values)

    def one(self, name: str, values: Mapping[str, Any] | None = None) -> DictRow | None:
        """The first row of `sql/serving/statements/<name>.sql`."""
        return self.run(name, values).fetchone()

    def lock(self, *, wait: bool) -> None:
        """Take the publishers' lock until the transaction ends, as the publisher: nobody else may hold it.

        wait: up to lock_timeout. Raises PublisherBusy, naming the holder, when another has it.
        """
        try:
            with self.connection.transaction():
                if wait:
                    self.run("lock_publishers")
                else:
                    self.run("try_lock_publishers")
        except pg.LockNotAvailable:
            raise busy(*lock_holders(self)) from None

    def has_table(self, schema: str, name: str) -> bool:
        """Whether a table or view is there; needs no rights on it."""
        tables = self.execute(
            "SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            " WHERE nspname = %s AND relname = %s",
            [schema, name],
        )
        return tables.fetchone() is not None

    def _act_as_publisher(self) -> None:
        try:
            self.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(self.names.publisher)))
        except (pg.InsufficientPrivilege, pg.InvalidParameterValue, pg.UndefinedObject) as error:
            login = self.connection.info.user
            raise ServingError(
                f"the login `{login}` may not act as `{self.names.publisher}`",
                found=error.diag.message_primary or "",
                promised="a login that is the publisher or a member of it",
                then=f"{MIGRATE}, then GRANT {self.names.publisher} TO {login}",
            ) from None


@contextmanager
def session(url: str, settings: Settings, doing: str) -> Iterator[Session]:
    """Connect; whatever the server then refuses is raised as a NightshelfError, without the password.

    A connection that freezes is ended MARGIN_SECONDS after the server itself should have ended a statement.
    """
    limit_ms = settings.serving.statement_timeout_ms
    seconds = limit_ms / 1000 + MARGIN_SECONDS
    with (
        Watch("the serving database", seconds, "serving.statement_timeout_ms and a minute", silent) as watch,
        translating_errors(url, limit_ms, watch),
        psycopg_connect(
            url, watch=watch, autocommit=True, row_factory=dict_row, prepare_threshold=None
        ) as connection,
    ):
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        db = Session(connection, settings, doing)
        try:
            yield db
        except pg.LockNotAvailable as error:
            raise not_free(error, blockers(db, error), url) from None
        except psycopg.ProgrammingError as error:
            if connection.broken and error.sqlstate is None:
                raise psycopg.OperationalError(f"the connection was lost: {error}") from None
            raise


@contextmanager
def translating_errors(url: str, statement_timeout_ms: int, watch: Watch) -> Iterator[None]:
    """Raise what the serving database raises as a NightshelfError."""
    begun = time.monotonic()
    try:
        with reaching(url, "serving", watch):
            try:
                yield
            except pg.QueryCanceled as error:
                if _is_timeout(error, 1000 * (time.monotonic() - begun) >= statement_timeout_ms):
                    raise _took_too_long(error, url) from None
                raise
            except (pg.DeadlockDetected, pg.SerializationFailure) as error:
                raise busy(found=_words(error, url)) from None
    except psycopg.Error as error:
        raise _refused(error, url) from None


def _refused(error: psycopg.Error, url: str) -> ServingError:
    """The error of a statement that the server will refuse the next time too."""
    state = error.sqlstate or ""
    if state == CANNOT_PUT_BACK:
        diag = error.diag
        return ServingError(diag.message_primary or "", found=diag.message_detail or "", then=PUBLICATIONS)
    if state == failures.NO_RIGHT:
        return ServingError(
            "the login lacks a right in the serving database",
            found=_words(error, url),
            then=f"{MIGRATE} (it needs CREATEROLE, and CREATE on the database)",
        )
    if state.startswith(NOT_IN_ENCODING) and "0x00" in _words(error, url):
        return ServingError(
            "the serving database cannot hold a text of the lists",
            found=_words(error, url),
            promised="texts without the character NUL, which PostgreSQL holds in no encoding",
            then="leave it out in sql/source (replace it by an empty text), then: python -m pipeline run",
        )
    if state.startswith(NOT_IN_ENCODING):
        return ServingError(
            "the serving database cannot hold a text of the lists",
            found=_words(error, url),
            promised="a database in UTF8, which holds every text",
            then="make one (CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0) and name it in "
            "NIGHTSHELF_SERVING_URL, or leave such texts out in sql/source",
        )
    if state == TOO_LONG:
        return ServingError(
            "the serving database cannot index a value of the lists",
            found=_words(error, url),
            promised=f"ids and categories of at most {MOST_BYTES:,} bytes",
            then="shorten it in sql/source, then: python -m pipeline run",
        )
    is_schema = state.startswith(NO_SUCH_OBJECT)
    return ServingError(
        "the serving database refuses a statement",
        found=f"{_words(error, url)}{f' (SQLSTATE {state})' if state else ''}",
        promised="" if is_schema else "nothing that apps read was changed",
        then=MIGRATE if is_schema else LOOK_AT_THE_LOG,
    )


def _is_timeout(error: psycopg.Error, is_late: bool) -> bool:
    """Whether it was our own statement_timeout and no person: the message says so, where it is English."""
    message = str(error)
    return "statement timeout" in message or (is_late and "user request" not in message)


def _took_too_long(error: psycopg.Error, url: str) -> ServingError:
    return ServingError(
        "a statement in the serving database took too long",
        found=_words(error, url),
        promised="less than statement_timeout_ms in config.toml; nothing that apps read was changed",
        then="raise statement_timeout_ms under [serving], or free the server",
    )


def busy(*holders: Blocker, found: str = "") -> PublisherBusy:
    """The error of a publisher that finds another one at work, or somebody else with the publishers' lock."""
    is_publisher = not holders or any(holder.is_ours for holder in holders)
    return PublisherBusy(
        "another publisher is at work on this serving schema"
        if is_publisher
        else "the publishers' lock of this serving schema is held",
        found=found or in_words(holders) or "another session, gone by now",
        promised="one at a time; nothing was changed",
        then=what_to_do(holders),
    )


def not_free(error: pg.LockNotAvailable, holders: Sequence[Blocker], url: str) -> PublisherBusy:
    """The error of a session that has waited for a lock in vain."""
    return PublisherBusy(
        "a lock in the serving database was not free in time",
        found=in_words(holders) or f"{_words(error, url)}; whoever held it has gone",
        promised="less than lock_timeout_ms in config.toml; nothing was changed",
        then=what_to_do(holders),
    )


def _words(error: psycopg.Error, url: str) -> str:
    diag = error.diag
    parts = [diag.message_primary or str(error)]
    if isinstance(error, pg.UniqueViolation) and diag.message_detail:
        parts.append(diag.message_detail)
    if isinstance(error, pg.DataError) and diag.context:
        parts.append(diag.context)
    return scrub(" ".join(" ".join(parts).split())[:400], url)
