"""What the tests of fetching share: an API, forms, plans, and a database to fetch into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import IdType
from pipeline.fetching.plan import Plan, plan_of
from tests.fetching.api import Api, api_server

FORM: dict[str, Any] = {
    "records": "data",
    "id_field": "id",
    "fields": ["segment", "visits:number"],
    "paging": "cursor",
    "next_field": "meta.next",
    "position_parameter": "cursor",
    "first_page": 1,
    "size_parameter": "limit",
    "page_size": 10,
    "table": "fetched_users",
    "may_be_fewer": False,
}


@pytest.fixture
def api() -> Iterator[Api]:
    with api_server() as server:
        yield server


def planned(
    address: str = "https://api.example.com/users",
    id_type: IdType = "integer",
    secrets: frozenset[str] = frozenset(),
    **changes: Any,
) -> Plan:
    """The plan of FORM with some fields of the form changed."""
    return plan_of({**FORM, **changes}, address, id_type, secrets)


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: on PostgreSQL, then on SQLite."""
    if request.param == "sqlite":
        path = tmp_path / "shop.sqlite"
        path.touch()
        return f"sqlite:///{path}"
    url: Callable[[], str] = request.getfixturevalue("new_database")
    return url()
