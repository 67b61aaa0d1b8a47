"""No web page reaches a service without tokens by giving its own name this machine's address."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.datastructures import Headers

from pipeline.service.hosts import is_at_home
from tests.service.running import Running
from tests.serving.nights import Shop

TOKEN = "first-token-of-the-shop"
FOREIGN = {"Host": "evil.example:3000"}
SENTENCE = (
    "without tokens this machine may only be asked as localhost or by an IP address;"
    " set NIGHTSHELF_SERVICE_TOKENS to use another name"
)
HERE = ("127.0.0.1", 3000)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:3000",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:3000",
        "[::1]:3000",
        "[::1]",
        "10.0.0.7:80",
    ],
)
def test_localhost_and_addresses_are_at_home(host: str) -> None:
    assert is_at_home(Headers({"host": host}), HERE)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:3000", "localhost.evil.example", "127.0.0.1.evil.example", "",
        "127.0.0.1@evil.example", "evil.example:127.0.0.1", "[evil.example]:80", "::1.evil", "service:3000",
        "localhost:x.evil.example", "[localhost]",
    ],
)  # fmt: skip
def test_other_names_are_not(host: str) -> None:
    assert not is_at_home(Headers({"host": host}), HERE)


@pytest.mark.parametrize(
    ("address", "is_asked_by_any_name"),
    [
        ("172.18.0.5", True),
        ("2001:db8::5", True),
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("/run/service.socket", False),
    ],
)
def test_over_a_network_any_name_will_do(address: str, is_asked_by_any_name: bool) -> None:
    assert is_at_home(Headers({"host": "service:3000"}), (address, 3000)) is is_asked_by_any_name


def test_one_foreign_name_of_two_is_enough() -> None:
    assert is_at_home(Headers(raw=[]), HERE)
    assert not is_at_home(Headers(raw=[(b"host", b"localhost"), (b"host", b"evil.example")]), HERE)


def test_without_tokens_another_name_gets_nothing_but_whether_it_lives(service: Running) -> None:
    for path in ("/", "/popular", "/users/1/recommendations", "/docs", "/metrics", "/none", "/page/page.js"):
        reply = service.ask(path, headers=FOREIGN)
        assert (reply.status, reply.json) == (403, {"detail": SENTENCE}), path
        assert reply.headers["cache-control"] == "no-store"
    assert service.ask("/session/recommendations", "POST", {"item_ids": [11]}, FOREIGN).status == 403
    for path in ("/health", "/ready"):
        assert service.ask(path, headers=FOREIGN).status == 200, path
    assert service.ask("/popular", headers={"Host": "localhost:3000"}).status == 200


def test_with_tokens_the_name_does_not_matter(serve: Callable[..., Running], shop: Shop) -> None:
    service = serve(shop, NIGHTSHELF_SERVICE_TOKENS=TOKEN)
    assert service.ask("/popular", headers={**FOREIGN, "Authorization": f"Bearer {TOKEN}"}).status == 200
    assert service.ask("/popular", headers=FOREIGN).status == 401
