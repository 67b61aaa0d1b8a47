"""The lines printed at the end of a run: metrics, where files and report lie, and what is live now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.config import Settings
from pipeline.contract.measured import different_buyers, measured
from pipeline.report import cold_items, first_purchases, session_lists
from pipeline.report.words import FEW_BUYERS
from pipeline.runs.folder import RunFolder
from pipeline.runs.pages import page_of

MEASURES = {
    "precision_at_3": ("Precision@3", 12),
    "recall_at_10": ("Recall@10", 11),
    "ndcg_at_10": ("NDCG@10", 9),
    "map_at_10": ("MAP@10", 8),
    "hit_rate_at_10": ("hit rate", 10),
    "coverage_at_3": ("coverage", 10),
}
"""Columns of `metrics` in a printed table: heading, width in characters."""


def ending(folder: RunFolder, settings: Settings) -> str:
    """The metrics of the published mode, the run folder, its report, and what is live now."""
    lines = ["", metrics_table(folder, settings)]
    if folder.has("session_lists"):
        lines += session_lists.lines(folder.document("session_lists"))
    if folder.has("cold_items"):
        lines += cold_items.lines(folder.document("cold_items"))
    if folder.has("first_purchases"):
        lines += first_purchases.lines(folder.document("first_purchases"))
    lines += ["", f"files: {folder.path}"]
    if page := page_of(folder.path.parent, folder.run_id):
        lines.append(f"report: {page}")
    if folder.has("publication"):
        lines.append(live_line(folder, settings))
    return "\n".join(lines)


def metrics_table(folder: RunFolder, settings: Settings) -> str:
    """`metrics` of the published mode, as `metrics_lines` prints them, and what the numbers tell."""
    mode = settings.run.repeat_purchases
    rows = folder.table("metrics").to_pylist()
    table = metrics_lines([row for row in rows if row["repeat_purchases"] == mode], mode)
    split = folder.document("split") if rows and folder.has("split") else {}
    lines = filter(None, (split.get("horizon"), split.get("worth")))
    return "\n".join([table, *(f"  {line}" for line in lines)])


def metrics_lines(rows: Sequence[Mapping[str, Any]], mode: str) -> str:
    """Rows of `metrics`, all of one mode, under a line that says who was measured; best Precision@3 first."""
    if not rows:
        return f"repeat_purchases = {mode}: nobody can be measured"
    what = "only items new to the user count" if mode == "exclude" else "every purchase counts"
    first = rows[0]
    few = ", too few to decide anything" if different_buyers(first) < FEW_BUYERS else ""
    head = f"repeat_purchases = {mode} ({what}): {measured(first)}{few}, ceiling {first['ceiling_at_3']:.3f}"
    best_first = sorted(rows, key=lambda row: -row["precision_at_3"])
    return "\n".join([head, *results_table(best_first)])


def results_table(
    rows: Iterable[Mapping[str, Any]],
    measures: Iterable[str] = MEASURES,
    interval: tuple[str, str, str] = ("95% interval", "ci_low", "ci_high"),
) -> list[str]:
    """One line of headings, then one for each row, in the order given.

    rows:     `model`, every one of `measures`, and the two ends of the interval of Precision@3
    measures: keys of MEASURES, Precision@3 among them; shown in the order of MEASURES
    interval: heading of the interval, the names of its low and of its high end
    """
    shown = set(measures)
    columns = {name: column for name, column in MEASURES.items() if name in shown}
    heading, low, high = interval

    def line(model: str, cells: Mapping[str, str], ends: str) -> str:
        aligned = {name: f"{cells[name]:>{width}}" for name, (_, width) in columns.items()}
        aligned["precision_at_3"] += f"{ends:>20}"
        return f"  {model:<18}{''.join(aligned.values())}"

    lines = [line("model", {name: title for name, (title, _) in columns.items()}, heading)]
    for row in rows:
        cells = {name: f"{row[name]:.4f}" for name in columns}
        lines.append(line(row["model"], cells, f"{row[low]:.4f} to {row[high]:.4f}"))
    return lines


def live_line(folder: RunFolder, settings: Settings) -> str:
    """How many users' lists apps read now, or that this run's lists are stored and not live."""
    publication = folder.document("publication")
    schema, version = settings.serving.schema_name, publication.get("version")
    if not publication.get("is_live", True):
        return f"stored as version {version}, not live"
    rule = f", those of {publication['model']} (fallback)" if publication.get("is_fallback") else ""
    unjudged = "unjudged " if publication.get("is_unjudged") else ""
    lists = f"{unjudged}lists for {publication['n_users']:,} users{rule}"
    return f"live: version {version}, {lists} in {schema}.recommendations"
