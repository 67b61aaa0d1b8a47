"""Temporal split: the last days are held out, once to tune on and once to measure. Cuts are half-open."""

from __future__ import annotations

from datetime import datetime

from pipeline import engine
from pipeline.runs.job import Counts, Job
from pipeline.splits.folds import cuts
from pipeline.splits.history import opened
from pipeline.splits.holdout import hold_out
from pipeline.splits.parts import PARTS, keep_parts
from pipeline.splits.unmeasured import nobody_measured, nobody_takes_part
from pipeline.times import utc


def run(job: Job) -> Counts:
    """`purchaser_events` -> `train`, `validation_set`, `test` and the document `split`.

    Raises DataError where the filters leave out every buyer, and NobodyMeasured, with the settings that
    would help, where no buyer is measured.
    """
    folder, settings, how = job.folder, job.settings, job.settings.split
    with engine.connect(settings.run.memory_limit_gb, settings.run.threads, folder.scratch()) as db:
        engine.view(db, "purchaser_events", folder.dataset("purchaser_events"))
        first_at = utc(engine.rows(db, "event_counts").read_all().to_pylist()[0]["first_at"])
        where = cuts(first_at, folder.as_of, how.test_days)
        if how.method == "time" and where.is_shortened:
            job.say(
                f"split: the history begins {first_at:%Y-%m-%d}, less than 3 x {how.test_days} days before"
                f" as_of: {where.test_days:.1f} days are held out instead"
            )
        keep_parts(db, how, where, settings.run.seed)
        rows = {part: folder.write(part, engine.rows(db, "part", {"part": part})) for part in PARTS}
        is_timed = how.method == "time"
        document = {
            "method": how.method,
            "test_days": where.test_days if is_timed else None,
            "validation_from": where.validation_from if is_timed else folder.as_of,
            "test_from": where.test_from if is_timed else folder.as_of,
            "as_of": folder.as_of,
            "first_at": first_at,
        }
        folder.write_document("split", document)
        n_measured = _n_measured(job, where.test_from if is_timed else folder.as_of)
        if not n_measured:
            raise nobody_measured(db, settings, folder.as_of, rows)
    return {**{f"n_{part}": n for part, n in rows.items()}, "n_measured_users": n_measured}


def _n_measured(job: Job, cut_at: datetime) -> int:
    folder, settings = job.folder, job.settings
    before = [folder.file("train"), folder.file("validation_set")]
    with opened(before, cut_at, settings.filter, settings.run, folder.scratch()) as history:
        is_repeat_relevant = not settings.run.excludes_repeats
        held_out = hold_out(history, folder.file("test"), is_repeat_relevant=is_repeat_relevant)
        if len(held_out.rows) and not history.shape[0]:
            raise nobody_takes_part(history, settings.filter)
    return len(held_out.rows)
