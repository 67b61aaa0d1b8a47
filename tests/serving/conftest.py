"""A shop with a serving database and roles of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from pipeline.config import Settings
from pipeline.databases.embedded import Server
from pipeline.runs.folder import RunFolder
from tests.serving.nights import Shop


@pytest.fixture
def new_shop(
    new_database: Callable[[], str],
    make_settings: Callable[..., Settings],
    run_folder: Callable[..., RunFolder],
) -> Callable[..., Shop]:
    """`new_shop(ids={...}, keep_versions=2)`: roles are server-wide, so each shop has a prefix of its own."""

    def make(ids: dict[str, str] | None = None, url: str = "", **serving: object) -> Shop:
        own = {"role_prefix": f"t{uuid.uuid4().hex[:8]}", **serving}
        settings = make_settings(ids=ids or {}, serving=own)
        return Shop(url or new_database(), settings, run_folder)

    return make


@pytest.fixture
def shop(new_shop: Callable[..., Shop]) -> Shop:
    """A shop with integer ids."""
    return new_shop()


@pytest.fixture
def new_login(server: Server) -> Callable[[str, str], str]:
    """`new_login(url, role)`: the URL of a login that is a member of `role` and nothing else."""

    def make(url: str, role: str) -> str:
        with psycopg.connect(server.admin_url(), autocommit=True) as db:
            name = sql.Identifier(f"{role}_login")
            db.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'hush' IN ROLE {}").format(name, sql.Identifier(role))
            )
        parsed = make_url(url).set(username=f"{role}_login", password="hush")
        return parsed.render_as_string(hide_password=False)

    return make


@pytest.fixture
def live_shop(shop: Shop) -> Shop:
    """The same with a first publication."""
    beside = {"also_bought": {11: [12]}, "segments": {7: 2}, "in_segment": {2: [13]}}
    shop.publish(shop.night(1, **beside, names={11: ("BANANAS", "fruit")}, model_ranks={1: [2, 3, 1]}))
    return shop


@pytest.fixture
def login(server: Server, live_shop: Shop) -> Iterator[Callable[[str], str]]:
    """`login("reader")`: the URL of a login of its own, a member of that role and of nothing else."""
    logins: list[str] = []

    def make(role: str) -> str:
        name, password = f"app_{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
        member = f"{live_shop.settings.serving.role_prefix}_{role}"
        with psycopg.connect(server.admin_url(), autocommit=True) as db:
            create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), password)
            db.execute(create)
            db.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(member), sql.Identifier(name)))
        logins.append(name)
        url = make_url(live_shop.url).set(username=name, password=password)
        return url.render_as_string(hide_password=False)

    yield make
    database = make_url(live_shop.url).database or ""
    for name in logins:
        with psycopg.connect(server.admin_url(database), autocommit=True) as db:
            db.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
            db.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
