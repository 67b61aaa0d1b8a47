"""What a request may not ask, and the sentence that it gets."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from pipeline.databases.embedded import Server
from pipeline.serving import migrate
from tests.encodings import database_in
from tests.service.conftest import LISTS, USERS
from tests.service.running import Running
from tests.serving.nights import Shop

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
    ("/popular?segment=0", "segment must be a whole number, 1 or more"),
    ("/popular?segment=two", "segment must be a whole number, 1 or more"),
    ("/popular?segment=1.5", "segment must be a whole number, 1 or more"),
    ("/popular?segment=9999999999", "segment must be a whole number, 1 or more"),
    ("/popular?segment=2&category=fruit", "category and segment cannot be asked for together"),
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
