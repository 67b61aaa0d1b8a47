"""Paths decoded but for what an id may hold."""

from __future__ import annotations

import pytest

from pipeline.service.paths import Id, decoded


@pytest.mark.parametrize("text", ["a/b", "50%", "%2F", "%25", "ä ö", "?&=#+", "100%25/%2f", "☕", "a%zz"])
def test_an_id_comes_back_whatever_it_holds(text: str) -> None:
    from urllib.parse import quote

    path = decoded(f"/users/{quote(text, safe='')}/recommendations".encode())
    assert path.startswith("/users/")
    assert Id().convert(path.removeprefix("/users/").removesuffix("/recommendations")) == text
    assert path == f"/users/{Id().to_string(text)}/recommendations"


def test_an_encoded_slash_does_not_divide_a_path() -> None:
    assert decoded(b"/users/a%2Fb/%73imilar?n=%2F") == "/users/a%2Fb/similar"


def test_what_is_no_utf_8_is_refused() -> None:
    with pytest.raises(UnicodeDecodeError):
        decoded(b"/users/%ff/recommendations")
