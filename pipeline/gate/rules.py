"""The rules of the gate: each takes numbers and returns a `Finding`; `decision` combines them.

A finding holds reasons to refuse, warnings, what could not be judged, and the numbers that were compared.
Only `decision` says whether the lists are published: `force` overrides every rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from pipeline.contract.measured import measured
from pipeline.evaluation.comparison import is_lost, loss
from pipeline.models.catalog import is_same_for_all
from pipeline.validation.checks import Failure, Result

AGAINST = {"best_rule": "the best rule", "live": "the live publication's model"}
"""What tonight's lists may be compared with, in words."""

UNKNOWN = {
    "users": ("buyers", "they have no lists"),
    "items": ("items bought", "they have no name and no category, and count as available"),
}
"""For whom the shop has a table of its own -> who is unknown to it, and what follows."""

PATIENCE = 3
"""After so many refusals in a row for shrinking alone, a shop counts as having become smaller."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one rule.

    kind:        the name of the rule: output, judged, precision, shrink, age or known
    numbers:     the values that the rule compared, for JSON
    refusals:    reasons not to publish, a sentence each
    warnings:    what to look at though it is published
    skipped:     what could not be judged, and why
    is_let_pass: whether a refusal became a warning after PATIENCE refusals in a row
    """

    kind: str
    numbers: Mapping[str, Any]
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    is_let_pass: bool = field(default=False, kw_only=True)


def output(rows: Mapping[str, int], suites: Mapping[str, Result], may_be_empty: Iterable[str]) -> Finding:
    """Refuses empty lists and failed critical expectations; warns of other failed expectations.

    rows:         number of rows of each list dataset
    suites:       the check of each dataset that has rows
    may_be_empty: datasets that are not refused when empty
    """
    empty = [name for name in rows if not rows[name] and name not in may_be_empty]
    refusals = [f"`{name}` is empty: no list could be made" for name in empty]
    warnings: list[str] = []
    for name, result in suites.items():
        for failure in result.failed:
            lines = refusals if failure.severity == "critical" else warnings
            lines.append(f"`{name}`: {_failure_line(failure)}")
    numbers = {"rows": dict(rows), "suites": {name: result.to_json() for name, result in suites.items()}}
    return Finding("output", numbers, tuple(refusals), tuple(warnings))


def _failure_line(failure: Failure) -> str:
    amount = failure.observed if failure.n_rows is None else f"{failure.n_rows:,} rows"
    return f"not true: {failure.description} ({amount})"


def judged(
    split: Mapping[str, Any], live: Mapping[str, Any], as_of: datetime, mode: str, *, may_publish: bool
) -> Finding:
    """Warns of lists that nobody could be measured for; refuses them where they would replace judged ones.

    split, live: the documents of these names
    as_of, mode: the end of this run's window, and its `run.repeat_purchases`: what is live in the other mode
                 is replaced, what is newer is not replaced anyway
    may_publish: `gate.publish_unjudged`; False: refuses them always
    """
    is_unjudged = bool(split.get("is_unjudged"))
    numbers = {"is_unjudged": is_unjudged, "may_publish": may_publish}
    if not is_unjudged:
        return Finding("judged", numbers)
    why = split["unmeasured"]
    line = f"unjudged: {why['what']} ({why['found']}). To have the lists judged: {why['then']}"
    if not may_publish:
        return Finding("judged", numbers, (f"{line}; gate.publish_unjudged = false publishes no others",))
    is_judged = live.get("repeat_purchases") == mode and live.get("precision_at_3") is not None
    if is_judged and datetime.fromisoformat(live["as_of"]) <= as_of:
        stays = (
            f"version {live['version']}, which is live, was judged (Precision@3"
            f" {live['precision_at_3']:.4f}), and unjudged lists do not replace it"
        )
        return Finding("judged", numbers, (f"{line}; {stays}",))
    return Finding("judged", numbers, warnings=(line,))


def precision(
    comparison: Mapping[str, Any], max_loss: float, fallback: Mapping[str, Any] | None = None
) -> Finding:
    """Refuses lists that are worse than the best rule or the live model, on the same users and days.

    comparison: the document of that name, as `evaluate` writes it
    max_loss:   the loss of Precision@3 that is allowed, as a share of the other model's Precision@3
    fallback:   the document of that name: where a rule's lists go live in place of the chosen model's, the
                rule is compared, with the live model alone. None: no rule does

    A larger loss is refused when the 95 % interval of the paired difference lies wholly below zero; when it
    reaches zero, the rule warns.
    """
    fallback = fallback or {"model": None, "reason": None, "lost_by": None}
    is_fallback, reason = fallback["model"] is not None, fallback["reason"]
    compared = fallback if is_fallback else comparison
    model = fallback["model"] if is_fallback else comparison["published"]
    is_excused = not is_fallback and fallback["lost_by"] is not None  # it lost by what cannot be shown
    refusals, warnings = [], [fallback["why"]] if reason == "lost" or is_excused else []
    for other in compared["against"]:
        if loss(other) <= max_loss or (is_excused and other["against"] == "best_rule"):
            continue
        line = _loss_line(model, other)
        if is_lost(other, max_loss):
            refusals.append(f"{line}; at most {max_loss:.1%} may be lost")
        else:
            warnings.append(f"{line}; chance may explain it")
    whys = dict.fromkeys(["live"] if is_fallback else AGAINST, "nobody was measured")
    whys |= {other["against"]: other["why"] for other in compared["skipped"]}
    judged = {other["against"] for other in compared["against"]}
    skipped = [f"not held against {AGAINST[name]}: {why}" for name, why in whys.items() if name not in judged]
    numbers = {"comparison": dict(comparison), "max_loss": max_loss}
    return Finding("precision", numbers, tuple(refusals), tuple(warnings), tuple(skipped))


def _loss_line(model: str, other: Mapping[str, Any]) -> str:
    whose = AGAINST[other["against"]] + (f", version {other['version']}" if other.get("version") else "")
    ours = other["precision_at_3"] + other["difference"]
    return (
        f"Precision@3 {ours:.4f} of {model} is {loss(other):.1%}"
        f" below {other['precision_at_3']:.4f} of {other['model']} ({whose}), 95 % interval of the difference"
        f" {other['ci_low']:+.4f} to {other['ci_high']:+.4f}, {measured(other)}"
    )


def shrink(n_users: int, n_items: int, live: Mapping[str, Any], max_shrink: float, model: str) -> Finding:
    """Refuses when users with a list, or different items in the lists, are far fewer than usual.

    live:       the document of that name; read are `recent` and `n_refused_for_shrink`
    max_shrink: the share of the median of the recent publications that may be missing
    model:      whose lists they are. Lists that are the same for everybody hold few items, so their number
                is held against publications of that kind alone, and that of other lists against the rest

    After PATIENCE refusals in a row for this rule alone, it warns instead.
    """
    recent, n_refused = live.get("recent") or [], live.get("n_refused_for_shrink", 0)
    alike = [row for row in recent if is_same_for_all(row.get("model")) == is_same_for_all(model)]
    numbers: dict[str, Any] = {
        "n_users": n_users,
        "n_items": n_items,
        "n_publications": len(recent),
        "n_refused_in_a_row": n_refused,
        "max_shrink": max_shrink,
    }
    if not recent:
        why = "numbers of users and items not held against any: nothing of this mode was published before"
        return Finding("shrink", numbers, skipped=(why,))
    lines, skipped = [], []
    for name, now, publications in (("users", n_users, recent), ("items", n_items, alike)):
        if not publications:
            skipped.append(f"number of items not held against any: no lists like those of {model} were live")
            continue
        usual = median(row[f"n_{name}"] for row in publications)
        numbers[f"median_n_{name}"] = usual
        missing = (usual - now) / usual if usual else 0.0
        if missing > max_shrink:
            shown = f"{usual:,.1f}".removesuffix(".0")
            lines.append(
                f"{now:,} {name}, {missing:.1%} fewer than {shown}, the median of the last publications"
                f" ({len(publications)}); at most {max_shrink:.1%} may be missing"
            )
    if lines and n_refused >= PATIENCE:
        warnings = [f"{line}; let pass after {n_refused} refusals in a row for this alone" for line in lines]
        return Finding("shrink", numbers, (), tuple(warnings), tuple(skipped), is_let_pass=True)
    return Finding("shrink", numbers, tuple(lines), skipped=tuple(skipped))


def age(newest: datetime, as_of: datetime, max_age_hours: float) -> Finding:
    """Refuses when the newest event, of any kind, is more than `max_age_hours` older than `as_of`."""
    hours = (as_of - newest) / timedelta(hours=1)
    numbers = {
        "newest_event": newest.isoformat(),
        "hours": round(hours, 3),
        "max_age_hours": max_age_hours,
    }
    if hours <= max_age_hours:
        return Finding("age", numbers)
    line = (
        f"the newest event, of {newest.isoformat(timespec='seconds')}, lies {hours:,.1f} hours before as_of,"
        f" {as_of.isoformat(timespec='seconds')}; at most {max_age_hours:g} are allowed"
    )
    return Finding("age", numbers, (line,))


def known(left_out: Mapping[str, Any], max_unknown: float) -> Finding:
    """Warns of buyers whom `users` lacks, and of bought items that `items` lacks, above a share of them.

    left_out:    the numbers of that name in the document `validation`
    max_unknown: the share that may be unknown

    `validate` refuses where nearly all are unknown.
    """
    numbers: dict[str, Any] = {"max_unknown": max_unknown}
    warnings = []
    for kind, (who, so) in UNKNOWN.items():
        counts = left_out.get(kind, {})
        n_bought, n_unknown = counts.get("n_bought", 0), counts.get("n_unknown", 0)
        numbers |= {f"n_unknown_{kind}": n_unknown, f"n_bought_{kind}": n_bought}
        if n_unknown > max_unknown * n_bought:
            warnings.append(
                f"{counts['file']} does not have {n_unknown:,} of {n_bought:,} {who}"
                f" ({n_unknown / n_bought:.1%}): {so}; at most {max_unknown:.1%} are expected"
            )
    return Finding("known", numbers, warnings=tuple(warnings))


def decision(findings: Iterable[Finding], *, force: bool) -> dict[str, Any]:
    """The document `decision`, without what the stage adds.

    Keys: `publish`; `forced` (published although a rule refuses); `reasons` (the refusals, a line each);
    `refused_for` (the kinds of the rules that refuse); `warnings`; `let_pass` (kinds whose refusal became a
    warning); `skipped` (`{"rule", "why"}`); and under each rule's kind its numbers, save those of `output`,
    which are the keys `rows` and `suites`.
    """
    findings = list(findings)
    reasons = [line for finding in findings for line in finding.refusals]
    numbers: dict[str, Any] = {finding.kind: dict(finding.numbers) for finding in findings}
    return {
        "publish": not reasons or force,
        "forced": bool(reasons) and force,
        "reasons": reasons,
        "refused_for": [finding.kind for finding in findings if finding.refusals],
        "warnings": [line for finding in findings for line in finding.warnings],
        "let_pass": [finding.kind for finding in findings if finding.is_let_pass],
        "skipped": [{"rule": finding.kind, "why": line} for finding in findings for line in finding.skipped],
        **numbers.pop("output", {}),
        **numbers,
    }
