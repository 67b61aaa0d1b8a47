"""The report's parts about the data and the run: expectations, cold-start counts, stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.contract.stages import STAGES
from pipeline.report import validation
from pipeline.report.verdict import amount
from pipeline.runs import receipts
from pipeline.runs.folder import RunFolder

ALWAYS = ("n_thin_users", "n_users_items_gone", "n_new_items")
"""Counts of `recommend` that are shown even when 0."""

SEVERITIES = ("critical", "warning")
"""In the order of the report: the worse first."""


def quality(folder: RunFolder) -> dict[str, Any] | None:
    """The expectations of the shop's data, held and failed, without any row of it; None before `validate`."""
    document = validation.document(folder)
    if document is None:
        return None
    suites = document["suites"]
    return {
        "suites": [
            {
                "name": suite["suite"],
                "n_rows": f"{suite['n_rows']:,}",
                "held": f"{suite['n_expectations'] - len(suite['failed'])} of {suite['n_expectations']}",
            }
            for suite in suites
        ],
        "failed": [
            {
                "severity": failure["severity"],
                "text": f"{suite['suite']}: {failure['expectation']}{amount(failure)}",
            }
            for severity in SEVERITIES
            for suite in suites
            for failure in suite["failed"]
            if failure["severity"] == severity
        ],
    }


def unusual(folder: RunFolder) -> list[tuple[str, str]]:
    """Cold start: numbers of buyers and items with little history, with words; empty before `recommend`."""
    counts: Mapping[str, Any] = folder.receipt("recommend").get("counts", {})
    texts = {
        "n_thin_users": "buyers who bought on one or two days only; they have a list too",
        "n_users_items_gone": "buyers of whose items none is available any more",
        "n_users_without_list": "buyers without a list",
        "n_browsers": "people who have only looked so far; they have a list too",
        "n_new_items": "new items, first seen in the last 14 days",
        "n_unavailable_items": "items that are not available and in no list",
    }
    return [
        (f"{counts[name]:,}", text)
        for name, text in texts.items()
        if name in counts and (counts[name] or name in ALWAYS)
    ]


def stages(folder: RunFolder) -> list[dict[str, str]]:
    """Of each finished stage: rows in and out, seconds, peak memory in MB, other counts in words."""
    return [_stage(receipt) for stage in STAGES if (receipt := folder.receipt(stage.name))]


def _stage(receipt: Mapping[str, Any]) -> dict[str, str]:
    counts = receipt.get("counts", {})
    return {
        "name": receipt["stage"],
        **{name: f"{counts[name]:,}" if name in counts else "" for name in receipts.ROWS},
        "seconds": f"{receipt['seconds']:,.1f}" if "seconds" in receipt else "",
        "memory": f"{receipt['peak_memory_mb']:,}" if "peak_memory_mb" in receipt else "",
        "counts": receipts.counts_in_words(counts),
    }


def seconds(folder: RunFolder) -> float:
    """The time of all finished stages together."""
    return float(sum(folder.receipt(stage.name).get("seconds", 0.0) for stage in STAGES))
