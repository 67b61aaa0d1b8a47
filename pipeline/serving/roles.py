"""The four roles of a shop: made where they are missing, refused where somebody else has made them.

Roles belong to the whole server, not to one database. Nightshelf knows those that it made by their comment,
which only who may change a role can write, and those that a serving schema of this shop uses already.
"""

from __future__ import annotations

from contextlib import suppress

from psycopg import errors as pg
from psycopg import sql

from pipeline.databases.embedded import ROLE_COMMENT
from pipeline.errors import ServingError
from pipeline.serving.names import ROLES
from pipeline.serving.session import MIGRATE, Session

ATTRIBUTES = {
    "rolsuper": "superuser",
    "rolcanlogin": "may log in",
    "rolcreaterole": "may create roles",
    "rolcreatedb": "may create databases",
    "rolreplication": "may replicate",
    "rolbypassrls": "passes row security",
}


def require(db: Session, *, are_ours: bool) -> list[str]:
    """Make the missing roles, and let this login act as owner and publisher; what was done, in words.

    It may act as the others too where it created them, or may grant them to itself.

    are_ours: whether roles of these names are known to be this shop's, whatever their comments say
    Raises ServingError for roles that somebody else has made, unless the login itself is one of them or
    serving.take_over_roles is set, and where the login may not make or use them.
    """
    names, login, done = db.names, db.connection.info.user, []
    all_roles = [getattr(names, role) for role in ROLES]
    needed = (names.owner, names.publisher)
    there = _described(db, all_roles)
    strange = [role for role, (_, is_ours) in there.items() if not (is_ours or are_ours)]
    if strange and not db.settings.serving.take_over_roles:
        raise ServingError(
            "roles of the serving schema are there and were not made by Nightshelf",
            found="; ".join(f"{role} ({there[role][0]})" for role in strange),
            promised="none of these names, or those that `python -m pipeline migrate` made",
            then="set serving.role_prefix to another prefix; or, if they are meant for Nightshelf,"
            " serving.take_over_roles = true",
        )
    try:
        for role in all_roles:
            if role not in there:
                db.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
                done.append(f"role {role} created")
            elif role in strange:
                done.append(f"role {role} taken over ({there[role][0]})")
            if role not in there or not there[role][1]:
                _sign(db, role)
            with (
                suppress(*([] if role in needed else [pg.InsufficientPrivilege])),
                db.connection.transaction(),
            ):
                _join(db, role)
    except pg.InsufficientPrivilege as error:
        raise ServingError(
            f"the login `{login}` may not set up the roles of the serving schema",
            found=error.diag.message_primary or "",
            promised=f"the roles {', '.join(all_roles)}; CREATEROLE where one is missing",
            then=f"{MIGRATE}; or let whoever made them GRANT {', '.join(needed)} TO {login}",
        ) from None
    return done


def _described(db: Session, roles: list[str]) -> dict[str, tuple[str, bool]]:
    """Those of `roles` that are there: what is to be known of each, and whether it is Nightshelf's."""
    rows = db.run("roles", {"roles": roles, "comment": ROLE_COMMENT}).fetchall()
    return {row["role"]: (_description(row), row["is_ours"]) for row in rows}


def _description(row: dict[str, object]) -> str:
    parts = [words for attribute, words in ATTRIBUTES.items() if row[attribute]]
    if members := row["members"]:
        parts.append(f"members: {', '.join(members)}")  # type: ignore[arg-type]
    if n_owned := row["n_owned"]:
        parts.append(f"owns {n_owned} object{'s' if n_owned != 1 else ''}")
    return ", ".join(parts) or "no rights of its own, no members"


def _sign(db: Session, role: str) -> None:
    """Write the comment by which the role is known, where this login may."""
    with suppress(pg.InsufficientPrivilege), db.connection.transaction():
        db.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(role), ROLE_COMMENT))


def _join(db: Session, role: str) -> None:
    """Let this login act as `role`, unless it may."""
    is_16 = db.connection.info.server_version >= 160000
    member = db.execute(
        "SELECT pg_has_role(session_user, %s, %s) AS may", [role, "SET" if is_16 else "MEMBER"]
    ).fetchone()
    if not (member and member["may"]):
        grant = "GRANT {} TO SESSION_USER" + (" WITH INHERIT FALSE, SET TRUE" if is_16 else "")
        db.execute(sql.SQL(grant).format(sql.Identifier(role)))  # type: ignore[arg-type]
