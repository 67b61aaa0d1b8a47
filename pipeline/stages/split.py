"""Temporal split: the last days are held out, once to tune on and once to measure. Cuts are half-open."""

from __future__ import annotations

from datetime import datetime

from pipeline import engine
from pipeline.config import Split
from pipeline.errors import DataError
from pipeline.runs.job import Counts, Job
from pipeline.splits.folds import Cuts, cuts
from pipeline.splits.history import opened
from pipeline.splits.holdout import hold_out
from pipeline.times import utc

PARTS = ("train", "validation_set", "test")


def run(job: Job) -> Counts:
    """`purchaser_events` -> `train`, `validation_set`, `test` and the document `split`."""
    folder, how = job.folder, job.settings.split
    with engine.connect(job.settings.run.memory_limit_gb, job.settings.run.threads, folder.scratch()) as db:
        engine.view(db, "purchaser_events", folder.dataset("purchaser_events"))
        first_at = utc(engine.rows(db, "event_counts").read_all().to_pylist()[0]["first_at"])
        where = cuts(first_at, folder.as_of, how.test_days)
        if how.method == "time" and where.is_shortened:
            job.say(
                f"split: the history begins {first_at:%Y-%m-%d}, less than 3 x {how.test_days} days before"
                f" as_of: {where.test_days:.1f} days are held out instead"
            )
        engine.keep(db, "parts", *_statement(how, where, job.settings.run.seed))
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
        raise DataError(
            "nobody can be measured: no user bought before the cut and something relevant after it",
            found=f"{rows['train']:,} events to train on, {rows['validation_set']:,} to tune on,"
            f" {rows['test']:,} to measure on",
            promised="a user with a purchase on both sides of the cut"
            + (", the later one of an item new to that user" if job.settings.run.excludes_repeats else ""),
            then=("the last days hold no event: --as-of last; or " if not rows["test"] else "")
            + "choose a wider window_days, another test_days or --as-of"
            + (', or repeat_purchases = "allow"' if job.settings.run.excludes_repeats else ""),
        )
    return {**{f"n_{part}": n for part, n in rows.items()}, "n_measured_users": n_measured}


def _statement(how: Split, where: Cuts, seed: int) -> tuple[str, dict[str, object]]:
    """The SQL of the method, and the values it binds."""
    if how.method == "time":
        return "split_time", {"validation_from": where.validation_from, "test_from": where.test_from}
    if how.method == "random":
        return "split_random", {"seed": str(seed), "test_share": how.test_share}
    return "split_last_purchase", {}


def _n_measured(job: Job, cut_at: datetime) -> int:
    folder, settings = job.folder, job.settings
    before = [folder.file("train"), folder.file("validation_set")]
    with opened(before, cut_at, settings.filter, settings.run, folder.scratch()) as history:
        held_out = hold_out(
            history, folder.file("test"), is_repeat_relevant=not settings.run.excludes_repeats
        )
    return len(held_out.rows)
