"""The validation page: the verdict in a sentence, what failed with its rows, what holds, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.report import build, leave_validation, validation
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Job
from pipeline.runs.pages import VALIDATION
from tests.report.pages import NASTY, text
from tests.report.test_page import Tags
from tests.shelf import give

Make = Callable[..., RunFolder]
HELD = [{"expectation": "the window holds events", "severity": "critical"}]
NO_USER = {
    "expectation": "user_id is there",
    "severity": "critical",
    "n_rows": 4,
    "observed": "",
    "type": "expect_column_values_to_not_be_null",
    "kwargs": {"column": "user_id"},
    "examples": [{"item_id": "7", "quantity": "1.0", "user_id": "null"}],
}
DOUBLED = {
    "expectation": "no event occurs twice",
    "severity": "warning",
    "n_rows": 2,
    "observed": "",
    "type": "unexpected_rows_expectation",
    "kwargs": {"unexpected_rows_query": "SELECT"},
    "examples": [{"times": "2", "user_id": "4242"}, {"times": "3", "user_id": "4243"}],
}
EMPTY = {
    "expectation": "the shop has items",
    "severity": "critical",
    "n_rows": None,
    "observed": "0",
    "type": "expect_table_row_count_to_be_between",
    "kwargs": {"min_value": 1},
    "examples": [],
}
NAMED = {
    **NO_USER,
    "expectation": "price is a finite number, 0 or more",
    "severity": "warning",
    "n_rows": 1,
    "kwargs": {"column": "price"},
    "examples": [{"item_id": "7", "name": NASTY + "x" * 100, "price": "-2.0"}],
}


def suite(name: str, *failed: dict[str, Any], n_rows: int = 1_000) -> dict[str, Any]:
    return {
        "suite": name,
        "n_rows": n_rows,
        "n_expectations": len(failed) + 1,
        "success": not any(failure["severity"] == "critical" for failure in failed),
        "failed": list(failed),
        "held": HELD,
    }


def made(folder: RunFolder, *suites: dict[str, Any]) -> str:
    give(folder, validation={"success": True, "suites": list(suites), "failed": []})
    return validation.build(folder).read_text(encoding="utf-8")


def section(page: str, name: str) -> str:
    return text(page.split(f'id="{name}">')[1].split("</section>")[0]).strip()


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        ((), "Passed All 4 expectations hold."),
        (
            (DOUBLED,),
            "Passed with warnings Passed with 1 warning: 4 of 5 expectations hold. The run goes on.",
        ),
        ((NO_USER,), "Stopped Stopped: 1 critical expectation failed; 4 of 5 expectations hold. No model is"),
        (
            (DOUBLED, NO_USER),
            "Stopped Stopped: 1 critical expectation failed (and 1 warning); 4 of 6 expectations hold.",
        ),
    ],
)
def test_the_verdict_in_a_sentence(run_folder: Make, failed: tuple[dict[str, Any], ...], said: str) -> None:
    page = made(run_folder(), suite("events", *failed), suite("items"), suite("users"), suite("events"))
    assert section(page, "verdict").startswith(said)
    assert ("python -m pipeline run extract --run-id night" in page) == (NO_USER in failed)


def test_each_expectation_in_words_with_what_was_found_the_critical_first(run_folder: Make) -> None:
    page = made(run_folder(), suite("events", DOUBLED, NO_USER), suite("items", EMPTY, NAMED, n_rows=0))
    events = section(page, "events")
    assert events == (
        "events 1,000 rows"
        " ✕ critical user_id is there Not true for 4 rows, 0.4 % of the table The first of them:"
        " user_id item_id quantity null 7 1.0"
        " ! warning no event occurs twice Not true for 2 rows user_id times 4242 2 4243 3"
        " 1 expectation holds the window holds events critical"
    )
    items = section(page, "items")
    assert "✕ critical the shop has items Found instead: 0" in items
    assert "Not true for 1 row price item_id name -2.0 7" in items
    assert "This shop has no users, so none were checked." in text(page)


@pytest.mark.parametrize(
    ("n_rows", "told"), [(1, "less than 0.1 %"), (1_000, "0.1 %"), (123_456, "12 %"), (1_000_000, "100 %")]
)
def test_the_share_of_the_table(run_folder: Make, n_rows: int, told: str) -> None:
    page = made(run_folder(), suite("events", {**NO_USER, "n_rows": n_rows}, n_rows=1_000_000))
    assert f"row{'s' if n_rows > 1 else ''}, {told} of the table" in section(page, "events")


def test_what_comes_from_the_shop_is_escaped_and_cut(run_folder: Make) -> None:
    page = made(run_folder(), suite("items", NAMED))
    assert NASTY not in page
    assert NASTY in text(page)
    assert "x" * 60 not in page
    tags = Tags(page)
    assert tags.open == []
    assert {tag for tag, _ in tags.found} & {"script", "iframe", "img", "object", "base", "form"} == set()
    assert not re.search(r"https?:|url\(|@import|\son\w+=", page)


def test_the_same_document_makes_the_same_bytes(run_folder: Make) -> None:
    folder = run_folder()
    assert made(folder, suite("events", NO_USER)) == made(folder, suite("events", NO_USER))


def test_a_document_of_an_earlier_release_has_a_page_too(run_folder: Make) -> None:
    old = {name: value for name, value in suite("events", DOUBLED).items() if name != "held"}
    assert "no event occurs twice" in section(made(run_folder(), old), "events")


def test_a_page_that_cannot_be_built_costs_a_line(job: Callable[..., Job], said: list[str]) -> None:
    night = job()
    give(night.folder, validation={"suites": [{"suite": "events"}]})
    leave_validation(night)
    assert said == ["validation: not made, KeyError: 'failed'"]


def test_making_the_report_again_makes_this_page_again(job: Callable[..., Job]) -> None:
    night = job()
    build(night.folder, night.settings)
    assert not (night.folder.path / VALIDATION).exists()
    give(night.folder, validation={"suites": [suite("events")]})
    build(night.folder, night.settings)
    assert (night.folder.path / VALIDATION).exists()
