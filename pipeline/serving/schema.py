"""Create the serving schema, reset it, upgrade it, or refuse one of another version.

    sql/serving/schema/      the schema as it is, in the order of the file names
    sql/serving/upgrades/    one file for each later version, e.g. 009_more_reasons.sql
    sql/serving/statements/  what the code runs against it

An upgrade runs on new databases, after the files of schema/, and on those of the version before it alike, and
keeps all that is stored. Until the first release a change that no upgrade can make is made in the files of
schema/: it raises BASE and takes the upgrades in, and a database of another version is reset by
`python -m pipeline migrate --reset-serving`. From the first release on all these files are frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep

from psycopg import errors as pg
from psycopg import sql

from pipeline.config import Ids, Settings
from pipeline.errors import NothingPublished, ServingError
from pipeline.serving import forgotten, roles
from pipeline.serving.blockers import LOCK
from pipeline.serving.names import FOLDER
from pipeline.serving.session import Session, session

BASE = 7
"""The version that sql/serving/schema/ makes. Versions 1 to 6 were never released."""
FILES = tuple(sorted((FOLDER / "schema").glob("*.sql")))
UPGRADES = tuple(sorted((FOLDER / "upgrades").glob("*.sql")))
VERSION = BASE + len(UPGRADES)
DDL_WAIT_MS = 200
"""How long a change of tables or views waits at a time for those who read them."""
TAKEN = (pg.UniqueViolation, pg.DuplicateObject, pg.DuplicateSchema, pg.DuplicateTable)
"""Another session has made it meanwhile."""
ANOTHER_SHOP = (
    "give this shop a schema and role_prefix of its own under [serving]; or:"
    " python -m pipeline migrate --reset-serving (drops every publication), then run again"
)
RESET = (
    "python -m pipeline migrate --reset-serving (drops every publication and"
    " blocked item; who was forgotten stays forgotten), then run again"
)


@dataclass(frozen=True)
class SchemaInfo:
    """What the database records of its schema: the version, and the id types its columns have."""

    version: int
    ids: Ids


def migrate(url: str, settings: Settings, *, say: Callable[[str], None], reset: bool = False) -> None:
    """Create the roles and both schemas, or run the upgrades they lack; nothing where all is done.

    One transaction; needs CREATEROLE (unless the roles are there) and CREATE on the database, no
    superuser. Afterwards the login may `SET ROLE` to owner and publisher. `reset` drops every
    publication and every blocked item first, whatever version made them; who was forgotten stays
    forgotten. Raises ServingError for another version, for other id types, for a schema or a role that
    is somebody else's, or when the login lacks a right; PublisherBusy while a night publishes, or while
    somebody reads for longer than lock_timeout_ms what is to be changed.
    """
    with session(url, settings, "nightshelf migrate") as db:
        db.is_altering = True
        for line in _unhindered(db, lambda: _migrate(db, settings, reset=reset)):
            say(line)


def _migrate(db: Session, settings: Settings, *, reset: bool) -> list[str]:
    """One attempt; what it has done, in words."""
    done: list[str] = []
    with db.transaction(as_publisher=False):
        names = db.names
        is_made = db.has_table(names.storage, LOCK) and _owner_of(db, names.storage) == names.publisher
        done += roles.require(db, are_ours=is_made)
        if is_made:
            _act_as(db, names.publisher)
            db.lock(wait=True)
            db.execute("RESET ROLE")
        wait = min(DDL_WAIT_MS, db.settings.serving.lock_timeout_ms)
        db.execute("SELECT set_config('lock_timeout', %s, true)", [str(wait)])
        record = None
        if reset:
            _act_as(db, names.publisher)
            record = forgotten.read_record(db)
            db.execute("RESET ROLE")
            done += _drop(db)
        info = find(db)
        if info is None:
            _create_schemas(db)
            missing = (*FILES, *UPGRADES)
        else:
            check(info, settings)
            missing = UPGRADES[info.version - BASE :]
        for path in missing:
            db.execute(db.names.compose(path.read_text(encoding="utf-8"), settings.ids))
            db.execute("RESET ROLE")
        if missing:
            _act_as(db, names.publisher)
            ids = settings.ids
            db.run("record_schema", {"version": VERSION, "user": ids.user, "item": ids.item})
            if record:
                forgotten.restore_record(db, record)
            done.append(f"serving schema `{names.schema}` is at version {VERSION}")
    return done


def _unhindered(db: Session, attempt: Callable[[], list[str]]) -> list[str]:
    """Attempt it again while others are in the way, for as long as lock_timeout_ms says.

    Where there is no schema yet there is nothing to lock: of two first migrations the second then fails at a
    name that the first one has taken, and finds all done when it tries again. What readers hold is waited
    for in short turns, because whoever wants to read queues behind it.
    """
    until = monotonic() + db.settings.serving.lock_timeout_ms / 1000
    while True:
        try:
            return attempt()
        except (*TAKEN, pg.LockNotAvailable):
            if monotonic() > until:
                raise
            sleep(DDL_WAIT_MS / 1000)


def ensure(url: str, settings: Settings, *, say: Callable[[str], None]) -> None:
    """Create or upgrade the schema if need be; ServingError when this login cannot or may not."""
    with session(url, settings, "nightshelf") as db:
        info = look(db)
    if info is not None:
        check(info, settings)
    if info is None or info.version < VERSION:
        migrate(url, settings, say=say)


def look(db: Session) -> SchemaInfo | None:
    """`find` in a transaction of its own, as the publisher; None where there is no schema."""
    with db.transaction(as_publisher=False):
        if not db.has_table(db.names.storage, LOCK):
            return None
    with db.transaction():
        return find(db)


def find(db: Session) -> SchemaInfo | None:
    """What is recorded in the storage schema; None where there is none. Runs in a transaction.

    Raises ServingError when the roles of this shop do not own it, or when its views are gone.
    """
    names = db.names
    if not db.has_table(names.storage, LOCK):
        return None
    for schema, role in ((names.storage, names.publisher), (names.schema, names.owner)):
        owner = _owner_of(db, schema)
        if owner != role:
            raise ServingError(
                f"schema `{schema}` is not this shop's",
                found=f"owner {owner}" if owner else "no such schema",
                promised=f"owner {role}, as `python -m pipeline migrate` makes it",
                then="mend schema or role_prefix; or " + ANOTHER_SHOP,
            )
    _act_as(db, names.publisher)
    row = db.one("schema_info")
    db.execute("RESET ROLE")
    if row is None:
        return None
    return SchemaInfo(row["schema_version"], Ids(user=row["user_id_type"], item=row["item_id_type"]))


def check(info: SchemaInfo, settings: Settings) -> None:
    """Refuse a schema of another version that no upgrade leads on from, and one of other id types."""
    name = settings.serving.schema_name
    if not BASE <= info.version <= VERSION:
        is_later = info.version > VERSION
        raise ServingError(
            f"the serving schema `{name}` was made by "
            + ("a later release" if is_later else "an earlier development version"),
            found=f"version {info.version}",
            promised=f"version {VERSION}",
            then=("install that release of Nightshelf; or " if is_later else "") + RESET,
        )
    if info.ids != settings.ids:
        raise ServingError(
            f"the serving schema `{name}` holds ids of other types",
            found=f"user {info.ids.user}, item {info.ids.item}",
            promised=f"user {settings.ids.user}, item {settings.ids.item}, as [ids] in the settings says",
            then="mend [ids]; or " + ANOTHER_SHOP,
        )


def require(db: Session, settings: Settings) -> None:
    """Refuse where nothing can have been published, and a schema that is not of this version."""
    info = look(db)
    if info is None:
        raise NothingPublished(
            f"there is no serving schema `{db.names.schema}`: nothing was published yet",
            then="python -m pipeline run (in Airflow: trigger the DAG recommendations)",
        )
    check(info, settings)
    if info.version < VERSION:
        raise ServingError(
            f"the serving schema `{db.names.schema}` is of an older release",
            found=f"version {info.version}",
            promised=f"version {VERSION}",
            then="python -m pipeline migrate (upgrades it in place)",
        )


def _create_schemas(db: Session) -> None:
    names = db.names
    for schema, role in ((names.storage, names.publisher), (names.schema, names.owner)):
        owner = _owner_of(db, schema)
        if owner not in (None, role):
            raise ServingError(
                f"there is a schema `{schema}` that is not Nightshelf's",
                found=f"owner {owner}",
                promised=f"none, or an empty one of {role}",
                then="choose another schema under [serving] in config.toml",
            )
        if owner is None:
            create = sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}")
            db.execute(create.format(sql.Identifier(schema), sql.Identifier(role)))


def _drop(db: Session) -> list[str]:
    """Both schemas, each as its owner: what belongs to others is never dropped from here."""
    names, done = db.names, []
    for schema, role in ((names.schema, names.owner), (names.storage, names.publisher)):
        if _owner_of(db, schema) is not None:
            _act_as(db, role)
            db.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
            db.execute("RESET ROLE")
            done.append(f"schema {schema} dropped")
    return done


def _owner_of(db: Session, schema: str) -> str | None:
    row = db.execute(
        "SELECT pg_get_userbyid(nspowner)::text AS owner FROM pg_namespace WHERE nspname = %s", [schema]
    ).fetchone()
    return row["owner"] if row else None


def _act_as(db: Session, role: str) -> None:
    db.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
