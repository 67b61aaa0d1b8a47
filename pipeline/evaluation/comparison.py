"""How the published model compares, on the same users: with the best rule, and with what is live now.

The live publication's model is fitted again on the same split, with the live parameters, so that both have
seen the same events. Where tonight's parameters are the live ones it stands in the table already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.evaluation import metrics
from pipeline.evaluation.at_cut import at
from pipeline.evaluation.judge import Judge
from pipeline.evaluation.metrics import PerUser
from pipeline.models.catalog import MODELS, RERANKERS, RULES
from pipeline.models.params import Params, known_by
from pipeline.ranking.reranker import fit_rerankers
from pipeline.runs.job import Job
from pipeline.splits import folds

Users = Mapping[str, Mapping[str, PerUser]]
MEASURE = "precision_at_3"


def comparison(job: Job, judge: Judge, users: Users) -> dict[str, Any]:
    """The document `comparison`: `published`, `against` (paired differences), `skipped` (and why).

    `chosen` and `race` tell why this model: the gate hands all of it on in `decision`.
    """
    best_params = job.folder.document("best_params")
    params = Params.read(best_params)
    told: dict[str, Any] = {
        "published": params.model,
        "repeat_purchases": judge.repeat_purchases,
        MEASURE: float(users["published"][MEASURE].mean()) if users else None,
        "chosen": best_params["chosen"],
        "race": best_params["race"],
        "against": [],
        "skipped": [],
    }
    if not users:
        told["skipped"].append({"against": "best_rule", "why": "nobody can be measured"})
        return told
    best = max(RULES, key=lambda name: (users[name][MEASURE].mean(), name))
    told["against"].append(
        {"against": "best_rule", "model": best, **_paired(job, users, users[best][MEASURE])}
    )
    live = known_by(job.folder.document("live"), job.folder.as_of)
    then = Params.published(live, job.settings)
    if why := _incomparable(job, live, then):
        told["skipped"].append({"against": "live", "why": why})
    elif then is not None:
        model, version = then.model, live["version"]
        job.say(f"evaluate: compared with {model} of version {version}, which is live, on the same split")
        others = _known(users, then, params)
        others = _refitted(job, then) if others is None else others
        if others is None:
            told["skipped"].append({"against": "live", "why": f"{model} cannot be fitted on this split"})
        else:
            row = {"against": "live", "version": version, "model": model, **_paired(job, users, others)}
            told["against"].append(row)
    return told


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


def _known(users: Users, then: Params, now: Params) -> PerUser | None:
    """What tonight's table tells of the live model; None where it does not.

    The table's rules are not filled as lists are published, so a rule that is not tonight's choice is not
    looked up there.
    """
    if not _is_same(then, now):
        return None
    if then.model == now.model:
        return users["published"][MEASURE]
    return users[then.model][MEASURE] if then.model in users and then.model not in RULES else None


def _is_same(then: Params, now: Params) -> bool:
    """Whether tonight's table holds the live model: fitted with the same parameters."""
    if then.model in then.half_lives:
        return then.half_lives[then.model] == now.half_lives[then.model]
    return then.model in RULES or (then.als == now.als and then.weights == now.weights)


def _refitted(job: Job, params: Params) -> PerUser | None:
    """Precision@3 of each measured user under `params`; None when there is nothing to learn from."""
    folder, settings = job.folder, job.settings
    items = folder.dataset("items") if folder.has("items") else None
    tables = []
    if params.model in RERANKERS:
        over = [folds.validation(folder), *folds.earlier(folder, settings.ranking.windows - 1)]
        for fold in over:
            with at(fold, params, settings, items, folder.scratch()) as (standing, judge):
                sample = judge.sampled(settings.ranking.most_users, settings.run.seed)
                tables.append(standing.examples(sample, fold))
    scorer = fit_rerankers(tables[::-1], settings, [params.model]).get(params.model)
    if params.model in RERANKERS and scorer is None:
        return None
    with at(folds.test(folder), params, settings, items, folder.scratch()) as (standing, judge):
        lists = judge.lists(standing.filled(standing.ranker(params.model, scorer)), 3)
        return metrics.precision_at_k(judge.hits(lists), 3)
