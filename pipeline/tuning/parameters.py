"""Tonight's parameters, chosen on the validation fold: of ALS by a search, of the rules by a grid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from pipeline import progress
from pipeline.evaluation.judge import Judge
from pipeline.models.catalog import build
from pipeline.models.params import HALF_LIVES, Params
from pipeline.runs.job import Job
from pipeline.splits import folds
from pipeline.splits.history import History, Some, opened
from pipeline.tuning.reuse import Decision, due_by_precision, due_by_record, due_by_split
from pipeline.tuning.search import NOTHING_TRIED, Search, search

JOURNAL = "study.journal"
"""Optuna's journal in the run folder: a search that was killed goes on where it stopped."""

SEARCHED = 100_000
"""Buyers that a search looks at, and up to a tenth more who are measured; of more buyers some are drawn."""
GRID = (3.0, 7.0, 14.0, 30.0, 60.0, 90.0, 180.0)
"""Half-lives in days that are tried for a rule."""


@dataclass(frozen=True)
class Chosen:
    """What the validation fold alone decides, before the race.

    search:  the trials; NOTHING_TRIED where no search was due
    params:  with which models are raced
    why:     why there was a search, or none
    precision_at_3, n_buyers: what ALS reaches there among all buyers, and how many these are, where a search
             was due
    """

    search: Search
    params: Params
    why: str
    precision_at_3: float | None = None
    n_buyers: int = 0


def choose_parameters(job: Job, live: Mapping[str, Any], start: Params) -> Chosen:
    """Search where one is due, and choose the rules' half-lives.

    live:  what this run may know of the live publication
    start: the live parameters, or those of config.toml: where the search begins, or what is used again
    """
    folder, settings = job.folder, job.settings
    over = folds.for_search(folder)
    before, cut_at = over[0].before, over[0].cut_at
    with opened(before, cut_at, settings.filter, settings.run, folder.scratch()) as history:
        run = settings.run
        judge = Judge.of(history, *over, excludes_repeats=run.excludes_repeats, threads=run.threads)
        if not judge.n_users:
            why = "nobody can be measured on the validation set; parameters stay as they were"
            job.say(f"tune: {why}")
            return Chosen(NOTHING_TRIED, start, why)
        decision = _decide(live, start, history, judge, job)
        job.say(f"tune: {decision.why}")
        trials, params, precision = NOTHING_TRIED, start, None
        if decision.is_due:
            trials = _search(job, start, history, judge)
            params = trials.best_params(start)
            precision = float(trials.best().values[0])
            if trials.n_users < history.shape[0]:
                precision = judge.precision_at_3(params.als_model(settings).fit(history))
        half_lives = _half_lives(params, start, history, judge, job)
        n_buyers = history.shape[0]
    return Chosen(trials, params.but(half_lives=half_lives), decision.why, precision, n_buyers)


def _search(job: Job, start: Params, history: History, judge: Judge) -> Search:
    """Search on the validation fold; in a large shop on about SEARCHED of its buyers: its cost is bounded.

    history, judge: of all buyers
    """
    folder, settings = job.folder, job.settings
    name, journal = _study_name(job, start), folder.path / JOURNAL
    n_buyers = history.shape[0]
    if n_buyers <= SEARCHED:
        return search(name, journal, history, judge, start, settings, job.say)
    over, run = folds.for_search(folder), settings.run
    before, cut_at = over[0].before, over[0].cut_at
    some = Some(SEARCHED, judge.held_out.sampled(SEARCHED // 10, run.seed).user_ids)
    with opened(before, cut_at, settings.filter, run, folder.scratch(), some=some) as history:
        judge = Judge.of(history, *over, excludes_repeats=run.excludes_repeats, threads=run.threads)
        job.say(f"tune: the search looks at {history.shape[0]:,} of {n_buyers:,} buyers")
        return search(name, journal, history, judge.served(), start, settings, job.say)


def _decide(live: Mapping[str, Any], start: Params, history: History, judge: Judge, job: Job) -> Decision:
    """Whether a search is due; ALS is fitted with the parameters of `start` where nothing else tells."""
    settings = job.settings
    decision = due_by_record(live, settings, job.folder.as_of)
    split = job.folder.document("split")
    decision = decision or due_by_split(live, split["method"])
    if decision is not None:
        return decision
    precision = judge.precision_at_3(start.als_model(settings).fit(history))
    return due_by_precision(live, settings, precision, split["test_days"])


def _half_lives(params: Params, start: Params, history: History, judge: Judge, job: Job) -> dict[str, float]:
    """Of each rule that has one, in days: the best of GRID, that of `start` where none finds anything.

    The rules take turns at each half-life, because they share the history's matrix of purchases.
    """
    precision: dict[str, dict[float, float]] = {name: {} for name in HALF_LIVES}
    tried = list(product(GRID, HALF_LIVES))
    for days, name in progress.over(tried, "half-lives", len(tried), "rules", lambda _: 1):
        model = build(name, params.but(half_lives={name: days}), job.settings)
        precision[name][days] = judge.precision_at_3(model.fit(history))
    half_lives = {}
    for name, values in precision.items():
        best = max(GRID, key=lambda days: values[days])
        half_lives[name] = best if values[best] > 0 else start.half_lives[name]
        job.say(f"tune: {name}: half-life of {half_lives[name]:g} days, {values[best]:.4f}")
    return half_lives


def _study_name(job: Job, start: Params) -> str:
    """A hash of what the search depends on: another split, seed, search space or start is another study."""
    files = job.folder.receipt("split")["files"]
    settings = job.settings
    inputs = {
        "files": {name: entry["sha256"] for name, entry in files.items()},
        "ranges": settings.tune.ranges(),
        "start": [start.als.model_dump(), start.weights.model_dump()],
        "filter": settings.filter.model_dump(),
        "seed": settings.run.seed,
        "repeat_purchases": settings.run.repeat_purchases,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
