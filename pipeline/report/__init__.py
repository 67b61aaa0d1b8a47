"""Write the HTML pages of a run, `report.html` and `validation.html`, from the files in its folder alone.

The pages need no network: style and charts are inline, and there is no script. Text from the shop is escaped.
`content` is imported only when the report is made: `validate`, which writes a page too, needs none of the
packages that it loads.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.config import Settings
from pipeline.report import validation
from pipeline.report.template import write
from pipeline.runs.folder import RunFolder
from pipeline.runs.job import Job
from pipeline.runs.pages import PAGE


def build(folder: RunFolder, settings: Settings, publication: Mapping[str, Any] | None = None) -> Path:
    """Write `report.html` into the run folder, however far the run has come; returns its path.

    publication: what `publish` has just recorded; None: the run's own document, if it has one

    The validation page is written again as well, if the data was checked. The same files give the same bytes.
    Raises DamagedFile, DiskFull, RunError.
    """
    from pipeline.report.content import content

    if publication is None and folder.has("publication"):
        publication = folder.document("publication")
    if validation.document(folder):
        validation.build(folder)
    try:
        return write(folder, PAGE, "page.html", content(folder, settings, publication))
    finally:
        shutil.rmtree(folder.path / "scratch", ignore_errors=True)


def leave(job: Job, publication: Mapping[str, Any] | None = None) -> None:
    """Write the report and log its path; a failure is logged and does not fail the run."""
    path = _attempt(job, "report", lambda: build(job.folder.for_stage(""), job.settings, publication))
    if path:
        job.say(f"report: {path}")


def leave_validation(job: Job) -> None:
    """Write the validation page; a failure is logged and does not fail the run."""
    _attempt(job, "validation", lambda: validation.build(job.folder.for_stage("")))


def _attempt(job: Job, page: str, build: Callable[[], Path]) -> Path | None:
    try:
        return build()
    except Exception as error:  # noqa: BLE001
        message = (str(error).splitlines() or [""])[0]
        job.say(f"{page}: not made, {type(error).__name__}: {message}")
        return None
