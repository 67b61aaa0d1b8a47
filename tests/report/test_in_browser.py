"""The page in a real browser, from the disk and without a network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from pipeline import config
from pipeline.report import build
from pipeline.run import RunFolder
from tests.report.pages import NASTY, PUBLICATION, fill

pytestmark = pytest.mark.slow
SHOTS = config.home() / "screenshots"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


@pytest.fixture
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "no browser: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_offline_and_fits(
    browser: Browser, run_folder: Callable[..., RunFolder], width: int, scheme: str
) -> None:
    path = build(fill(run_folder()), config.load(), PUBLICATION)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)  # type: ignore[arg-type]
    page, told, asked = context.new_page(), [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    expect(page.get_by_text("Lists for 20 users are live as version 7.")).to_be_in_viewport()
    expect(page.get_by_text("better than the best simple rule")).to_be_in_viewport()
    expect(page.get_by_text(NASTY).first).to_be_visible()
    for fold in page.locator("details").all():
        fold.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    first = page.locator("#models .bar").first
    fill_box, track = first.locator(".fill").bounding_box(), first.locator(".track").bounding_box()
    assert fill_box
    assert track
    assert 0.5 * track["width"] < fill_box["width"] < track["width"]
    assert page.locator("#publications circle").count() == 3
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"report_{width}_{scheme}.png", full_page=True)
    assert told == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
