"""Where the page of a run lies: for those who only show it, without what it takes to make it."""

from __future__ import annotations

from pathlib import Path

PAGE = "report.html"


def page_of(runs: Path, run_id: str) -> Path | None:
    """The page of run `run_id` under `runs`; None when there is none, or when that is no run's name."""
    if not run_id or run_id.startswith(".") or "/" in run_id or "\\" in run_id:
        return None
    path = runs / run_id / PAGE
    return path if path.is_file() else None
