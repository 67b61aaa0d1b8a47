"""Look through the prices, discounts and ratings of events in one pass, for the suite `events` to read.

Its queries read the table `odd_values` beside the events, which has a row for each item and finding:
(finding, severity, item_id, n_events, value, usual), as `sql/transform/odd_values.sql` says. It is empty
where events carry none.
"""

from __future__ import annotations

from pathlib import Path

from pipeline import engine
from pipeline.runs.job import Job

TABLE = "odd_values"


def look_through(job: Job) -> dict[str, Path]:
    """The table for the suite (name -> Parquet file in the run's scratch folder)."""
    folder, run = job.folder, job.settings.run
    target = folder.scratch() / f"{TABLE}.parquet"
    values = {"is_rating_weighed": job.settings.weights.rating_weight == "multiply"}
    with engine.connect(run.memory_limit_gb, run.threads, folder.scratch()) as db:
        engine.view(db, "events", folder.dataset("events"))
        engine.keep(db, TABLE, "odd_values", values)
        db.table(TABLE).write_parquet(str(target))
    return {TABLE: target}
