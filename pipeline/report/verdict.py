"""The report's verdict in sentences: published or refused and why, and how it compares with the best rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.contract.measured import different_buyers, measured
from pipeline.contract.stages import STAGES
from pipeline.report import held_out, replaced, words
from pipeline.report.words import FEW_BUYERS
from pipeline.runs import receipts
from pipeline.runs.folder import RunFolder

ROWS_ARE_IN = (
    "The rows that failed and what to do next are in validation.html, beside this page; in Airflow, under the"
    " button Validation of the task “validate”."
)

UNJUDGED = "unjudged: "
"""How the gate's line about unjudged lists begins, for which the page has sentences of its own."""

Content = dict[str, Any]


def verdict(
    folder: RunFolder, mode: str, ours: Mapping[str, Any] | None, publication: Mapping[str, Any] | None
) -> Content:
    """`state` (good, warn or bad), `word`, `sentences`, `reasons` (of a refusal), `warnings`, `skipped`.

    ours:        the row of `metrics` of the published lists; None: nobody was measured
    publication: what `publish` recorded; None: it has not
    """
    decision = folder.document("decision") if folder.has("decision") else None
    if decision is None:
        return _stopped(folder)
    content = _judged(decision, publication)
    why = replaced.sentences(decision.get("fallback") or {})
    content["sentences"] = [content.pop("opening"), *_worth(folder, mode, ours), *why, *_against(decision)]
    return content


def _stopped(folder: RunFolder) -> Content:
    """A run that has not reached the gate: the data stopped it, or it has not finished."""
    why = receipts.why_stopped(folder)
    missing = next(stage.name for stage in STAGES if not folder.receipt(stage.name))
    opening = (
        f"The night stopped at “{why['stage']}”: {why['what']}."
        if why
        else f"This run stopped before its lists were judged: the stage “{missing}” has not finished."
    )
    sentences = [opening, "Nothing of it is published; the shop shows what it showed before."]
    if why:
        sentences.append(ROWS_ARE_IN if why["stage"] == "validate" else f"What next: {why['then']}.")
    return {
        "state": "bad",
        "word": "Stopped" if why else "Not finished",
        "sentences": sentences,
        "reasons": [],
        "warnings": [],
        "skipped": [],
    }


def amount(failure: Mapping[str, Any]) -> str:
    """How many rows break a failed expectation, in brackets."""
    if failure.get("n_rows") is not None:
        return f" (not true for {words.count(failure['n_rows'], 'row')})"
    return f" (found {failure['observed']})" if failure.get("observed") else ""


def _judged(decision: Mapping[str, Any], publication: Mapping[str, Any] | None) -> Content:
    fallback_text = (decision.get("fallback") or {}).get("why")  # in sentences of its own
    reasons = decision.get("reasons", [])
    is_unjudged = (decision.get("judged") or {}).get("is_unjudged", False)
    warnings = [warning for warning in decision.get("warnings", []) if warning != fallback_text]
    if is_unjudged:
        warnings = [warning for warning in warnings if not warning.startswith(UNJUDGED)]
    content: Content = {
        "reasons": reasons,
        "warnings": warnings,
        "skipped": [skipped["why"] for skipped in decision.get("skipped", [])],
    }
    if publication is None and not decision["publish"]:
        opening = "The lists were refused; the shop goes on showing what it showed before."
        return {**content, "state": "bad", "word": "Refused", "opening": opening}
    if publication is None:
        opening = (
            "The lists passed the gate; they are not published (a dry run, or not yet approved), and the"
            " shop shows what it showed before."
        )
        return {**content, "state": "warn", "word": "Not published", "opening": opening}
    lists = f"Lists for {words.count(publication['n_users'], 'user')}"
    version = f"version {publication['version']}"
    if not publication.get("is_live", True):
        opening = (
            f"{lists} are stored as {version}, but they are not live; the log of the stage “publish” says"
            " why."
        )
        return {**content, "state": "warn", "word": "Stored, not live", "opening": opening}
    if reasons:
        opening = f"{lists} are live as {version} because publishing was forced; the gate had refused them."
        return {**content, "state": "warn", "word": "Published by force", "opening": opening}
    if is_unjudged:
        opening = f"{lists} are live as {version}, unjudged: made by the simplest rule, with nothing learnt."
        return {**content, "state": "warn", "word": "Published, unjudged", "opening": opening}
    live = {**content, "state": "good", "word": "Published", "opening": f"{lists} are live as {version}."}
    if (decision.get("fallback") or {}).get("model"):
        return {**live, "state": "warn", "word": "Published: lists of a rule"}
    return live


def _worth(folder: RunFolder, mode: str, ours: Mapping[str, Any] | None) -> list[str]:
    """Precision@3 of the published lists, in a sentence, and whether enough people were measured."""
    if ours is None:
        unknown = "Nobody could be measured, so how good they are is not known."
        return [unknown, *held_out.unjudged(held_out.split_of(folder))]
    worth = held_out.how_good(held_out.split_of(folder), mode, ours["precision_at_3"])
    if (n_buyers := different_buyers(ours)) < FEW_BUYERS:
        buyers = words.count(n_buyers, "buyer")
        worth.append(
            f"Only {buyers} could be measured: too few to decide anything, so the figures may be chance."
        )
    return worth


def _against(decision: Mapping[str, Any]) -> list[str]:
    """A sentence for each comparison: how much better or worse, and whether chance may explain it."""
    fallback = decision.get("fallback") or {}
    comparison = decision.get("precision", {}).get("comparison", {})
    sentences = []
    for other in (fallback if fallback.get("model") else comparison).get("against", []):
        if other["against"] == "best_rule":
            whose = f"the best simple rule (“{words.model(other['model']).lower()}”)"
        else:
            whose = f"the lists that were live before this run (version {other['version']})"
        sentences.append(_compared(other, whose))
    return sentences


def _compared(other: Mapping[str, Any], whose: str) -> str:
    theirs, difference = float(other["precision_at_3"]), float(other["difference"])
    on = f"on the same {measured(other)}"
    if not difference and other["ci_low"] == other["ci_high"] == 0:
        return f"That is just as good as {whose} {on}."
    if not theirs:
        return f"{whose[0].upper()}{whose[1:]} had none right {on}."
    low, high = other["ci_low"] / theirs, other["ci_high"] / theirs
    interval = f"95{words.NBSP}% interval {words.signed(low)} to {words.signed(high)}"
    better = f"{words.percent(abs(difference / theirs))} {'better' if difference >= 0 else 'worse'}"
    chance = "may be chance" if _may_be_chance(other) else "hardly chance"
    return f"That is {better} than {whose}, which has {words.of_100(theirs)} {on} ({chance}: {interval})."


def gain(folder: RunFolder) -> tuple[str, str] | None:
    """The relative gain over the best rule, and the words beside it; None where it is not known."""
    decision = folder.document("decision") if folder.has("decision") else {}
    if (decision.get("fallback") or {}).get("model"):
        return replaced.gain(decision["fallback"])
    for other in decision.get("precision", {}).get("comparison", {}).get("against", []):
        if other["against"] == "best_rule" and other["precision_at_3"]:
            beside = "against the best simple rule" + (", may be chance" if _may_be_chance(other) else "")
            return words.signed(other["difference"] / other["precision_at_3"]), beside
    return None


def _may_be_chance(other: Mapping[str, Any]) -> bool:
    return bool(other["ci_low"] <= 0 <= other["ci_high"])
