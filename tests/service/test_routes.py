"""Every route over real HTTP."""

from __future__ import annotations

from tests.service.running import Running


def listed(answer: dict[str, list[dict[str, object]]]) -> list[object]:
    """The ids of an answer's items, in their order."""
    assert [item["rank"] for item in answer["items"]] == list(range(1, len(answer["items"]) + 1))
    return [item["item_id"] for item in answer["items"]]


def test_every_route_answers_from_the_live_version(service: Running) -> None:
    assert service.get("/health") == {"status": "ok"}
    assert service.get("/ready") == {"status": "ready", "version": 1}
    assert service.get("/users") == {"version": 1, "user_ids": [1, 2, 3]}
    assert listed(service.get("/users/1/recommendations?n=3")) == [11, 12, 13]
    assert listed(service.get("/topN=3for_user=1")) == [11, 12, 13]
    assert service.get("/users/1/recommendations/11/explanation") == {
        "version": 1,
        "user_id": 1,
        "item_id": 11,
        "explanation": "because you bought BANANAS before",
    }
    assert listed(service.get("/items/11/similar")) == [12, 13]
    assert listed(service.get("/items/11/also-bought?n=1")) == [12]
    assert listed(service.get("/popular")) == [11, 15, 21, 22]
    assert listed(service.get("/popular?category=fruit")) == [11, 12]
    assert service.get("/publication")["run_id"] == "night-1"
    reply = service.ask("/session/recommendations", "POST", {"item_ids": [11], "n": 2})
    assert (reply.status, len(listed(reply.json))) == (200, 2)
