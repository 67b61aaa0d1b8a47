"""The report's part about variety: what lists show beside best sellers, and what tonight's choice costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipeline.contract.datasets import PUBLISHED
from pipeline.models.catalog import rules
from pipeline.models.params import Variety
from pipeline.report import charts, words
from pipeline.report.charts import Dot
from pipeline.report.content_parts import name_of_ours, title

Row = Mapping[str, Any]


def variety(rows: Sequence[Row], params: Mapping[str, Any]) -> dict[str, Any] | None:
    """`rows` of the table, the sentence `why`, the chart `trade` or None; None where nobody was measured.

    rows: of `metrics`, best first; params: the document `best_params`

    The curve has every strength that was tried, with near-duplicates in the lists; where tonight's are kept
    apart, the dot of the choice stands beside it.
    """
    if not rows:
        return None
    chosen = Variety.read(params.get("variety"))
    tried = [
        row
        for row in params.get("variety_tried", ())
        if row["has_near_duplicates"] or Variety.read(row) == chosen
    ]
    why = str(params.get("variety_why") or "")
    return {
        "rows": _table(rows, params, chosen),
        "why": why[:1].upper() + why[1:],
        "trade": _trade(tried, chosen),
    }


def _table(rows: Sequence[Row], params: Mapping[str, Any], chosen: Variety) -> list[dict[str, str]]:
    """This run's lists, the chosen model's, the same without variety, and each rule."""
    ours = name_of_ours(rows)
    names = [ours, PUBLISHED, *([params.get("model")] if chosen != Variety() else []), *rules()]
    by_name = {row["model"]: row for row in rows}
    return [_line(by_name[name], ours) for name in dict.fromkeys(names) if name in by_name]


def _line(row: Row, ours: str) -> dict[str, str]:
    name = row["model"]
    is_bare = name not in (ours, PUBLISHED, *rules())
    gini, diversity = (row.get(name) for name in ("gini_at_3", "diversity_at_10"))
    return {
        "name": f"{words.model(name)}, without variety" if is_bare else title(name, ours),
        "is_ours": "ours" if name == ours else "",
        "coverage": _share(row["coverage_at_3"]),
        "novelty": f"{row['novelty_at_3']:.1f}",
        "popular": words.percent(row["popular_share_at_3"], 0),
        "diversity": "" if diversity is None else words.percent(diversity, 0),
        "gini": "" if gini is None else f"{gini:.4f}",
    }


def _share(coverage: float) -> str:
    return words.percent(coverage, 2 if coverage < 0.01 else 1)


def _trade(tried: Sequence[Row], chosen: Variety) -> Markup | None:
    """Precision@3 that is expected, against coverage; a dot for each strength that was tried."""
    if not tried:
        return None
    dots = [
        Dot(
            row["expected_precision_at_3"],
            f"strength {row['strength']:g}: of 100 shown {words.of_100(row['expected_precision_at_3'])} are"
            f" expected to be bought, {words.of_100(row['precision_at_3'])} were on the validation days,"
            f" {_share(row['coverage_at_3'])} of all items shown,"
            f" {words.percent(row['popular_share_at_3'], 0)} best sellers",
            "ours" if Variety.read(row) == chosen else "",
            at=row["coverage_at_3"],
        )
        for row in tried
    ]
    label = "expected to be bought of 100 shown, against the share of all items shown"
    return charts.trade(dots, _share, label)
