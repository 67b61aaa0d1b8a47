"""Generated addresses of reports, and run ids: nothing outside a run's own folder is ever named."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import strategies as st

from pipeline.runs.folder import RunFolder
from pipeline.runs.pages import PAGES, page_of
from tests.doors.tries import ends_well, files_below, texts, through, tries

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
names = st.one_of(
    texts, st.sampled_from(["night", "night/", "./night", "night/../night", "..%2fnight", "other.json"])
)


def shop_with_a_night(tmp_path: Path) -> Path:
    """Runs with one night that has its pages, and files beside the run folders and above them."""
    runs = tmp_path / "runs"
    for folder in (tmp_path, runs, runs / "night"):
        folder.mkdir(exist_ok=True)
        for page in PAGES.values():
            (folder / page).write_text("a page")
    (runs / "other.json").write_text("{}")
    return runs


@tries
def test_any_address_of_a_report(n: int, tmp_path: Path) -> None:
    runs = shop_with_a_night(tmp_path)

    def check(run_id: str, page: str) -> None:
        path = ends_well(page_of, runs, run_id, page)
        assert path is None or path == runs / "night" / PAGES[page]

    through(n, check, run_id=names, page=st.sampled_from(list(PAGES)))


@tries
def test_any_run_id(n: int, tmp_path: Path) -> None:
    """A run is made in the folder of its name, or refused with nothing changed."""
    runs = shop_with_a_night(tmp_path)
    before = files_below(tmp_path)

    def check(run_id: str) -> None:
        ends_well(RunFolder.exists, runs, run_id)
        ends_well(RunFolder.open, runs, run_id, {})
        made = ends_well(RunFolder.create, runs, run_id, AS_OF, {}, {})
        if isinstance(made, RunFolder):
            assert made.path.parent == runs
            assert RunFolder.open(runs, run_id, {}).run_id == run_id
        there = files_below(tmp_path)
        assert {path: there[path] for path in before} == before

    through(n, check, run_id=names)
