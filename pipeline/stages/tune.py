"""Search for better parameters with Optuna, judged by Precision@3 on the validation set.

The study is a journal in the run folder: a search that was killed goes on where it stopped, and a
search that had finished is only read again. It starts from the live publication's parameters.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import optuna
import pyarrow as pa
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from pipeline.config import Als, Settings
from pipeline.files import utc
from pipeline.history import History, opened
from pipeline.judge import Judge
from pipeline.params import Params, is_search_due, known_by
from pipeline.run import Counts, Job

JOURNAL = "study.journal"
ENDED = "ended_at_trials"
SEARCHED = ("factors", "iterations", "regularization", "alpha", "half_life_days")


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `live` -> `trials`, `best_params`."""
    folder, settings = job.folder, job.settings
    live = known_by(folder.document("live"), folder.as_of)
    cut_at = utc(datetime.fromisoformat(folder.document("split")["validation_from"]))
    start = Params.published(live, settings) or Params.configured(settings)
    if settings.tune.mode == "never":
        start = Params.configured(settings)
    trials: list[optuna.trial.FrozenTrial] = []
    if is_search_due(live, settings, folder.as_of):
        train = [folder.dataset("train")]
        with opened(train, cut_at, settings.filter, settings.run, folder.scratch()) as history:
            judge = Judge.of(history, folder.dataset("validation_set"), settings.run.repeat_purchases)
            if judge.n_users:
                trials = _search(job, history, judge, start)
            else:
                job.say("tune: nobody can be measured on the validation set; parameters stay as they were")
    folder.write("trials", _table(trials))
    best = _best(trials, start, settings)
    document = {**best.dump(), **_origin(trials, live, settings, folder.as_of)}
    folder.write_document("best_params", document)
    return {"n_trials": len(_complete(trials)), "source": document["source"], **best.als.model_dump()}


def _search(job: Job, history: History, judge: Judge, start: Params) -> list[optuna.trial.FrozenTrial]:
    """Try `tune.trials` parameter sets, or as many as `tune.minutes` allow (one at least); all so far.

    What a trial tries depends on the seed and the finished trials alone, so a search that goes on
    after a kill is the search that was not killed. One that came to its end is only read again.
    """
    settings = job.settings
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=_study_name(job),
        storage=JournalStorage(JournalFileBackend(str(job.folder.path / JOURNAL))),
        direction="maximize",
        load_if_exists=True,
    )
    for killed in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(killed.number, state=TrialState.FAIL)
    if study.user_attrs.get(ENDED) == settings.tune.trials:
        return list(study.trials)
    n_done = len(_complete(study.trials))
    if not n_done and not study.get_trials(states=(TrialState.WAITING,)):
        study.enqueue_trial(_within(start, settings))
    until = time.monotonic() + 60 * settings.tune.minutes
    while n_done < settings.tune.trials and (not n_done or time.monotonic() < until):
        study.sampler = optuna.samplers.TPESampler(seed=settings.run.seed + n_done)
        trial = study.ask()
        value = judge.precision_at_3(_suggest(trial, settings).model(settings).fit(history))
        study.tell(trial, value)
        n_done += 1
        told = ", ".join(f"{name} {_short(trial.params[name])}" for name in SEARCHED)
        job.say(f"tune: trial {n_done} of {settings.tune.trials}: Precision@3 {value:.4f} ({told})")
    study.set_user_attr(ENDED, settings.tune.trials)
    return list(study.trials)


def _study_name(job: Job) -> str:
    """Names the input: another split, seed or search space is another study."""
    files = job.folder.receipt("split")["files"]
    about = {
        "files": {name: told["sha256"] for name, told in files.items()},
        "tune": job.settings.tune.model_dump(
            mode="json", exclude={"mode", "trials", "minutes", "tune_every_days"}
        ),
        "weights": job.settings.weights.model_dump(),
        "filter": job.settings.filter.model_dump(),
        "seed": job.settings.run.seed,
        "repeat_purchases": job.settings.run.repeat_purchases,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def _suggest(trial: optuna.trial.Trial, settings: Settings) -> Params:
    space = settings.tune
    als = Als(
        factors=trial.suggest_int("factors", *space.factors, log=True),
        iterations=trial.suggest_int("iterations", *space.iterations),
        regularization=trial.suggest_float("regularization", *space.regularization, log=True),
        alpha=trial.suggest_float("alpha", *space.alpha, log=True),
    )
    half_life_days = trial.suggest_float("half_life_days", *space.half_life_days, log=True)
    return Params(als, settings.weights.model_copy(update={"half_life_days": half_life_days}))


def _within(start: Params, settings: Settings) -> dict[str, float]:
    """Where the search starts, moved into the searched ranges."""
    values = {**start.als.model_dump(), "half_life_days": start.weights.half_life_days}
    ranges = settings.tune.model_dump()
    return {name: min(max(values[name], ranges[name][0]), ranges[name][1]) for name in SEARCHED}


def _best(trials: list[optuna.trial.FrozenTrial], start: Params, settings: Settings) -> Params:
    """The best trial's parameters, the earliest among equals; `start` when nothing was tried."""
    complete = _complete(trials)
    if not complete:
        return start
    best = max(complete, key=lambda trial: (trial.values[0], -trial.number))
    als = {name: value for name, value in best.params.items() if name != "half_life_days"}
    weights = settings.weights.model_copy(update={"half_life_days": best.params["half_life_days"]})
    return Params(Als(**als), weights)


def _origin(
    trials: list[optuna.trial.FrozenTrial], live: Mapping[str, Any], settings: Settings, as_of: datetime
) -> dict[str, object]:
    """Where tonight's parameters come from: `searched`, `reused` from the live version, or `settings`."""
    complete = _complete(trials)
    if complete:
        return {
            "source": "searched",
            "searched_at": as_of.isoformat(),
            "n_trials": len(complete),
            "precision_at_3": max(trial.values[0] for trial in complete),
            "repeat_purchases": settings.run.repeat_purchases,
        }
    kept = live.get("params") or {}
    if settings.tune.mode == "never" or Params.published(live, settings) is None:
        kept = {}
    return {
        "source": "reused" if kept else "settings",
        "searched_at": kept.get("searched_at"),
        "n_trials": 0,
        "precision_at_3": kept.get("precision_at_3"),
        "repeat_purchases": kept.get("repeat_purchases", settings.run.repeat_purchases),
    }


def _table(trials: list[optuna.trial.FrozenTrial]) -> pa.Table:
    return pa.table(
        {
            "trial": pa.array([t.number for t in trials], pa.int32()),
            "state": pa.array([t.state.name.lower() for t in trials], pa.string()),
            "precision_at_3": pa.array([t.values[0] if t.values else None for t in trials], pa.float64()),
            "params": pa.array([json.dumps(t.params, sort_keys=True) for t in trials], pa.string()),
        }
    )


def _complete(trials: list[optuna.trial.FrozenTrial]) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in trials if trial.state is TrialState.COMPLETE]


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3g}"
