"""A shop with one publication, the handler in front of it, and events as AWS sends them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.handler.aws import Function
from tests.service.conftest import new_login, new_shop, reader_url, serve, service, shop
from tests.service.running import settings_file
from tests.serving.nights import Shop

__all__ = ["new_login", "new_shop", "reader_url", "serve", "service", "shop"]

EVENTS = Path(__file__).parent / "events"
KINDS = [path.stem for path in sorted(EVENTS.glob("*.json"))]
"""The doors of AWS, each with the event that it makes of `GET /users/1/recommendations?n=3`."""


def event(kind: str, **changes: Any) -> dict[str, Any]:
    """The event of a door. changes: of its own keys; a dictionary is merged into the one that is there"""
    document: dict[str, Any] = json.loads((EVENTS / f"{kind}.json").read_text(encoding="utf-8"))
    for name, value in changes.items():
        merges = isinstance(value, dict) and isinstance(document.get(name), dict)
        document[name] = {**document[name], **value} if merges else copy.deepcopy(value)
    return document


@pytest.fixture
def set_up(
    reader_url: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """`set_up(shop)`: let this process's environment name the shop's settings and the reader's URL."""

    def make(shop: Shop, url: str = "") -> None:
        settings_file(shop.settings, tmp_path)
        monkeypatch.setenv("NIGHTSHELF_CONFIG", str(tmp_path))
        monkeypatch.setenv("NIGHTSHELF_READER_URL", url or reader_url(shop))

    return make


@pytest.fixture
def function(set_up: Callable[..., None], shop: Shop) -> Function:
    """A fresh process of the function, for `shop`."""
    set_up(shop)
    return Function()
