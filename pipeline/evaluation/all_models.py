"""Every model judged on the test: the rows of `metrics` and `user_metrics`.

In the mode that is published all models are judged; in the other one only the rules and ALS with the same
parameters, because re-rankers are learnt for one mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.config import Ids
from pipeline.contract.datasets import DATASETS, PUBLISHED
from pipeline.evaluation.judge import Judge
from pipeline.evaluation.metrics import PerUser
from pipeline.models.catalog import is_reranker, rules
from pipeline.models.top_n import Ranker
from pipeline.ranking.fitted import FittedModels
from pipeline.ranking.reranker import Scorer
from pipeline.runs.job import Counts
from pipeline.splits.folds import Fold

MODES = {"exclude": True, "allow": False}
"""Each value of `run.repeat_purchases`, and whether repeats are excluded."""


@dataclass(frozen=True)
class Judged:
    """What was measured.

    judge: of the mode that is published
    rows:  of `metrics`, both modes
    users: in the mode that is published, by model and measure, one value for each measured user
    """

    judge: Judge
    rows: list[dict[str, object]]
    users: Mapping[str, Mapping[str, PerUser]]

    def of_mode(self, mode: str) -> list[dict[str, object]]:
        """The rows of one mode."""
        return [row for row in self.rows if row["repeat_purchases"] == mode]

    def beside(self, name: str, mode: str, row: Mapping[str, Any], scores: Mapping[str, PerUser]) -> Judged:
        """The same with the lists `name` too. row: their row of `metrics`; scores: of each measured user"""
        rows = [*self.rows, {"model": name, "repeat_purchases": mode, **row}]
        return replace(self, rows=rows, users={**self.users, name: scores})

    def metrics(self) -> pa.Table:
        """The dataset `metrics`."""
        return in_order(pa.Table.from_pylist(self.rows), "metrics")

    def user_metrics(self, ids: Ids) -> pa.Table:
        """The dataset `user_metrics`."""
        schema = DATASETS["user_metrics"].schema(ids.model_dump())
        user_ids = self.judge.held_out.user_ids
        parts = [
            pa.table({"model": [name] * len(user_ids), "user_id": user_ids, **scores})
            for name, scores in self.users.items()
        ]
        tables = [part.select(schema.names).cast(schema) for part in parts]
        return in_order(pa.concat_tables([schema.empty_table(), *tables]), "user_metrics")

    def counts(self, mode: str) -> Counts:
        """For the receipt: users measured, Precision@3 of what would be published and of the best rule."""
        rows = self.of_mode(mode)
        if not rows or not rows[0]["n_users"]:
            return {"n_measured_users": 0}
        precision = {str(row["model"]): float(str(row["precision_at_3"])) for row in rows}
        best = max(rules(), key=lambda name: (precision[name], name))
        return {
            "n_measured_users": int(str(rows[0]["n_users"])),
            "precision_at_3": round(precision[PUBLISHED], 4),
            "best_rule": best,
            "best_rule_precision_at_3": round(precision[best], 4),
        }


def judge_all(models: FittedModels, scorers: Mapping[str, Scorer], fold: Fold) -> Judged:
    """Judge every model at `fold`, in both modes. A mode in which nobody can be measured has no rows."""
    run = models.settings.run
    judges = {mode: Judge.of(models.history, fold, excludes) for mode, excludes in MODES.items()}
    judge = judges[run.repeat_purchases]
    rows: list[dict[str, object]] = []
    users: dict[str, Mapping[str, PerUser]] = {}
    chosen_lists = np.empty((0, 0), np.int32)
    for name, ranker in _with_published(models, scorers):
        for mode, judge_of_mode in judges.items():
            is_main = mode == run.repeat_purchases
            if not judge_of_mode.n_users or not (is_main or _is_judged_in_both(name)):
                continue
            has_no_gaps = name == PUBLISHED and judge.is_full(chosen_lists)
            lists = chosen_lists if has_no_gaps else judge_of_mode.lists(ranker)
            row, scores = judge_of_mode.verdict(lists, run.seed)
            rows.append({"model": name, "repeat_purchases": mode, **row})
            if is_main:
                chosen_lists, users[name] = lists, scores
    return Judged(judge, rows, users)


def _with_published(models: FittedModels, scorers: Mapping[str, Scorer]) -> Iterator[tuple[str, Ranker]]:
    """Every model in turn; right after the chosen one PUBLISHED: its lists with empty slots filled."""
    for name, ranker in models.rankers(scorers):
        yield name, ranker
        if name == models.params.model:
            yield PUBLISHED, models.filled(ranker)


def _is_judged_in_both(name: str) -> bool:
    return name != PUBLISHED and not is_reranker(name)


def in_order(rows: pa.Table, name: str) -> pa.Table:
    """In the columns and the order that the dataset `name` promises."""
    dataset = DATASETS[name]
    return rows.select(list(dataset.columns)).sort_by([(key, "ascending") for key in dataset.key])
