"""Publish or refuse, and why. The rules can all refuse; `force` overrides them and is recorded."""

from __future__ import annotations

from pipeline.config import ROOT
from pipeline.expectations import Failure, check, load_suite
from pipeline.run import Counts, Job
from pipeline.stages.recommend import longest_popular

LISTS = ("recommendations", "popular_items", "similar_items")
NEVER_EMPTY = LISTS[:2]


def run(job: Job) -> Counts:
    """Lists, `metrics` -> `decision`: `publish`, `forced`, `reasons` (why refused), what was looked at.

    A refusal is written down here; `publish` records it in the serving schema and then fails.
    """
    folder, lengths = job.folder, job.settings.recommend
    parameters = {
        "list_length": lengths.list_length,
        "popular_length": longest_popular(job.settings),
        "similar_length": lengths.similar_length,
    }
    rows = {name: _n_rows(job, name) for name in LISTS}
    reasons = [f"`{name}` is empty: no list could be made" for name in NEVER_EMPTY if not rows[name]]
    suites = {}
    for name in LISTS:
        if rows[name]:
            suite = load_suite(ROOT / "expectations" / f"{name}.json")
            memory_gb = job.settings.run.memory_limit_gb
            result = check(suite, folder.dataset(name), parameters, memory_gb=memory_gb)
            suites[name] = result.to_json()
            reasons += [f"`{name}`: {told(failure)}" for failure in result.critical]
    is_forced = bool(reasons) and job.force
    document = {
        "publish": not reasons or is_forced,
        "forced": is_forced,
        "reasons": reasons,
        "repeat_purchases": job.settings.run.repeat_purchases,
        "rows": rows,
        "suites": suites,
    }
    folder.write_document("decision", document)
    for reason in reasons:
        job.say(f"gate: {'forced, though ' if is_forced else 'refused: '}{reason}")
    verdict = "publish" if document["publish"] else "refuse"
    return {"verdict": verdict, "forced": int(is_forced), "n_reasons": len(reasons)}


def told(failure: Failure) -> str:
    """A failed expectation in a line: what, and how many rows."""
    amount = failure.observed if failure.n_rows is None else f"{failure.n_rows:,} rows"
    return f"not true: {failure.description} ({amount})"


def _n_rows(job: Job, name: str) -> int:
    return int(job.folder.receipt("recommend")["files"][f"{name}.parquet"]["rows"])
