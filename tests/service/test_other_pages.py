"""The form that asks for a token, and the list of routes, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.service.browsing import CONTRAST, DESK, PHONE, Visit, visiting
from tests.service.running import Running
from tests.serving.nights import Shop

pytestmark = pytest.mark.slow
LOOKS = [(PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark")]


def holds(visit: Visit, size: dict[str, int]) -> None:
    """It is styled, fits the screen and can be read."""
    page = visit.page
    assert page.evaluate("getComputedStyle(document.querySelector('.brand')).textDecorationLine") == "none"
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    ratios = page.evaluate(CONTRAST)
    assert len(ratios) >= 4
    assert [text for ratio, text in ratios if ratio < 4.5] == []
    assert visit.elsewhere == []


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_the_form_looks_like_the_page(
    serve: Callable[..., Running], shop: Shop, size: dict[str, int], scheme: str
) -> None:
    service = serve(shop, NIGHTSHELF_SERVICE_TOKENS="first-token-of-this-shop")
    with visiting(service.url, size=size, scheme=scheme) as visit:
        page = visit.page
        page.goto("/")
        expect(page.get_by_role("alert")).to_be_hidden()
        page.get_by_label("Token").fill("another-token")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("This token does not fit.")
        visit.shoot(f"form_{size['width']}_{scheme}")
        holds(visit, size)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_the_routes_look_like_the_page(service: Running, size: dict[str, int], scheme: str) -> None:
    with visiting(service.url, size=size, scheme=scheme) as visit:
        visit.page.goto("/docs")
        expect(visit.page.locator("h2").first).to_be_visible()
        visit.shoot(f"routes_{size['width']}_{scheme}", is_whole=False)
        holds(visit, size)
        assert visit.complaints == []
