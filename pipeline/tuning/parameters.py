"""Tonight's parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from pipeline.config import Settings
from pipeline.evaluation.judge import Judge
from pipeline.models.als import AlsFactors, AlsModel
from pipeline.models.catalog import PLAIN_ALS, rule
from pipeline.models.params import HALF_LIVES, Params
from pipeline.runs.job import Job
from pipeline.splits import folds
from pipeline.splits.history import History, opened
from pipeline.tuning.reuse import due
from pipeline.tuning.search import NOTHING_TRIED, Search, search

JOURNAL = "study.journal"


GRID = (7.0, 14.0, 30.0, 60.0, 90.0, 180.0)


"""Half-lives in days that are tried for a rule."""


@dataclass(frozen=True)
class Begun:
    """What the validation set alone decides, before the race.

    why: there was a search, or none; lost: Precision@3 of models that need not race
    factors: ALS with `params`, fitted on what lies before the validation set; None: not yet
    """

    search: Search
    params: Params
    why: str
    lost: Mapping[str, float] = field(default_factory=dict)
    factors: AlsFactors | None = None


class Validation:
    """ALS on the validation set; what was asked about last is not fitted again."""

    def __init__(self, history: History, judge: Judge, settings: Settings) -> None:
        self._history, self._judge, self._settings = history, judge, settings
        self._last: tuple[AlsModel, AlsFactors, float] | None = None

    def precision_at_3(self, params: Params) -> float:
        """Of ALS with these parameters."""
        return self._fitted(params)[2]

    def factors(self, params: Params) -> AlsFactors:
        """ALS with these parameters."""
        return self._fitted(params)[1]

    def _fitted(self, params: Params) -> tuple[AlsModel, AlsFactors, float]:
        model = params.als_model(self._settings)
        if self._last is None or self._last[0] != model:
            factors = model.fit(self._history)
            self._last = (model, factors, self._judge.precision_at_3(factors))
        return self._last


def choose_parameters(job: Job, live: Mapping[str, Any], start: Params) -> Begun:
    """The search, where one is due; the rules' half-lives; whether plain ALS beats the tuned one."""
    folder, settings = job.folder, job.settings
    fold = folds.validation(folder)
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, folder.scratch()) as history:
        judge = Judge.of(history, fold, settings.run.repeat_purchases)
        if not judge.n_users:
            why = "nobody can be measured on the validation set; parameters stay as they were"
            job.say(f"tune: {why}")
            return Begun(NOTHING_TRIED, start, why)
        als = Validation(history, judge, settings)
        is_due, why = due(live, settings, folder.as_of, als.precision_at_3)
        job.say(f"tune: {why}")
        found, params = NOTHING_TRIED, start
        if is_due:
            journal = folder.path / JOURNAL
            found = search(_study_name(job, start), journal, history, judge, start, settings, job.say)
            params = found.best_params(start)
        reached: dict[str, dict[float, float]] = {name: {} for name in HALF_LIVES}
        for days, name in product(GRID, HALF_LIVES):
            model = rule(name, params.but(half_lives={name: days}), settings)
            reached[name][days] = judge.precision_at_3(model.fit(history))
        half_lives = {}
        for name, values in reached.items():
            best = max(GRID, key=lambda days: values[days])
            half_lives[name] = best if values[best] > 0 else start.half_lives[name]
            job.say(f"tune: {name}: half-life of {half_lives[name]:g} days, {values[best]:.4f}")
        plain = judge.precision_at_3(rule(PLAIN_ALS, params, settings).fit(history))
        tuned = found.best().values[0] if found.complete else als.precision_at_3(params)
        factors = found.factors if found.complete else als.factors(params)
        lost = {PLAIN_ALS: plain} if plain < tuned else {}
        if lost:
            job.say(f"race: {PLAIN_ALS} has {plain:.4f}, als {tuned:.4f}: it goes no further")
        return Begun(found, params.but(half_lives=half_lives), why, lost, factors)


def _study_name(job: Job, start: Params) -> str:
    """Names the input: another split, seed, search space or start is another study."""
    files = job.folder.receipt("split")["files"]
    settings = job.settings
    about = {
        "files": {name: told["sha256"] for name, told in files.items()},
        "ranges": settings.tune.ranges(),
        "start": [start.als.model_dump(), start.weights.model_dump()],
        "filter": settings.filter.model_dump(),
        "seed": settings.run.seed,
        "repeat_purchases": settings.run.repeat_purchases,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
