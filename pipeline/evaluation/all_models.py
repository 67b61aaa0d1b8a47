"""Every model judged at every cut of the test: the rows of `metrics` and `user_metrics`.

In the mode that is published all models that race are judged, by all who can be measured; in the other one
not the re-rankers, which are learnt for one mode, and by at most `ranking.most_users` buyers a cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
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
from pipeline.models.params import Params
from pipeline.models.top_n import LISTS, Ranker, TopN
from pipeline.ranking.features import Scorer
from pipeline.ranking.fitted import FittedModels
from pipeline.runs.job import Counts
from pipeline.runs.kept import NOT_KEPT, Kept
from pipeline.splits.folds import Fold
from pipeline.splits.holdout import HeldOut

MODES = {"exclude": True, "allow": False}
"""Each value of `run.repeat_purchases`, and whether repeats are excluded."""
LIVE = "live"
"""Name of the lists of what is live, among those of the models."""
PUBLISHED_LENGTH = 20
"""How far down the published lists are kept, for what they hold below the first ten."""


@dataclass(frozen=True)
class JudgedCut:
    """What was measured at one cut.

    held_out: the holdout of each mode
    outcomes: by mode and model; of a mode in which nobody is measured at this cut they have no users
    published: the lists of PUBLISHED in the mode that is published, shape (n_users, PUBLISHED_LENGTH)
    live: Precision@3 of what is live, in that mode; None: it is not judged beside the others
    """

    fold: Fold
    held_out: Mapping[str, HeldOut]
    outcomes: Mapping[str, Mapping[str, Outcome]]
    published: NDArray[np.int32]
    live: PerUser | None = None


@dataclass(frozen=True)
class Judged:
    """What was measured at all cuts together.

    measurements: in the mode that is published
    rows:  of `metrics`, both modes
    users: in the mode that is published, by model and measure, one value for each measurement
    live:  Precision@3 of what is live, of each measurement; None: it is not judged beside the others
    """

    measurements: Measurements
    rows: list[dict[str, object]]
    users: Mapping[str, Mapping[str, PerUser]]
    live: PerUser | None = None

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


def judge_at(
    models: FittedModels,
    scorers: Mapping[str, Scorer],
    fold: Fold,
    kept: Kept = NOT_KEPT,
    live: Params | None = None,
) -> JudgedCut:
    """Judge every model at one cut of the test, in both modes.

    models: fitted before it; kept: where their lists are kept
    live:   of what is live, where its model is one of these; its lists are then judged beside the others
    """
    run = models.settings.run
    held_out, outcomes, published = {}, {}, np.empty((0, 0), np.int32)
    of_live: PerUser | None = None

    @cache
    def rankers() -> dict[str, Ranker]:
        return dict(_with_published(models, scorers, live))

    for mode, excludes in MODES.items():
        is_main = mode == run.repeat_purchases
        judge = Judge.of(models.history, fold, excludes_repeats=excludes, threads=run.threads)
        judge = judge if is_main else judge.sampled(models.settings.ranking.most_users, run.seed)
        tops = kept.once(f"lists-{mode}-{fold.name}", LISTS, partial(_lists_of, judge, rankers, is_main))
        if (top := tops.pop(LIVE, None)) is not None:
            of_live = judge.scores(top.items[:, :LENGTH])["precision_at_3"]
        outcomes[mode] = {name: _outcome(judge, models, top) for name, top in tops.items()}
        held_out[mode] = judge.held_out
        published = tops[PUBLISHED].items if is_main else published
    return JudgedCut(fold, held_out, outcomes, published, of_live)


def _lists_of(judge: Judge, rankers: Callable[[], dict[str, Ranker]], is_main: bool) -> dict[str, TopN]:
    """The lists of every model that is judged. is_main: in the mode that is published"""
    if is_main:
        return judge.top_n(rankers(), PUBLISHED_LENGTH)
    both = {name: ranker for name, ranker in rankers().items() if _is_judged_in_both(name)}
    return judge.top_n(both, LENGTH)


def _outcome(judge: Judge, models: FittedModels, top: TopN) -> Outcome:
    first = top.items[:, :LENGTH]
    return judge.outcome(first, models.likeness.diversity(first))


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
    of_live = [cut.live for cut in cuts if cut.live is not None]
    live = np.concatenate(of_live) if len(of_live) == len(cuts) else None
    return Judged(measurements, rows, users, live)


def _with_published(
    models: FittedModels, scorers: Mapping[str, Scorer], live: Params | None
) -> Iterator[tuple[str, Ranker]]:
    """Every model in turn; after the chosen one PUBLISHED, after that of `live` LIVE."""
    for name, ranker in models.rankers(scorers):
        yield name, models.capped(ranker)
        if name == models.params.model:
            yield PUBLISHED, models.published(name, ranker)
        if live is not None and name == live.model:
            yield LIVE, models.published(name, ranker, live.variety)


def _is_judged_in_both(name: str) -> bool:
    return name not in (PUBLISHED, LIVE) and not is_reranker(name)


def in_order(rows: pa.Table, name: str) -> pa.Table:
    """In the columns and the order that the dataset `name` promises."""
    dataset = DATASETS[name]
    return rows.select(list(dataset.columns)).sort_by([(key, "ascending") for key in dataset.key])
