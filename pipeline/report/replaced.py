"""The report's sentences about a rule whose lists go live in place of the chosen model's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.contract.measured import different_buyers, measured
from pipeline.report import words

Fallback = Mapping[str, Any]


def sentences(fallback: Fallback) -> list[str]:
    """Which rule replaces which model, why, by how much, and until when; empty where none ever did.

    fallback: the document of that name, from `decision`
    """
    reason, chosen = fallback.get("reason"), _quoted(fallback.get("chosen"))
    rule = _quoted(fallback.get("model"))
    if reason == "lost":
        return [
            f"They are the lists of a simple rule, {rule}, because the model that was chosen before the test,"
            f" {chosen}, lost to it there: {_by(fallback['lost_by'])}. Both are judged as they would be"
            " published: slots filled up, and only items that the shop has now.",
            "The rule was chosen on the test itself, so its figure is a little too good. The model's lists"
            " come back when it has not lost to a rule on two nights running.",
        ]
    if reason == "waiting":
        return [
            f"They are the lists of a simple rule, {rule}, to which the model had lost on an earlier night."
            f" Tonight {chosen} has not lost; its lists come back if it does not lose on the next night"
            " either."
        ]
    if reason == "back":
        nights = words.count(fallback["n_nights_not_lost"], "night")
        return [f"The model's lists, by {chosen}, are back: it has lost to no rule on {nights} running."]
    if reason == "not shown":
        return [
            f"The model that was chosen before the test, {chosen}, lost to a simple rule there, but by items"
            " that the shop does not have now: with those alone that it has, it did not."
        ]
    return []


def gain(fallback: Fallback) -> tuple[str, str] | None:
    """The rule's relative gain over the chosen model, and the words beside it; None where it is not known."""
    lost_by = fallback.get("lost_by") if fallback.get("model") else None
    if not lost_by or not lost_by["chosen_precision_at_3"]:
        return None
    share = -lost_by["difference"] / lost_by["chosen_precision_at_3"]
    return words.signed(share), "against the model chosen before the test (a little too good)"


def _by(lost_by: Mapping[str, Any]) -> str:
    model, rule = (words.of_100(lost_by[name]) for name in ("chosen_precision_at_3", "precision_at_3"))
    low, high = (words.of_100(-lost_by[end]) for end in ("ci_high", "ci_low"))
    by = f"{'by' if lost_by['n_users'] == different_buyers(lost_by) else 'in'} the same {measured(lost_by)}"
    return (
        f"of 100 items shown {model} were bought, of the rule's {rule}, {by}"
        f" (hardly chance: the 95{words.NBSP}% interval of the difference is {low} to {high})"
    )


def _quoted(model: str | None) -> str:
    return f"“{words.model(model).lower()}”" if model else ""
