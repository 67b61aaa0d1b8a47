"""The lines that `backtest` prints: a model each, best first, and what else a person should know of them."""

from __future__ import annotations

from typing import Any

from pipeline.contract.measured import different_buyers, measured
from pipeline.report import cold_items, first_purchases, session_lists
from pipeline.report.summary import results_table
from pipeline.report.words import FEW_BUYERS

MEASURES = (
    "precision_at_3", "ci_low", "ci_high", "n_users", "n_buyers", "recall_at_10", "ndcg_at_10",
    "coverage_at_3",
)  # fmt: skip
"""Of each model: the columns of the table, and of `results` in the document."""


def table(document: dict[str, Any]) -> str:
    """The document of `backtest` as lines for a person: a model each, best first, and the best rule."""
    several = "windows" in document
    head = f"repeat_purchases = {document['repeat_purchases']}, {_held_out(document)}"
    head += f", as of {document['as_of']}, {_measured(document)}"
    head += f", means over {len(document['windows'])} windows" if several else ""
    interval = (
        ("lowest to highest", "lowest", "highest") if several else ("95% interval", "ci_low", "ci_high")
    )
    horizon = () if several else (document["horizon"],)
    lines = [head, *(f"  {line}" for line in (*horizon, document["worth"]) if line)]
    lines += results_table(document["results"], MEASURES, interval)
    for window in document.get("windows", [document]):
        lines += [_against(window, row) for row in window["against"] if row["against"] == "best_rule"]
        lines += [f"    a night: {why}"] if (why := window["fallback"]["why"]) else []
        lines += [f"  {line}" for line in session_lists.lines(window["session_lists"])]
        lines += [f"  {line}" for line in cold_items.lines(window["cold_items"])]
        lines += [f"  {line}" for line in first_purchases.lines(window["first_purchases"])]
    return "\n".join([*lines, f"  {document['seconds']:.0f} seconds"])


def _against(window: dict[str, Any], row: dict[str, Any]) -> str:
    """One line: the published model against the best rule of its window."""
    share = f"{row['difference'] / row['precision_at_3']:+.1%}" if row["precision_at_3"] else "better"
    return (
        f"  as of {window['as_of'][:10]} ({_held_out(window)}): {window['published_model']} is chosen,"
        f" {share} against {row['model']}: {row['difference']:+.4f}"
        f" ({row['ci_low']:+.4f} to {row['ci_high']:+.4f})"
    )


def _measured(document: dict[str, Any]) -> str:
    """How many buyers are measured, how often, and whether they decide anything."""
    first = document["results"][0]
    few = ", too few to decide anything" if different_buyers(first) < FEW_BUYERS else ""
    return f"{measured(first)}{few}"


def _held_out(document: dict[str, Any]) -> str:
    """For how long lists are judged, and at how many cuts."""
    days, n_cuts = document["test_days"], document["n_test_cuts"]
    if days is None:
        return "rows at random held out"
    return f"{days:.3g} days held out" if n_cuts == 1 else f"{n_cuts} cuts of {days:.3g} days held out"
