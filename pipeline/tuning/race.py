"""The race on validation: which model is published, by what all of them reach on the same users.

Cuts in time are walked from the oldest to the newest. Some of them leave training rows, about a week apart;
at the cuts of validation all models are judged, the re-rankers with what they learn from the rows of the cuts
before. Several cuts count together, because a single one is often won by luck.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.evaluation.at_cut import at, left_by, sample_of, training_rows
from pipeline.evaluation.judge import LENGTH, Judge
from pipeline.evaluation.metrics import PerUser
from pipeline.models.catalog import ALS, MODELS, NCF, PLAIN_ALS, SIMPLEST, has_rerankers, raced, rules
from pipeline.models.item_factors import ItemFactors
from pipeline.models.params import Params
from pipeline.models.top_n import LISTS, TopN
from pipeline.ranking.features import Scorer
from pipeline.ranking.fitted import Earlier, FittedModels
from pipeline.ranking.learnt import Learnt
from pipeline.runs.job import Job
from pipeline.runs.kept import NOT_KEPT, TABLE
from pipeline.splits import folds
from pipeline.tuning.pools import Pools
from pipeline.variety.capped import capped
from pipeline.variety.varied import POOL

MEASURE, FINER = "precision_at_3", "ndcg_at_10"
"""What decides, and what decides between models that have the same: it looks at ten slots."""

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

    fold_scores:   of the cuts of validation that measure somebody, oldest first
    training_rows: of every cut that re-rankers learn from, oldest first
    unjudged:      what is published where nobody was judged
    pools:         of the same cuts as `fold_scores`; none where lists have no variety
    item_factors:  where ALS left the items at the newest cut; None: there was no cut
    """

    fold_scores: list[FoldScores]
    training_rows: list[pa.Table]
    unjudged: str = ALS
    pools: list[Pools] = field(default_factory=list)
    item_factors: ItemFactors | None = None

    def scores(self) -> dict[str, dict[str, PerUser]]:
        """Of each model over the users of all complete folds: those at which the most models were fitted.

        At the oldest fold there may be no training rows yet, and so no re-rankers.
        """
        complete = self._complete()
        models = [model for model in MODELS if complete and model in complete[0].scores]
        return {
            model: {
                name: np.concatenate([fold.scores[model][name] for fold in complete])
                for name in (MEASURE, FINER)
            }
            for model in models
        }

    def _complete(self) -> list[FoldScores]:
        most = max((len(fold.scores) for fold in self.fold_scores), default=0)
        return [fold for fold in self.fold_scores if len(fold.scores) == most]

    def standings(self) -> list[dict[str, object]]:
        """Each model's means, the highest Precision@3 first; between equal ones FINER decides."""
        return sorted(
            _means(self.scores()), key=lambda row: (-float(str(row[MEASURE])), -float(str(row[FINER])))
        )

    def winner(self) -> str:
        """The last in the catalogue of the models level with the leader; `unjudged` where none was judged.

        The leader has the highest Precision@3. A model is level with it when the mean paired difference is at
        most its standard error (the one-standard-error rule of Breiman et al. 1984, for paired differences)
        and no rule is above it in Precision@3. What the validation cannot tell apart is told apart by what
        proved best on other shops, which is the order of the catalogue (docs/models.md has the figures): a
        re-ranker goes on learning, so that the validation shows less of it than the night.
        """
        scores = self.scores()
        if not scores:
            return self.unjudged
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
        return next((model for model in reversed(level) if model not in rules()), leader)

    def why(self) -> str:
        """Why the winner won, in a sentence."""
        standings, winner = self.standings(), self.winner()
        if not standings:
            return f"{winner}: nobody could be measured on validation"
        leader = standings[0]
        won = next(row for row in standings if row["model"] == winner)
        sentence = f"{winner}: Precision@3 {won[MEASURE]:.4f} on validation, {won['n_users']:,} users"
        if leader["model"] != winner:
            is_equal = leader[MEASURE] == won[MEASURE]
            has = "as much" if is_equal else f"{leader[MEASURE]:.4f}, which may be chance"
            return f"{sentence}; {leader['model']} has {has}, and {winner} did better on most other shops"
        if len(standings) == 1:
            return sentence
        return f"{sentence}; next is {standings[1]['model']} with {standings[1][MEASURE]:.4f}"

    def rows_by_fold(self) -> list[dict[str, object]]:
        """Each model's means at each fold that was raced, oldest first."""
        return [row for fold in self.fold_scores for row in fold.rows]


def race(job: Job, params: Params) -> Race:
    """Race the rules, but plain ALS, and the models of `models.race` at the cuts of validation.

    Plain ALS takes as long to fit as all others and has won on no shop: the test alone measures it.
    In a large shop tuned ALS begins at random at the oldest cut alone, and goes on from there at the others.
    """
    folder, settings = job.folder, job.settings
    items, spill = folder.optional("items"), folder.scratch()
    validations = {fold.cut_at: fold for fold in folds.validations(folder)}
    learns = has_rerankers(settings)
    learning = {fold.cut_at: fold for fold in folds.for_learning(folder, settings.ranking.windows) if learns}
    learnt = Learnt(settings)
    kept = job.kept.of(params.dump()) if NCF not in raced(settings) else NOT_KEPT  # a network cannot be kept
    earlier: Earlier | None = None
    start: ItemFactors | None = None
    fold_scores: list[FoldScores] = []
    pools: list[Pools] = []
    for cut_at in sorted({*validations, *learning}):
        fold = validations.get(cut_at) or learning[cut_at]
        earlier = None if cut_at in learning else earlier
        is_due = earlier is None or not earlier.is_fresh(cut_at)
        with at(fold, params, settings, items, spill, earlier, kept, start) as models:
            if cut_at in validations and (judge := sample_of(models, fold)).n_users:
                scorers = learnt.by(cut_at)
                tops = kept.once(f"lists-{fold.name}", LISTS, partial(_ranked, models, judge, scorers))
                scores = {name: judge.scores(_lists(top, models)) for name, top in tops.items()}
                fold_scores.append(FoldScores(cut_at.isoformat(), scores))
                if settings.recommend.max_precision_loss:
                    pools.append(Pools.of(fold, judge, models.likeness, tops))
                if NCF in scores and (earlier is None or earlier.ncf is None or is_due):
                    job.say(f"race: {NCF}: {models.ncf.note}")
                job.say(f"race: {judge.n_users:,} users after {cut_at:%Y-%m-%d}: {_best(fold_scores[-1])}")
            if cut_at in learning:
                rows = kept.once(f"rows-{fold.name}", TABLE, partial(training_rows, models, learning[cut_at]))
                learnt.rows.append(rows)
            earlier, start = left_by(models, fold, earlier), models.factors.of_items()
    unjudged = ALS if ALS in raced(settings) else SIMPLEST
    return Race(fold_scores, learnt.rows, unjudged, pools, start)


def _ranked(models: FittedModels, judge: Judge, scorers: Mapping[str, Scorer]) -> dict[str, TopN]:
    """Every model's lists at one cut, so long that they may be put in another order."""
    return judge.top_n(dict(models.rankers(scorers, without=(PLAIN_ALS,))), POOL)


def _lists(top: TopN, models: FittedModels) -> NDArray[np.int32]:
    """The lists that are judged, with no more items of a category than the settings allow."""
    most = models.settings.recommend.max_per_category
    return (capped(top, models.likeness.categories, most) if most else top).items[:, :LENGTH]


def _best(fold: FoldScores) -> str:
    best = max(fold.scores, key=lambda model: _mean_of(fold, model))
    return f"best is {best} with {_mean_of(fold, best)[0]:.4f}"


def _mean_of(fold: FoldScores, model: str) -> tuple[float, float]:
    """The means of MEASURE and of FINER, which decides between equal ones."""
    scores = fold.scores[model]
    return float(scores[MEASURE].mean()), float(scores[FINER].mean())


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
