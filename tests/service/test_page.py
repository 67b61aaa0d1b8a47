"""The page for people in a real browser, on a real service and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.service.browsing import DESK, PHONE, Visit, visiting
from tests.service.running import Running
from tests.serving.nights import Shop

pytestmark = pytest.mark.slow
NASTY = '<img src=x onerror="document.title=1"><script>document.title=2</script> & “q”'
LONG = "A kettle of brushed steel with a handle of oiled walnut and " + "a" * 90
BIG = 2**63 - 1
ODD = ["a/b", "50%", "%2F", "ä ö ü", "?&=#+", "☕ crème", "<b>"]
PUBLISHED = "Of the 3 first items shown, 25% were bought in the held-out days."


def cards(page: Page) -> Locator:
    """The cards of the shelf."""
    return page.locator("#shelf .card")


def names(rows: Locator) -> list[str]:
    """The items of a list as they are called."""
    return rows.locator("[data-item]:not(button)").all_inner_texts()


def weak(visit: Visit) -> list[tuple[float, str]]:
    """Texts below the contrast that WCAG's level AA asks of small text."""
    return [(ratio, text) for ratio, text in visit.contrasts() if ratio < 4.5]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_a_shelf_is_read_at_a_glance(service: Running, size: dict[str, int], scheme: str) -> None:
    with visiting(service.url, size=size, scheme=scheme) as visit:
        page = visit.page
        page.goto("/")
        expect(page.locator("#live")).to_contain_text("Version 1 is live")
        expect(page.locator("#live")).to_contain_text(PUBLISHED)
        expect(page.locator("#users a")).to_have_text(["1", "2", "3"])
        visit.shoot(f"start_{size['width']}_{scheme}")
        page.locator("#users a").first.click()
        expect(cards(page)).to_have_count(7)
        page.get_by_role("button", name="Add to basket: BANANAS").click()
        expect(page.locator("#basket ol > li").first).to_be_visible()
        visit.shoot(f"shelf_{size['width']}_{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
        assert weak(visit) == []
        page.get_by_role("link", name="BANANAS").first.click()
        expect(page.locator("#also-bought li")).to_have_count(2)
        visit.shoot(f"item_{size['width']}_{scheme}")
        assert weak(visit) == []
        box = page.locator("dialog").bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size["width"]
        assert (visit.complaints, visit.elsewhere) == ([], [])
