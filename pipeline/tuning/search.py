"""The search for ALS parameters: Optuna's tree-structured Parzen estimator over a journal in the run folder.

A search that was killed goes on where it stopped; one that had finished is only read again. What a trial
tries depends on the seed and on the trials that ended before it alone. Median pruning (Golovin et al. 2017,
Vizier): each trial is measured twice before its last iteration, and ends there if it is below the median of
the trials before it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import optuna
import pyarrow as pa
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, Trial, TrialState

from pipeline.config import Als, Settings
from pipeline.evaluation.judge import Judge
from pipeline.models.params import SEARCHED_WEIGHTS, Params
from pipeline.splits.history import History

ENDED = "ended"
FIRST_LOOK, SECOND_LOOK = 0.34, 0.67
"""When a trial may be pruned, in shares of its iterations."""
SEED_STRIDE = 10_007
"""More than the trials there can be, so that no two seeds of a run share a trial's seed."""
LOG_SCALED = ("factors", "regularization", "alpha", "half_life_days", "view", "cart")
WHOLE = ("factors", "iterations")


@dataclass(frozen=True)
class Search:
    """The trials of one study.

    trials:   so far; ended_by: "trials", "minutes", or "" while it runs
    n_users:  buyers that it looked at
    """

    trials: list[FrozenTrial]
    ended_by: str
    n_users: int = 0

    @property
    def complete(self) -> list[FrozenTrial]:
        return [trial for trial in self.trials if trial.state is TrialState.COMPLETE]

    @property
    def n_pruned(self) -> int:
        return sum(trial.state is TrialState.PRUNED for trial in self.trials)

    def best(self) -> FrozenTrial:
        """The highest; the earliest among equals."""
        return max(self.complete, key=lambda trial: (trial.values[0], -trial.number))

    def best_params(self, start: Params) -> Params:
        """Of the best trial; what was not searched stays as in `start`."""
        return _params(self.best().params, start)

    def table(self) -> pa.Table:
        """Rows of the dataset `trials`."""
        trials = self.trials
        return pa.table(
            {
                "trial": pa.array([t.number for t in trials], pa.int32()),
                "state": pa.array([t.state.name.lower() for t in trials], pa.string()),
                "precision_at_3": pa.array([_value(t) for t in trials], pa.float64()),
                "params": pa.array([json.dumps(t.params, sort_keys=True) for t in trials], pa.string()),
            }
        )


NOTHING_TRIED = Search([], "")


class LockOfTheRun(JournalFileSymlinkLock):
    """No lock of the journal's own: the lock of the run keeps every other process out.

    Optuna's is a link that a killed search leaves behind, and that the next one waits for without a word.
    """

    def acquire(self) -> bool:
        """Nothing to do."""
        return True

    def release(self) -> None:
        """Nothing to do."""


def search(
    name: str,
    journal: Path,
    history: History,
    judge: Judge,
    start: Params,
    settings: Settings,
    say: Callable[[str], None],
) -> Search:
    """Try `tune.trials` parameter sets, or as many as `tune.minutes` allow (one at least)."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _cut_torn_end(journal)
    study = optuna.create_study(
        study_name=name,
        storage=JournalStorage(JournalFileBackend(str(journal), LockOfTheRun(str(journal)))),
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        load_if_exists=True,
    )
    for killed in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(killed.number, state=TrialState.FAIL)
    wanted = settings.tune.trials
    ended = study.user_attrs.get(ENDED, {})
    if ended.get("trials") == wanted:
        return Search(list(study.trials), ended["by"], history.shape[0])
    ranges = _ranges(settings, history)
    n_done = len(_done(study))
    if not n_done and not study.get_trials(states=(TrialState.WAITING,)):
        study.enqueue_trial(_within(start, ranges))
    until = time.monotonic() + 60 * settings.tune.minutes
    while n_done < wanted and (not n_done or time.monotonic() < until):
        seed = (SEED_STRIDE * settings.run.seed + n_done) % 2**32
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=6, seed=seed)
        outcome = _try(study, ranges, history, judge, start, settings)
        n_done += 1
        say(f"tune: trial {n_done} of {wanted}: {outcome}")
    by = "trials" if n_done >= wanted else "minutes"
    study.set_user_attr(ENDED, {"trials": wanted, "by": by})
    return Search(list(study.trials), by, history.shape[0])


def _cut_torn_end(journal: Path) -> None:
    """Cut off a last line without its end, of a write that a kill or a full disk has cut short."""
    if journal.exists():
        content = journal.read_bytes()
        os.truncate(journal, content.rfind(b"\n") + 1)


def _try(
    study: optuna.Study,
    ranges: dict[str, tuple[float, float]],
    history: History,
    judge: Judge,
    start: Params,
    settings: Settings,
) -> str:
    """Run one trial. Returns its outcome in a line."""
    trial = study.ask()
    chosen = {name: _suggest(trial, name, *span) for name, span in ranges.items()}
    model = _params(chosen, start).als_model(settings)
    n = model.params.iterations
    looks = {max(1, round(share * n)) for share in (FIRST_LOOK, SECOND_LOOK)} - {n}
    tried = ", ".join(f"{name} {_short(value)}" for name, value in chosen.items())
    value = 0.0
    for iteration, factors in enumerate(model.fitting(history), 1):
        if iteration in looks or iteration == n:
            value = judge.precision_at_3(factors)
        if iteration in looks:
            trial.report(value, len([look for look in looks if look < iteration]))
            if trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                return f"cut off at iteration {iteration} of {n}, Precision@3 {value:.4f} ({tried})"
    study.tell(trial, value)
    return f"Precision@3 {value:.4f} ({tried})"


def _done(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _ranges(settings: Settings, history: History) -> dict[str, tuple[float, float]]:
    """The searched ranges; the weights of views and carts only where the history has such events."""
    kinds = history.event_types()
    return {
        name: span
        for name, span in settings.tune.ranges().items()
        if name not in ("view", "cart") or name in kinds
    }


def _suggest(trial: Trial, name: str, low: float, high: float) -> float:
    if name in WHOLE:
        return trial.suggest_int(name, int(low), int(high), log=name in LOG_SCALED)
    return trial.suggest_float(name, low, high, log=name in LOG_SCALED)


def _within(start: Params, ranges: dict[str, tuple[float, float]]) -> dict[str, float]:
    """The parameters of `start`, each moved into its searched range: what the first trial tries."""
    values = {**start.als.model_dump(), **start.weights.model_dump()}
    return {name: min(max(values[name], low), high) for name, (low, high) in ranges.items()}


def _params(values: dict[str, float], start: Params) -> Params:
    weights = {name: value for name, value in values.items() if name in SEARCHED_WEIGHTS}
    als = {name: value for name, value in values.items() if name not in SEARCHED_WEIGHTS}
    return start.but(als=Als.model_validate(als), weights=start.weights.model_copy(update=weights))


def _value(trial: FrozenTrial) -> float | None:
    """Precision@3 at the end, or where it was cut off."""
    return trial.values[0] if trial.values else next(reversed(trial.intermediate_values.values()), None)


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3g}"
