"""The rules of the gate, over numbers alone; `decision` puts what they found into one document.

Each rule tells its refusals, its warnings, what it could not judge and the numbers it looked at.
None of them says what is done about it: `force` can override every one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from pipeline.validation.checks import Failure, Result

AGAINST = {"best_rule": "the best rule", "live": "the live publication's model"}
"""What `comparison` may hold the published model against, for a person."""

PATIENCE = 3
"""Refusals in a row for shrinking alone, after which a shop is taken to have become smaller."""


@dataclass(frozen=True)
class Finding:
    """What one rule found.

    kind:        the name of the rule: output, precision, shrink or age
    is_let_pass: it would have refused, and did not because it had refused often enough
    numbers:     everything the rule looked at, for JSON
    """

    kind: str
    numbers: Mapping[str, Any]
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    is_let_pass: bool = field(default=False, kw_only=True)


def output(rows: Mapping[str, int], suites: Mapping[str, Result], may_be_empty: Iterable[str]) -> Finding:
    """The lists against their suites: a critical expectation that fails refuses, another one warns.

    rows:   rows of each kind of list; none is refused, save those that `may_be_empty`
    suites: how each kind that has rows met its suite
    """
    empty = [name for name in rows if not rows[name] and name not in may_be_empty]
    refusals = [f"`{name}` is empty: no list could be made" for name in empty]
    warnings: list[str] = []
    for name, result in suites.items():
        for failure in result.failed:
            lines = refusals if failure.severity == "critical" else warnings
            lines.append(f"`{name}`: {told(failure)}")
    numbers = {"rows": dict(rows), "suites": {name: result.to_json() for name, result in suites.items()}}
    return Finding("output", numbers, tuple(refusals), tuple(warnings))


def told(failure: Failure) -> str:
    """A failed expectation in a line: what, and how many rows."""
    amount = failure.observed if failure.n_rows is None else f"{failure.n_rows:,} rows"
    return f"not true: {failure.description} ({amount})"


def precision(comparison: Mapping[str, Any], max_loss: float) -> Finding:
    """The published model against the best rule and the live model, on the same users of the same days.

    comparison: the document of that name, as `evaluate` writes it

    Refuses a Precision@3 that is lower by more than `max_loss` (a share of the other's) when the paired
    interval of the difference lies wholly below zero; with an interval that reaches zero it warns.
    """
    refusals, warnings = [], []
    for other in comparison["against"]:
        if _loss(other) <= max_loss:
            continue
        line = _loss_line(comparison, other)
        if other["ci_high"] < 0:
            refusals.append(f"{line}; at most {max_loss:.1%} may be lost")
        else:
            warnings.append(f"{line}; chance may explain it")
    whys = dict.fromkeys(AGAINST, "nobody was measured")
    whys |= {each["against"]: each["why"] for each in comparison["skipped"]}
    judged = {each["against"] for each in comparison["against"]}
    skipped = [f"not held against {AGAINST[name]}: {why}" for name, why in whys.items() if name not in judged]
    numbers = {"comparison": dict(comparison), "max_loss": max_loss}
    return Finding("precision", numbers, tuple(refusals), tuple(warnings), tuple(skipped))


def _loss(other: Mapping[str, Any]) -> float:
    """What is lost to the other model, as a share of its Precision@3; below 0 where it is won."""
    lost, whole = -float(other["difference"]), float(other["precision_at_3"])
    return lost / whole if whole else 0.0


def _loss_line(comparison: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    whose = AGAINST[other["against"]] + (f", version {other['version']}" if other.get("version") else "")
    return (
        f"Precision@3 {comparison['precision_at_3']:.4f} of {comparison['published']} is {_loss(other):.1%}"
        f" below {other['precision_at_3']:.4f} of {other['model']} ({whose}), 95 % interval of the difference"
        f" {other['ci_low']:+.4f} to {other['ci_high']:+.4f}, {other['n_users']:,} users"
    )


def shrink(n_users: int, n_items: int, live: Mapping[str, Any], max_shrink: float) -> Finding:
    """Users with a list, and different items in the lists, against the median of the last publications.

    live: the document of that name: `recent`, `n_refused_for_shrink`

    Refuses when the share `max_shrink` of either is exceeded by what is missing; after PATIENCE refusals
    in a row for this alone it warns, and the lists are let pass.
    """
    recent, n_refused = live.get("recent") or [], live.get("n_refused_for_shrink", 0)
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
    lines = []
    for name, now in (("users", n_users), ("items", n_items)):
        usual = median(row[f"n_{name}"] for row in recent)
        numbers[f"median_n_{name}"] = usual
        missing = (usual - now) / usual if usual else 0.0
        if missing > max_shrink:
            shown = f"{usual:,.1f}".removesuffix(".0")
            lines.append(
                f"{now:,} {name}, {missing:.1%} fewer than {shown}, the median of the last publications"
                f" ({len(recent)}); at most {max_shrink:.1%} may be missing"
            )
    if lines and n_refused >= PATIENCE:
        warnings = [f"{line}; let pass after {n_refused} refusals in a row for this alone" for line in lines]
        return Finding("shrink", numbers, warnings=tuple(warnings), is_let_pass=True)
    return Finding("shrink", numbers, tuple(lines))


def age(newest: datetime, as_of: datetime, max_age_hours: float) -> Finding:
    """The newest event, of any kind, counted back from `as_of`."""
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


def decision(findings: Iterable[Finding], *, force: bool) -> dict[str, Any]:
    """The document `decision`, less what the stage adds.

    Keys: publish, forced (published although rules refuse), reasons (why they do, a line each),
    refused_for (the kinds of these rules), warnings, let_pass (kinds that refused often enough), skipped
    (`{"rule", "why"}`), and under each rule's kind the numbers it looked at; those of `output` are `rows`
    and `suites`.
    """
    found = list(findings)
    reasons = [line for each in found for line in each.refusals]
    numbers: dict[str, Any] = {each.kind: dict(each.numbers) for each in found}
    return {
        "publish": not reasons or force,
        "forced": bool(reasons) and force,
        "reasons": reasons,
        "refused_for": [each.kind for each in found if each.refusals],
        "warnings": [line for each in found for line in each.warnings],
        "let_pass": [each.kind for each in found if each.is_let_pass],
        "skipped": [{"rule": each.kind, "why": line} for each in found for line in each.skipped],
        **numbers.pop("output", {}),
        **numbers,
    }
