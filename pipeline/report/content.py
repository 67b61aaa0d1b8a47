"""Gather everything that the report shows: the texts and charts of `page.html`, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config import Settings
from pipeline.contract.datasets import PUBLISHED
from pipeline.contract.measured import different_buyers, measured
from pipeline.report import content_parts, held_out, machine, words
from pipeline.report.buyers import buyers
from pipeline.report.cold_items import cold_items
from pipeline.report.first_purchases import first_purchases
from pipeline.report.left_out import left_out
from pipeline.report.session_lists import session_lists
from pipeline.report.trend import trend
from pipeline.report.tuning import tuning
from pipeline.report.variety import variety
from pipeline.report.verdict import gain, verdict
from pipeline.runs.folder import RunFolder

NOBODY = "Nobody could be measured: no buyer bought before the test days and something that counts in them."
NOT_YET = "Not known: the stage “evaluate” has not finished in this run."
OTHER = {"exclude": "allow", "allow": "exclude"}


def content(folder: RunFolder, settings: Settings, publication: Mapping[str, Any] | None) -> dict[str, Any]:
    """The values of the names in `page.html`.

    publication: what `publish` recorded; None: it has not
    """
    mode = settings.run.repeat_purchases
    rows, others = (content_parts.metrics(folder, name) for name in (mode, OTHER[mode]))
    name = content_parts.name_of_ours(rows)
    ours = next((row for row in rows if row["model"] == name), None)
    replaced = folder.document("fallback") if folder.has("fallback") else {}
    fallback = replaced.get("model")
    params = folder.document("best_params") if folder.has("best_params") else {}
    beside, split = _beside(rows, fallback), held_out.split_of(folder)
    return {
        "is_short": not rows and not params and not folder.has("recommendations"),
        "run_id": folder.run_id,
        "as_of": words.time(folder.as_of),
        "mode": mode,
        "verdict": verdict(folder, mode, ours, publication),
        "unmeasured": NOBODY if folder.has("metrics") else NOT_YET,
        "tiles": _tiles(folder, ours),
        "compared": _compared(split, ours) if ours else "",
        "ceiling": words.of_100(ours["ceiling_at_3"]) if ours else "",
        "models": content_parts.models(rows, params.get("model"), fallback, replaced.get("reason"))
        if rows
        else None,
        "table": content_parts.table(rows),
        "others": content_parts.table(others),
        "beside": _in_words(beside) if beside else "",
        "trend": trend(folder, settings, ours),
        "groups": content_parts.groups(folder, name, beside) if beside else [],
        "session_lists": session_lists(folder),
        "cold_items": cold_items(folder),
        "first_purchases": first_purchases(folder),
        "variety": variety(rows, params),
        "tuning": tuning(folder),
        "buyers": buyers(folder, name),
        "left_out": left_out(folder),
        "unusual": machine.unusual(folder),
        "quality": machine.quality(folder),
        "stages": machine.stages(folder),
        "seconds": f"{machine.seconds(folder):,.0f}",
    }


def _beside(rows: Sequence[Mapping[str, Any]], fallback: str | None) -> str | None:
    """What the groups show beside this run's lists: the best rule, or the model that a rule replaces."""
    rule = content_parts.best_rule(rows)
    return PUBLISHED if fallback else str(rule["model"]) if rule else None


def _in_words(beside: str) -> str:
    if beside == PUBLISHED:
        return words.CHOSEN.lower()
    return f"best simple rule: {words.model(beside)}"


def _compared(split: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """What every list was compared with, and how often; who was measured more than once."""
    n_buyers = different_buyers(ours)
    sentence = held_out.compared(split, words.count(n_buyers, "buyer"))
    if ours["n_users"] == n_buyers:
        return sentence
    again = "A buyer is measured at each cut after which the buyer bought something that counts"
    return f"{sentence} {again}: {measured(ours)}."


def _tiles(folder: RunFolder, ours: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The figures under the verdict."""
    counts = folder.receipt("recommend").get("counts", {})
    tiles = [(f"{counts['n_users']:,}", "users with a list")] if "n_users" in counts else []
    if ours:
        beside = held_out.beside_the_number(held_out.split_of(folder))
        tiles.append((words.of_100(ours["precision_at_3"]), beside))
        if over_rule := gain(folder):
            tiles.append(over_rule)
        is_once = ours["n_users"] == different_buyers(ours)
        of = "of buyers bought" if is_once else "of the times measured, buyers bought"
        tiles.append((words.percent(ours["hit_rate_at_10"], 0), f"{of} one of their first 10"))
    return tiles
