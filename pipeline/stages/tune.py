"""Find tonight's parameters and the model that is published, by Precision@3 on the validation set.

A search for better ALS parameters, where one is due; the rules' half-lives; then the race of all models.
The study is a journal in the run folder: a search that was killed goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pyarrow as pa

from pipeline import folds
from pipeline.config import Settings
from pipeline.contract import DATASETS
from pipeline.history import History, opened
from pipeline.judge import Judge
from pipeline.models.als import AlsFactors, AlsModel
from pipeline.params import HALF_LIVES, Params, due, known_by, unseen_by_search
from pipeline.race import Race, race
from pipeline.run import Counts, Job
from pipeline.search import NOTHING_TRIED, Search, search
from pipeline.standing import PLAIN_ALS, rule

JOURNAL = "study.journal"
GRID = (7.0, 14.0, 30.0, 60.0, 90.0, 180.0)
"""Half-lives in days that are tried for a rule."""


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `live`, `items` -> `trials`, `best_params`, `examples`."""
    folder, settings = job.folder, job.settings
    live = {} if settings.tune.mode == "never" else known_by(folder.document("live"), folder.as_of)
    live = unseen_by_search(live, folds.test(folder).cut_at)
    published = Params.published(live, settings)
    start = published or Params.configured(settings)
    begun = _begin(job, live, start)
    found, params = begun.search, begun.params
    items = folder.dataset("items") if folder.has("items") else None
    over = [folds.validation(folder), *folds.earlier(folder, settings.ranking.windows - 1)]
    ended = race(over, params, settings, items, folder.scratch(), job.say, begun.lost, begun.factors)
    standings = ended.standings()
    params = params.but(model=ended.winner())
    for row in standings:
        job.say(f"race: {row['model']}: {row['precision_at_3']:.4f}, NDCG@10 {row['ndcg_at_10']:.4f}")
    job.say(f"race: published is {ended.why()}")
    folder.write("trials", found.table())
    folder.write("examples", _examples(job, ended))
    document = {
        **params.dump(),
        **_origin(job, found, live if published else {}),
        "why": begun.why,
        "lost_before": dict(begun.lost),
        "chosen": ended.why(),
        "race": standings,
        "race_by_window": [row for lap in ended.laps for row in lap.rows],
    }
    folder.write_document("best_params", document)
    return {
        "model": params.model,
        "n_trials": len(found.complete),
        "n_pruned": found.n_pruned,
        "ended_by": found.ended_by,
        "source": document["source"],
        **params.als.model_dump(),
    }


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


def _begin(job: Job, live: Mapping[str, Any], start: Params) -> Begun:
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


def _examples(job: Job, ended: Race) -> pa.Table:
    dataset = DATASETS["examples"]
    schema = dataset.schema(job.settings.ids.model_dump())
    return pa.concat_tables([schema.empty_table(), *ended.examples])


def _origin(job: Job, found: Search, live: Mapping[str, Any]) -> dict[str, Any]:
    """Where tonight's parameters come from: `searched`, `reused` from the live version, or `settings`."""
    mode = job.settings.run.repeat_purchases
    if found.complete:
        return {
            "source": "searched",
            "searched_at": job.folder.as_of.isoformat(),
            "n_trials": len(found.complete),
            "n_pruned": found.n_pruned,
            "ended_by": found.ended_by,
            "precision_at_3": found.best().values[0],
            "repeat_purchases": mode,
            "tuned_until": folds.test(job.folder).cut_at.isoformat(),
        }
    kept = live.get("params") or {}
    return {
        "source": "reused" if kept else "settings",
        "searched_at": kept.get("searched_at"),
        "n_trials": 0,
        "n_pruned": 0,
        "ended_by": kept.get("ended_by", ""),
        "precision_at_3": kept.get("precision_at_3"),
        "repeat_purchases": kept.get("repeat_purchases", mode),
        "tuned_until": kept.get("tuned_until"),
    }
