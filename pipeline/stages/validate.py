"""Check the shop's data against its expectations; a critical failure stops the run."""

from __future__ import annotations

from datetime import timedelta

from pipeline import report
from pipeline.errors import ValidationFailed
from pipeline.runs.job import Counts, Job
from pipeline.runs.pages import VALIDATION
from pipeline.validation import duplicates
from pipeline.validation.checks import Result, check, document, table
from pipeline.validation.odd_values import look_through
from pipeline.validation.old_times import with_old_times
from pipeline.validation.shop_ids import compare
from pipeline.validation.suites import SOURCE_SUITES, project_suite


def run(job: Job) -> Counts:
    """`events`, what else the shop has of its own datasets, `serving` -> `validation`.

    Its page is written too, and both before anything is refused. Raises ValidationFailed, which names every
    critical expectation that failed; warnings are counted and logged.
    """
    folder = job.folder
    folder.drop("validation")
    (folder.path / VALIDATION).unlink(missing_ok=True)
    parameters = {
        "as_of": folder.as_of,
        "window_start": folder.as_of - timedelta(days=job.settings.run.window_days),
    }
    suites = [project_suite(name) for name in SOURCE_SUITES if folder.has(name)]
    memory = job.settings.run.memory_limit_gb
    beside, left_out = compare(job)
    beside |= look_through(job) | duplicates.find(job)
    if listed := folder.optional("items") or folder.optional("item_embeddings"):
        beside["listed_items"] = listed
    results = [check(suite, folder.dataset(suite.name), parameters, memory, beside) for suite in suites]
    counts = folder.receipt("extract").get("counts", {})
    results[0] = with_old_times(results[0], counts.get("n_before_1990", 0), counts.get("oldest", ""))
    folder.write_document("validation", {**document(results), "left_out": left_out})
    report.leave_validation(job)
    job.say(table(*results))
    failed = [(result, failure) for result in results for failure in result.critical]
    if failed:
        raise ValidationFailed(
            f"{len(failed)} critical expectation{'s' if len(failed) > 1 else ''} failed",
            found="; ".join(f"{result.suite}: {failure}" for result, failure in failed),
            promised=", ".join(f"expectations/{result.suite}.json" for result in results if result.critical),
            then=_then(job, results),
        )
    return {
        "n_expectations": sum(result.n_expectations for result in results),
        "n_warnings": sum(len(result.failed) for result in results),
    }


def _then(job: Job, results: list[Result]) -> str:
    """What to do next, with the files that the refused rows come from."""
    files = " and ".join(job.file_of(result.suite) for result in results if result.critical)
    if job.files:
        return f"mend {files}, then the same again"
    page = job.folder.path / VALIDATION
    return f"mend the data or {files}, then: python -m pipeline run extract (what failed: {page}, and .json)"
