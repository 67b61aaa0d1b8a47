"""Publish a run's lists: load them under a new version, then put that version live in one short transaction.

    begin   rows of attempts that died are deleted; a version number is noted down  (short)
    load    COPY of every list under that number, the lock held                     (long)
    flip    the live version is read again; record and pointer change together      (short)
    tidy    versions beyond keep_versions are marked, then their lists deleted      (any length)

If anything fails before the flip, the live publication stays as it was, and the next attempt removes what
this one left. Readers wait for none of the four.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import errors as pg
from psycopg import sql
from psycopg.types.json import Jsonb

from pipeline import progress
from pipeline.config import Settings
from pipeline.engine import connect, parquet
from pipeline.errors import ContractBroken, DatabaseError
from pipeline.runs.folder import RunFolder
from pipeline.serving import schema
from pipeline.serving.blockers import blockers, in_words, lock_holders
from pipeline.serving.copy_lines import KINDS, ListKind, lines
from pipeline.serving.forgotten import forget_in_version
from pipeline.serving.session import Session, busy, session
from pipeline.times import utc

Say = Callable[[str], None]

FORCE = "`python -m pipeline run publish --force`, or `force` in the form of the DAG, puts it live"


@dataclass(frozen=True)
class Publication:
    """What was recorded: version is None for a refusal; is_live says whether apps see it now.

    model:       whose lists they are; None: not known
    is_fallback: whether that is a rule in place of the chosen model
    fallback_why: why a rule replaces the model or no longer does, and by how much, in a sentence; or empty
    is_unjudged: whether nobody could be measured, so that nothing says how good the lists are
    split_method: what was held out (`split.method`): numbers of two methods cannot be compared; None: not
                 known
    """

    version: int | None
    run_id: str
    status: str
    is_live: bool
    published_at: datetime
    n_users: int
    n_items: int
    n_recommendations: int
    precision_at_3: float | None
    model: str | None
    is_fallback: bool
    fallback_why: str
    is_unjudged: bool
    split_method: str | None


@dataclass(frozen=True)
class About:
    """What is recorded beside the lists.

    precision_at_3: of the published mode; None when it was not measured
    params:         what the model was fitted with, and the search it comes from
    decision:       what the gate said
    """

    precision_at_3: float | None
    params: Mapping[str, Any]
    decision: Mapping[str, Any]


def publish(
    url: str, settings: Settings, folder: RunFolder, about: About, *, say: Say, force: bool = False
) -> Publication:
    """Put the run's lists live and return what was recorded; the same lists of a run are published once.

    A run older than the live one, or one that was rolled back, is stored and recorded but not put live,
    unless `force`; while a hold is on, none is. Raises PublisherBusy when another publishes,
    ServingError when the schema cannot be used, ContractBroken when the tables refuse the lists,
    Unreachable, DiskFull: the live publication is then untouched.
    """
    schema.ensure(url, settings, say=say)
    record = _record(settings, folder, about, "published")
    with session(url, settings, f"nightshelf publish {folder.run_id}") as db:
        version, must_load, published = _begin(db, record, force=force)
        if published is not None:
            stays = "" if published.is_live else f", and not live; {FORCE}"
            say(f"publish: these lists of run {folder.run_id} are version {version} already{stays}")
            return published
        if must_load:
            record |= _load(db, folder, version, say)
        published = _flip(db, {**record, "version": version}, is_loaded=must_load, force=force, say=say)
        _tidy(db, say)
        return published


def refuse(url: str, settings: Settings, folder: RunFolder, about: About, *, say: Say) -> Publication:
    """Record that the gate refused the run, and why; nothing that apps read changes."""
    schema.ensure(url, settings, say=say)
    record = _record(settings, folder, about, "refused")
    with session(url, settings, f"nightshelf refuse {folder.run_id}") as db, db.transaction():
        number = db.one("record", record)
        return _recorded(db, number=number["number"] if number else None)


def _begin(db: Session, record: Mapping[str, Any], *, force: bool) -> tuple[int, bool, Publication | None]:
    """The version to publish under, whether it must be loaded, and the publication if all is done."""
    with db.transaction():
        db.lock(wait=False)
        _remove(db, [row["version"] for row in db.run("attempts")])
        before = db.one("published_before", record)
        if before is not None:
            published = _recorded(db, version=before["version"])
            if published.is_live or not force:
                return before["version"], False, published
            if not before["is_dropped"]:
                return before["version"], False, None
        values = {"version": before["version"] if before else None, "run_id": record["run_id"]}
        row = db.one("begin_attempt", values)
        return row["version"] if row else 0, True, None


def _load(db: Session, folder: RunFolder, version: int, say: Say) -> dict[str, int]:
    """COPY every list; the counts to record, where leaving forgotten users out has changed them."""
    counts: dict[str, int] = {}
    with db.transaction():
        db.lock(wait=False)
        _require_attempt(db, version)
        for kind in _kinds(folder):
            n_lists, n_rows = _copy(db, kind, folder, version)
            say(f"publish: {n_rows:,} rows of {kind.dataset} loaded, {n_lists:,} lists")
        if n_users := forget_in_version(db, version):
            say(f"publish: forgotten users left out: {n_users:,}")
            counts = dict(db.one("stored_counts", {"version": version}) or {})
    with db.transaction():
        for kind in KINDS:
            name = sql.Identifier(db.names.storage, kind.table)
            db.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(name))
    return counts


def _kinds(folder: RunFolder) -> tuple[ListKind, ...]:
    """The lists of the run; one that an earlier release made lacks those that came later."""
    return tuple(kind for kind in KINDS if kind.since is None or folder.has(kind.dataset))


def _copy(db: Session, kind: ListKind, folder: RunFolder, version: int) -> tuple[int, int]:
    n_lists = n_rows = 0
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(db.names.storage, kind.table), sql.SQL(", ").join(map(sql.Identifier, kind.columns))
    )
    try:
        with db.connection.cursor() as cursor, cursor.copy(statement) as copy:
            pieces = lines(kind, folder.dataset(kind.dataset), version)
            total = folder.rows(kind.dataset)
            for piece in progress.over(pieces, kind.dataset, total, "rows", lambda piece: piece.n_rows):
                copy.write(piece.text)
                n_lists, n_rows = n_lists + piece.n_lists, n_rows + piece.n_rows
    except (pg.UntranslatableCharacter, pg.CharacterNotInRepertoire):
        raise
    except (pg.IntegrityError, pg.DataError) as error:
        detail = error.diag.message_detail if isinstance(error, pg.UniqueViolation) else None
        context = error.diag.context if isinstance(error, pg.DataError) else None
        raise ContractBroken(
            f"the serving tables refuse `{kind.dataset}`",
            found=" ".join(part for part in (error.diag.message_primary, detail, context) if part)[:400],
            promised="ranks from 1, no item twice in a list, real scores, ids of the type in [ids]",
            then=f"python -m pipeline run recommend --run-id {folder.run_id}",
        ) from None
    return n_lists, n_rows


def _flip(db: Session, record: Mapping[str, Any], *, is_loaded: bool, force: bool, say: Say) -> Publication:
    """Write record and pointer in one transaction, after a look at the live version under both locks."""
    version = record["version"]
    with db.transaction():
        db.lock(wait=True)
        if is_loaded:
            _require_attempt(db, version)
        elif (db.one("published_before", record) or {"is_dropped": True})["is_dropped"]:
            raise busy(found="it has dropped this version meanwhile")
        hold = db.one("lock_pointer") or {}
        obstacle = _obstacle(db, record)
        is_on_hold = hold["held_at"] is not None
        if obstacle and force and not is_on_hold:
            record = {**record, "decision": Jsonb({**record["decision"].obj, "forced": True})}
            obstacle = None
        is_held = is_on_hold and not obstacle
        db.run("record", {**record, "is_held_back": is_held, "is_loaded": is_loaded})
        if not obstacle and not is_held:
            db.run("set_max_n", {"max_n": db.settings.serving.max_n})
            db.run("move_pointer", {"version": version})
        db.run("end_attempt", {"version": version})
        published = _recorded(db, version=version)
    if is_held:
        since = f"{utc(hold['held_at']).isoformat(timespec='seconds')} by {hold['held_by']}"
        say(f"publish: version {version} is held back (since {since}), until python -m pipeline release")
    elif obstacle:
        say(f"publish: version {version} is stored, not live: {obstacle}; {FORCE}")
    return published


def _obstacle(db: Session, record: Mapping[str, Any]) -> str | None:
    """Why this run must not replace what is live, for a person; None when it may."""
    live = db.one("live_publication")
    if live is None:
        return None
    if record["as_of"] < live["as_of"]:
        shown = f"live version {live['version']} ({live['as_of'].isoformat()})"
        return f"it ends at {record['as_of'].isoformat()}, before {shown}"
    move = db.one("rolled_back", record)
    if move is not None and live["run_id"] != record["run_id"]:
        when = utc(move["moved_at"]).isoformat(timespec="seconds")
        return f"version {move['version']} of this run was rolled back at {when} by {move['moved_by']}"
    return None


def _tidy(db: Session, say: Say) -> None:
    """Drop the versions beyond keep_versions; if that fails, the publication stays as it is.

    They are marked in a short transaction that keeps rollbacks away, and deleted in a long one
    that does not. A reader's snapshot keeps what it began to read.
    """
    try:
        with db.transaction():
            db.lock(wait=False)
            db.run("lock_pointer")
            spent = db.run("spent_versions", {"keep": db.settings.serving.keep_versions})
            versions = [row["version"] for row in spent]
            db.run("drop_versions", {"versions": versions})
        with db.transaction():
            db.lock(wait=False)
            _remove(db, versions)
    except (pg.Error, DatabaseError) as error:
        if isinstance(error, pg.LockNotAvailable):
            found = in_words(blockers(db, error))
        else:
            found = error.found if isinstance(error, DatabaseError) else ""
        why = ": ".join(filter(None, (type(error).__name__, found)))
        say(f"publish: old versions stay until the next night ({why})")


def _remove(db: Session, versions: list[int]) -> None:
    if versions:
        db.run("remove_versions", {"versions": versions})


def _require_attempt(db: Session, version: int) -> None:
    """Raise PublisherBusy when another publisher has removed the note of this attempt."""
    if db.one("attempt", {"version": version}) is None:
        raise busy(*lock_holders(db))


def _recorded(db: Session, *, number: int | None = None, version: int | None = None) -> Publication:
    row = db.one("recorded", {"number": number, "version": version})
    return Publication(**(row or {}))


def _record(settings: Settings, folder: RunFolder, about: About, status: str) -> dict[str, Any]:
    """The values of one row of `publications`."""
    return {
        "version": None,
        "run_id": folder.run_id,
        "status": status,
        "is_held_back": False,
        "is_loaded": False,
        "as_of": folder.as_of,
        **_counted(folder),
        "precision_at_3": about.precision_at_3,
        "repeat_purchases": settings.run.repeat_purchases,
        "lists_sha256": _fingerprint(folder),
        "params": Jsonb(dict(about.params)),
        "decision": Jsonb(dict(about.decision)),
    }


def _counted(folder: RunFolder) -> dict[str, int]:
    with connect() as db:
        lists = parquet(folder.dataset("recommendations"))
        query = f"SELECT count(DISTINCT user_id), count(DISTINCT item_id), count(*) FROM {lists}"
        row = db.execute(query).fetchone()
    n_users, n_items, n_rows = row or (0, 0, 0)
    return {"n_users": n_users, "n_items": n_items, "n_recommendations": n_rows}


def _fingerprint(folder: RunFolder) -> str:
    """One hash of all lists, from the receipt of the stage that wrote them."""
    files = folder.receipt("recommend")["files"]
    hashes = "".join(files[folder.dataset(kind.dataset).name]["sha256"] for kind in _kinds(folder))
    return hashlib.sha256(hashes.encode()).hexdigest()
