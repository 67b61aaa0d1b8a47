"""Starlette matches the routes as pipeline.reading does."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from pipeline.reading.paths import decoded
from pipeline.reading.routes import ROUTES
from pipeline.service.routes import router


@pytest.mark.parametrize(
    "path",
    ["/users/4%2F2/recommendations", "/users/%2525/recommendations/a%0Ab/explanation", "/topN=3for_user=ä",
     "/popular", "/popular/", "/nowhere"],
)  # fmt: skip
def test_both_find_the_same_parts(path: str) -> None:
    from urllib.parse import quote

    text = decoded(quote(path, safe="/%=").encode())
    of_service = {
        each.name: {
            name: each.param_convertors[name].convert(part) for name, part in match.groupdict().items()
        }
        for each in router.routes
        if isinstance(each, APIRoute) and (match := each.path_regex.match(text))
    }
    of_reading = {route.name: parts for route in ROUTES if (parts := route.parts(text)) is not None}
    assert of_service == of_reading
