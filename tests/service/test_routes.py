"""Every route over real HTTP: what it answers, what it refuses, whatever an id looks like."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from pipeline.databases.embedded import Server
from pipeline.serving import migrate, rollback
from tests.encodings import database_in
from tests.service.conftest import LISTS, USERS
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


def listed(answer: dict[str, Any]) -> list[Any]:
    """The ids of an answer's items, in their order."""
    assert [item["rank"] for item in answer["items"]] == list(range(1, len(answer["items"]) + 1))
    return [item["item_id"] for item in answer["items"]]


def block(shop: Shop, item: int) -> None:
    with shop.connect("operator") as db:
        db.execute("INSERT INTO serving.blocked_items (item_id, reason) VALUES (%s, 'sold out')", [item])


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


BAD_PATHS = (
    ("/users/anna/recommendations", "user_id must be a whole number of at most 63 bits"),
    ("/users/1.0/recommendations", "user_id must be a whole number of at most 63 bits"),
    ("/items/9223372036854775808/similar", "item_id must be a whole number of at most 63 bits"),
    ("/users/1/recommendations/x/explanation", "item_id must be a whole number of at most 63 bits"),
    ("/users/1/recommendations?n=0", "n must be a whole number from 1 to 200"),
    ("/users/1/recommendations?n=201", "n must be a whole number from 1 to 200"),
    ("/users/1/recommendations?n=-3", "n must be a whole number from 1 to 200"),
    ("/users/1/recommendations?n=ten", "n must be a whole number from 1 to 200"),
    ("/users/1/recommendations?n=", "n must be a whole number from 1 to 200"),
    ("/topN=0for_user=1", "n must be a whole number from 1 to 200"),
    ("/topN=201for_user=1", "n must be a whole number from 1 to 200"),
    ("/topN=3for_user=anna", "user_id must be a whole number of at most 63 bits"),
    ("/items/11/similar?n=201", "n must be a whole number from 1 to 200"),
    ("/items/11/also-bought?n=1e3", "n must be a whole number from 1 to 200"),
    ("/popular?n=99999999999999999999", "n must be a whole number from 1 to 200"),
    ("/popular?category=%00", "category must be a text without the character NUL"),
    ("/users?n=201", "n must be a whole number from 1 to 200"),
    ("/users/1/recommendations?explain=maybe", "explain must be true or false"),
    ("/users/%ff/recommendations", "the path is not UTF-8"),
    ("/popular?category=%ff", "the query is not UTF-8"),
)


def test_bad_input_is_422_and_one_sentence(service: Running) -> None:
    for path, sentence in BAD_PATHS:
        reply = service.ask(path)
        assert (reply.status, reply.json) == (422, {"detail": sentence}), path
        assert reply.headers["cache-control"] == "no-store"


BAD_BASKETS = (
    (b"", "the body must be a JSON object with item_ids, n and explain"),
    (b"{", "the body must be a JSON object with item_ids, n and explain"),
    (b"[" * 100_000, "the body must be a JSON object with item_ids, n and explain"),
    (b'{"n": ' + b"9" * 5000 + b"}", "the body must be a JSON object with item_ids, n and explain"),
    ([11], "the body must be a JSON object with item_ids, n and explain and nothing else"),
    ({"items": [11]}, "the body must be a JSON object with item_ids, n and explain and nothing else"),
    ({}, "item_ids must be a list of at most 100 ids"),
    ({"item_ids": 11}, "item_ids must be a list of at most 100 ids"),
    ({"item_ids": list(range(101))}, "item_ids must be a list of at most 100 ids"),
    ({"item_ids": [None]}, "each of item_ids must be a whole number of at most 63 bits"),
    ({"item_ids": [11, [12]]}, "each of item_ids must be a whole number of at most 63 bits"),
    ({"item_ids": [True]}, "each of item_ids must be a whole number of at most 63 bits"),
    ({"item_ids": [11], "n": 0}, "n must be a whole number from 1 to 200"),
    ({"item_ids": [11], "n": 201}, "n must be a whole number from 1 to 200"),
    ({"item_ids": [11], "n": "3"}, "n must be a whole number from 1 to 200"),
    ({"item_ids": [11], "n": True}, "n must be a whole number from 1 to 200"),
    ({"item_ids": [11], "explain": "yes"}, "explain must be true or false"),
)


def test_a_bad_basket_is_422_and_one_sentence(service: Running) -> None:
    for body, sentence in BAD_BASKETS:
        reply = service.ask("/session/recommendations", "POST", body)
        assert (reply.status, reply.json) == (422, {"detail": sentence}), str(body)[:80]


def test_a_hundred_items_are_a_basket(service: Running) -> None:
    body = {"item_ids": list(range(1, 101)), "n": 200}
    assert service.ask("/session/recommendations", "POST", body).status == 200


def test_what_is_not_there_is_404_and_what_cannot_be_done_405(service: Running) -> None:
    assert service.ask("/users/1/recommendations/99/explanation").json == {
        "detail": "this item is not in the list of this user"
    }
    for path in (
        "/none",
        "/users/1",
        "/users//recommendations",
        "/page/none.js",
        "/page/..%2fapp.py",
        "/page/" + "a" * 300,
        "/popular%0A",
        "/login",
    ):
        reply = service.ask(path)
        assert reply.status == 404, path
        assert set(reply.json) == {"detail"}
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        reply = service.ask("/popular", method)
        assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
        assert reply.json == {"detail": "this route takes GET, HEAD and nothing else"}
    assert service.ask("/session/recommendations").json["detail"] == "this route takes POST and nothing else"


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


def test_before_the_first_publication_every_list_is_503(
    new_shop: Callable[..., Shop], serve: Callable[..., Running]
) -> None:
    shop = new_shop()
    migrate(shop.url, shop.settings, say=shop.said.append)
    service = serve(shop)
    assert service.get("/health") == {"status": "ok"}
    for path in (
        "/ready",
        "/users/1/recommendations",
        "/popular",
        "/items/1/similar",
        "/users",
        "/publication",
        "/topN=xfor_user=1",
    ):
        reply = service.ask(path)
        assert reply.status == 503, path
        assert reply.json["detail"].startswith("nothing is published yet: the first night does it"), path
        assert reply.headers["retry-after"] == "2"
    shop.publish(shop.night(1, USERS, **LISTS))
    assert service.get("/ready")["version"] == 1


def test_the_openapi_document_and_its_page_have_every_route(service: Running) -> None:
    document = service.get("/openapi.json")
    assert {
        "/users",
        "/users/{user_id}/recommendations",
        "/users/{user_id}/recommendations/{item_id}/explanation",
        "/items/{item_id}/similar",
        "/items/{item_id}/also-bought",
        "/popular",
        "/session/recommendations",
        "/publication",
        "/topN={n}for_user={user_id}",
        "/health",
        "/ready",
        "/metrics",
    } == set(document["paths"])
    for path, methods in document["paths"].items():
        for about in methods.values():
            named = {each["name"] for each in about.get("parameters", ()) if each["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), path
    explained = document["paths"]["/users/{user_id}/recommendations/{item_id}/explanation"]["get"]
    assert "404" in explained["responses"]
    assert "security" not in document
    page = service.ask("/docs")
    text = page.body.decode()
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert all(path in text for path in document["paths"])
    assert "because_item_id" in text
    assert "src=" not in text
    assert "http" not in text.replace("HTTP", "")


def test_answers_name_every_key_of_the_document(service: Running) -> None:
    document = service.get("/openapi.json")
    schemas = document["components"]["schemas"]
    for path, about in document["paths"].items():
        content = about.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        name = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
        if name:
            asked = path.replace("{user_id}", "1").replace("{item_id}", "11").replace("{n}", "3")
            assert set(service.get(asked)) == set(schemas[name]["properties"]), path


def test_a_text_that_the_database_cannot_hold_is_422(
    server: Server,
    new_shop: Callable[..., Shop],
    new_login: Callable[[str, str], str],
    serve: Callable[..., Running],
) -> None:
    with database_in(server, "LATIN1") as url:
        shop = new_shop(ids={"user": "text", "item": "text"}, url=url)
        shop.publish(shop.night(1, {"Jörg": ["a"]}, popular={"all": ["a"]}, similar={}))
        service = serve(shop, new_login(url, f"{shop.settings.serving.role_prefix}_reader"))
        assert service.get(f"/users/{quote('Jörg')}/recommendations")["user_id"] == "Jörg"
        reply = service.ask(f"/users/{quote('☕')}/recommendations")
        told = {"detail": "the database cannot hold one of the texts that were given"}
        assert (reply.status, reply.json) == (422, told)
        service.process.terminate()
        service.process.wait()
