"""pipeline/report/left_out.py: the table of who and what is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.config import load
from pipeline.report import build
from pipeline.report.left_out import left_out
from pipeline.runs.files import write_json
from pipeline.runs.folder import RunFolder
from tests.report.pages import VALIDATION, fill, text

USERS = {
    "file": "sql/source/users.sql",
    "n_ids": 60,
    "n_bought": 40,
    "n_unknown": 20,
    "n_events_unknown": 210,
}
ITEMS = {"file": "sql/source/items.sql", "n_ids": 30, "n_bought": 16, "n_unknown": 0, "n_events_unknown": 0}
MET = {"n_events": 1_000, "n_without_user": 0, "n_without_item": 0, "users": USERS, "items": ITEMS}
COUNTS: dict[str, dict[str, int]] = {
    "extract": {"rows_in": 1_103, "rows_out": 1_100},
    "filter_purchasers": {
        "n_users": 20,
        "n_browsers": 18,
        "n_returns": 4,
        "n_duplicates": 2,
        "n_events_of_browsers": 50,
        "n_events_of_unknown_users": 210,
    },
    "recommend": {
        "n_users": 20,
        "n_users_without_list": 1,
        "n_browsers": 5,
        "n_items": 30,
        "n_unavailable_items": 3,
        "n_buyers_not_in_also_bought": 1,
    },
}


@pytest.fixture
def rows(run_folder: Callable[..., RunFolder]) -> Callable[..., list[dict[str, str]]]:
    """`rows(met, counts)`: the table of a run with these numbers of `validate` and these receipts."""

    def make(met: dict[str, Any] = MET, counts: dict[str, dict[str, int]] = COUNTS) -> list[dict[str, str]]:
        return left_out(counted(run_folder(), met, counts))

    return make


def counted(folder: RunFolder, met: dict[str, Any], counts: dict[str, dict[str, int]]) -> RunFolder:
    fill(folder, validation={**VALIDATION, "left_out": met})
    for stage, numbers in counts.items():
        receipt = {**folder.receipt(stage), "stage": stage, "counts": numbers}
        write_json(folder.path / "receipts" / f"{stage}.json", {"files": {}, **receipt})
    return folder


def test_every_reason_has_a_row_with_its_number_and_share(rows: Callable[..., list[dict[str, str]]]) -> None:
    table = [(row["who"], row["number"], row["share"].replace("\u00a0", " ")) for row in rows()]
    assert table == [
        ("Buyers unknown to the shop", "20 of 40", "50 %"),
        ("Buyers with too few or too many events", "4 of 20", "20 %"),
        ("Buyers for whom nothing is left", "1 of 20", "5.0 %"),
        ("Buyers of very many different items", "1 of 20", "5.0 %"),
        ("People who only looked", "18 of 60", "30 %"),
        ("Items bought, unknown to the shop", "0 of 16", ""),
        ("Items that are not available", "3 of 30", "10 %"),
        ("Events of unknown users", "210 of 1,000", "21 %"),
        ("Events of people who only looked", "50 of 1,000", "5.0 %"),
        ("Returns and cancellations", "4 of 1,000", "0.4 %"),
        ("Exact duplicates", "2 of 1,000", "0.2 %"),
        ("Rows of forgotten users", "3 of 1,103", "0.3 %"),
    ]
    assert "sql/source/users.sql" in rows()[0]["why"]
    assert "[filter]" in rows()[1]["why"]
    assert "5 of them have one all the same" in rows()[4]["why"]


def test_a_run_that_stopped_at_validate_says_who_is_unknown(
    rows: Callable[..., list[dict[str, str]]],
) -> None:
    without_ids = {**MET, "n_without_user": 7}
    names = [row["who"] for row in rows(without_ids, {"recommend": {}})]
    assert names == [
        "Buyers unknown to the shop",
        "Items bought, unknown to the shop",
        "Events without a user",
    ]


def test_a_shop_without_tables_of_its_own_has_nobody_unknown(
    rows: Callable[..., list[dict[str, str]]],
) -> None:
    bare = {**MET, "users": {**USERS, "file": None, "n_unknown": 0}, "items": {**ITEMS, "file": None}}
    assert rows(bare, {"recommend": {}}) == []


def test_the_page_shows_it(run_folder: Callable[..., RunFolder]) -> None:
    page = text(build(counted(run_folder(), MET, COUNTS), load()).read_text(encoding="utf-8"))
    assert "Who and what is left out, and why?" in page
    assert "Buyers unknown to the shop 20 of 40 50 % sql/source/users.sql does not have them: no list" in page


def test_a_run_of_an_earlier_release_has_no_such_table(run_folder: Callable[..., RunFolder]) -> None:
    folder = fill(run_folder())
    assert left_out(folder) == []
    assert "left out, and why" not in text(build(folder, load()).read_text(encoding="utf-8"))
