"""Every route over real HTTP: what it answers, what it refuses, whatever an id looks like."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from urllib.parse import quote

from pipeline.serving import rollback
from tests.service.conftest import LISTS, USERS
from tests.service.lists import block, listed
from tests.service.running import Running
from tests.serving.nights import Shop

ODD = (
    "a/b",
    "50%",
    "%2F",
    "%2f%25",
    "Ärger & Söhne",
    "a?b#c",
    "☕",
    "x/recommendations",
    " ",
    "+",
    "'; --",
    "a;b=c",
    "a\nb",
    "x\n",
)


def test_the_list_of_a_user_has_names_and_reasons(service: Running) -> None:
    answer = service.get("/users/1/recommendations?n=2&explain=true")
    assert answer == {
        "version": 1,
        "user_id": 1,
        "category": None,
        "items": [
            {
                "rank": 1,
                "item_id": 11,
                "name": "BANANAS",
                "category": "fruit",
                "score": 1,
                "source": "personal",
                "reason": "bought_again",
                "because_item_id": 11,
                "because_name": "BANANAS",
                "explanation": "because you bought BANANAS before",
            },
            {
                "rank": 2,
                "item_id": 12,
                "name": "Äpfel & Birnen",
                "category": "fruit",
                "score": 0.5,
                "source": "personal",
                "reason": None,
                "because_item_id": None,
                "because_name": None,
                "explanation": "recommended for you",
            },
        ],
    }
    plain = service.get("/users/1/recommendations?n=2")
    assert [set(item) for item in plain["items"]] == [set(answer["items"][0]) - {"explanation"}] * 2
    assert service.get("/topN=2for_user=1") == plain
    assert listed(service.get("/users/1/recommendations")) == [11, 12, 13, 14, 15, 21, 22]
    assert listed(service.get("/users/99/recommendations")) == [11, 15, 21, 22]
    assert listed(service.get("/users/1/recommendations?category=fruit")) == [11, 12, 13]


def test_every_other_route(service: Running) -> None:
    assert service.get("/health") == {"status": "ok"}
    assert service.get("/ready") == {"status": "ready", "version": 1}
    assert sorted(service.get("/users")["user_ids"]) == [1, 2, 3]
    assert len(service.get("/users?n=2")["user_ids"]) == 2
    assert service.get("/users/1/recommendations/11/explanation") == {
        "version": 1,
        "user_id": 1,
        "item_id": 11,
        "explanation": "because you bought BANANAS before",
    }
    moved = service.get("/users/1/model-order?n=2")
    assert moved == {
        "version": 1,
        "user_id": 1,
        "items": [
            {"rank": 2, "model_rank": 1, "item_id": 12, "name": "Äpfel & Birnen", "category": "fruit"},
            {"rank": 1, "model_rank": 2, "item_id": 11, "name": "BANANAS", "category": "fruit"},
        ],
    }
    assert [item["model_rank"] for item in service.get("/users/1/model-order")["items"]] == [1, 2, 3]
    assert service.get("/users/3/model-order")["items"] == service.get("/users/99/model-order")["items"] == []
    assert service.get("/items/11/similar?n=1") == {
        "version": 1,
        "item_id": 11,
        "name": "BANANAS",
        "category": "fruit",
        "items": [{"rank": 1, "item_id": 12, "name": "Äpfel & Birnen", "category": "fruit", "score": 1}],
    }
    beside = {"rank": 1, "item_id": 11, "name": "BANANAS", "category": "fruit", "support": 1, "lift": 2}
    assert service.get("/items/12/also-bought")["items"][0] == beside
    assert listed(service.get("/items/99/similar")) == listed(service.get("/items/99/also-bought")) == []
    assert listed(service.get("/popular")) == listed(service.get("/popular?category=all")) == [11, 15, 21, 22]
    assert listed(service.get(f"/popular?category={quote('tea & coffee')}&n=1")) == [21]
    assert listed(service.get("/popular?category=none")) == []
    assert service.get("/popular?segment=2&n=2") == {
        "version": 1,
        "category": None,
        "segment": 2,
        "items": [
            {"rank": 1, "item_id": 22, "name": "<b>Coffee</b>", "category": "tea & coffee", "score": 1},
            {"rank": 2, "item_id": 12, "name": "Äpfel & Birnen", "category": "fruit", "score": 0.5},
        ],
    }
    assert listed(service.get("/popular?segment=99")) == []
    publication = service.get("/publication")
    assert publication.pop("published_at").endswith("Z")
    assert publication == {
        "version": 1,
        "run_id": "night-1",
        "as_of": "2026-01-01T00:00:00Z",
        "n_users": 3,
        "n_items": 4,
        "precision_at_3": 0.25,
        "model": None,
        "is_fallback": False,
        "is_unjudged": False,
    }


def test_somebody_who_only_looked_around_gets_what_is_popular_in_the_segment(service: Running) -> None:
    answer = service.get("/users/7/recommendations?explain=true&n=4")
    assert listed(answer) == [22, 12, 15, 11]
    assert [item["source"] for item in answer["items"]] == [*["popular_in_segment"] * 3, "popular"]
    assert answer["items"][0]["reason"] == "popular_in_segment"
    assert answer["items"][0]["explanation"] == "popular with people like you"
    assert service.get("/users/7/recommendations/12/explanation")["explanation"].startswith("popular with")
    assert listed(service.get("/users/7/recommendations?category=fruit")) == [12, 11]


def test_a_basket_gets_what_goes_with_it(service: Running) -> None:
    reply = service.ask("/session/recommendations", "POST", {"item_ids": [12, "12", 99], "explain": True})
    assert (reply.status, reply.headers["cache-control"]) == (200, "no-store")
    assert reply.json["given"] == [
        {"item_id": 12, "name": "Äpfel & Birnen", "category": "fruit"},
        {"item_id": 99, "name": None, "category": None},
    ]
    assert [(item["item_id"], item["source"]) for item in reply.json["items"]][:2] == [
        (11, "session"),
        (21, "session"),
    ]
    assert reply.json["items"][0]["explanation"]
    assert 12 not in listed(reply.json)
    empty = service.ask("/session/recommendations", "POST", {"item_ids": [], "n": 2})
    assert listed(empty.json) == [11, 15]


def test_blocked_items_come_in_no_list(shop: Shop, service: Running) -> None:
    block(shop, 12)
    for path in (
        "/users/1/recommendations",
        "/users/1/recommendations?category=fruit",
        "/items/11/similar",
        "/items/11/also-bought",
        "/popular?category=fruit",
        "/popular?segment=2",
        "/users/7/recommendations",
    ):
        assert 12 not in listed(service.get(path)), path
    reply = service.ask("/session/recommendations", "POST", {"item_ids": [11]})
    assert 12 not in listed(reply.json)
    assert service.ask("/users/1/recommendations/12/explanation").status == 404


def test_head_is_get_without_a_body(service: Running) -> None:
    for path in ("/users/1/recommendations", "/health", "/popular", "/users/x/recommendations", "/none"):
        got, head = service.ask(path), service.ask(path, "HEAD")
        assert head.body == b""
        assert head.status == got.status
        assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


def test_a_known_answer_is_304_until_something_changes(shop: Shop, service: Running) -> None:
    paths = ("/users/1/recommendations", "/items/11/similar", "/popular", "/publication")
    for path in paths:
        first = service.ask(path)
        etag = first.headers["etag"]
        for tag in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            again = service.ask(path, headers={"If-None-Match": tag})
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
            assert again.headers["cache-control"] == first.headers["cache-control"]
        assert service.ask(path, headers={"If-None-Match": '"other"'}).status == 200
        assert service.ask(path, "HEAD", headers={"If-None-Match": etag}).status == 304
    assert service.ask(paths[0]).headers["cache-control"] == "private, no-cache"
    assert service.ask(paths[1]).headers["cache-control"] == "no-cache"
    known = {path: service.ask(path).headers["etag"] for path in paths}
    block(shop, 12)
    assert service.ask(paths[0], headers={"If-None-Match": known[paths[0]]}).status == 200
    assert service.ask(paths[1], headers={"If-None-Match": known[paths[1]]}).status == 200
    shop.publish(shop.night(2, USERS, **LISTS))
    assert [service.ask(p, headers={"If-None-Match": known[p]}).status for p in paths] == [200] * 4


def test_a_publication_and_a_rollback_are_seen_by_the_next_request(shop: Shop, service: Running) -> None:
    shop.publish(shop.night(2, {1: [13]}, **LISTS))
    assert service.get("/users/1/recommendations?n=1")["items"][0]["item_id"] == 13
    assert service.get("/ready")["version"] == service.get("/publication")["version"] == 2
    rollback(shop.url, shop.settings, say=shop.said.append)
    assert listed(service.get("/users/1/recommendations?n=1")) == [11]
    assert service.get("/items/11/similar")["version"] == 1


def test_a_hundred_items_are_a_basket(service: Running) -> None:
    body = {"item_ids": list(range(1, 101)), "n": 200}
    assert service.ask("/session/recommendations", "POST", body).status == 200


def test_a_shop_with_a_small_max_n_gives_that_many_unless_told(
    new_shop: Callable[..., Shop], serve: Callable[..., Running]
) -> None:
    shop = new_shop(max_n=2)
    shop.publish(shop.night(1, USERS, **LISTS))
    service = serve(shop)
    assert listed(service.get("/users/1/recommendations")) == [11, 12]
    assert listed(service.get("/popular")) == [11, 15]
    assert len(listed(service.get("/items/11/similar"))) == 2
    assert len(service.get("/users")["user_ids"]) == 2
    assert len(listed(service.ask("/session/recommendations", "POST", {"item_ids": []}).json)) == 2
    assert service.ask("/popular?n=3").json == {"detail": "n must be a whole number from 1 to 2"}


def test_text_ids_of_any_kind_work_in_every_route(
    new_shop: Callable[..., Shop], serve: Callable[..., Running]
) -> None:
    shop = new_shop(ids={"user": "text", "item": "text"}, schema="shop_of_texts")
    others = {item: [other for other in ODD if other != item] for item in ODD}
    shop.publish(
        shop.night(
            1,
            {user: [user] for user in ODD},
            popular={"all": ODD, **{category: [category] for category in ODD}},
            similar=others,
            also_bought=others,
            names={item: (f"<{item}>", item) for item in ODD},
        )
    )
    service = serve(shop)
    for one in ODD:
        part = quote(one, safe="")
        answer = service.get(f"/users/{part}/recommendations?n=1")
        assert (answer["user_id"], listed(answer)) == (one, [one])
        assert service.get(f"/topN=1for_user={part}") == answer
        told = service.get(f"/users/{part}/recommendations/{part}/explanation")
        assert (told["user_id"], told["item_id"]) == (one, one)
        assert told["explanation"] == f"because you bought <{one}> before"
        for route in ("similar", "also-bought"):
            beside = service.get(f"/items/{part}/{route}?n=200")
            assert (beside["item_id"], set(listed(beside))) == (one, set(ODD) - {one})
        popular = service.get(f"/popular?category={part}")
        assert (popular["category"], listed(popular)) == (one, [one])
        reply = service.ask("/session/recommendations", "POST", {"item_ids": [one], "n": 200})
        assert [item["item_id"] for item in reply.json["given"]] == [one]
        assert set(listed(reply.json)) == set(ODD) - {one}
    literal = service.get("/users/a/b/recommendations?n=1")
    assert literal["user_id"] == "a/b", "a slash that is not encoded works too"
    assert service.ask("/users/%00/recommendations").json["detail"].startswith("user_id must be a text")


def test_uuid_ids(new_shop: Callable[..., Shop], serve: Callable[..., Running]) -> None:
    user, item = (str(uuid.UUID(int=number)) for number in (7, 8))
    shop = new_shop(ids={"user": "uuid", "item": "uuid"})
    shop.publish(shop.night(1, {user: [item]}, popular={"all": [item]}, similar={}))
    service = serve(shop)
    assert service.get(f"/users/{user.upper()}/recommendations")["items"][0]["item_id"] == item
    assert service.ask("/users/7/recommendations").json["detail"].startswith("user_id must be a uuid")
