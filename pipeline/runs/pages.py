"""Find the pages of a run. Imports nothing, so that what only shows pages need not load what makes them."""

from __future__ import annotations

from pathlib import Path

PAGE = "report.html"
VALIDATION = "validation.html"
PAGES = {"report": PAGE, "validation": VALIDATION}


def page_of(runs: Path, run_id: str, page: str = "report") -> Path | None:
    """The path of a page of `run_id` in the folder of runs; None without a page, or for no valid run id."""
    if not run_id or run_id.startswith(".") or "/" in run_id or "\\" in run_id:
        return None
    path = runs / run_id / PAGES[page]
    try:
        return path if path.is_file() else None
    except OSError:  # a name that is too long, a folder that this process may not look into
        return None
