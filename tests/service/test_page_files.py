"""The files of the page, without a browser: where they come from and what they may not hold."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from pipeline.service import pages
from tests.service.running import Running

FOLDER = Path(pages.__file__).parent / "page"
FILES = sorted(path.name for path in FOLDER.iterdir())
MODULES = [name for name in FILES if name.endswith(".js")]
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def text(name: str) -> str:
    """A file of the page."""
    return (FOLDER / name).read_text(encoding="utf-8")


def imports(module: str) -> list[str]:
    """The modules that one of the page imports."""
    return re.findall(r'from "\./([^"]+)"', text(module))


def test_what_the_page_names_is_there_and_all_is_named() -> None:
    named = re.findall(r'(?:src|href)="/page/([^"]+)"', text("index.html"))
    imported = {name for module in MODULES for name in imports(module)}
    assert sorted({"index.html", *named, *imported}) == FILES


def test_modules_import_one_another_in_one_direction() -> None:
    assert list(TopologicalSorter({module: imports(module) for module in MODULES}).static_order())


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_short_and_begins_with_what_it_is(name: str) -> None:
    lines = text(name).splitlines()
    assert lines[0].startswith("// ")
    assert len(lines) < 150


def test_nothing_of_the_page_needs_another_host() -> None:
    for name in FILES:
        addresses = re.findall(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}[^\s\"']*", text(name))
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, name
        assert "@import" not in text(name)


def test_no_script_or_style_stands_in_the_html_and_no_text_is_taken_for_html() -> None:
    html = text("index.html")
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", html) == []
    for name in MODULES:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text(name))


def test_the_page_is_served_with_a_policy_that_lets_nothing_else_run(service: Running) -> None:
    for path in ["/", *(f"/page/{name}" for name in FILES)]:
        reply = service.ask(path)
        kind = TYPES["html" if path == "/" else path.rpartition(".")[2]]
        assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, kind), path
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
    assert service.ask("/?user=42&item=1&basket=2").body == text("index.html").encode()


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fpages.py", "%2e%2e/pages.py", ""])
def test_no_other_file_is_served(service: Running, name: str) -> None:
    assert service.ask(f"/page/{name}").status == 404
