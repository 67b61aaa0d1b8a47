"""Check the shop's data against its expectations; a critical failure stops the run."""

from __future__ import annotations

from datetime import timedelta

from pipeline import report
from pipeline.errors import ValidationFailed
from pipeline.runs.job import Counts, Job
from pipeline.runs.pages import VALIDATION
from pipeline.validation.checks import check, document, table
from pipeline.validation.old_times import with_old_times
from pipeline.validation.suites import SOURCE_SUITES, project_suite


def run(job: Job) -> Counts:
    """`events`, `items` and `users` (the last two where the shop has them) -> `validation`.

    Its page and GX's Data Docs are written too, and all three before anything is refused. Raises
    ValidationFailed, which names every critical expectation that failed; warnings are counted and logged.
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
    results = [
        check(suite, folder.dataset(suite.name), parameters, folder.path / "data_docs" / suite.name, memory)
        for suite in suites
    ]
    counts = folder.receipt("extract").get("counts", {})
    results[0] = with_old_times(results[0], counts.get("n_before_1990", 0), counts.get("oldest", ""))
    folder.write_document("validation", document(results))
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
