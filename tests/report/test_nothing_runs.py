"""Markup in what the shop, a person or an error wrote: in a real browser it runs nothing and loads nothing.

The pages forbid scripts besides (Content-Security-Policy). That is taken out here: the escaping alone counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from playwright.sync_api import Browser

from pipeline import config
from pipeline.alerts import Alert, Subject, mail
from pipeline.errors import ValidationFailed
from pipeline.report import build
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Job
from pipeline.runs.pages import VALIDATION
from pipeline.runs.run_stage import run_stage
from tests.report.pages import PUBLICATION, WHOLE, fill
from tests.report.test_in_browser import browser, show
from tests.shelf import day, events, give

__all__ = ["browser"]
pytestmark = pytest.mark.slow

MARKUP = (
    "\"'></title></style></textarea><script>fired = 1</script><img src=x onerror='fired = 1'>"
    '<svg onload="fired = 1"><iframe src="https://192.0.2.1/"></iframe><link rel=stylesheet'
    ' href="https://192.0.2.1/a.css"><a href="javascript:fired=1" autofocus onfocus="fired = 1">x</a>{{ 7 }}'
)
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
NAMES = {"suite", "against"}
"""Fields whose value is looked up by the report: another one has no page."""


def marked(part: Any, name: str = "") -> Any:
    """A document with MARKUP behind every text that is shown; times stay."""
    if isinstance(part, dict):
        return {key: marked(value, key) for key, value in part.items()}
    if isinstance(part, list):
        return [marked(value, name) for value in part]
    is_text = isinstance(part, str) and name not in NAMES and not re.match(r"\d{4}-\d\d-\d\d", part)
    return part + MARKUP if is_text else part


def check(browser: Browser, path: Path) -> None:
    """Open the page without its policy: all of MARKUP is there to be read, and none of it does anything."""
    text = path.read_text(encoding="utf-8")
    if path.name != "mail.html":
        [policy] = POLICY.findall(text)
        assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    path.write_text(POLICY.sub("", text), encoding="utf-8")
    page, messages = show(browser, path, 1280, "light")
    for fold in page.locator("details").all():
        fold.evaluate("fold => { fold.open = true }")
    assert "<script>fired = 1</script>" in page.evaluate("document.body.innerText")
    assert page.evaluate("typeof fired") == "undefined"
    assert page.locator("script, iframe, object, embed, base, form, link:not([href='data:,'])").count() == 0
    attributes = page.evaluate(
        "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes].map(a => a.name))"
    )
    assert not [name for name in attributes if name.startswith("on")]
    assert messages == []


def test_the_page_of_data_that_is_refused(
    browser: Browser, job: Callable[..., Job], make_settings: Any
) -> None:
    """Through the real check: markup in ids, order ids, event types, names and categories."""
    night = job(settings=make_settings(ids={"user": "text", "item": "text"}), as_of=day(10))
    bought = events((None, 1, 1, MARKUP, MARKUP, -1.0), (2, 2, 2, MARKUP, MARKUP, -1.0))
    bought = bought.set_column(1, "item_id", pa.array([MARKUP, "b"]))
    bought = bought.set_column(0, "user_id", pa.array([None, MARKUP]))
    items = pa.table(
        {"item_id": [MARKUP, "b"], "name": [MARKUP] * 2, "category": [MARKUP] * 2, "price": [-1.0] * 2}
    )
    items = items.append_column("discount", pa.nulls(2, pa.float64()))
    items = items.append_column("available", pa.nulls(2, pa.bool_()))
    give(night.folder, events=bought, items=items, live={})
    with pytest.raises(ValidationFailed):
        run_stage("validate", night)
    check(browser, night.folder.path / VALIDATION)


def test_a_report_whose_every_text_holds_markup(
    browser: Browser, run_folder: Callable[..., RunFolder]
) -> None:
    parts = {name: marked(part) for name, part in WHOLE.items() if isinstance(part, dict)}
    segments = WHOLE["segment_metrics"]
    marks = pa.array([name + MARKUP for name in segments["segment"].to_pylist()])
    parts["segment_metrics"] = segments.set_column(
        segments.schema.get_field_index("segment"), "segment", marks
    )
    names = pa.array([MARKUP] * 10)
    parts["item_names"] = WHOLE["item_names"].set_column(1, "name", names)
    folder = fill(run_folder(), **parts)
    check(browser, build(folder, config.load(), PUBLICATION))
    check(browser, folder.path / VALIDATION)


def test_an_alert_by_mail(browser: Browser, tmp_path: Path) -> None:
    def value(name: str) -> Any:
        return {"attempt": 2, "window_days": 30, "as_of": datetime(2026, 1, 1).astimezone()}.get(name, MARKUP)

    subject = Subject(**{field.name: value(field.name) for field in fields(Subject)})
    texts = dict.fromkeys(("why", "what_to_do", "apps_read", "found", "promised"), MARKUP)
    text = mail(Alert("failed", subject, **texts))
    (tmp_path / "mail.html").write_text(f"<!doctype html><meta charset=utf-8><body>{text}", encoding="utf-8")
    check(browser, tmp_path / "mail.html")
