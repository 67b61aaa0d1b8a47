"""Where the pages of a run lie: for those who only show them, without what it takes to make them."""

from __future__ import annotations

from pathlib import Path

PAGE = "report.html"
VALIDATION = "validation.html"
PAGES = {"report": PAGE, "validation": VALIDATION}


def page_of(runs: Path, run_id: str, page: str = "report") -> Path | None:
    """A page of run `run_id` under `runs`; None when there is none, or when that is no run's name."""
    if not run_id or run_id.startswith(".") or "/" in run_id or "\\" in run_id:
        return None
    path = runs / run_id / PAGES[page]
    return path if path.is_file() else None
