"""A shop with a serving database and roles of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from pipeline.config import Settings
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
