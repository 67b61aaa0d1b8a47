"""Hold out the last days, once to tune on and once to measure; or rows at random, where those measure nobody.

Cuts in time are half-open.
"""

from __future__ import annotations

from pipeline import engine
from pipeline.runs.job import Counts, Job
from pipeline.splits.chosen import Chosen, write_parts
from pipeline.splits.folds import cuts
from pipeline.splits.horizon import days_of
from pipeline.splits.parts import WORTH
from pipeline.times import utc


def run(job: Job) -> Counts:
    """`purchaser_events` -> `train`, `validation_set`, `test` and the document `split`.

    Keys of the document: `method`, by which the parts are made; `asked`, the method of the settings;
    `unmeasured`, why that one measures nobody (splits/unmeasured.py), or null; `is_unjudged`, whether nobody
    is measured at all; `worth`, what a number of this method tells, empty where it is what people buy next;
    `validation_from`, `test_from`, `as_of`, `first_at`; `test_days`, how many days after a cut are asked
    about (null unless by time); `n_test_cuts` and `n_validation_cuts`, how many cuts, that far apart;
    `n_measured`, users whom the test measures, counted at each cut; `asked_days`, the days of the settings;
    `horizon`, a sentence: which days, and why.

    Raises DataError where the filters leave nobody to make a list for.
    """
    folder, settings = job.folder, job.settings
    with engine.connect(settings.run.memory_limit_gb, settings.run.threads, folder.scratch()) as db:
        engine.view(db, "purchaser_events", folder.dataset("purchaser_events"))
        first_at = utc(engine.rows(db, "event_counts").read_all().to_pylist()[0]["first_at"])
        where = cuts(first_at, folder.as_of, days_of(settings.split))
        if settings.split.method == "time" and where.is_shortened:
            job.say(
                f"split: the history begins {first_at:%Y-%m-%d}, less than 3 x {days_of(settings.split)}"
                f" days before as_of: {where.test_days:.1f} days are held out instead"
            )
        chosen = write_parts(job, db, where)
    document = {
        "method": chosen.how.method,
        "asked": settings.split.method,
        "unmeasured": chosen.unmeasured and chosen.unmeasured.dump(),
        "is_unjudged": not chosen.n_measured,
        "worth": WORTH[chosen.how.method],
        "test_days": where.test_days if chosen.is_timed else None,
        "n_test_cuts": where.n_test_cuts if chosen.is_timed else 1,
        "n_validation_cuts": where.n_validation_cuts if chosen.is_timed else 1,
        "n_measured": chosen.n_measured,
        "asked_days": settings.split.test_days,
        "horizon": _horizon(where.test_days) if chosen.is_timed else "",
        "validation_from": where.validation_from if chosen.is_timed else folder.as_of,
        "test_from": where.test_from if chosen.is_timed else folder.as_of,
        "as_of": folder.as_of,
        "first_at": first_at,
    }
    folder.write_document("split", document)
    for line in _lines(chosen):
        job.say(f"split: {line}")
    n_rows = {f"n_{part}": n for part, n in chosen.n_rows.items()}
    return {**n_rows, "n_measured_users": chosen.n_measured, "method": chosen.how.method}


def _horizon(days: float) -> str:
    return f"judged by what buyers bought within {days:.3g} days of getting the list"


def _lines(chosen: Chosen) -> list[str]:
    """What a person is told of a split that measures nobody, or that is not the one of the settings."""
    why, worth = chosen.unmeasured, WORTH[chosen.how.method]
    told = [f"{chosen.how.method}: {worth}"] if worth else []
    if why is None:
        return told
    if not chosen.n_measured:
        return [f"{why.what}; {why.found}", f"no model can be judged; what to do about it: {why.then}"]
    instead = f"rows are held out at random instead, and {chosen.n_measured:,} users are measured"
    others = [f"what else would measure somebody: {why.then}"] if why.then else []
    return [f"{why.what}; {why.found}", instead, *told, *others]
