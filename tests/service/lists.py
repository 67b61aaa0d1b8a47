"""Blocks and lists of the shop that the tests of the service share."""

from __future__ import annotations

from typing import Any

from tests.serving.nights import Shop


def listed(answer: dict[str, Any]) -> list[Any]:
    """The ids of an answer's items, in their order."""
    assert [item["rank"] for item in answer["items"]] == list(range(1, len(answer["items"]) + 1))
    return [item["item_id"] for item in answer["items"]]


def block(shop: Shop, item: int) -> None:
    with shop.connect("operator") as db:
        db.execute("INSERT INTO serving.blocked_items (item_id, reason) VALUES (%s, 'sold out')", [item])
