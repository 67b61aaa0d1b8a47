"""How the chosen model compares, on the same users: with the best rule, and with what is live now.

Each comparison is a paired difference with a bootstrap interval over users. The live publication's model is
fitted again at the same cuts, with the live parameters, so that both have seen the same events. Where
tonight's parameters are the live ones, it has been judged with tonight's models already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from pipeline.contract.datasets import PUBLISHED
from pipeline.evaluation import metrics
from pipeline.evaluation.at_cut import at, judge_of, left_by, training_rows
from pipeline.evaluation.metrics import Clusters, PerUser
from pipeline.models.als import may_go_on
from pipeline.models.catalog import MODELS, NCF, is_reranker, raced, rules
from pipeline.models.item_factors import ItemFactors
from pipeline.models.params import Params, live_as_of
from pipeline.ranking.learnt import Learnt
from pipeline.runs.job import Job
from pipeline.runs.kept import NOT_KEPT, TABLE
from pipeline.splits import folds

Users = Mapping[str, Mapping[str, PerUser]]
Row = Mapping[str, Any]
MEASURE = "precision_at_3"
PARTS = ("train", "validation_set", "test")


@dataclass(frozen=True)
class Opponent:
    """What tonight's lists are compared with.

    against: `best_rule` or `live`
    version: of the live publication; None: the best rule
    values:  Precision@3 of each measurement
    """

    against: str
    model: str
    values: PerUser
    version: int | None = None

    def row(self, ours: PerUser, clusters: Clusters, seed: int) -> dict[str, Any]:
        """How lists with the Precision@3 `ours` of the same measurements compare: a row of `against`."""
        named = {"version": self.version} if self.version is not None else {}
        numbers = paired(ours, self.values, clusters, seed)
        return {"against": self.against, "model": self.model, **named, **numbers}


@dataclass(frozen=True)
class Opponents:
    """Everything that tonight's lists are compared with; skipped: what is not, and why."""

    best_rule: Opponent | None
    live: Opponent | None
    skipped: tuple[Mapping[str, str], ...]


def paired(ours: PerUser, others: PerUser, clusters: Clusters, seed: int) -> dict[str, Any]:
    """The other's mean Precision@3, and the paired difference to it with its interval.

    clusters: whose each measurement is; `n_users` counts measurements, `n_buyers` different users
    """
    difference, low, high = metrics.paired_interval(ours, others, seed, clusters)
    sizes = {"n_users": len(ours), "n_buyers": len(np.unique(clusters))}
    numbers = {"difference": difference, "ci_low": low, "ci_high": high, **sizes}
    return {MEASURE: float(others.mean()), **numbers}


def loss(row: Row) -> float:
    """The loss against the other model as a share of its Precision@3; below 0 is a gain."""
    lost, theirs = -float(row["difference"]), float(row[MEASURE])
    return lost / theirs if theirs else 0.0


def is_lost(row: Row, max_loss: float) -> bool:
    """Whether more than `max_loss` is lost, and chance does not explain it: the interval lies below zero."""
    return loss(row) > max_loss and bool(row["ci_high"] < 0)


def judged_along(job: Job) -> Params | None:
    """The live publication's parameters where its model is one of tonight's, with another variety at most.

    It is then judged with tonight's models; None: it is fitted again, or cannot be compared.
    """
    live = live_as_of(job.folder.document("live"), job.folder.as_of)
    then = Params.published(live, job.settings)
    if then is None or _incomparable(job, live, then) or then.model not in raced(job.settings):
        return None
    now = Params.read(job.folder.document("best_params"))
    return then if _is_same(then, now) and not _is_published(then, now) else None


def opponents(job: Job, users: Users, judged: PerUser | None = None) -> Opponents:
    """The best rule of the test, and the live publication's model at the same cuts.

    users: each model's metrics, one value for each measurement; empty where nobody can be measured
    judged: Precision@3 of what is live, where it was `judged_along`
    """
    if not users:
        return Opponents(None, None, ({"against": "best_rule", "why": "nobody can be measured"},))
    best = max(rules(), key=lambda name: (users[name][MEASURE].mean(), name))
    best_rule = Opponent("best_rule", best, users[best][MEASURE])
    live = live_as_of(job.folder.document("live"), job.folder.as_of)
    then = Params.published(live, job.settings)
    if (why := _incomparable(job, live, then)) or then is None:
        return Opponents(best_rule, None, ({"against": "live", "why": why},))
    model, version = then.model, live["version"]
    job.say(f"evaluate: compared with {model} of version {version}, which is live, at the same cuts")
    is_published = _is_published(then, Params.read(job.folder.document("best_params")))
    values = users[PUBLISHED][MEASURE] if is_published else judged
    values = fitted_again(job, then) if values is None else values
    if values is None:
        why = f"{model} cannot be fitted on this split"
        return Opponents(best_rule, None, ({"against": "live", "why": why},))
    return Opponents(best_rule, Opponent("live", model, values, version), ())


def comparison(job: Job, users: Users, clusters: Clusters | None, others: Opponents) -> dict[str, Any]:
    """The document `comparison`: `published`, `against` (paired differences), `skipped` (and why).

    users: as for `opponents`; `published` is what was chosen before the test was looked at
    clusters: whose each measurement is; None where nobody can be measured
    `chosen` and `race` say why this model was chosen; the gate copies them to `decision`.
    """
    best_params = job.folder.document("best_params")
    ours = users[PUBLISHED][MEASURE] if users else None
    rows = [
        other.row(ours, clusters, job.settings.run.seed)
        for other in (others.best_rule, others.live)
        if other and ours is not None and clusters is not None
    ]
    return {
        "published": best_params["model"],
        "repeat_purchases": job.settings.run.repeat_purchases,
        MEASURE: None if ours is None else float(ours.mean()),
        "chosen": best_params["chosen"],
        "race": best_params["race"],
        "against": rows,
        "skipped": [dict(skipped) for skipped in others.skipped],
    }


def _incomparable(job: Job, live: Mapping[str, Any], then: Params | None) -> str:
    """Why the live publication cannot be compared with; empty where it can."""
    mode = job.settings.run.repeat_purchases
    if not live:
        return "there is no live publication that this run may know"
    if live.get("repeat_purchases", mode) != mode:
        return (
            f"version {live['version']}, which is live, is of repeat_purchases = {live['repeat_purchases']}"
        )
    if (live.get("params") or {}).get("is_unjudged"):
        return f"the lists of version {live['version']}, which is live, are unjudged"
    if _is_chosen_on(live, folds.test_from(job.folder)):
        return f"the rule of version {live['version']}, which is live, was chosen on the days of this test"
    if then is not None and then.model == NCF and NCF not in raced(job.settings):
        return f"version {live['version']}, which is live, is of {NCF}, which models.race does not name"
    is_known = then is not None and then.model in MODELS
    return "" if is_known else f"the parameters of version {live['version']}, which is live, are unknown"


def _is_chosen_on(live: Mapping[str, Any], test_from: datetime) -> bool:
    """Whether the live lists are those of a rule that was chosen on a test no earlier than tonight's."""
    chosen = (live.get("fallback") or {}).get("chosen_on_test_from")
    return chosen is not None and datetime.fromisoformat(chosen) >= test_from


def _is_published(then: Params, now: Params) -> bool:
    """Whether tonight's lists are those of the live model with the live parameters."""
    return _is_same(then, now) and then.model == now.model and then.variety == now.variety


def _is_same(then: Params, now: Params) -> bool:
    """Whether the live model is fitted tonight with the same parameters."""
    if then.model in then.half_lives:
        return then.half_lives[then.model] == now.half_lives[then.model]
    return then.model in rules() or (then.als == now.als and then.weights == now.weights)


def fitted_again(job: Job, params: Params) -> PerUser | None:
    """Precision@3 of each measurement under `params`; None for a re-ranker without training rows.

    In a large shop ALS goes on from older cuts as tonight's does.
    """
    folder, settings = job.folder, job.settings
    items, is_taught = folder.optional("items"), is_reranker(params.model)
    has_older = is_taught or may_go_on(sum(folder.rows(part) for part in PARTS))
    kept = job.kept.within("live") if params.model != NCF else NOT_KEPT
    learnt, windows, values = Learnt(settings, names=[params.model]), settings.ranking.windows, []
    start: ItemFactors | None = None
    for fold in folds.for_learning(folder, windows) if has_older else ():
        with at(fold, params, settings, items, folder.scratch(), kept=kept, start=start) as models:
            start = models.factors.of_items()
            if is_taught:
                rows = kept.once(f"rows-{fold.name}", TABLE, partial(training_rows, models, fold))
                learnt.rows.append(rows)
    teaching = {fold.cut_at: fold for fold in folds.latest_for_learning(folder, windows)} if is_taught else {}
    tests, earlier = folds.tests(folder), None
    for fold in tests:
        scorer = learnt.by(fold.cut_at).get(params.model) if is_taught else None
        if is_taught and scorer is None:
            return None
        with at(
            fold, params, settings, items, folder.scratch(), earlier=earlier, kept=kept, start=start
        ) as models:
            start = models.factors.of_items()
            judge = judge_of(models, fold)
            lists = judge.lists(models.published(params.model, models.ranker(params.model, scorer)), 3)
            values.append(metrics.precision_at_k(judge.hits(lists), 3))
            if fold.cut_at in teaching:
                learnt.rows.append(training_rows(models, teaching[fold.cut_at]))
            if fold is not tests[-1]:
                earlier = left_by(models, fold, earlier)
    return np.concatenate(values)
