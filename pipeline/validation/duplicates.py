"""Find the events that occur more than once, for the suite `events` to read.

Its queries read the table `duplicates` beside the events: (the columns of an event, times), as
`sql/transform/duplicates.sql` says. They are found in ranges of users, each of which fits into memory.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import engine
from pipeline.contract.datasets import DATASETS
from pipeline.runs.job import Job
from pipeline.user_ranges import Events

TABLE = "duplicates"


def find(job: Job) -> dict[str, Path]:
    """The table for the suite (name -> Parquet file in the run's scratch folder)."""
    folder, run = job.folder, job.settings.run
    target = folder.scratch() / f"{TABLE}.parquet"
    schema = DATASETS["events"].schema(folder.ids).append(pa.field("times", pa.int64()))
    with engine.connect(run.memory_limit_gb, run.threads, folder.scratch()) as db:
        events = Events.of(db, "events", folder.dataset("events"), run.memory_limit_gb)
        with pq.ParquetWriter(target, schema) as writer:
            for batch in events.rows(db, TABLE):
                writer.write_batch(batch.cast(schema))
    return {TABLE: target}
