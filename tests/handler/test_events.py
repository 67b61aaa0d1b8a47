"""Events of each door become the same call; what is none is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pipeline.handler import events
from pipeline.handler.door import NAMES
from pipeline.reading import replies
from pipeline.reading.refusals import Refusal
from pipeline.reading.routes import ROUTES
from tests.handler.conftest import KINDS, event

SENT_AS_IT_WAS = ("function_url", "rest_api")
"""The doors that hand a path on as it was sent; the others have decoded it."""


NESTED: list[Any] = []
for _ in range(5_000):
    NESTED = [NESTED]


def user_of(call: events.Call) -> str | None:
    """The user whose list is asked for."""
    for route in ROUTES:
        parts = route.parts(call.path)
        if parts is not None:
            return parts.get("user_id")
    return None


def test_the_doors_are_all_here() -> None:
    assert KINDS == ["function_url", "http_api_1", "http_api_2", "rest_api"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_a_call(kind: str) -> None:
    call = events.read(event(kind))
    assert (call.method, call.path, dict(call.query)) == ("GET", "/users/1/recommendations", {"n": "3"})
    assert call.headers["accept"] == "application/json"
    assert (call.body, call.parts) == (b"", None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("user", ["ä ö", "a/b", "50%", "%2F", "x+y", "a\nb"])
def test_an_id_comes_through_every_door(kind: str, user: str) -> None:
    from urllib.parse import quote

    shown = quote(user, safe="") if kind in SENT_AS_IT_WAS else user
    path = f"/users/{shown}/recommendations"
    changes: dict[str, Any] = {"rawPath": path} if "2" in kind or "url" in kind else {"path": path}
    proxy = {} if kind == "function_url" else {"pathParameters": {"proxy": path[1:]}}
    assert user_of(events.read(event(kind, **changes, **proxy))) == user


def test_a_stage_and_the_base_path_of_a_domain_are_left_out() -> None:
    path = "/users/1/recommendations"
    staged = event("http_api_2", rawPath=f"/prod{path}", requestContext={"stage": "prod"})
    of_domain = event("http_api_2", rawPath=f"/shop/v1{path}")
    of_rest = event("rest_api", path=f"/shop{path}")
    assert [events.read(each).path for each in (staged, of_domain, of_rest)] == [path] * 3
    proxy = {"proxy": "1/recommendations"}
    nested = event("rest_api", path=path, resource="/users/{proxy+}", pathParameters=proxy)
    of_http = event("http_api_2", rawPath=path, routeKey="GET /users/{proxy+}", pathParameters=proxy)
    assert [events.read(each).path for each in (nested, of_http)] == [path, path]
    short = event("http_api_2", rawPath="/popular", requestContext={"stage": "p"}, pathParameters=None)
    assert events.read(short).path == "/popular"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("encoded", [True, False])
def test_a_body_is_read_as_it_was_sent(kind: str, encoded: bool) -> None:
    sent = '{"item_ids": ["ä"]}'
    body = base64.b64encode(sent.encode()).decode() if encoded else sent
    call = events.read(event(kind, body=body, isBase64Encoded=encoded))
    assert call.body == sent.encode()


def test_of_a_query_the_last_value_counts_and_is_decoded() -> None:
    call = events.read(event("http_api_2", rawQueryString="category=a&category=tea%20%26%20coffee&n="))
    assert dict(call.query) == {"category": "tea & coffee", "n": ""}
    assert dict(events.read(event("rest_api", queryStringParameters=None)).query) == {}


def test_a_direct_call_names_its_route() -> None:
    call = events.read({"route": "recommendations", "user_id": 42, "n": 3, "explain": True, "category": None})
    assert (call.path, call.parts, dict(call.query)) == (
        "recommendations", {"user_id": "42"}, {"n": "3", "explain": "true"},
    )  # fmt: skip
    basket = events.read({"route": "session", "item_ids": [1, 2], "n": 5})
    assert (basket.method, json.loads(basket.body)) == ("POST", {"item_ids": [1, 2], "n": 5})
    assert set(NAMES) == {route.name for route in ROUTES}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ([], "this is no call"),
        (None, "this is no call"),
        ({}, "this is no call"),
        ({"Records": []}, "this is no call"),
        ({"route": "similar", "item_id": [1]}, "item_id must be a text or a whole number"),
        ({"route": "similar", "item_id": 1.5}, "item_id must be a text or a whole number"),
        (event("function_url", rawPath="/users/%ff/recommendations"), "is not UTF-8"),
        (event("function_url", rawPath="/users/ä/recommendations"), "is not UTF-8"),
        (event("http_api_2", rawQueryString="category=%ff"), "is not UTF-8"),
        (event("http_api_2", body="no base 64", isBase64Encoded=True), "is not UTF-8"),
        (event("http_api_2", body="ä", isBase64Encoded=True), "this is no call"),
        (event("http_api_2", body={"item_ids": []}), "this is no call"),
        (event("http_api_2", rawPath=None), "this is no call"),
        (event("http_api_2", requestContext={"http": None}), "this is no call"),
        ({**event("rest_api"), "requestContext": None}, "this is no call"),
        (event("rest_api", path=None), "this is no call"),
        ({**event("rest_api"), "queryStringParameters": {"n": 5}}, "this is no call"),
        ({**event("rest_api"), "queryStringParameters": {"n": None}}, "this is no call"),
        ({**event("rest_api"), "requestContext": {"elb": {}}}, "a load balancer is no door"),
        ({"route": "session", "item_ids": NESTED}, "this is no call"),
    ],
)
def test_what_is_no_call_is_refused(wrong: Any, why: str) -> None:
    with pytest.raises(Refusal, match=why) as refused:
        events.read(wrong)
    assert refused.value.status == 422


def test_replies_are_as_their_callers_take_them() -> None:
    reply = replies.answer('{"version":1,"name":"Äpfel"}', "no-cache", None)
    call = events.read(event("http_api_2"))
    assert events.reply_to(event("http_api_2"), call, reply) == {
        "statusCode": 200,
        "headers": dict(reply.headers),
        "body": '{"version":1,"name":"Äpfel"}',
        "isBase64Encoded": False,
    }
    direct = {"route": "popular"}
    expected = {"status": 200, "body": {"version": 1, "name": "Äpfel"}}
    assert events.reply_to(direct, events.read(direct), reply) == expected
    head = event("rest_api", httpMethod="HEAD")
    assert events.reply_to(head, events.read(head), reply)["body"] == ""
