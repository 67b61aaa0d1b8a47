"""The pages of a run: HTML in its folder, made of what the run left there and of nothing else.

They open without a network: style and charts are in them, and they have no script. What comes from shops
is escaped. Making the report takes packages that validate, which leaves a page too, has no use for: they
are imported when it is made.
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
    """Write `report.html` into the run folder, whatever the run has come to; returns its path.

    publication: what `publish` has just recorded; else the run's own document, if it has one

    Where the data was checked, its page is made again too. The same folder makes the same bytes. Raises
    DamagedFile, DiskFull, RunError.
    """
    from pipeline.report.content import content

    if publication is None and folder.has("publication"):
        publication = folder.document("publication")
    if validation.found(folder):
        validation.build(folder)
    try:
        return write(folder, PAGE, "page.html", content(folder, settings, publication))
    finally:
        shutil.rmtree(folder.path / "scratch", ignore_errors=True)


def leave(job: Job, publication: Mapping[str, Any] | None = None) -> None:
    """Build the report and say where it lies; one that cannot be built costs a line, never the night."""
    path = _made(job, "report", lambda: build(job.folder, job.settings, publication))
    if path:
        job.say(f"report: {path}")


def leave_validation(job: Job) -> None:
    """Build the page of what validation found; one that cannot be built costs a line."""
    _made(job, "validation", lambda: validation.build(job.folder))


def _made(job: Job, page: str, build: Callable[[], Path]) -> Path | None:
    try:
        return build()
    except Exception as error:  # noqa: BLE001
        told = (str(error).splitlines() or [""])[0]
        job.say(f"{page}: not made, {type(error).__name__}: {told}")
        return None
