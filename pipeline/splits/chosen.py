"""The split of a night: by the method of the settings, or at random where cuts in time measure nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from pipeline import advice
from pipeline.config import Split
from pipeline.engines.tables import Tables
from pipeline.runs.job import Job
from pipeline.splits.history import opened, takes_anybody
from pipeline.splits.horizon import Cuts
from pipeline.splits.parts import PARTS, keep_parts
from pipeline.splits.unmeasured import Unmeasured, n_on_both_sides, nobody_takes_part, why_unmeasured

INSTEAD = "random"
"""The method that is taken by itself where `time` measures nobody and this one measures somebody."""


@dataclass(frozen=True)
class Chosen:
    """The parts, as they are written.

    how:        the settings by which they are made; where: the cuts, if it is by time
    n_rows:     the rows of each part
    n_measured: users who bought before a cut of the test, and after it something that counts, at each cut
    unmeasured: why the method of the settings measures nobody; None where it measures somebody
    """

    how: Split
    where: Cuts
    n_rows: dict[str, int]
    n_measured: int
    unmeasured: Unmeasured | None = None

    @property
    def is_timed(self) -> bool:
        """Whether they are cut by time."""
        return self.how.method == "time"


def write_parts(job: Job, db: Tables, where: Cuts) -> Chosen:
    """Write `train`, `validation_set` and `test`. db: has `purchaser_events`

    Raises DataError where the filters leave nobody to make a list for.
    """
    asked = _write(job, db, job.settings.split, where)
    if asked.n_measured:
        return asked
    why = _why(job, db, asked)
    if asked.is_timed:
        instead = _write(job, db, asked.how.model_copy(update={"method": INSTEAD}), where)
        if instead.n_measured:
            return replace(instead, unmeasured=_for_shop(job, why.without(INSTEAD)))
        _write(job, db, asked.how, where)
    return replace(asked, unmeasured=_for_shop(job, why))


def _for_shop(job: Job, why: Unmeasured) -> Unmeasured:
    """The same, naming the shop's own settings file."""
    return replace(why, then=advice.in_files(why.then, job.config))


def _write(job: Job, db: Tables, how: Split, where: Cuts) -> Chosen:
    keep_parts(db, how, where, job.settings.run.seed)
    n_rows = {part: job.folder.write(part, _rows(job, db, how, part)) for part in PARTS}
    made = Chosen(how, where, n_rows, 0)
    settings = job.settings
    if not takes_anybody(*_before_the_test(job, made), settings.filter, settings.run, job.folder.scratch()):
        return made
    if made.is_timed:
        return replace(made, n_measured=where.n_measured)
    return replace(made, n_measured=n_on_both_sides(db, excludes_repeats=settings.run.excludes_repeats))


def _rows(job: Job, db: Tables, how: Split, part: str) -> Iterator[pa.RecordBatch]:
    """Of one part. Of rows that are drawn, a user's may lie anywhere."""
    values = {"part": part}
    if how.method == "random":
        return db.rows("part", values)
    return db.rows_by_user("purchaser_events", job.folder.dataset("purchaser_events"), "part", values)


def _before_the_test(job: Job, made: Chosen) -> tuple[list[Path], datetime]:
    """The files of what lies before the test, and when it ends."""
    before = [job.folder.file("train"), job.folder.file("validation_set")]
    return before, made.where.test_from if made.is_timed else job.folder.as_of


def _why(job: Job, db: Tables, asked: Chosen) -> Unmeasured:
    """Why the parts measure nobody: because of the filters, or of who bought when."""
    folder, settings, who = job.folder, job.settings, job.settings.filter
    left_out = None
    if n_on_both_sides(db, excludes_repeats=settings.run.excludes_repeats):
        before = _before_the_test(job, asked)
        with opened(*before, who, settings.run, folder.scratch()) as history:
            left_out = nobody_takes_part(history, who)
    events = [folder.dataset("purchaser_events")]
    with opened(events, folder.as_of, who, settings.run, folder.scratch()) as history:
        if not history.shape[0]:
            raise left_out or nobody_takes_part(history, who)
    if left_out:
        what = "nobody can be measured: the filters leave out every buyer before the cut"
        return Unmeasured(what, left_out.found, left_out.promised, left_out.then)
    return why_unmeasured(db, settings, folder.as_of, asked.n_rows)
