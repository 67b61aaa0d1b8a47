"""Create the serving schema, reset it, upgrade it, or refuse one of another version.

    sql/serving/schema/      the schema as it is, in the order of the file names
    sql/serving/upgrades/    from the first release on: one frozen file for each later version
    sql/serving/statements/  what the code runs against it

Until the first release there are no upgrades: whoever changes the schema edits its files and raises BASE, and
a database of another version is reset by `python -m pipeline migrate --reset-serving`. From the first
release on these files are frozen. A change is then a further file of upgrades/, such as
008_more_reasons.sql, which runs on new databases and on those of the version before it alike.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from psycopg import errors as pg
from psycopg import sql

from pipeline.config import Ids, Settings
from pipeline.errors import ServingError
from pipeline.serving import forgotten
from pipeline.serving.names import FOLDER, ROLES
from pipeline.serving.session import MIGRATE, Session, session

BASE = 7
"""The version that sql/serving/schema/ makes. Versions 1 to 6 were never released."""
FILES = tuple(sorted((FOLDER / "schema").glob("*.sql")))
UPGRADES = tuple(sorted((FOLDER / "upgrades").glob("*.sql")))
VERSION = BASE + len(UPGRADES)
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
    forgotten. Raises ServingError for another version, for other id types, for a schema that is
    somebody else's, or when the login lacks a right; PublisherBusy while a night publishes.
    """
    with session(url, settings, "nightshelf migrate") as db, db.transaction(as_publisher=False):
        db.lock(wait=True)
        _create_roles(db, say)
        record = None
        if reset:
            _act_as(db, db.names.publisher)
            record = forgotten.read_record(db)
            db.execute("RESET ROLE")
            _drop(db, say)
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
            _act_as(db, db.names.publisher)
            ids = settings.ids
            db.run("record_schema", {"version": VERSION, "user": ids.user, "item": ids.item})
            if record:
                forgotten.restore_record(db, record)
            say(f"serving schema `{db.names.schema}` is at version {VERSION}")


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
        if not db.has_table(db.names.storage, "schema_info"):
            return None
    with db.transaction():
        return find(db)


def find(db: Session) -> SchemaInfo | None:
    """What is recorded in the storage schema; None where there is none. Runs in a transaction.

    Raises ServingError when the roles of this shop do not own it, or when its views are gone.
    """
    names = db.names
    if not db.has_table(names.storage, "schema_info"):
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


def _create_roles(db: Session, say: Callable[[str], None]) -> None:
    """The four roles, and the right of this login to act as owner and publisher.

    It may act as the others too where it created them, or may grant them to itself.
    """
    names, login = db.names, db.connection.info.user
    roles = [getattr(names, role) for role in ROLES]
    needed = (names.owner, names.publisher)
    try:
        for role in roles:
            if db.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
                db.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
                say(f"role {role} created")
            with (
                suppress(*([] if role in needed else [pg.InsufficientPrivilege])),
                db.connection.transaction(),
            ):
                _join(db, role)
    except pg.InsufficientPrivilege as error:
        raise ServingError(
            f"the login `{login}` may not set up the roles of the serving schema",
            found=error.diag.message_primary or "",
            promised=f"the roles {', '.join(roles)}; CREATEROLE where one is missing",
            then=f"{MIGRATE}; or let whoever made them GRANT {', '.join(needed)} TO {login}",
        ) from None


def _join(db: Session, role: str) -> None:
    """Let this login act as `role`, unless it may."""
    is_16 = db.connection.info.server_version >= 160000
    member = db.execute(
        "SELECT pg_has_role(session_user, %s, %s) AS may", [role, "SET" if is_16 else "MEMBER"]
    ).fetchone()
    if not (member and member["may"]):
        grant = "GRANT {} TO SESSION_USER" + (" WITH INHERIT FALSE, SET TRUE" if is_16 else "")
        db.execute(sql.SQL(grant).format(sql.Identifier(role)))  # type: ignore[arg-type]


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


def _drop(db: Session, say: Callable[[str], None]) -> None:
    """Both schemas, each as its owner: what belongs to others is never dropped from here."""
    names = db.names
    for schema, role in ((names.schema, names.owner), (names.storage, names.publisher)):
        if _owner_of(db, schema) is not None:
            _act_as(db, role)
            db.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
            db.execute("RESET ROLE")
            say(f"schema {schema} dropped")


def _owner_of(db: Session, schema: str) -> str | None:
    row = db.execute(
        "SELECT pg_get_userbyid(nspowner)::text AS owner FROM pg_namespace WHERE nspname = %s", [schema]
    ).fetchone()
    return row["owner"] if row else None


def _act_as(db: Session, role: str) -> None:
    db.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
