"""What `evaluate` leaves of a night in which nobody can be measured: its datasets, empty, and why."""

from __future__ import annotations

from pipeline.contract.datasets import DATASETS
from pipeline.evaluation.cold_items import not_measured
from pipeline.evaluation.comparison import comparison, opponents
from pipeline.evaluation.fallback import no_fallback
from pipeline.evaluation.session_lists import not_judged
from pipeline.runs.job import Counts, Job

UNJUDGED = "nobody can be measured, so nothing is held out to judge them on"
EMPTY = ("metrics", "user_metrics", "segment_metrics", "latest_examples")


def leave_unjudged(job: Job) -> Counts:
    """Write every dataset of `evaluate` without rows, and its documents, which compare with nothing."""
    folder = job.folder
    for name in EMPTY:
        folder.write(name, DATASETS[name].schema(folder.ids).empty_table())
    folder.write_document("comparison", comparison(job, {}, None, opponents(job, {})))
    folder.write_document("fallback", no_fallback(job))
    folder.write_document("session_lists", not_judged(UNJUDGED))
    folder.write_document("cold_items", {**not_measured(UNJUDGED), "new_items": None})
    job.say("evaluate: nobody can be measured, so no model is judged")
    return {"n_measured_users": 0}
