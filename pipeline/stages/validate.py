"""Hold the data against the expectations; a critical failure stops the run."""

from __future__ import annotations

from datetime import timedelta

from pipeline import report
from pipeline.config import ROOT
from pipeline.errors import ValidationFailed
from pipeline.runs.job import Counts, Job
from pipeline.runs.pages import VALIDATION
from pipeline.validation.checks import Result, check, load_suite, table

DATASETS = ("events", "items", "users")


def run(job: Job) -> Counts:
    """`events`, and `items` and `users` where they are -> `validation`, its page, and Data Docs beside it.

    They are written before anything is refused. Raises ValidationFailed with every critical
    expectation that failed; warnings are counted and said.
    """
    folder = job.folder
    folder.drop("validation")
    (folder.path / VALIDATION).unlink(missing_ok=True)
    parameters = {
        "as_of": folder.as_of,
        "window_start": folder.as_of - timedelta(days=job.settings.run.window_days),
    }
    suites = [load_suite(ROOT / "expectations" / f"{name}.json") for name in DATASETS if folder.has(name)]
    memory = job.settings.run.memory_limit_gb
    results = [
        check(s, folder.dataset(s.name), parameters, folder.path / "data_docs" / s.name, memory)
        for s in suites
    ]
    folder.write_document("validation", _document(results))
    report.leave_validation(job)
    job.say(table(*results))
    failed = [(result, failure) for result in results for failure in result.critical]
    if failed:
        raise ValidationFailed(
            f"{len(failed)} critical expectation{'s' if len(failed) > 1 else ''} failed",
            found="; ".join(f"{result.suite}: {failure}" for result, failure in failed),
            promised=", ".join(f"expectations/{result.suite}.json" for result in results if result.critical),
            then=f"mend the data or {job.settings.source.sql}/*.sql, then: python -m pipeline run extract "
            f"(what failed: {folder.path / VALIDATION}, and .json)",
        )
    return {
        "n_expectations": sum(result.n_expectations for result in results),
        "n_warnings": sum(len(result.failed) for result in results),
    }


def _document(results: list[Result]) -> dict[str, object]:
    return {
        "success": all(result.is_success for result in results),
        "suites": [{**result.to_json(), "held": _held(result)} for result in results],
        "failed": [f"{result.suite}: {failure}" for result in results for failure in result.failed],
    }


def _held(result: Result) -> list[dict[str, str]]:
    return [{"expectation": each.description, "severity": each.severity} for each in result.held]
