"""The subject of an alert: the run and task it is about, the window of events, the pages in the UI.

It reads `run.json` without RunFolder, which would load pyarrow into Airflow's triggerer.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightshelf_airflow import links
from pipeline import config
from pipeline.alerts import SETTINGS, Subject
from pipeline.runs.pages import page_of

if TYPE_CHECKING:
    from pipeline.config import Settings


def of_running_task(settings: Settings, ti: Any) -> Subject:
    """The task instance `ti`, from within its own process: with its attempt and its log."""
    subject = of_run(settings, ti.dag_id, ti.run_id, ti.task_id)
    return replace(subject, attempt=ti.try_number, log=ti.log_url if links.ui_address() else "")


def of_run(settings: Settings, dag_id: str, run_id: str, task_id: str = "") -> Subject:
    """A run, or a task of it. What the run has not yet written is left empty."""
    if task_id == SETTINGS:  # it has no folder: one of its name would be a run of another shop
        return Subject(dag_id, run_id, task_id, run_page=_run_page(dag_id, run_id))
    runs = config.runs_folder(settings)
    return Subject(dag_id, run_id, task_id, **_window(runs / run_id), **_pages(runs, dag_id, run_id, task_id))


def _window(folder: Path) -> dict[str, Any]:
    """`as_of` and `window_days` of the run in `folder`, as far as it has recorded them."""
    window: dict[str, Any] = {}
    with suppress(OSError, ValueError, KeyError):
        about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        window["as_of"] = datetime.fromisoformat(about["as_of"])
        window["window_days"] = about["overrides"]["window_days"]
    return window


def _pages(runs: Path, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
    """Addresses of the run's page and of the pages it has written; none where the UI's is not known."""
    if not links.ui_address():
        return {}
    written = ["report", "validation"] if task_id == "validate" else ["report"]
    addresses = {
        page: links.page_address(dag_id, run_id, page) for page in written if page_of(runs, run_id, page)
    }
    return {"run_page": _run_page(dag_id, run_id), **addresses}


def _run_page(dag_id: str, run_id: str) -> str:
    return links.run_address(dag_id, run_id) if links.ui_address() else ""
