"""The pages in a real browser, from the disk and without a network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipeline import config
from pipeline.report import build, validation
from pipeline.runs.folder import RunFolder
from tests.report.pages import NASTY, PUBLICATION, fill
from tests.report.test_validation import DOUBLED, NAMED, NO_USER, suite
from tests.shelf import give

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


def show(browser: Browser, path: Path, width: int, scheme: str) -> tuple[Page, list[str]]:
    """The page of a file without a network, and what it complains of or asks elsewhere for."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)  # type: ignore[arg-type]
    page, messages = context.new_page(), []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: messages.append(request.url))
    page.goto(path.as_uri())
    messages[:] = [line for line in messages if not line.startswith(("file:", "data:"))]
    return page, messages


def shoot(page: Page, name: str) -> None:
    """Everything unfolded, for a person to look at."""
    for fold in page.locator("details").all():
        fold.locator("summary").click()
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_offline_and_fits(
    browser: Browser, run_folder: Callable[..., RunFolder], width: int, scheme: str
) -> None:
    path = build(fill(run_folder()), config.load(), PUBLICATION)
    page, messages = show(browser, path, width, scheme)
    expect(page.get_by_text("Lists for 20 users are live as version 7.")).to_be_in_viewport()
    expect(page.get_by_text("better than the best simple rule")).to_be_in_viewport()
    expect(page.get_by_text(NASTY).first).to_be_visible()
    shoot(page, f"report_{width}_{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    first = page.locator("#models .bar").first
    fill_box, track = first.locator(".fill").bounding_box(), first.locator(".track").bounding_box()
    assert fill_box
    assert track
    assert 0.5 * track["width"] < fill_box["width"] < track["width"]
    assert page.locator("#publications circle").count() == 3
    assert messages == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize(
    ("name", "failed", "said"),
    [
        ("passed", (), "All 3 expectations hold."),
        ("warnings", (NAMED, DOUBLED), "Passed with 2 warnings: 3 of 5 expectations hold."),
        (
            "stopped",
            (NO_USER, NAMED, DOUBLED),
            "Stopped: 1 critical expectation failed (and 2 warnings); 3 of 6 expectations hold.",
        ),
    ],
)
def test_what_validation_found_is_read_at_a_glance(
    browser: Browser,
    run_folder: Callable[..., RunFolder],
    name: str,
    failed: tuple[dict[str, Any], ...],
    said: str,
    width: int,
    scheme: str,
) -> None:
    folder = run_folder()
    of_items = [failure for failure in failed if failure is NAMED]
    of_events = [failure for failure in failed if failure is not NAMED]
    suites = [suite("events", *of_events), suite("items", *of_items), suite("users")]
    give(folder, validation={"suites": suites})
    page, messages = show(browser, validation.build(folder), width, scheme)
    expect(page.get_by_text(said)).to_be_in_viewport()
    if failed:
        expect(page.get_by_text(NASTY)).to_be_visible()
        expect(page.locator("#items td.at")).to_have_text("-2.0")
        expect(page.locator("#items td.at")).to_be_visible()
    for held in page.get_by_text("the window holds events").all():
        expect(held).to_be_hidden()
    shoot(page, f"validation_{name}_{width}_{scheme}")
    for held in page.get_by_text("the window holds events").all():
        expect(held).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert messages == []
