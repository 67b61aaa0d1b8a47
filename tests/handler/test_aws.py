"""The handler answers as the HTTP service does, from a real database, and says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.handler import aws, records
from pipeline.handler.aws import Function
from pipeline.reading.queries import Queries
from pipeline.serving import migrate, rollback
from tests.handler.conftest import KINDS, event
from tests.service.running import Running
from tests.serving.nights import Shop

PASSWORD = "kept-from-every-log"
SAME_AT_BOTH = (
    "/users?n=2",
    "/users/1/recommendations",
    "/users/1/recommendations?n=2&explain=true",
    "/users/2/recommendations?category=tea%20%26%20coffee",
    "/users/99/recommendations?n=4",
    "/users/7/recommendations",
    "/users/1/recommendations/11/explanation",
    "/users/1/recommendations/22/explanation",
    "/users/1/model-order?n=3",
    "/items/11/similar",
    "/items/12/also-bought?n=1",
    "/items/77/similar",
    "/popular",
    "/popular?category=fruit",
    "/popular?segment=2",
    "/publication",
    "/topN=3for_user=1",
    "/users/1/recommendations?n=0",
    "/users/1/recommendations?n=1000",
    "/users/one/recommendations",
    "/users/1/recommendations?explain=perhaps",
    "/popular?segment=x",
    "/popular?category=fruit&segment=2",
    "/popular?category=a%00b",
)


def over_http(path: str, **changes: Any) -> dict[str, Any]:
    """The event of a request through an HTTP API."""
    path, _, query = path.partition("?")
    return event(
        "http_api_2", rawPath=path, rawQueryString=query, pathParameters={"proxy": path[1:]}, **changes
    )


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged since the last time."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_door_gets_the_list(function: Function, kind: str) -> None:
    reply = function(event(kind), None)
    assert reply["statusCode"] == 200
    body = json.loads(reply["body"])
    assert [item["item_id"] for item in body["items"]] == [11, 12, 13]
    assert (body["version"], body["items"][0]["name"]) == (1, "BANANAS")
    assert reply["headers"]["Content-Type"] == "application/json"
    again = function(event(kind, headers={"If-None-Match": reply["headers"]["ETag"]}), None)
    assert (again["statusCode"], again["body"]) == (304, "")


def test_it_answers_as_the_service_does(function: Function, service: Running) -> None:
    for path in SAME_AT_BOTH:
        mine, theirs = function(over_http(path), None), service.ask(path)
        assert (mine["statusCode"], json.loads(mine["body"])) == (theirs.status, theirs.json), path
        for name in ("ETag", "Cache-Control", "Content-Type"):
            assert mine["headers"].get(name) == theirs.headers.get(name.lower()), (path, name)
    basket = json.dumps({"item_ids": [11, 12], "n": 3, "explain": True})
    post = over_http("/session/recommendations", body=basket, requestContext={"http": {"method": "POST"}})
    theirs = service.ask("/session/recommendations", "POST", basket.encode())
    mine = function(post, None)
    assert (mine["statusCode"], json.loads(mine["body"])) == (200, theirs.json)
    wrong = function(over_http("/popular", requestContext={"http": {"method": "DELETE"}}), None)
    theirs = service.ask("/popular", "DELETE")
    assert (wrong["statusCode"], json.loads(wrong["body"])) == (theirs.status, theirs.json)
    assert wrong["headers"]["Allow"] == theirs.headers["allow"]


def test_a_direct_call_gets_what_a_request_does(function: Function) -> None:
    direct = function({"route": "recommendations", "user_id": 1, "n": 2}, None)
    over = function(over_http("/users/1/recommendations?n=2"), None)
    assert direct == {"status": 200, "body": json.loads(over["body"])}
    session = function({"route": "session", "item_ids": [11], "n": 2}, None)
    assert (session["status"], session["body"]["given"][0]["item_id"]) == (200, 11)
    assert function({"route": "top_n", "user_id": 1, "n": 3}, None)["status"] == 200
    assert function({"route": "users", "n": 1}, None)["body"]["user_ids"] == [1]


@pytest.mark.parametrize(
    ("call", "status", "why"),
    [
        ({"route": "nothing"}, 404, "there are users, recommendations"),
        ({"route": "similar"}, 422, "similar needs item_id"),
        ({"route": "popular", "user_id": 1}, 422, "popular does not take user_id"),
        ({"route": "popular", "colour": "red"}, 422, "popular does not take colour"),
        ({"route": "recommendations", "user_id": "x"}, 422, "user_id must be a whole number"),
        ({"route": "session", "item_ids": 1}, 422, "item_ids must be a list"),
        ("popular", 422, "this is no call"),
        ({"route": "popular", "\ud800": 1.5}, 422, "is not UTF-8"),
        ({"route": "popular", "category": "\ud800"}, 422, "is not UTF-8"),
        ({"route": "popular", "\ud800": 1}, 422, "is not UTF-8"),
        ({"route": ["popular"]}, 422, "this is no call"),
        ({"route": "recommendations", "user_id": 10**5000}, 422, "this is no call"),
    ],
)
def test_a_direct_call_that_cannot_be_is_refused(
    function: Function, call: Any, status: int, why: str
) -> None:
    reply = function(call, None)
    assert reply["status"] == status
    assert why in reply["body"]["detail"]


def test_health_and_ready(function: Function, shop: Shop) -> None:
    assert function({"route": "ready"}, None) == {"status": 200, "body": {"status": "ready", "version": 1}}
    wrong = function(over_http("/health", requestContext={"http": {"method": "DELETE"}}), None)
    assert (wrong["statusCode"], wrong["headers"]["Allow"]) == (405, "GET, HEAD")
    assert json.loads(function(over_http("/health"), None)["body"]) == {"status": "ok"}
    assert json.loads(function(over_http("/ready"), None)["body"]) == {"status": "ready", "version": 1}
    assert function(over_http("/nowhere"), None)["statusCode"] == 404


def test_a_rollback_is_seen_by_the_next_call(function: Function, shop: Shop) -> None:
    shop.publish(shop.night(2, {1: [13, 12]}))
    assert json.loads(function(over_http("/users/1/recommendations?n=1"), None)["body"])["version"] == 2
    rollback(shop.url, shop.settings, say=shop.said.append)
    assert json.loads(function(over_http("/users/1/recommendations?n=1"), None)["body"])["version"] == 1


def test_each_call_leaves_one_line_that_cloudwatch_reads(
    function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    class Context:
        aws_request_id, function_name = "8f507cfc", "nightshelf-Function"

    capsys.readouterr()
    function(over_http("/users/42/recommendations"), Context())
    function(over_http("/users/42/recommendations?n=0"), Context())
    first, second = lines(capsys)
    assert (first["Route"], first["status"], first["requestId"]) == ("recommendations", 200, "8f507cfc")
    assert [(line["ColdStarts"], line["Connects"]) for line in (first, second)] == [(1, 1), (0, 0)]
    assert (second["status"], second["Failed"], second["Requests"]) == (422, 0, 1)
    assert first["Function"] == "nightshelf-Function"
    assert "42" not in json.dumps({**first, "timestamp": "", "_aws": "", "Latency": 0})
    [directive] = first["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Nightshelf"
    for metric in directive["Metrics"]:
        assert isinstance(first[metric["Name"]], int | float), metric
    for names in directive["Dimensions"]:
        assert all(first[name] and isinstance(first[name], str) for name in names)
    assert {metric["Name"] for metric in directive["Metrics"]} == set(records.METRICS)
    assert abs(first["_aws"]["Timestamp"] / 1000 - aws.time.time()) < 60


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"NIGHTSHELF_READER_URL": ""}, "the handler does not know its database"),
        ({"NIGHTSHELF_READER_URL": f"nonsense {PASSWORD}"}, "cannot be read"),
        ({"NIGHTSHELF_READER_URL": f"postgresql://a:{PASSWORD}@h:99999/x"}, "cannot be read"),
        ({"NIGHTSHELF_SHOP": "nobody"}, "no settings file config.nobody.toml"),
    ],
)
def test_what_is_missing_is_in_the_log_and_in_no_reply(
    set_up: Callable[..., None],
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    why: str,
) -> None:
    set_up(shop)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    function = Function()
    reply = function(over_http("/popular"), None)
    assert (reply["statusCode"], json.loads(reply["body"])) == (500, {"detail": aws.NOT_SET_UP})
    complaint, line = lines(capsys)
    function(over_http("/popular"), None)
    assert lines(capsys)[1]["ColdStarts"] == 0
    assert why in complaint["message"]
    assert "next:" in complaint["message"]
    assert line["Failed"] == 1
    assert PASSWORD not in json.dumps([complaint, line, reply])


def test_a_login_that_may_do_more_is_refused(
    set_up: Callable[..., None], shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(shop, shop.url)
    reply = Function()(over_http("/popular"), None)
    assert reply["statusCode"] == 503
    assert "may do more than read" in json.loads(reply["body"])["detail"]
    [line] = lines(capsys)
    assert (line["level"], "may do more than read" in line["why"]) == ("ERROR", True)


def test_a_fault_of_our_own_is_a_500_with_its_trace_in_the_log(
    function: Function, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(PASSWORD)

    monkeypatch.setattr(Queries, "popular", broken)
    reply = function(over_http("/popular"), None)
    assert (reply["statusCode"], json.loads(reply["body"])) == (500, {"detail": aws.BROKEN})
    complaint, line = lines(capsys)
    assert (complaint["message"], line["Failed"]) == ("RuntimeError", 1)
    assert any("routes.py" in frame for frame in complaint["trace"])
    assert PASSWORD not in json.dumps([complaint, line])


def test_nothing_published_is_503(new_shop: Callable[..., Shop], set_up: Callable[..., None]) -> None:
    shop = new_shop()
    migrate(shop.url, shop.settings, say=shop.said.append)
    set_up(shop)
    function = Function()
    for path in ("/ready", "/popular", "/users/1/recommendations"):
        reply = function(over_http(path), None)
        assert (reply["statusCode"], reply["headers"]["Retry-After"]) == (503, "2"), path
        assert "nothing is published yet" in json.loads(reply["body"])["detail"]
    shop.publish(shop.night(1, {1: [11]}))
    assert function(over_http("/popular"), None)["statusCode"] == 200
