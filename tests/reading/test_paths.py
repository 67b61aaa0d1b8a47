"""Paths decoded but for what an id may hold."""

from __future__ import annotations

import time

import pytest

from pipeline.reading.paths import as_part, decoded, part_of
from pipeline.reading.routes import ROUTES


@pytest.mark.parametrize(
    "text", ["a/b", "50%", "%2F", "%25", "ä ö", "?&=#+", "100%25/%2f", "☕", "a%zz", "a\nb", "x\n"]
)
def test_an_id_comes_back_whatever_it_holds(text: str) -> None:
    from urllib.parse import quote

    path = decoded(f"/users/{quote(text, safe='')}/recommendations".encode())
    assert path.startswith("/users/")
    assert part_of(path.removeprefix("/users/").removesuffix("/recommendations")) == text
    assert path == f"/users/{as_part(text)}/recommendations"


def test_an_encoded_slash_does_not_divide_a_path() -> None:
    assert decoded(b"/users/a%2Fb/%73imilar?n=%2F") == "/users/a%2Fb/similar"


@pytest.mark.parametrize("path", ["/users/{}/recommendations/x/explanatio", "/users/{}/recommendation"])
def test_no_path_takes_long_to_be_told_from_a_route(path: str) -> None:
    text = path.format("/recommendations/" * 3800)
    begun = time.perf_counter()
    assert not any(route.parts(text) for route in ROUTES)
    assert time.perf_counter() - begun < 0.3


def test_what_is_no_utf_8_is_refused() -> None:
    with pytest.raises(UnicodeDecodeError):
        decoded(b"/users/%ff/recommendations")
