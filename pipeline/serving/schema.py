"""The serving schema: made, upgraded in place, or refused when it is not the one we know.

    sql/serving/001_storage.sql   numbered files are migrations, applied once each, in order
    sql/serving/record.sql        the others are statements

The version of a schema is the number of the last file applied to it.
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
from pipeline.serving.names import FOLDER, ROLES, text_of
from pipeline.serving.session import MIGRATE, Session, session

MIGRATIONS = tuple(sorted(path.stem for path in FOLDER.glob("[0-9][0-9][0-9]_*.sql")))
VERSION = int(MIGRATIONS[-1][:3])
RESET = (
    "give this shop a schema and role_prefix of its own under [serving]; or, with the same --config as here,"
    " python -m pipeline migrate --reset-serving (drops every publication), then run again"
)


@dataclass(frozen=True)
class SchemaInfo:
    """What is there: the last migration applied, and the id types its columns have."""

    version: int
    ids: Ids


def migrate(url: str, settings: Settings, *, say: Callable[[str], None], reset: bool = False) -> None:
    """Create the roles and both schemas, or upgrade them in place; nothing where all is done.

    One transaction; needs CREATEROLE (unless the roles are there) and CREATE on the database, no
    superuser. Afterwards the login may `SET ROLE` to owner and publisher. `reset` drops every
    publication and every blocked item first; who was forgotten stays forgotten. Raises ServingError
    for other id types, for a schema that is somebody else's, or when the login lacks a right;
    PublisherBusy while a night publishes.
    """
    with session(url, settings, "nightshelf migrate") as here, here.transaction(as_publisher=False):
        here.lock(wait=True)
        _make_roles(here, say)
        record = None
        if reset:
            _act_as(here, here.names.publisher)
            record = forgotten.taken_along(here)
            here.db.execute("RESET ROLE")
            _drop(here, say)
        found = find(here)
        version = found.version if found else 0
        if found:
            check(found, settings)
        else:
            _make_schemas(here)
        for name in MIGRATIONS[version:]:
            here.db.execute(here.names.compose(text_of(name), settings.ids))
            here.db.execute("RESET ROLE")
        if version < VERSION:
            _act_as(here, here.names.publisher)
            here.run(
                "note_schema",
                {"version": VERSION, "user": settings.ids.user, "item": settings.ids.item},
            )
            if record:
                forgotten.put_back(here, record)
            say(f"serving schema `{here.names.schema}` is at version {VERSION}")


def ensure(url: str, settings: Settings, *, say: Callable[[str], None]) -> None:
    """Make or upgrade the schema if need be; ServingError when this login cannot or may not."""
    with session(url, settings, "nightshelf") as here:
        found = look(here)
    if found is None or found.version < VERSION:
        migrate(url, settings, say=say)
    else:
        check(found, settings)


def look(here: Session) -> SchemaInfo | None:
    """`find` in a transaction of its own, as the publisher; None where there is no schema."""
    with here.transaction(as_publisher=False):
        if not here.has_table(here.names.storage, "schema_info"):
            return None
    with here.transaction():
        return find(here)


def find(here: Session) -> SchemaInfo | None:
    """What is recorded in the storage schema; None where there is none. Runs in a transaction.

    Raises ServingError when the roles of this shop do not own it, or when its views are gone.
    """
    names = here.names
    if not here.has_table(names.storage, "schema_info"):
        return None
    for schema, role in ((names.storage, names.publisher), (names.schema, names.owner)):
        owner = _owner_of(here, schema)
        if owner != role:
            raise ServingError(
                f"schema `{schema}` is not this shop's",
                found=f"owner {owner}" if owner else "no such schema",
                promised=f"owner {role}, as `python -m pipeline migrate` makes it",
                then="mend schema or role_prefix; or " + RESET,
            )
    _act_as(here, names.publisher)
    row = here.one("schema_info")
    here.db.execute("RESET ROLE")
    if row is None:
        return None
    ids = Ids(user=row["user_id_type"], item=row["item_id_type"])
    return SchemaInfo(row["schema_version"], ids)


def check(found: SchemaInfo, settings: Settings) -> None:
    """Refuse a schema of other id types, or one that a later release has upgraded."""
    if found.ids != settings.ids:
        raise ServingError(
            f"the serving schema `{settings.serving.schema_name}` holds ids of other types",
            found=f"user {found.ids.user}, item {found.ids.item}",
            promised=f"user {settings.ids.user}, item {settings.ids.item}, as [ids] in the settings says",
            then="mend [ids]; or " + RESET,
        )
    if found.version > VERSION:
        raise ServingError(
            f"the serving schema `{settings.serving.schema_name}` was made by a later release",
            found=f"version {found.version}",
            promised=f"version {VERSION} or older",
            then="install that release of Nightshelf",
        )


def _make_roles(here: Session, say: Callable[[str], None]) -> None:
    """The four roles, and the right of this login to act as owner and publisher.

    It may act as the others too where it made them, or may grant them to itself.
    """
    names, login = here.names, here.db.info.user
    roles = [getattr(names, role) for role in ROLES]
    needed = (names.owner, names.publisher)
    try:
        for role in roles:
            known = here.db.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            if known is None:
                here.db.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
                say(f"role {role} created")
            with suppress(*([] if role in needed else [pg.InsufficientPrivilege])), here.db.transaction():
                _join(here, role)
    except pg.InsufficientPrivilege as error:
        raise ServingError(
            f"the login `{login}` may not set up the roles of the serving schema",
            found=error.diag.message_primary or "",
            promised=f"the roles {', '.join(roles)}; CREATEROLE where one is missing",
            then=f"{MIGRATE}; or let whoever made them GRANT {', '.join(needed)} TO {login}",
        ) from None


def _join(here: Session, role: str) -> None:
    """Let this login act as `role`, unless it may."""
    is_16 = here.db.info.server_version >= 160000
    member = here.db.execute(
        "SELECT pg_has_role(session_user, %s, %s) AS may", [role, "SET" if is_16 else "MEMBER"]
    ).fetchone()
    if not (member and member["may"]):
        grant = "GRANT {} TO SESSION_USER" + (" WITH INHERIT FALSE, SET TRUE" if is_16 else "")
        here.db.execute(sql.SQL(grant).format(sql.Identifier(role)))  # type: ignore[arg-type]


def _make_schemas(here: Session) -> None:
    names = here.names
    for schema, role in ((names.storage, names.publisher), (names.schema, names.owner)):
        owner = _owner_of(here, schema)
        if owner not in (None, role):
            raise ServingError(
                f"there is a schema `{schema}` that is not Nightshelf's",
                found=f"owner {owner}",
                promised=f"none, or an empty one of {role}",
                then="choose another schema under [serving] in config.toml",
            )
        if owner is None:
            make = sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}")
            here.db.execute(make.format(sql.Identifier(schema), sql.Identifier(role)))


def _drop(here: Session, say: Callable[[str], None]) -> None:
    """Both schemas, each as its owner: what belongs to others is never dropped from here."""
    names = here.names
    for schema, role in ((names.schema, names.owner), (names.storage, names.publisher)):
        if _owner_of(here, schema) is not None:
            _act_as(here, role)
            here.db.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
            here.db.execute("RESET ROLE")
            say(f"schema {schema} dropped")


def _owner_of(here: Session, schema: str) -> str | None:
    row = here.db.execute(
        "SELECT pg_get_userbyid(nspowner)::text AS owner FROM pg_namespace WHERE nspname = %s", [schema]
    ).fetchone()
    return row["owner"] if row else None


def _act_as(here: Session, role: str) -> None:
    here.db.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
