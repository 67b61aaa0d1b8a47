"""The pages so far, kept in the database beside the table, and the transaction that replaces the table.

    nightshelf_fetches   a row for each table: the run that fetches it, what that run asks for, when it ended,
                         and how many users the last one that replaced the table has put there
    <table>_staged       the users of the pages so far
    <table>_pages        the pages so far: each one's position, and that of the page after it

A page, its users and the position of the next one are written in one transaction. At the end the rows of the
table are deleted and those of `<table>_staged` inserted in one transaction. Renaming the tables would be
quicker, but a reader who holds a snapshot, as the night does, would see some pages only; so every reader
sees the old users or the new ones, and views and rights on the table stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from pipeline.config import IdType
from pipeline.databases import connect, failures, urls
from pipeline.databases.sessions import SILENT_MINUTES, source_session
from pipeline.errors import ApiError, DataError, SourceError
from pipeline.fetching.plan import RESERVED, Kind, Plan
from pipeline.fetching.records import TEXT_ID_LENGTH, Row

WRITTEN_ROWS = 500
"""Rows of one statement."""

LOCK_MS = 2_000
"""Milliseconds that a new column waits for readers of the table, while further readers wait for it."""

LEAST_SHARE = 0.5
"""A table that would keep fewer of its users than this share is left as it is."""


@dataclass(frozen=True)
class Place:
    """How far a run has come. next: position of the next page; None: there is none."""

    n_pages: int = 0
    next: str | None = ""


@dataclass(frozen=True)
class Replaced:
    """Users in the table before and now."""

    n_before: int
    n_users: int


class Staging:
    """The tables of one plan in the source database, for one run.

    url:            of the database, with a login that may create tables
    run:            its id; the same run goes on where it stopped, another one begins anew
    silent_minutes: minutes without an answer after which the database is given up

    Every method is one transaction, except on MySQL and MariaDB, where creating a table ends one. All raise
    Unreachable, LoginRefused, Interrupted, or SourceError where a table cannot be written.
    """

    def __init__(
        self,
        url: str,
        plan: Plan,
        run: str,
        say: Callable[[str], None],
        silent_minutes: float = SILENT_MINUTES,
    ) -> None:
        if urls.normalise(url).get_backend_name() == "duckdb":
            raise SourceError(
                "no users are fetched into a DuckDB source: it is only read",
                found=urls.shown(url),
                promised="PostgreSQL, MySQL, MariaDB or SQLite",
                then="name a connection to such a database in the trigger form",
            )
        self._url, self._plan, self._run, self._say, self._minutes = url, plan, run, say, silent_minutes
        schema, _, name = plan.table.rpartition(".")
        metadata = sa.MetaData(schema=schema or None)
        self._target = sa.Table(name, metadata, *_columns(plan))
        self._staged = sa.Table(f"{name}_staged", metadata, *_columns(plan))
        self._pages = sa.Table(
            f"{name}_pages",
            metadata,
            sa.Column("page", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("position_digest", sa.String(64), nullable=False, unique=True),
            sa.Column("ids_digest", sa.String(64), nullable=False),
            sa.Column("next_position", sa.Text),
        )
        self._fetches = sa.Table(
            RESERVED,
            metadata,
            sa.Column("table_name", sa.String(64), primary_key=True),
            sa.Column("run", sa.String(255), nullable=False),
            sa.Column("plan_digest", sa.String(64), nullable=False),
            sa.Column("begun_at", sa.String(40), nullable=False),
            sa.Column("ended_at", sa.String(40)),
            sa.Column("n_users", sa.BigInteger),
        )
        self._own_row = self._fetches.c.table_name == name

    def begin(self, now: datetime) -> Place:
        """Where this run goes on: after the pages it has kept, else with the first page.

        Raises SourceError for a table with other columns, or with rows that no fetch wrote.
        """
        with self._transaction() as db:
            self._fetches.create(db, checkfirst=True)
            row = db.execute(sa.select(self._fetches).where(self._own_row)).mappings().one_or_none()
            n_users = row["n_users"] if row else None
            self._check_target(db, is_own=n_users is not None)
            if row and (row["run"], row["plan_digest"], row["ended_at"]) == (
                self._run,
                self._plan.digest,
                None,
            ):
                return self._last_page(db)
            db.execute(sa.delete(self._fetches).where(self._own_row))
            for table in (self._staged, self._pages):
                table.drop(db, checkfirst=True)
                table.create(db)
            self._record(db, now, n_users)
            if row and row["ended_at"] is None:
                self._say(f"the pages that run {row['run']} left behind are dropped; this run begins anew")
        return Place()

    def add(self, place: Place, position: str, following: str | None, rows: Sequence[Row]) -> Place:
        """Keep a page: its users, and where the page after it is; returns how far the run has come now.

        A user who is on an earlier page too is replaced. Raises ApiError where the next page was there
        before, or this page has the same users as the one before it: the API would never come to an end.
        """
        page, column = place.n_pages + 1, self._staged.c[self._plan.id_column]
        ids = [row[self._plan.id_column] for row in rows]
        ids_digest = _digest(repr(ids))
        with self._transaction() as db:
            self._check_run(db)
            self._check_progress(db, page, position, following, ids_digest if ids else "")
            for start in range(0, len(rows), WRITTEN_ROWS):
                db.execute(sa.delete(self._staged).where(column.in_(ids[start : start + WRITTEN_ROWS])))
                db.execute(sa.insert(self._staged), rows[start : start + WRITTEN_ROWS])
            kept = {
                "page": page,
                "position_digest": _digest(position),
                "ids_digest": ids_digest,
                "next_position": following,
            }
            db.execute(sa.insert(self._pages), kept)
        return Place(page, following)

    def replace(self, now: datetime) -> Replaced:
        """Put the users of all pages into the table in place of those that are there.

        Raises DataError, and leaves the table, where no user is left or fewer than LEAST_SHARE of before. The
        pages are then dropped: they would be refused again.
        """
        with self._transaction() as db:
            self._check_run(db)
            is_there = sa.inspect(db).has_table(self._target.name, schema=self._target.schema)
            n_before = _count(db, self._target) if is_there else 0
            counts = Replaced(n_before, _count(db, self._staged))
            if (refusal := self._refusal(counts)) is None:
                self._fill_target(db)
                db.execute(sa.update(self._fetches).where(self._own_row), {"n_users": counts.n_users})
            ended_at = now.astimezone(UTC).isoformat()
            db.execute(sa.update(self._fetches).where(self._own_row), {"ended_at": ended_at})
        with self._transaction() as db:
            for table in (self._staged, self._pages):
                table.drop(db, checkfirst=True)
            if db.dialect.name == "postgresql" and refusal is None:
                db.exec_driver_sql(f"ANALYZE {db.dialect.identifier_preparer.format_table(self._target)}")
        if refusal is not None:
            raise refusal
        return counts

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """One transaction, committed at the end; what fails changes nothing. No error shows a password."""
        try:
            with (
                source_session(self._url, silent_minutes=self._minutes, say=self._say) as (db, watch),
                connect.reaching(self._url, "source", watch),
                watch.waiting(),
            ):
                if db.dialect.name == "sqlite":
                    db.exec_driver_sql("BEGIN IMMEDIATE")
                yield db
                db.commit()
        except sa.exc.SQLAlchemyError as error:
            raise SourceError(
                f"the users cannot be written to the table {self._plan.table}",
                found=failures.words(error, self._url),
                promised="a login that may create and fill this table and those beside it; it is as it was",
                then="name a connection with such a login in the trigger form, or grant it the rights,"
                " then clear this task",
            ) from None

    def _check_target(self, db: sa.Connection, *, is_own: bool) -> None:
        inspector, schema = sa.inspect(db), self._target.schema
        if not inspector.has_table(self._target.name, schema=schema):
            return
        present = {column["name"] for column in inspector.get_columns(self._target.name, schema=schema)}
        wished = {column.name for column in self._target.c}
        if not present <= wished or self._plan.id_column not in present:
            raise SourceError(
                f"the table {self._plan.table} has other columns than the form names",
                found=", ".join(sorted(present)),
                promised=f"columns among {', '.join(sorted(wished))}; missing ones are added",
                then="name the missing fields in the trigger form, or another table",
            )
        if not is_own and db.execute(sa.select(sa.literal(1)).select_from(self._target).limit(1)).first():
            raise SourceError(
                f"the table {self._plan.table} has rows that no fetch wrote; they are left as they are",
                promised="a table that is not there yet, that is empty, or that this DAG has filled",
                then="name another table in the trigger form",
            )

    def _last_page(self, db: sa.Connection) -> Place:
        newest = sa.select(self._pages).order_by(self._pages.c.page.desc()).limit(1)
        page = db.execute(newest).mappings().one_or_none()
        if page is None:
            return Place()
        self._say(f"going on after page {page['page']:,}, which this run has kept")
        return Place(page["page"], page["next_position"])

    def _record(self, db: sa.Connection, now: datetime, n_users: int | None) -> None:
        row = {
            "table_name": self._target.name,
            "run": self._run,
            "plan_digest": self._plan.digest,
            "begun_at": now.astimezone(UTC).isoformat(),
            "n_users": n_users,
        }
        db.execute(sa.insert(self._fetches), row)

    def _check_run(self, db: sa.Connection) -> None:
        """Hold this fetch until the transaction ends. Raises SourceError where another run has taken over."""
        run = db.execute(sa.select(self._fetches.c.run).where(self._own_row).with_for_update()).scalar()
        if run != self._run:
            raise SourceError(
                f"another run fetches the table {self._plan.table} now",
                found=str(run),
                promised="one fetch of a table at a time",
                then="let that one end, or trigger this DAG anew afterwards",
            )

    def _check_progress(
        self, db: sa.Connection, page: int, position: str, following: str | None, ids_digest: str
    ) -> None:
        seen = {_digest(position): page}
        if following is not None:
            digest = _digest(following)
            earlier = sa.select(self._pages.c.page).where(self._pages.c.position_digest == digest)
            if (again := seen.get(digest) or db.execute(earlier).scalar()) is not None:
                raise _endless(f"page {page:,} leads to page {again:,}, which was there before")
        last = sa.select(self._pages.c.ids_digest).where(self._pages.c.page == page - 1)
        if ids_digest and db.execute(last).scalar() == ids_digest:
            raise _endless(f"page {page:,} has the same users as page {page - 1:,}")

    def _refusal(self, counts: Replaced) -> DataError | None:
        if counts.n_users and (counts.n_users >= LEAST_SHARE * counts.n_before or self._plan.may_be_fewer):
            return None
        return DataError(
            f"the API has {counts.n_users:,} users; the table {self._plan.table} is left as it is",
            found=f"{counts.n_before:,} users in the table",
            promised="at least one user, and half of those in the table",
            then="look at what the API answers; if it is right, trigger the DAG anew with may_be_fewer"
            if counts.n_users
            else "look at what the API answers",
        )

    def _fill_target(self, db: sa.Connection) -> None:
        """Put the staged users in place of those that are there, in this transaction."""
        self._target.create(db, checkfirst=True)
        self._add_columns(db)
        names = [column.name for column in self._staged.c]
        db.execute(sa.delete(self._target))
        db.execute(sa.insert(self._target).from_select(names, sa.select(self._staged)))

    def _add_columns(self, db: sa.Connection) -> None:
        """Give the table the columns that the form names for the first time."""
        known = sa.inspect(db).get_columns(self._target.name, schema=self._target.schema)
        present = {column["name"] for column in known}
        table = db.dialect.identifier_preparer.format_table(self._target)
        missing = [column for column in self._target.c if column.name not in present]
        if missing and db.dialect.name == "postgresql":
            db.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MS}")
        for column in missing:
            definition = CreateColumn(column).compile(dialect=db.dialect)
            db.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {definition}")


def _columns(plan: Plan) -> list[sa.Column[Any]]:
    kinds: dict[Kind, sa.types.TypeEngine[Any]] = {
        "text": sa.Text(),
        "number": sa.Double(),
        "boolean": sa.Boolean(),
        "date": sa.Date(),
    }
    key = sa.Column(plan.id_column, _id_type(plan.id_type), primary_key=True, autoincrement=False)
    return [key, *(sa.Column(field.column, kinds[field.kind]) for field in plan.fields)]


def _id_type(kind: IdType) -> sa.types.TypeEngine[Any]:
    """MySQL and MariaDB need a length for a key, and a collation that tells `a` from `A`."""
    if kind == "integer":
        return sa.BigInteger()
    if kind == "uuid":
        return sa.String(36).with_variant(sa.Uuid(as_uuid=False, native_uuid=True), "postgresql")
    exact = sa.String(TEXT_ID_LENGTH, collation="utf8mb4_bin")
    return sa.Text().with_variant(exact, "mysql", "mariadb")


def _count(db: sa.Connection, table: sa.Table) -> int:
    return db.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _endless(what: str) -> ApiError:
    return ApiError(
        f"the API would never come to an end: {what}",
        promised="a new page each time, and an end",
        then="correct paging and position_parameter in the trigger form, then trigger the DAG anew",
    )
