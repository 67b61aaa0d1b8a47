"""The report's part about tuning: trials, parameter importance, the race of models, parameters chosen."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipeline.report import charts, words
from pipeline.report.charts import Bar, Dot
from pipeline.runs.folder import RunFolder

FEWEST_TRIALS = 8
"""Completed trials below which no importance of parameters is shown."""

MOST_FEATURES = 12


def tuning(folder: RunFolder) -> dict[str, Any] | None:
    """`sentences`, `chosen` (why), `params`; the charts `trials`, `mattered`, `race`, `features`, or None.

    None before `tune`.
    """
    if not folder.has("best_params"):
        return None
    params = folder.document("best_params")
    trials = folder.table("trials").to_pylist() if folder.has("trials") else []
    mattered = importance(trials)
    return {
        "sentences": _sentences(params, trials),
        "trials": _trials(trials),
        "mattered": _shares({words.PARAMETERS.get(name, name): share for name, share in mattered.items()}),
        "race": _race(params.get("race") or [], params.get("model")),
        "chosen": str(params.get("chosen") or ""),
        "features": _features(folder, params),
        "params": _params(params),
    }


def _sentences(params: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> list[str]:
    source, why = params.get("source"), str(params.get("why") or "")
    if source == "searched":
        n_pruned = params.get("n_pruned", 0)
        tried = words.count(len(trials), "set of parameters was", "sets of parameters were")
        ended = words.ENDED.get(str(params.get("ended_by")), "")
        sentences = [f"{tried} tried{f', {n_pruned} of them cut off early' if n_pruned else ''}."]
        sentences += [f"The search ended {ended}."] if ended else []
        n_searched, n_buyers = (int(params.get(name) or 0) for name in ("n_searched", "n_buyers"))
        if n_searched < n_buyers:
            sentences.append(f"It looked at {n_searched:,} of {n_buyers:,} buyers.")
    elif source == "reused":
        at = params.get("searched_at")
        when = f", found on {words.date(at)}" if at else ""
        sentences = [f"Nothing was searched: the parameters of what is live were used again{when}."]
    else:
        sentences = ["Nothing was searched: the parameters are those of config.toml."]
    return [*sentences, f"Why: {why.partition(': ')[2] or why}."] if why else sentences


def _trials(trials: Sequence[Mapping[str, Any]]) -> Markup | None:
    dots = [
        Dot(
            row["precision_at_3"],
            f"trial {row['trial'] + 1}, {'cut off' if row['state'] == 'pruned' else row['state']}:"
            f" {words.of_100(row['precision_at_3'])} ({_listed(json.loads(row['params']))})",
            "ours" if row["state"] == "complete" else "pruned",
        )
        for row in trials
        if row["precision_at_3"] is not None
    ]
    if not dots:
        return None
    label = f"bought of 100 shown on the validation days, for each of {len(dots)} trials"
    return charts.tries(dots, ["first trial", "last trial"] if len(dots) > 1 else ["one trial"], label)


def importance(trials: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Each parameter's share in reaching the best quarter of the trials (PED-ANOVA, Watanabe et al. 2023).

    trials: rows of the dataset of that name

    The Optuna study is rebuilt from the rows; a parameter's range is that of the values tried. Empty with
    fewer than FEWEST_TRIALS completed trials, or where no parameter or no result differs.
    """
    done = [row for row in trials if row["state"] == "complete"]
    if len(done) < FEWEST_TRIALS:
        return {}
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tried = [json.loads(row["params"]) for row in done]
    ranges: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(min(values), max(values))
        for name in tried[0]
        if min(values := [float(params[name]) for params in tried if name in params]) < max(values)
        and len(values) == len(tried)
    }
    if not ranges or len({row["precision_at_3"] for row in done}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(direction="maximize")
        for row, params in zip(done, tried, strict=True):
            kept = {name: float(params[name]) for name in ranges}
            study.add_trial(
                optuna.trial.create_trial(params=kept, distributions=ranges, value=row["precision_at_3"])
            )
        evaluator = PedAnovaImportanceEvaluator(target_quantile=0.25)
        shares = get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items()}


def _shares(shares: Mapping[str, float]) -> Markup | None:
    if not shares:
        return None
    ordered = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    return charts.bars([Bar(name, share, words.percent(share, 0)) for name, share in ordered])


def _race(results: Sequence[Mapping[str, Any]], chosen: str | None) -> Markup | None:
    """Precision@3 of each model on the validation days, by which the model was chosen."""
    if not results:
        return None
    return charts.bars(
        [
            Bar(
                words.model(row["model"]),
                row["precision_at_3"],
                words.of_100(row["precision_at_3"]),
                kind="ours" if row["model"] == chosen else "",
                note="chosen" if row["model"] == chosen else "",
            )
            for row in results
        ]
    )


def _features(folder: RunFolder, params: Mapping[str, Any]) -> Markup | None:
    """The features with the largest share of the trees' gain, largest first."""
    model = folder.document("model") if folder.has("model") else {}
    shares: Mapping[str, float] = model.get("importance") or params.get("importance") or {}
    ordered = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_FEATURES]
    return _shares({words.feature(name): share for name, share in ordered})


def _params(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The parameters of ALS, the weights of events, and the half-lives of the rules, with their names."""
    flat = {**params.get("als", {}), **params.get("weights", {})}
    params_shown = [
        (words.PARAMETERS.get(name, words.plain(name)), _number(value)) for name, value in flat.items()
    ]
    lives = params.get("half_lives", {})
    return params_shown + [
        (f"half-life of “{words.model(n).lower()}”, days", _number(v)) for n, v in lives.items()
    ]


def _listed(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in params.items())


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
