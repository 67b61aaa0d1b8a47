"""The report's parts about the lists: models, groups of buyers, numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipeline.contract.datasets import FALLBACK, PUBLISHED
from pipeline.contract.measured import measured
from pipeline.models.catalog import PLAIN_ALS, rules
from pipeline.report import charts, words
from pipeline.report.charts import Bar
from pipeline.runs.folder import RunFolder

Row = Mapping[str, Any]


def metrics(folder: RunFolder, mode: str) -> list[Row]:
    """`metrics` of one mode, best first; empty where nobody was measured in it."""
    if not folder.has("metrics"):
        return []
    rows = [row for row in folder.table("metrics").to_pylist() if row["repeat_purchases"] == mode]
    return sorted(rows, key=lambda row: (-row["precision_at_3"], row["model"]))


def name_of_ours(rows: Sequence[Row]) -> str:
    """The model of the row that holds the lists of this run: a rule's, where one replaces the model."""
    return FALLBACK if any(row["model"] == FALLBACK for row in rows) else PUBLISHED


def best_rule(rows: Sequence[Row]) -> Row | None:
    """The rule that did best in the test."""
    return next((row for row in rows if row["model"] in rules()), None)


def title(model: str, ours: str) -> str:
    """What a row is called. ours: the model of the row that holds the lists of this run"""
    if model == ours:
        return words.OURS
    return words.CHOSEN if model == PUBLISHED else words.model(model)


def models(rows: Sequence[Row], chosen: str | None, rule: str | None, reason: str | None) -> Markup:
    """A bar with its interval for each model; the chosen one is shown as the lists made by it instead.

    rule: the rule whose lists go live in its place; None: the chosen model's do. reason: of `fallback`
    """
    ours = name_of_ours(rows)
    has_published = any(row["model"] == PUBLISHED for row in rows)
    on = "this test" if reason == "lost" else "an earlier test"
    notes = {PUBLISHED: _made_by(chosen), FALLBACK: f"{_made_by(rule)}, chosen on {on}"}
    return charts.bars(
        [
            Bar(
                title(row["model"], ours),
                row["precision_at_3"],
                words.of_100(row["precision_at_3"]),
                row["ci_low"],
                row["ci_high"],
                _kind(row["model"], ours),
                notes.get(row["model"]) or _note(row["model"]),
            )
            for row in rows
            if not (has_published and row["model"] == chosen)
        ]
    )


def _kind(model: str, ours: str) -> str:
    return "ours" if model == ours else "rule" if model in rules() else ""


def _made_by(model: str | None) -> str:
    return f"made by “{words.model(model).lower()}”" if model else ""


def _note(model: str) -> str:
    if model == PLAIN_ALS:
        return "fixed parameters"
    return "" if model == PUBLISHED else "simple rule" if model in rules() else "model"


def groups(folder: RunFolder, ours: str, beside: str) -> list[tuple[str, Markup]]:
    """Name and chart of each kind of group: this run's lists, `ours`, above those of the model `beside`."""
    rows = folder.table("segment_metrics").to_pylist() if folder.has("segment_metrics") else []
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        if row["model"] in (ours, beside):
            by_kind.setdefault(row["kind"], []).append(row)
    order = [*words.GROUPS, *sorted(by_kind)]
    return [
        (words.GROUPS.get(kind, words.plain(kind)), _group_bars(by_kind[kind], ours))
        for kind in sorted(by_kind, key=order.index)
    ]


def _group_bars(rows: Sequence[Row], ours: str) -> Markup:
    """The largest group first; this run's lists above the others."""
    size = {row["segment"]: row["n_users"] for row in rows}
    ordered = sorted(rows, key=lambda row: (-size[row["segment"]], row["segment"], row["model"] != ours))
    return charts.bars(
        [
            Bar(
                row["segment"] if row["model"] == ours else "",
                row["precision_at_3"],
                words.of_100(row["precision_at_3"]),
                row["ci_low"],
                row["ci_high"],
                "ours first" if row["model"] == ours else "rule second",
                measured(row) if row["model"] == ours else "",
            )
            for row in ordered
        ]
    )


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Every measure of every model, for the table of numbers."""
    ours = name_of_ours(rows)
    return [
        {
            "name": title(row["model"], ours),
            "model": row["model"],
            "is_ours": "ours" if row["model"] == ours else "",
            "precision": f"{row['precision_at_3']:.4f}",
            "interval": f"{row['ci_low']:.4f} to {row['ci_high']:.4f}",
            "recall": f"{row['recall_at_10']:.4f}",
            "ndcg": f"{row['ndcg_at_10']:.4f}",
            "map": f"{row['map_at_10']:.4f}",
            "hit_rate": f"{row['hit_rate_at_10']:.4f}",
        }
        for row in rows
    ]
