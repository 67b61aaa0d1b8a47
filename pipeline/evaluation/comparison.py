"""How the published model compares, on the same users: with the best rule, and with what is live now.

Each comparison is a paired difference with a bootstrap interval. The live publication's model is fitted
again on the same split, with the live parameters, so that both have seen the same events. Where tonight's
parameters are the live ones, it has been judged with tonight's models already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.evaluation import metrics
from pipeline.evaluation.at_cut import at
from pipeline.evaluation.metrics import PerUser
from pipeline.models.catalog import MODELS, is_reranker, rules
from pipeline.models.params import Params, live_as_of
from pipeline.ranking.reranker import Scorer, fit_rerankers
from pipeline.runs.job import Job
from pipeline.splits import folds

Users = Mapping[str, Mapping[str, PerUser]]
MEASURE = "precision_at_3"


def comparison(job: Job, users: Users) -> dict[str, Any]:
    """The document `comparison`: `published`, `against` (paired differences), `skipped` (and why).

    users: each model's metrics, one value for each measured user; empty where nobody can be measured
    `chosen` and `race` say why this model was chosen; the gate copies them to `decision`.
    """
    best_params = job.folder.document("best_params")
    params = Params.read(best_params)
    document: dict[str, Any] = {
        "published": params.model,
        "repeat_purchases": job.settings.run.repeat_purchases,
        MEASURE: float(users["published"][MEASURE].mean()) if users else None,
        "chosen": best_params["chosen"],
        "race": best_params["race"],
        "against": [],
        "skipped": [],
    }
    if not users:
        document["skipped"].append({"against": "best_rule", "why": "nobody can be measured"})
        return document
    best = max(rules(), key=lambda name: (users[name][MEASURE].mean(), name))
    document["against"].append(
        {"against": "best_rule", "model": best, **_paired(job, users, users[best][MEASURE])}
    )
    live = live_as_of(job.folder.document("live"), job.folder.as_of)
    then = Params.published(live, job.settings)
    if why := _incomparable(job, live, then):
        document["skipped"].append({"against": "live", "why": why})
    elif then is not None:
        model, version = then.model, live["version"]
        job.say(f"evaluate: compared with {model} of version {version}, which is live, on the same split")
        values = _judged_tonight(users, then, params)
        values = _fitted_again(job, then) if values is None else values
        if values is None:
            document["skipped"].append({"against": "live", "why": f"{model} cannot be fitted on this split"})
        else:
            row = {"against": "live", "version": version, "model": model, **_paired(job, users, values)}
            document["against"].append(row)
    return document


def _paired(job: Job, users: Users, others: PerUser) -> dict[str, float | int]:
    ours = users["published"][MEASURE]
    difference, low, high = metrics.paired_interval(ours, others, job.settings.run.seed)
    numbers = {"difference": difference, "ci_low": low, "ci_high": high, "n_users": len(ours)}
    return {MEASURE: float(others.mean()), **numbers}


def _incomparable(job: Job, live: Mapping[str, Any], then: Params | None) -> str:
    """Why the live publication cannot be compared with; empty where it can."""
    mode = job.settings.run.repeat_purchases
    if not live:
        return "there is no live publication that this run may know"
    if live.get("repeat_purchases", mode) != mode:
        return (
            f"version {live['version']}, which is live, is of repeat_purchases = {live['repeat_purchases']}"
        )
    is_known = then is not None and then.model in MODELS
    return "" if is_known else f"the parameters of version {live['version']}, which is live, are unknown"


def _judged_tonight(users: Users, then: Params, now: Params) -> PerUser | None:
    """Precision@3 of the live model, where one of tonight's is the same model; None where none is.

    Rules are judged without filling their empty slots, unlike published lists, so a rule counts as the same
    only where it is tonight's choice.
    """
    if not _is_same(then, now):
        return None
    if then.model == now.model:
        return users["published"][MEASURE]
    return users[then.model][MEASURE] if then.model in users and then.model not in rules() else None


def _is_same(then: Params, now: Params) -> bool:
    """Whether the live model is fitted tonight with the same parameters."""
    if then.model in then.half_lives:
        return then.half_lives[then.model] == now.half_lives[then.model]
    return then.model in rules() or (then.als == now.als and then.weights == now.weights)


def _fitted_again(job: Job, params: Params) -> PerUser | None:
    """Precision@3 of each measured user under `params`; None for a re-ranker without training rows."""
    folder, settings = job.folder, job.settings
    scorer = _scorer(job, params) if is_reranker(params.model) else None
    if is_reranker(params.model) and scorer is None:
        return None
    items = folder.optional("items")
    with at(folds.test(folder), params, settings, items, folder.scratch()) as (models, judge):
        lists = judge.lists(models.filled(models.ranker(params.model, scorer)), 3)
        return metrics.precision_at_k(judge.hits(lists), 3)


def _scorer(job: Job, params: Params) -> Scorer | None:
    """The re-ranker of `params`, learnt on the folds before the test, oldest first."""
    folder, settings = job.folder, job.settings
    items = folder.optional("items")
    tables = []
    for fold in reversed(folds.for_training(folder, settings.ranking.windows)):
        with at(fold, params, settings, items, folder.scratch()) as (models, judge):
            sample = judge.sampled(settings.ranking.most_users, settings.run.seed)
            tables.append(models.training_rows(sample.held_out, fold))
    return fit_rerankers(tables, settings, [params.model]).get(params.model)
