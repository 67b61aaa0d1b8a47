"""Every model judged at every cut of the test: the rows of `metrics` and `user_metrics`.

In the mode that is published all models that race are judged; in the other one not the re-rankers, which are
learnt for one mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.config import Ids
from pipeline.contract.datasets import DATASETS, PUBLISHED
from pipeline.evaluation.judge import LENGTH, Judge, Outcome
from pipeline.evaluation.metrics import PerUser
from pipeline.evaluation.pooled import Measurements, pooled_row, pooled_scores
from pipeline.models.catalog import is_reranker, rules
from pipeline.models.params import Variety
from pipeline.models.top_n import Ranker
from pipeline.ranking.fitted import FittedModels
from pipeline.ranking.reranker import Scorer
from pipeline.runs.job import Counts
from pipeline.splits.folds import Fold
from pipeline.splits.holdout import HeldOut

MODES = {"exclude": True, "allow": False}
"""Each value of `run.repeat_purchases`, and whether repeats are excluded."""
PUBLISHED_LENGTH = 20
"""How far down the published lists are kept, for what they hold below the first ten."""


@dataclass(frozen=True)
class JudgedCut:
    """What was measured at one cut.

    held_out: the holdout of each mode
    outcomes: by mode and model; of a mode in which nobody is measured at this cut they have no users
    published: the lists of PUBLISHED in the mode that is published, shape (n_users, PUBLISHED_LENGTH)
    """

    fold: Fold
    held_out: Mapping[str, HeldOut]
    outcomes: Mapping[str, Mapping[str, Outcome]]
    published: NDArray[np.int32]


@dataclass(frozen=True)
class Judged:
    """What was measured at all cuts together.

    measurements: in the mode that is published
    rows:  of `metrics`, both modes
    users: in the mode that is published, by model and measure, one value for each measurement
    """

    measurements: Measurements
    rows: list[dict[str, object]]
    users: Mapping[str, Mapping[str, PerUser]]

    def of_mode(self, mode: str) -> list[dict[str, object]]:
        """The rows of one mode."""
        return [row for row in self.rows if row["repeat_purchases"] == mode]

    def beside(self, name: str, mode: str, row: Mapping[str, Any], scores: Mapping[str, PerUser]) -> Judged:
        """The same with the lists `name` too. row: their row of `metrics`; scores: of each measurement"""
        rows = [*self.rows, {"model": name, "repeat_purchases": mode, **row}]
        return replace(self, rows=rows, users={**self.users, name: scores})

    def metrics(self) -> pa.Table:
        """The dataset `metrics`."""
        return in_order(pa.Table.from_pylist(self.rows), "metrics")

    def user_metrics(self, ids: Ids) -> pa.Table:
        """The dataset `user_metrics`."""
        schema = DATASETS["user_metrics"].schema(ids.model_dump())
        who = {"cut_at": self.measurements.cut_at, "user_id": self.measurements.user_ids}
        parts = [
            pa.table({"model": pa.repeat(name, len(self.measurements)), **who, **scores})
            for name, scores in self.users.items()
        ]
        tables = [part.select(schema.names).cast(schema) for part in parts]
        return in_order(pa.concat_tables([schema.empty_table(), *tables]), "user_metrics")

    def counts(self, mode: str) -> Counts:
        """For the receipt: who was measured, Precision@3 of what would be published and of the best rule.

        `n_measured_users` counts a user at each cut; `n_measured_buyers`, different users, is told where some
        were measured at several cuts.
        """
        rows = self.of_mode(mode)
        if not rows or not rows[0]["n_users"]:
            return {"n_measured_users": 0}
        precision = {str(row["model"]): float(str(row["precision_at_3"])) for row in rows}
        best = max(rules(), key=lambda name: (precision[name], name))
        n_users, n_buyers = (int(str(rows[0][name])) for name in ("n_users", "n_buyers"))
        return {
            "n_measured_users": n_users,
            **({"n_measured_buyers": n_buyers} if n_buyers < n_users else {}),
            "precision_at_3": round(precision[PUBLISHED], 4),
            "best_rule": best,
            "best_rule_precision_at_3": round(precision[best], 4),
        }


def judge_at(models: FittedModels, scorers: Mapping[str, Scorer], fold: Fold) -> JudgedCut:
    """Judge every model at one cut of the test, in both modes. models: fitted before it"""
    mode = models.settings.run.repeat_purchases
    judges = {
        name: Judge.of(models.history, fold, excludes_repeats=excludes) for name, excludes in MODES.items()
    }
    judge = judges[mode]
    outcomes: dict[str, dict[str, Outcome]] = {name: {} for name in MODES}
    chosen_lists = published = np.empty((0, 0), np.int32)
    is_own = models.params.variety == Variety() and not models.settings.recommend.max_per_category
    for name, ranker in _with_published(models, scorers):
        for of_mode, judge_of_mode in judges.items():
            is_main = of_mode == mode
            if not (is_main or _is_judged_in_both(name)):
                continue
            is_longer = is_main and name in (models.params.model, PUBLISHED)
            has_no_gaps = name == PUBLISHED and is_own and judge.is_full(chosen_lists)
            length = PUBLISHED_LENGTH if is_longer else LENGTH
            lists = chosen_lists if has_no_gaps else judge_of_mode.lists(ranker, length)
            first = lists[:, :LENGTH]
            outcomes[of_mode][name] = judge_of_mode.outcome(first, models.likeness.diversity(first))
            if is_main:
                chosen_lists = lists
                published = lists if name == PUBLISHED else published
    held_out = {name: judge_of_mode.held_out for name, judge_of_mode in judges.items()}
    return JudgedCut(fold, held_out, outcomes, published)


def pool(cuts: Sequence[JudgedCut], mode: str, seed: int) -> Judged:
    """What was measured at all `cuts`, oldest first. mode: the one that is published

    A mode in which nobody could be measured at any cut has no rows.
    """
    rows: list[dict[str, object]] = []
    for of_mode in MODES:
        who = Measurements.of([(cut.fold.cut_at, cut.held_out[of_mode]) for cut in cuts])
        for name in cuts[0].outcomes[of_mode] if len(who) else ():
            row = pooled_row([cut.outcomes[of_mode][name] for cut in cuts], who.clusters, seed)
            rows.append({"model": name, "repeat_purchases": of_mode, **row})
    measurements = Measurements.of([(cut.fold.cut_at, cut.held_out[mode]) for cut in cuts])
    names = cuts[0].outcomes[mode] if len(measurements) else ()
    users = {name: pooled_scores([cut.outcomes[mode][name] for cut in cuts]) for name in names}
    return Judged(measurements, rows, users)


def _with_published(models: FittedModels, scorers: Mapping[str, Scorer]) -> Iterator[tuple[str, Ranker]]:
    """Every model in turn; right after the chosen one PUBLISHED: its lists, filled and with variety."""
    for name, ranker in models.rankers(scorers):
        yield name, models.capped(ranker)
        if name == models.params.model:
            yield PUBLISHED, models.published(name, ranker)


def _is_judged_in_both(name: str) -> bool:
    return name != PUBLISHED and not is_reranker(name)


def in_order(rows: pa.Table, name: str) -> pa.Table:
    """In the columns and the order that the dataset `name` promises."""
    dataset = DATASETS[name]
    return rows.select(list(dataset.columns)).sort_by([(key, "ascending") for key in dataset.key])
