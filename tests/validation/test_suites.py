from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SettingsError
from pipeline.validation.suites import load_suite

COUNT = {
    "type": "expect_table_row_count_to_be_between",
    "severity": "critical",
    "description": "there are rows",
    "kwargs": {"min_value": 1},
}
NOT_NULL = {
    "type": "expect_column_values_to_not_be_null",
    "severity": "warning",
    "description": "user_id is there",
    "kwargs": {"column": "user_id"},
}


def condition(column: str, operator: str = "==") -> dict[str, Any]:
    return {"type": "comparison", "column": {"name": column}, "operator": operator, "parameter": "x"}


def suite(folder: Path, *entries: Any, name: str = "users", **more: Any) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": name, "expectations": list(entries), **more}), encoding="utf-8")
    return path


def test_a_suite_is_read_with_its_parameters(tmp_path: Path) -> None:
    limit = {**COUNT, "kwargs": {"max_value": {"$PARAMETER": "at_most"}}}
    read = load_suite(suite(tmp_path, COUNT, NOT_NULL, limit))
    assert [expectation.severity for expectation in read.expectations] == ["critical", "warning", "critical"]
    assert read.parameters == {"at_most"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "expect_column_values_to_be_splendid"}, "is of an unknown type"),
        ({"type": None}, "is of an unknown type"),
        ({"colour": "blue"}, "has unknown key colour"),
        ({"severity": None}, "has severity None"),
        ({"severity": "info"}, "has severity 'info'"),
        ({"description": " "}, "has no description"),
        ({"kwargs": []}, "kwargs that are no object"),
        ({"kwargs": {"column": "user_id", "colum": 1}}, "has unknown argument colum"),
        ({"kwargs": {"column": "user_id", "severity": "warning"}}, "has unknown argument severity"),
        ({"kwargs": {}}, "has arguments that cannot be"),
        ({"kwargs": {"column": "userid"}}, "names no column userid"),
        ({"kwargs": {"column": "user_id", "row_condition": "segment = 'x'"}}, "row_condition that would not"),
        ({"kwargs": {"column": "user_id", "row_condition": condition("colour")}}, "names no column colour"),
        (
            {"kwargs": {"column": "user_id", "row_condition": condition("segment", "=~")}},
            "arguments that cannot be",
        ),
        ({"kwargs": {"column": "user_id", "mostly": {"$PARAMETER": "now() - 1"}}}, "has parameter 'now"),
    ],
)
def test_an_entry_that_would_not_check_what_it_says_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = suite(tmp_path, COUNT, {**NOT_NULL, **change})
    with pytest.raises(SettingsError, match=r"users\.json: entry 2") as refused:
        load_suite(path)
    assert message in refused.value.what


@pytest.mark.parametrize("missing", ["type", "severity", "description", "kwargs"])
def test_an_entry_says_everything(tmp_path: Path, missing: str) -> None:
    entry = {key: value for key, value in NOT_NULL.items() if key != missing}
    with pytest.raises(SettingsError, match=f"has no {missing}"):
        load_suite(suite(tmp_path, COUNT, entry))


def test_a_suite_that_would_always_pass_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds no expectations"):
        load_suite(suite(tmp_path))
    for first in (NOT_NULL, {**COUNT, "severity": "warning"}, {**COUNT, "kwargs": {"max_value": 9}}):
        with pytest.raises(SettingsError, match="does not begin with the row count"):
            load_suite(suite(tmp_path, first))


def test_a_suite_is_that_of_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="names no dataset `people`"):
        load_suite(suite(tmp_path, COUNT, name="people"))
    with pytest.raises(SettingsError, match="is no suite"):
        load_suite(suite(tmp_path, COUNT, notes="?"))


def test_a_file_that_is_no_suite_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no suite users\.json"):
        load_suite(tmp_path / "users.json")
    (tmp_path / "users.json").write_text('{"name": "users", "name": "items"}', encoding="utf-8")
    with pytest.raises(SettingsError, match="cannot be read as JSON") as refused:
        load_suite(tmp_path / "users.json")
    assert "name given twice" in refused.value.found
