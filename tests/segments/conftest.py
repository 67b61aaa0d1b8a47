"""The shops of tests/segments/shop.py as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.segments.shop import shop, written


@pytest.fixture(scope="session")
def looks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What people look at tells what they buy."""
    return written(tmp_path_factory.mktemp("looks") / "events.parquet", shop())


@pytest.fixture(scope="session")
def aimless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What people look at tells nothing."""
    return written(tmp_path_factory.mktemp("aimless") / "events.parquet", shop(has_taste=False))
