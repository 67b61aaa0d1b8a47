"""Publishing: load where no reader looks, then put everything live in one short transaction.

    begin   leftovers of dead attempts go; a version number is noted down          (short)
    load    COPY of every list under that number, the lock held                    (long)
    flip    the live version is looked at again; record and pointer move together  (short)
    tidy    versions beyond keep_versions are marked, then their lists deleted     (any length)

Whatever fails before the flip leaves the live publication as it was; the next attempt removes what
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

from pipeline.config import Settings
from pipeline.engine import connect
from pipeline.errors import ContractBroken, DatabaseError
from pipeline.runs.folder import RunFolder
from pipeline.serving import schema
from pipeline.serving.copy_lines import KINDS, ListKind, lines
from pipeline.serving.forgotten import forget_in_version
from pipeline.serving.session import Session, busy, session
from pipeline.times import utc

Say = Callable[[str], None]


@dataclass(frozen=True)
class Publication:
    """What was recorded: version is None for a refusal; is_live says whether apps see it now."""

    version: int | None
    run_id: str
    status: str
    is_live: bool
    published_at: datetime
    n_users: int
    n_items: int
    n_recommendations: int
    precision_at_3: float | None


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
    with session(url, settings, f"nightshelf publish {folder.run_id}") as here:
        version, must_load, known = _begin(here, record, force=force)
        if known is not None:
            say(f"publish: these lists of run {folder.run_id} are version {version} already{_though(known)}")
            return known
        if must_load:
            record |= _load(here, folder, version, say)
        made = _flip(here, {**record, "version": version}, is_loaded=must_load, force=force, say=say)
        _tidy(here, say)
        return made


def refuse(url: str, settings: Settings, folder: RunFolder, about: About, *, say: Say) -> Publication:
    """Record that the gate refused the run, and why; nothing that apps read changes."""
    schema.ensure(url, settings, say=say)
    record = _record(settings, folder, about, "refused")
    with session(url, settings, f"nightshelf refuse {folder.run_id}") as here, here.transaction():
        number = here.one("record", record)
        return _recorded(here, number=number["number"] if number else None)


def _begin(here: Session, record: Mapping[str, Any], *, force: bool) -> tuple[int, bool, Publication | None]:
    """The version to publish under, whether it must be loaded, and the publication if all is done."""
    with here.transaction():
        here.lock(wait=False)
        _remove(here, [row["version"] for row in here.run("attempts")])
        before = here.one("published_before", record)
        if before is not None:
            known = _recorded(here, version=before["version"])
            if known.is_live or not force:
                return before["version"], False, known
            if not before["is_dropped"]:
                return before["version"], False, None
        asked = {"version": before["version"] if before else None, "run_id": record["run_id"]}
        row = here.one("begin_attempt", asked)
        return row["version"] if row else 0, True, None


def _load(here: Session, folder: RunFolder, version: int, say: Say) -> dict[str, int]:
    """COPY every list; the counts to record where forgotten users make them other than the run's."""
    counts: dict[str, int] = {}
    with here.transaction():
        here.lock(wait=False)
        _require_attempt(here, version)
        for kind in KINDS:
            n_lists, n_rows = _copy(here, kind, folder, version)
            say(f"publish: {n_rows:,} rows of {kind.dataset} loaded, {n_lists:,} lists")
        if n_users := forget_in_version(here, version):
            say(f"publish: forgotten users left out: {n_users:,}")
            counts = dict(here.one("stored_counts", {"version": version}) or {})
    with here.transaction():
        for kind in KINDS:
            name = sql.Identifier(here.names.storage, kind.table)
            here.db.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {}").format(name))
    return counts


def _copy(here: Session, kind: ListKind, folder: RunFolder, version: int) -> tuple[int, int]:
    n_lists = n_rows = 0
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(here.names.storage, kind.table), sql.SQL(", ").join(map(sql.Identifier, kind.columns))
    )
    try:
        with here.db.cursor() as cursor, cursor.copy(statement) as copy:
            for piece in lines(kind, folder.dataset(kind.dataset), version):
                copy.write(piece.text)
                n_lists, n_rows = n_lists + piece.n_lists, n_rows + piece.n_rows
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


def _flip(here: Session, record: Mapping[str, Any], *, is_loaded: bool, force: bool, say: Say) -> Publication:
    """Record and pointer in one transaction, the live version looked at under both locks."""
    version = record["version"]
    with here.transaction():
        here.lock(wait=True)
        if is_loaded:
            _require_attempt(here, version)
        elif (here.one("published_before", record) or {"is_dropped": True})["is_dropped"]:
            raise busy("it has dropped this version meanwhile")
        hold = here.one("lock_pointer") or {}
        obstacle = _obstacle(here, record)
        is_on_hold = hold["held_at"] is not None
        if obstacle and force and not is_on_hold:
            record = {**record, "decision": Jsonb({**record["decision"].obj, "forced": True})}
            obstacle = None
        is_held = is_on_hold and not obstacle
        here.run("record", {**record, "is_held_back": is_held, "is_loaded": is_loaded})
        if not obstacle and not is_held:
            here.run("set_max_n", {"max_n": here.settings.serving.max_n})
            here.run("move_pointer", {"version": version})
        here.run("end_attempt", {"version": version})
        made = _recorded(here, version=version)
    if is_held:
        since = f"{utc(hold['held_at']).isoformat(timespec='seconds')} by {hold['held_by']}"
        say(f"publish: version {version} is held back (since {since}), until python -m pipeline release")
    elif obstacle:
        say(f"publish: version {version} is stored, not live: {obstacle}; force puts it live")
    return made


def _obstacle(here: Session, record: Mapping[str, Any]) -> str | None:
    """Why this run must not take the place of what is live, for a person; None: it may."""
    live = here.one("live_publication")
    if live is None:
        return None
    if record["as_of"] < live["as_of"]:
        shown = f"live version {live['version']} ({live['as_of'].isoformat()})"
        return f"it ends at {record['as_of'].isoformat()}, before {shown}"
    taken = here.one("taken_back", record)
    if taken is not None and live["run_id"] != record["run_id"]:
        when = utc(taken["moved_at"]).isoformat(timespec="seconds")
        return f"version {taken['version']} of this run was rolled back at {when} by {taken['moved_by']}"
    return None


def _tidy(here: Session, say: Say) -> None:
    """Drop the versions beyond keep_versions; the publication stands whatever comes of it.

    They are marked in a short transaction that keeps rollbacks away, and deleted in a long one
    that does not. What readers began to read before, their snapshots keep.
    """
    try:
        with here.transaction():
            here.lock(wait=False)
            here.run("lock_pointer")
            spent = here.run("spent_versions", {"keep": here.settings.serving.keep_versions})
            versions = [row["version"] for row in spent]
            here.run("drop_versions", {"versions": versions})
        with here.transaction():
            here.lock(wait=False)
            _remove(here, versions)
    except (pg.Error, DatabaseError) as error:
        say(f"publish: old versions stay until the next night ({type(error).__name__})")


def _remove(here: Session, versions: list[int]) -> None:
    if versions:
        here.run("remove_versions", {"versions": versions})


def _though(known: Publication) -> str:
    return "" if known.is_live else ", and not live; force puts it live"


def _require_attempt(here: Session, version: int) -> None:
    """The attempt is still ours: another publisher that came between has removed its note."""
    if here.one("attempt", {"version": version}) is None:
        raise busy(here.holder())


def _recorded(here: Session, *, number: int | None = None, version: int | None = None) -> Publication:
    row = here.one("recorded", {"number": number, "version": version})
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
        row = db.execute(
            "SELECT count(DISTINCT user_id), count(DISTINCT item_id), count(*) FROM read_parquet($path)",
            {"path": str(folder.dataset("recommendations"))},
        ).fetchone()
    n_users, n_items, n_rows = row or (0, 0, 0)
    return {"n_users": n_users, "n_items": n_items, "n_recommendations": n_rows}


def _fingerprint(folder: RunFolder) -> str:
    """One hash of all lists, from the receipt that their writer left."""
    files = folder.receipt("recommend")["files"]
    told = "".join(files[folder.dataset(kind.dataset).name]["sha256"] for kind in KINDS)
    return hashlib.sha256(told.encode()).hexdigest()
