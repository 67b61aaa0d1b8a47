"""A shop whose items have names, and the real service in front of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from pipeline.databases.embedded import Server
from tests.service.running import Running, running
from tests.serving.conftest import new_login, new_shop
from tests.serving.nights import Shop

__all__ = ["new_login", "new_shop"]

USERS = {1: [11, 12, 13, 14], 2: [12], 3: [14, 13]}
LISTS = {
    "popular": {"all": [11, 15, 21, 22], "fruit": [11, 12], "tea & coffee": [21, 22]},
    "similar": {11: [12, 13], 12: [11]},
    "also_bought": {11: [12, 13], 12: [11, 21]},
    "purchases": {2: [22]},
    "categories": {2: ["tea & coffee"]},
    "segments": {7: 2},
    "in_segment": {2: [22, 12, 15]},
    "model_ranks": {1: [2, 1, 3, 9]},
    "names": {
        11: ("BANANAS", "fruit"),
        12: ("Äpfel & Birnen", "fruit"),
        13: (None, "fruit"),
        21: ("Green tea", "tea & coffee"),
        22: ("<b>Coffee</b>", "tea & coffee"),
    },
}


@pytest.fixture
def shop(new_shop: Callable[..., Shop]) -> Shop:
    """A shop with integer ids, names and one publication."""
    shop = new_shop()
    shop.publish(shop.night(1, USERS, **LISTS))
    return shop


@pytest.fixture
def reader_url(server: Server, new_database: Callable[[], str]) -> Iterator[Callable[..., str]]:
    """`reader_url(shop)`: the URL of a login that is a member of the shop's reader and of nothing else.

    `also` names further roles that it is a member of. Dropped before its database is.
    """
    logins: list[tuple[str, str]] = []

    def make(shop: Shop, *also: str, options: str = "") -> str:
        name, password = f"app_{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
        roles = [f"{shop.settings.serving.role_prefix}_reader", *also]
        with psycopg.connect(server.admin_url(), autocommit=True) as db:
            create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} {}")
            db.execute(create.format(sql.Identifier(name), password, sql.SQL(options)))
            for role in roles:
                db.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(name)))
        logins.append((name, make_url(shop.url).database or ""))
        return make_url(shop.url).set(username=name, password=password).render_as_string(hide_password=False)

    yield make
    for name, database in logins:
        with psycopg.connect(server.admin_url(database), autocommit=True) as db:
            db.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            db.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def serve(reader_url: Callable[..., str], tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """`serve(shop)`: the service of that shop in a process of its own, stopped after the test.

    `url` is another login's; further arguments are environment variables.
    """
    with ExitStack() as stack:

        def start(shop: Shop, url: str = "", **variables: str) -> Running:
            folder = tmp_path / f"service-{uuid.uuid4().hex[:6]}"
            folder.mkdir()
            return stack.enter_context(running(url or reader_url(shop), shop.settings, folder, **variables))

        yield start


@pytest.fixture
def service(serve: Callable[..., Running], shop: Shop) -> Running:
    """The service of `shop`."""
    return serve(shop)
