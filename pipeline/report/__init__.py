"""The report of a run: one HTML page in its folder, made of what the run left there and of nothing else.

It opens without a network: style and charts are in it, and it has no script. Items' names come from
shops and are escaped.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.config import Settings
from pipeline.page import PAGE
from pipeline.report import facts, machine, words
from pipeline.report.buyers import buyers
from pipeline.report.tuning import tuning
from pipeline.report.verdict import gain, verdict
from pipeline.run import Job, RunFolder

TEMPLATES = Path(__file__).parent
NOBODY = "Nobody could be measured: no buyer bought before the test days and something that counts in them."
NOT_YET = "Not known: the stage “evaluate” has not finished in this run."
OTHER = {"exclude": "allow", "allow": "exclude"}


def build(folder: RunFolder, settings: Settings, publication: Mapping[str, Any] | None = None) -> Path:
    """Write `report.html` into the run folder, whatever the run has come to; returns its path.

    publication: what `publish` has just recorded; else the run's own document, if it has one

    The same folder makes the same bytes. Raises DamagedFile, DiskFull, RunError.
    """
    if publication is None and folder.has("publication"):
        publication = folder.document("publication")
    try:
        page = _template().render(_content(folder, settings, publication))
    finally:
        shutil.rmtree(folder.path / "scratch", ignore_errors=True)
    folder.write_file(PAGE, lambda path: _write(path, page))
    return folder.path / PAGE


def leave(job: Job, publication: Mapping[str, Any] | None = None) -> None:
    """Build the page and say where it lies; one that cannot be built costs a line, never the night."""
    try:
        job.say(f"report: {build(job.folder, job.settings, publication)}")
    except Exception as error:  # noqa: BLE001
        told = (str(error).splitlines() or [""])[0]
        job.say(f"report: not made, {type(error).__name__}: {told}")


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _content(folder: RunFolder, settings: Settings, publication: Mapping[str, Any] | None) -> dict[str, Any]:
    """Everything that the template shows; texts and charts, no numbers."""
    mode = settings.run.repeat_purchases
    rows, others = (facts.metrics(folder, each) for each in (mode, OTHER[mode]))
    ours = next((row for row in rows if row["model"] == facts.PUBLISHED), None)
    rule = facts.best_rule(rows)
    params = folder.document("best_params") if folder.has("best_params") else {}
    return {
        "run_id": folder.run_id,
        "as_of": words.time(folder.as_of),
        "mode": mode,
        "verdict": verdict(folder, mode, ours, publication),
        "unmeasured": NOBODY if folder.has("metrics") else NOT_YET,
        "tiles": _tiles(folder, ours),
        "n_measured": words.count(ours["n_users"], "buyer") if ours else "",
        "ceiling": words.of_100(ours["ceiling_at_3"]) if ours else "",
        "models": facts.models(rows, params.get("model")) if rows else None,
        "table": facts.table(rows),
        "others": facts.table(others),
        "rule": words.model(rule["model"]) if rule else "",
        "publications": facts.publications(folder, ours),
        "groups": facts.groups(folder, rule["model"]) if rule else [],
        "variety": facts.variety(rows),
        "tuning": tuning(folder),
        "buyers": buyers(folder),
        "unusual": machine.unusual(folder),
        "quality": machine.quality(folder),
        "stages": machine.stages(folder),
        "seconds": f"{machine.seconds(folder):,.0f}",
    }


def _tiles(folder: RunFolder, ours: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The figures under the verdict."""
    told = folder.receipt("recommend").get("counts", {})
    found = [(f"{told['n_users']:,}", "users with a list")] if "n_users" in told else []
    if ours:
        found.append((words.of_100(ours["precision_at_3"]), "of 100 shown were bought"))
        if told_gain := gain(folder):
            found.append(told_gain)
        found.append((words.percent(ours["hit_rate_at_10"], 0), "of buyers bought one of their first 10"))
    return found


def _write(path: Path, page: str) -> None:
    path.write_text(page, encoding="utf-8", newline="\n")
