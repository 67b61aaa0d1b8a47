"""Roles that are there before the first migration: Nightshelf's own, and those of somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from pipeline.databases.embedded import PREFIX, ROLE_COMMENT, Server
from pipeline.errors import ServingError
from pipeline.serving import migrate
from pipeline.serving.names import ROLES
from tests.serving.nights import Shop

Connection = psycopg.Connection[Any]


@pytest.fixture
def admin(server: Server, shop: Shop) -> Iterator[Connection]:
    """A superuser in the shop's database."""
    with psycopg.connect(server.admin_url(make_url(shop.url).database or ""), autocommit=True) as db:
        yield db


def role(shop: Shop, name: str) -> str:
    return f"{shop.settings.serving.role_prefix}_{name}"


def comments(db: Connection, shop: Shop) -> set[str | None]:
    """Those on the four roles."""
    query = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = ANY (%s)"
    rows = db.execute(query, [[role(shop, name) for name in ROLES]]).fetchall()
    assert len(rows) == len(ROLES)
    return {comment for (comment,) in rows}


def taking_over(new_shop: Callable[..., Shop], shop: Shop) -> Shop:
    """The same shop with the setting."""
    return new_shop(url=shop.url, role_prefix=shop.settings.serving.role_prefix, take_over_roles=True)


STRANGE = {
    "reader": ("CREATE ROLE {role}", "no rights of its own, no members"),
    "publisher": ("CREATE ROLE {role} LOGIN PASSWORD 'known to another'", "may log in"),
    "owner": ("CREATE ROLE {role} SUPERUSER CREATEDB", "superuser, may create databases"),
    "operator": (
        "CREATE ROLE {role}; CREATE ROLE {role}_elena; GRANT {role} TO {role}_elena;"
        " CREATE SCHEMA {role} AUTHORIZATION {role}",
        "members: {role}_elena, owns 1 object",
    ),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_role_of_somebody_else_is_refused_or_taken_over_by_a_setting(
    shop: Shop, new_shop: Callable[..., Shop], admin: Connection, name: str
) -> None:
    make, what_it_is = STRANGE[name]
    strange = role(shop, name)
    admin.execute(make.format(role=strange).encode())
    for migrating in (
        lambda: migrate(shop.url, shop.settings, say=shop.said.append),
        lambda: migrate(shop.url, shop.settings, say=shop.said.append, reset=True),
        lambda: shop.publish(shop.night(1)),
    ):
        with pytest.raises(ServingError) as refused:
            migrating()
        assert refused.value.what == "roles of the serving schema are there and were not made by Nightshelf"
        assert refused.value.found == f"{strange} ({what_it_is.format(role=strange)})"
        assert "serving.take_over_roles = true" in refused.value.then
    query = "SELECT count(*) FROM pg_roles WHERE rolname = ANY (%s)"
    assert admin.execute(query, [[role(shop, other) for other in ROLES]]).fetchone() == (1,)
    assert shop.said == []

    if name in ("owner", "publisher"):
        admin.execute(f"GRANT {strange} TO {make_url(shop.url).username}".encode())
    other = taking_over(new_shop, shop)
    other.publish(other.night(1))
    assert f"role {strange} taken over ({what_it_is.format(role=strange)})" in other.said
    assert other.read("SELECT count(*) FROM serving.recommendations", "owner") == [(5,)]


def test_several_are_named_at_once(shop: Shop, admin: Connection) -> None:
    for name in ("reader", "operator"):
        admin.execute(f"CREATE ROLE {role(shop, name)}".encode())
    with pytest.raises(ServingError) as refused:
        migrate(shop.url, shop.settings, say=shop.said.append)
    assert [part.split()[0] for part in refused.value.found.split("; ")] == [
        role(shop, "reader"),
        role(shop, "operator"),
    ]


def test_roles_that_migrate_made_serve_further_databases_of_the_server(
    shop: Shop, new_shop: Callable[..., Shop], admin: Connection
) -> None:
    migrate(shop.url, shop.settings, say=shop.said.append)
    assert comments(admin, shop) == {ROLE_COMMENT}
    second = new_shop(role_prefix=shop.settings.serving.role_prefix)
    second.publish(second.night(1))
    assert not [line for line in second.said if line.startswith("role ")]


@pytest.mark.parametrize("is_reset", [False, True])
def test_roles_of_a_schema_that_is_there_are_its_own(
    shop: Shop, new_shop: Callable[..., Shop], admin: Connection, is_reset: bool
) -> None:
    """As those of versions before 8, which wrote no comment; after a migration they have it."""
    shop.publish(shop.night(1))
    for name in ROLES:
        admin.execute(f"COMMENT ON ROLE {role(shop, name)} IS NULL".encode())
    second = new_shop(role_prefix=shop.settings.serving.role_prefix)
    with pytest.raises(ServingError, match="not made by Nightshelf"):
        migrate(second.url, second.settings, say=second.said.append)
    migrate(shop.url, shop.settings, say=shop.said.append, reset=is_reset)
    assert comments(admin, shop) == {ROLE_COMMENT}
    migrate(second.url, second.settings, say=second.said.append)


def test_a_login_that_only_may_use_the_roles_takes_them_over(
    shop: Shop, new_shop: Callable[..., Shop], admin: Connection
) -> None:
    """Without CREATEROLE: a colleague has made the four, and lets the login act as two of them."""
    login = role(shop, "login")
    admin.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'hush'".encode())
    database = make_url(shop.url).database
    admin.execute(f"GRANT CREATE ON DATABASE {database} TO {login}".encode())
    for name in ROLES:
        admin.execute(f"CREATE ROLE {role(shop, name)}".encode())
    url = make_url(shop.url).set(username=login, password="hush").render_as_string(hide_password=False)
    plain = new_shop(url=url, role_prefix=shop.settings.serving.role_prefix, take_over_roles=True)
    with pytest.raises(ServingError, match="may not set up the roles") as refused:
        migrate(plain.url, plain.settings, say=plain.said.append)
    assert f"GRANT {role(shop, 'owner')}, {role(shop, 'publisher')} TO {login}" in refused.value.then
    admin.execute(f"GRANT {role(shop, 'owner')}, {role(shop, 'publisher')} TO {login}".encode())
    assert plain.publish(plain.night(1)).is_live
    plain.said.clear()
    migrate(plain.url, plain.settings, say=plain.said.append)
    assert plain.said == []
    assert comments(admin, shop) == {None}


def test_the_embedded_server_s_own_roles_are_known(server: Server) -> None:
    with psycopg.connect(server.admin_url()) as db:
        query = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = ANY (%s)"
        rows = db.execute(query, [[f"{PREFIX}_{name}" for name in ROLES]]).fetchall()
    assert rows == [(ROLE_COMMENT,)] * len(ROLES)
