"""The page of a running service in Debian's chromium, and what it complains of or asks elsewhere for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page, expect, sync_playwright

from pipeline import config

SHOTS = config.home() / "screenshots"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}

CONTRAST = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => channels(color).slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = getComputedStyle(node).backgroundColor;
      if ((channels(color)[3] ?? 1) === 1) return color;
    }
    return getComputedStyle(document.documentElement).backgroundColor;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const ratios = [];
  for (let text; (text = texts.nextNode()); ) {
    const node = text.parentElement;
    if (!text.data.trim() || !node.checkVisibility() || node.tagName === "NOSCRIPT") continue;
    const [one, other] = [light(getComputedStyle(node).color), light(behind(node))].sort((a, b) => b - a);
    ratios.push([(one + 0.05) / (other + 0.05), text.data.trim()]);
  }
  return ratios.sort((a, b) => a[0] - b[0]);
}"""
"""The contrast of every text that shows with what is behind it, the weakest first."""


@dataclass
class Visit:
    """page: a tab; complaints: its console and errors; elsewhere: addresses that are not the service's"""

    page: Page
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def shoot(self, name: str, *, is_whole: bool = True) -> None:
        """The whole page, or what shows of it, for a person to look at."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"page_{name}.png", full_page=is_whole)

    def contrasts(self) -> list[tuple[float, str]]:
        """Contrast and text of all that shows, the weakest first; at least ten texts."""
        ratios: list[tuple[float, str]] = self.page.evaluate(CONTRAST)
        assert len(ratios) >= 10
        return ratios


@contextmanager
def visiting(url: str, *, size: Any = None, scheme: Any = "light", **options: Any) -> Iterator[Visit]:
    """A fresh browser with one empty tab, whose relative addresses are those of the service."""
    program = shutil.which("chromium")
    assert program, "no browser: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        context: BrowserContext = browser.new_context(
            base_url=url, viewport=size or DESK, color_scheme=scheme, **options
        )
        visit = Visit(context.new_page())
        visit.page.on("console", lambda message: visit.complaints.append(message.text))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on(
            "request",
            lambda request: request.url.startswith(f"{url}/") or visit.elsewhere.append(request.url),
        )
        yield visit
        browser.close()


def cards(page: Page) -> Locator:
    """The cards of the shelf."""
    return page.locator("#shelf .card")


def weak(visit: Visit) -> list[tuple[float, str]]:
    """Texts below the contrast that WCAG's level AA asks of small text."""
    return [(ratio, text) for ratio, text in visit.contrasts() if ratio < 4.5]


def open_page(visit: Visit, address: str = "/") -> Page:
    """The page at `address`, as soon as it says what is live."""
    visit.page.goto(address)
    expect(visit.page.locator("#live")).to_contain_text("is live")
    return visit.page
