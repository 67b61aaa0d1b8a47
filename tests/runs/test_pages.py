"""pipeline/runs/pages.py: a page is found by the name of its run, and nothing outside the runs is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.runs.pages import PAGE, VALIDATION, page_of


def test_a_page_lies_in_the_folder_of_its_run(tmp_path: Path) -> None:
    for name in (PAGE, VALIDATION):
        (tmp_path / "night").mkdir(exist_ok=True)
        (tmp_path / "night" / name).touch()
    assert page_of(tmp_path, "night") == tmp_path / "night" / PAGE
    assert page_of(tmp_path, "night", "validation") == tmp_path / "night" / VALIDATION
    assert page_of(tmp_path, "another night") is None


@pytest.mark.parametrize("run_id", ["", ".", "..", "../outside", "outside/..", "a\\b", ".hidden"])
def test_a_name_that_leads_elsewhere_has_no_page(tmp_path: Path, run_id: str) -> None:
    for folder in (tmp_path, tmp_path / "runs", tmp_path / "outside", tmp_path / "runs" / ".hidden"):
        folder.mkdir(exist_ok=True)
        (folder / PAGE).touch()
    assert page_of(tmp_path / "runs", run_id) is None
