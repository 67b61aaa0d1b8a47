"""Who is let in where tokens are set: apps with a token, people with a cookie, nobody else."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from pipeline.service import tokens
from pipeline.service.tokens import COOKIE_SECONDS, Tokens
from tests.service.running import Running
from tests.serving.nights import Shop

FIRST, SECOND = "first-token-of-the-shop", "second-token-of-the-shop"
EVERYTHING = (
    "/", "/docs", "/openapi.json", "/metrics", "/popular", "/users/1/recommendations", "/users",
    "/users/1/recommendations/11/explanation", "/page/page.js", "/publication", "/none",
)  # fmt: skip


@pytest.fixture
def guarded(serve: Callable[..., Running], shop: Shop) -> Running:
    """A service with two tokens."""
    return serve(shop, NIGHTSHELF_SERVICE_TOKENS=f"{FIRST}\n\n  {SECOND}  \n")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_every_route_but_health_and_ready_needs_a_token(guarded: Running) -> None:
    for path in EVERYTHING:
        for headers in (
            {},
            bearer("wrong"),
            bearer(""),
            {"Authorization": f"Basic {FIRST}"},
            bearer(FIRST[:-1]),
        ):
            reply = guarded.ask(path, headers=headers)
            assert reply.status == 401, path
            told = tokens.OTHER if headers else tokens.NEEDED
            assert reply.json == {"detail": told}
            assert reply.headers["www-authenticate"] == "Bearer"
    assert guarded.ask("/session/recommendations", "POST", {"item_ids": [11]}).status == 401
    assert guarded.get("/health") == {"status": "ok"}
    assert guarded.get("/ready")["version"] == 1
    for token in (FIRST, SECOND):
        reply = guarded.ask("/users/1/recommendations", headers=bearer(token))
        assert (reply.status, reply.headers["vary"]) == (200, "Authorization, Cookie")
        etag = {"If-None-Match": reply.headers["etag"]}
        assert guarded.ask("/users/1/recommendations", headers={**bearer(token), **etag}).status == 304
        assert guarded.ask("/users/1/recommendations", headers=etag).status == 401


def log_in(service: Running, token: str) -> tuple[int, str]:
    """Status of the form's answer, and the Cookie header that a browser sends from then on."""
    reply = service.ask(
        "/login", "POST", f"token={token}".encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    )
    cookie = SimpleCookie(reply.headers.get("set-cookie", ""))
    return reply.status, "; ".join(f"{name}={morsel.value}" for name, morsel in cookie.items())


def test_a_person_gets_a_form_and_for_a_right_token_a_cookie(guarded: Running) -> None:
    page = guarded.ask("/", headers={"Accept": "text/html,*/*"})
    assert (page.status, page.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert b'action="/login"' in page.body
    assert guarded.ask("/page/page.css").status == 200
    assert log_in(guarded, "wrong") == (401, "")
    status, cookie = log_in(guarded, SECOND)
    assert status == 303
    assert SECOND not in cookie
    for path in ("/users/1/recommendations", "/docs", "/metrics"):
        assert guarded.ask(path, headers={"Cookie": cookie}).status == 200, path
    for wrong in (cookie[:-1], cookie.replace("=1", "=9", 1), "nightshelf=", "nightshelf=.", "other=1"):
        assert guarded.ask("/popular", headers={"Cookie": wrong}).status == 401, wrong
    reply = guarded.ask("/logout", "POST", headers={"Cookie": cookie})
    assert (reply.status, reply.headers["location"]) == (303, "/")
    assert 'nightshelf="";' in reply.headers["set-cookie"]


def test_the_cookie_is_for_this_site_and_no_script(guarded: Running) -> None:
    reply = guarded.ask("/login", "POST", f"token={FIRST}".encode())
    told = reply.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/", f"max-age={COOKIE_SECONDS}"} <= set(told.split("; "))
    assert reply.headers["cache-control"] == "no-store"


def test_no_token_and_no_cookie_is_ever_logged(guarded: Running) -> None:
    guarded.ask("/popular?token=" + FIRST, headers=bearer(FIRST))
    _, cookie = log_in(guarded, FIRST)
    guarded.ask("/popular", headers={"Cookie": cookie})
    guarded.ask(f"/{SECOND}", headers=bearer(SECOND))
    text = "\n".join(guarded.lines(4))
    for secret in (FIRST, SECOND, cookie.partition("=")[2]):
        assert secret not in text


def test_tokens_may_stand_in_a_file(serve: Callable[..., Running], shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{FIRST}\n")
    service = serve(shop, NIGHTSHELF_SERVICE_TOKENS_FILE=str(file))
    assert service.ask("/popular").status == 401
    assert service.ask("/popular", headers=bearer(FIRST)).status == 200


def test_the_openapi_document_names_the_token(guarded: Running) -> None:
    document = guarded.ask("/openapi.json", headers=bearer(FIRST)).json
    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert document["security"] == [{"token": []}]
    is_open = {
        path for path, about in document["paths"].items() if about.get("get", {}).get("security") == []
    }
    assert is_open == {"/health", "/ready"}


def test_without_tokens_there_is_no_form(service: Running) -> None:
    assert service.ask("/login").status == service.ask("/login", "POST", b"token=x").status == 404
    assert service.ask("/logout", "POST", b"").status == 404
    assert "vary" not in service.ask("/popular").headers


def test_a_cookie_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens((FIRST,))
    made = tokens.log_in(f"token={FIRST}".encode(), is_https=True).headers["set-cookie"]
    assert "secure" in made.lower()
    headers = Headers({"cookie": 'ui={"a b"}; @=,; ' + made.partition(";")[0]})
    assert tokens.admit("/", headers)
    assert not Tokens((SECOND,)).admit("/", headers), "a token that is taken away takes its cookies with it"
    later = time.time() + COOKIE_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert not tokens.admit("/", headers)
