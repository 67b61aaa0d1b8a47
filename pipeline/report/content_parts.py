"""The report's parts about the lists: models, groups of buyers, variety, numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipeline.models.catalog import PLAIN_ALS, rules
from pipeline.report import charts, words
from pipeline.report.charts import Bar
from pipeline.runs.folder import RunFolder

PUBLISHED = "published"
Row = Mapping[str, Any]


def metrics(folder: RunFolder, mode: str) -> list[Row]:
    """`metrics` of one mode, best first; empty where nobody was measured in it."""
    if not folder.has("metrics"):
        return []
    rows = [row for row in folder.table("metrics").to_pylist() if row["repeat_purchases"] == mode]
    return sorted(rows, key=lambda row: (-row["precision_at_3"], row["model"]))


def best_rule(rows: Sequence[Row]) -> Row | None:
    """The rule that did best in the test."""
    return next((row for row in rows if row["model"] in rules()), None)


def models(rows: Sequence[Row], chosen: str | None) -> Markup:
    """A bar with its interval for each model; the chosen one is shown as the published lists instead."""
    has_published = any(row["model"] == PUBLISHED for row in rows)
    return charts.bars(
        [
            Bar(
                words.model(row["model"]),
                row["precision_at_3"],
                words.of_100(row["precision_at_3"]),
                row["ci_low"],
                row["ci_high"],
                _kind(row["model"]),
                _note(row["model"], chosen),
            )
            for row in rows
            if not (has_published and row["model"] == chosen)
        ]
    )


def _kind(model: str) -> str:
    return "ours" if model == PUBLISHED else "rule" if model in rules() else ""


def _note(model: str, chosen: str | None) -> str:
    if model == PLAIN_ALS:
        return "fixed parameters"
    if model != PUBLISHED:
        return "simple rule" if model in rules() else "model"
    return f"made by “{words.model(chosen).lower()}”" if chosen else ""


def groups(folder: RunFolder, rule: str) -> list[tuple[str, Markup]]:
    """Name and chart of each kind of group: the published lists beside `rule`, the best one."""
    rows = folder.table("segment_metrics").to_pylist() if folder.has("segment_metrics") else []
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        if row["model"] in (PUBLISHED, rule):
            by_kind.setdefault(row["kind"], []).append(row)
    order = [*words.GROUPS, *sorted(by_kind)]
    return [
        (words.GROUPS.get(kind, words.plain(kind)), _group_bars(by_kind[kind]))
        for kind in sorted(by_kind, key=order.index)
    ]


def _group_bars(rows: Sequence[Row]) -> Markup:
    """The largest group first; the published lists above the rule."""
    size = {row["segment"]: row["n_users"] for row in rows}
    ordered = sorted(rows, key=lambda row: (-size[row["segment"]], row["segment"], row["model"] != PUBLISHED))
    return charts.bars(
        [
            Bar(
                row["segment"] if row["model"] == PUBLISHED else "",
                row["precision_at_3"],
                words.of_100(row["precision_at_3"]),
                row["ci_low"],
                row["ci_high"],
                "ours first" if row["model"] == PUBLISHED else "rule second",
                words.count(row["n_users"], "buyer") if row["model"] == PUBLISHED else "",
            )
            for row in ordered
        ]
    )


def variety(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Coverage, novelty and popularity of the published lists and of each rule, for a table."""
    shown = [row for row in rows if row["model"] == PUBLISHED]
    shown += [row for row in rows if row["model"] in rules()]
    return [
        {
            "name": words.model(row["model"]),
            "is_ours": "ours" if row["model"] == PUBLISHED else "",
            "coverage": words.percent(row["coverage_at_3"], 2 if row["coverage_at_3"] < 0.01 else 1),
            "novelty": f"{row['novelty_at_3']:.1f}",
            "popular": words.percent(row["popular_share_at_3"], 0),
        }
        for row in shown
    ]


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Every measure of every model, for the table of numbers."""
    return [
        {
            "name": words.model(row["model"]),
            "model": row["model"],
            "is_ours": "ours" if row["model"] == PUBLISHED else "",
            "precision": f"{row['precision_at_3']:.4f}",
            "interval": f"{row['ci_low']:.4f} to {row['ci_high']:.4f}",
            "recall": f"{row['recall_at_10']:.4f}",
            "ndcg": f"{row['ndcg_at_10']:.4f}",
            "map": f"{row['map_at_10']:.4f}",
            "hit_rate": f"{row['hit_rate_at_10']:.4f}",
        }
        for row in rows
    ]
