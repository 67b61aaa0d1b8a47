"""Hold out the last days, once to tune on and once to measure; or rows at random, where those measure nobody.

Cuts in time are half-open.
"""

from __future__ import annotations

from pipeline.engines.current import tables
from pipeline.runs.job import Counts, Job
from pipeline.splits.chosen import Chosen, write_parts
from pipeline.splits.horizon import Cuts, cuts, in_words
from pipeline.splits.parts import WORTH
from pipeline.times import utc


def run(job: Job) -> Counts:
    """`purchaser_events` -> `train`, `validation_set`, `test` and the document `split`.

    Keys of the document: `method`, by which the parts are made; `asked`, the method of the settings;
    `unmeasured`, why that one measures nobody (splits/unmeasured.py), or null; `is_unjudged`, whether nobody
    is measured at all; `worth`, what a number of this method tells, empty where it is what people buy next;
    `validation_from`, `test_from`, `as_of`, `first_at`; `test_days`, how many days after a cut are asked
    about (null unless by time); `n_test_cuts` and `n_validation_cuts`, how many cuts, that far apart;
    `n_measured`, users whom the test measures, counted at each cut; `measured_at`, by part, how many at each
    cut (null unless by time); `asked_days`, the days of the settings; `horizon`, a sentence: which days, and
    why, or empty.

    Raises DataError where the filters leave nobody to make a list for.
    """
    folder, settings = job.folder, job.settings
    with tables(settings.run, folder.scratch()) as db:
        db.view("purchaser_events", folder.dataset("purchaser_events"))
        first_at = utc(db.row("event_counts")["first_at"])
        asked, excludes = settings.split.test_days, settings.run.excludes_repeats
        where = cuts(db, first_at, folder.as_of, asked, excludes_repeats=excludes)
        chosen = write_parts(job, db, where)
    document = {
        "method": chosen.how.method,
        "asked": settings.split.method,
        "unmeasured": chosen.unmeasured and chosen.unmeasured.dump(),
        "is_unjudged": not chosen.n_measured,
        "worth": WORTH[chosen.how.method],
        "test_days": where.test_days if chosen.is_timed else None,
        "n_test_cuts": len(where.of_test) if chosen.is_timed else 1,
        "n_validation_cuts": len(where.of_validation) if chosen.is_timed else 1,
        "n_measured": chosen.n_measured,
        "measured_at": _measured_at(where) if chosen.is_timed else None,
        "asked_days": asked,
        "horizon": in_words(where) if chosen.is_timed and chosen.n_measured else "",
        "validation_from": where.validation_from if chosen.is_timed else folder.as_of,
        "test_from": where.test_from if chosen.is_timed else folder.as_of,
        "as_of": folder.as_of,
        "first_at": first_at,
    }
    folder.write_document("split", document)
    for line in [*filter(None, [document["horizon"]]), *_lines(chosen)]:
        job.say(f"split: {line}")
    n_rows = {f"n_{part}": n for part, n in chosen.n_rows.items()}
    return {**n_rows, "n_measured_users": chosen.n_measured, "method": chosen.how.method}


def _measured_at(where: Cuts) -> dict[str, tuple[int, ...]]:
    """By part: how many users each of its cuts measures."""
    return {"validation_set": where.of_validation, "test": where.of_test}


def _lines(chosen: Chosen) -> list[str]:
    """What a person is told of a split that measures nobody, or that is not the one of the settings."""
    why, worth = chosen.unmeasured, WORTH[chosen.how.method]
    lines = [f"{chosen.how.method}: {worth}"] if worth else []
    if why is None:
        return lines
    if not chosen.n_measured:
        return [f"{why.what}; {why.found}", f"no model can be judged; what to do about it: {why.then}"]
    instead = f"rows are held out at random instead, and {chosen.n_measured:,} users are measured"
    others = [f"what else would measure somebody: {why.then}"] if why.then else []
    return [f"{why.what}; {why.found}", instead, *lines, *others]
