"""The race on validation: every model on the same users, second steps taught by what lies before each cut.

Folds are walked from the oldest to the newest. At each the second steps learn from the folds before it
alone, and leave examples for the next. The newest folds count together, because one window alone is
often won by luck.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.config import Settings
from pipeline.evaluation.at_cut import at
from pipeline.evaluation.metrics import PerUser
from pipeline.models.als import AlsFactors
from pipeline.models.catalog import MODELS, RULES
from pipeline.models.params import Params
from pipeline.ranking.reranker import fit_rerankers
from pipeline.splits.folds import Fold

MEASURE, FINER = "precision_at_3", "ndcg_at_10"
"""What decides, and what decides where that is too coarse: it looks at ten slots, not three."""

ENOUGH_USERS = 1_500


@dataclass(frozen=True)
class FoldScores:
    """One fold that was judged. scores: by model and measure, of each user, shape (n_users,)"""

    cut_at: str
    scores: Mapping[str, Mapping[str, PerUser]]

    @property
    def rows(self) -> list[dict[str, object]]:
        """Means, for the record."""
        return [
            {
                "cut_at": self.cut_at,
                "model": model,
                "n_users": len(told[MEASURE]),
                **{name: float(told[name].mean()) for name in (MEASURE, FINER)},
            }
            for model, told in self.scores.items()
        ]


@dataclass(frozen=True)
class Race:
    """How it ended.

    laps:     the folds that were judged, oldest first
    examples: of every fold, for the second steps of the next cut, oldest first
    """

    laps: list[FoldScores]
    examples: list[pa.Table]

    def scores(self) -> dict[str, dict[str, PerUser]]:
        """Of each model over the laps that all could run, all users alike."""
        most = max((len(lap.scores) for lap in self.laps), default=0)
        complete = [lap for lap in self.laps if len(lap.scores) == most]
        models = [model for model in MODELS if complete and model in complete[0].scores]
        return {
            model: {
                name: np.concatenate([lap.scores[model][name] for lap in complete])
                for name in (MEASURE, FINER)
            }
            for model in models
        }

    def standings(self) -> list[dict[str, object]]:
        """Each model's means, the highest Precision@3 first."""
        rows: list[dict[str, object]] = [
            {
                "model": model,
                "n_users": len(told[MEASURE]),
                **{name: float(told[name].mean()) for name in (MEASURE, FINER)},
            }
            for model, told in self.scores().items()
        ]
        return sorted(rows, key=lambda row: (-float(str(row[MEASURE])), MODELS.index(str(row["model"]))))

    def winner(self) -> str:
        """The highest Precision@3; of those that chance alone may hold below it, the highest NDCG@10.

        Chance may, where the paired difference is less than its standard error. Whoever wins is not
        below the best rule in Precision@3. Nobody judged: "als".
        """
        scores = self.scores()
        if not scores:
            return "als"
        mean = {model: float(told[MEASURE].mean()) for model, told in scores.items()}
        finer = {model: float(told[FINER].mean()) for model, told in scores.items()}
        leader = max(mean, key=lambda model: (mean[model], finer[model]))
        floor = max((mean[model] for model in mean if model in RULES), default=0.0)

        def is_level(model: str) -> bool:
            loss = scores[leader][MEASURE] - scores[model][MEASURE]
            error = float(loss.std()) / np.sqrt(len(loss))
            return mean[model] >= floor and float(loss.mean()) <= error

        return max(
            (model for model in mean if is_level(model)), key=lambda model: (finer[model], mean[model])
        )

    def why(self) -> str:
        """Why the winner won, in a sentence."""
        standings, winner = self.standings(), self.winner()
        if not standings:
            return "als: nobody could be measured on validation"
        won = next(row for row in standings if row["model"] == winner)
        told = f"{winner}: Precision@3 {won[MEASURE]:.4f} on validation, {won['n_users']:,} users"
        first = standings[0]
        if first["model"] != winner:
            return (
                f"{told}; {first['model']} has {first[MEASURE]:.4f}, which may be chance,"
                f" and the lower NDCG@10: {first[FINER]:.4f} against {won[FINER]:.4f}"
            )
        return told + (
            f"; next is {standings[1]['model']} with {standings[1][MEASURE]:.4f}" if standings[1:] else ""
        )


def race(
    folds: list[Fold],
    params: Params,
    settings: Settings,
    items: Path | None,
    spill: Path,
    say: Callable[[str], None],
    without: Collection[str] = (),
    fitted: AlsFactors | None = None,
) -> Race:
    """Run it over `folds`, newest first; the newest `ranking.race_windows` are judged.

    Those beyond the two newest only where they have fewer than ENOUGH_USERS: two larger ones decide.

    without: models that have lost already
    fitted:  ALS with `params` at the newest fold, where it has been fitted already
    """
    laps: list[FoldScores] = []
    learnt: list[pa.Table] = []
    for place, fold in reversed(list(enumerate(folds))):
        known = fitted if place == 0 else None
        with at(fold, params, settings, items, spill, known) as (standing, whole):
            judge = whole.sampled(settings.ranking.most_users, settings.run.seed)
            if not judge.n_users:
                continue
            is_wanted = place < 2 or judge.n_users < ENOUGH_USERS
            if place == 0 or (learnt and is_wanted and place < settings.ranking.race_windows):
                rankers = standing.rankers(fit_rerankers(learnt, settings), without)
                lap = FoldScores(
                    fold.cut_at.isoformat(),
                    {name: judge.scores(judge.lists(ranker)) for name, ranker in rankers},
                )
                best = max(lap.rows, key=lambda row: float(str(row[MEASURE])))
                say(
                    f"race: {judge.n_users:,} users after {fold.cut_at:%Y-%m-%d}: best is {best['model']}"
                    f" with {best[MEASURE]:.4f}"
                )
                laps.append(lap)
            else:
                say(f"race: {judge.n_users:,} users after {fold.cut_at:%Y-%m-%d} to learn from")
            learnt.append(standing.examples(judge, fold))
    return Race(laps, learnt)
