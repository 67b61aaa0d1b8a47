"""The race on validation: which model is published, by what all of them reach on the same users.

Folds are walked from the oldest to the newest. At each one the re-rankers learn from the training rows of the
folds before it, and the fold leaves its own for the next. The newest folds are raced, the others only give
training rows. Several folds count together, because a single one is often won by luck.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.config import Settings
from pipeline.evaluation.at_cut import at
from pipeline.evaluation.judge import Judge
from pipeline.evaluation.metrics import PerUser
from pipeline.models.als import AlsFactors
from pipeline.models.catalog import ALS, MODELS, rules
from pipeline.models.params import Params
from pipeline.ranking.fitted import FittedModels
from pipeline.ranking.reranker import fit_rerankers
from pipeline.splits.folds import Fold

MEASURE, FINER = "precision_at_3", "ndcg_at_10"
"""What decides, and what decides between models that MEASURE cannot tell apart: it looks at ten slots."""

ALWAYS_RACED = 2
"""So many of the newest folds are raced whatever their size, unless `ranking.race_windows` is lower."""

ENOUGH_USERS = 1_500
"""Older folds are raced too where they have fewer users: two folds of this size decide well enough."""

Scores = Mapping[str, Mapping[str, PerUser]]
"""By model and measure: one value for each user, shape (n_users,)."""


@dataclass(frozen=True)
class FoldScores:
    """What each model reached at one fold. cut_at: in ISO format"""

    cut_at: str
    scores: Scores

    @property
    def rows(self) -> list[dict[str, object]]:
        """Each model's means, as `best_params` keeps them (`race_by_window`)."""
        return [{"cut_at": self.cut_at, **row} for row in _means(self.scores)]


@dataclass(frozen=True)
class Race:
    """How the race ended.

    fold_scores:   of the folds that were raced, oldest first
    training_rows: of every fold, for the re-rankers of the next cut, oldest first
    """

    fold_scores: list[FoldScores]
    training_rows: list[pa.Table]

    def scores(self) -> dict[str, dict[str, PerUser]]:
        """Of each model over the users of all complete folds: those at which the most models were fitted.

        At the oldest fold there may be no training rows yet, and so no re-rankers.
        """
        most = max((len(fold.scores) for fold in self.fold_scores), default=0)
        complete = [fold for fold in self.fold_scores if len(fold.scores) == most]
        models = [model for model in MODELS if complete and model in complete[0].scores]
        return {
            model: {
                name: np.concatenate([fold.scores[model][name] for fold in complete])
                for name in (MEASURE, FINER)
            }
            for model in models
        }

    def standings(self) -> list[dict[str, object]]:
        """Each model's means, the highest Precision@3 first; equal ones in the order of the catalogue."""
        return sorted(_means(self.scores()), key=lambda row: -float(str(row[MEASURE])))

    def winner(self) -> str:
        """The model with the highest NDCG@10 among those level with the leader; "als" where none was judged.

        The leader has the highest Precision@3. A model is level with it when the mean paired difference is at
        most its standard error (the one-standard-error rule of Breiman et al. 1984, for paired differences)
        and no rule is above it in Precision@3.
        """
        scores = self.scores()
        if not scores:
            return ALS
        mean = {model: float(values[MEASURE].mean()) for model, values in scores.items()}
        finer = {model: float(values[FINER].mean()) for model, values in scores.items()}
        leader = max(mean, key=lambda model: (mean[model], finer[model]))
        best_rule = max((mean[model] for model in mean if model in rules()), default=0.0)
        level = [
            model
            for model in mean
            if mean[model] >= best_rule
            and _is_within_one_error(scores[leader][MEASURE], scores[model][MEASURE])
        ]
        return max(level, key=lambda model: (finer[model], mean[model]))

    def why(self) -> str:
        """Why the winner won, in a sentence."""
        standings, winner = self.standings(), self.winner()
        if not standings:
            return "als: nobody could be measured on validation"
        leader = standings[0]
        won = next(row for row in standings if row["model"] == winner)
        sentence = f"{winner}: Precision@3 {won[MEASURE]:.4f} on validation, {won['n_users']:,} users"
        if leader["model"] != winner:
            return (
                f"{sentence}; {leader['model']} has {leader[MEASURE]:.4f}, which may be chance,"
                f" and the lower NDCG@10: {leader[FINER]:.4f} against {won[FINER]:.4f}"
            )
        if len(standings) == 1:
            return sentence
        return f"{sentence}; next is {standings[1]['model']} with {standings[1][MEASURE]:.4f}"

    def rows_by_fold(self) -> list[dict[str, object]]:
        """Each model's means at each fold that was raced, oldest first."""
        return [row for fold in self.fold_scores for row in fold.rows]


def race(
    folds: list[Fold],
    params: Params,
    settings: Settings,
    items: Path | None,
    spill: Path,
    say: Callable[[str], None],
    dropped: Collection[str] = (),
    factors: AlsFactors | None = None,
) -> Race:
    """Race every model but `dropped` over `folds`, newest first.

    items:   the shop's items; None: it has none
    factors: ALS with `params` at the newest fold, where it has been fitted already
    """
    fold_scores: list[FoldScores] = []
    training_rows: list[pa.Table] = []
    for age in reversed(range(len(folds))):
        fold = folds[age]
        with at(fold, params, settings, items, spill, factors if age == 0 else None) as (models, everybody):
            judge = everybody.sampled(settings.ranking.most_users, settings.run.seed)
            if not judge.n_users:
                continue
            if _is_raced(age, judge.n_users, settings.ranking.race_windows, bool(training_rows)):
                scores = FoldScores(fold.cut_at.isoformat(), _judged(models, judge, training_rows, dropped))
                best = max(scores.rows, key=lambda row: float(str(row[MEASURE])))
                outcome = f"best is {best['model']} with {best[MEASURE]:.4f}"
                fold_scores.append(scores)
            else:
                outcome = "only training rows"
            say(f"race: {judge.n_users:,} users after {fold.cut_at:%Y-%m-%d}: {outcome}")
            training_rows.append(models.training_rows(judge.held_out, fold))
    return Race(fold_scores, training_rows)


def _is_raced(age: int, n_users: int, race_windows: int, has_training_rows: bool) -> bool:
    """Whether models are judged at a fold. age: 0 the newest fold, 1 the one before it, and so on

    The newest one always is; an older one where re-rankers have something to learn from.
    """
    if age == 0:
        return True
    is_wanted = age < ALWAYS_RACED or n_users < ENOUGH_USERS
    return is_wanted and has_training_rows and age < race_windows


def _judged(
    models: FittedModels, judge: Judge, training_rows: list[pa.Table], dropped: Collection[str]
) -> Scores:
    """Every model's scores at one fold, re-rankers learnt on the training rows of the folds before it."""
    scorers = fit_rerankers(training_rows, models.settings)
    return {name: judge.scores(judge.lists(ranker)) for name, ranker in models.rankers(scorers, dropped)}


def _means(scores: Scores) -> list[dict[str, object]]:
    """A row for each model: `model`, `n_users`, the means of MEASURE and FINER."""
    return [
        {
            "model": model,
            "n_users": len(values[MEASURE]),
            **{name: float(values[name].mean()) for name in (MEASURE, FINER)},
        }
        for model, values in scores.items()
    ]


def _is_within_one_error(leader: PerUser, other: PerUser) -> bool:
    """Whether the mean paired difference is at most its standard error. Both of shape (n_users,)"""
    loss = leader - other
    return bool(float(loss.mean()) <= float(loss.std()) / np.sqrt(len(loss)))
