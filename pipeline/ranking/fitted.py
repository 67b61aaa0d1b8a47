"""One cut with all that stands for judgement there: ALS, the rules, and the second steps over them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS
from pipeline.evaluation.judge import Judge
from pipeline.models.als import AlsFactors
from pipeline.models.baselines import ItemNeighbours, Neighbours
from pipeline.models.catalog import MODELS, RERANKERS, rule
from pipeline.models.params import Params
from pipeline.models.top_n import Filled, Ranker
from pipeline.ranking.candidates import FROM_ALS, CandidateSource
from pipeline.ranking.reranker import BATCH_USERS, Reranker, Scorer
from pipeline.ranking.statistics import facts
from pipeline.ranking.training_rows import draw
from pipeline.splits.folds import Fold
from pipeline.splits.history import History
from pipeline.splits.holdout import UNSERVED


@dataclass(frozen=True)
class FittedModels:
    """What is fitted on one history. Open while `at` runs.

    items: the shop's items, for their categories; None: it has none
    """

    history: History
    factors: AlsFactors
    params: Params
    settings: Settings
    items: Path | None
    repeat_purchases: str

    @cached_property
    def neighbours(self) -> Neighbours:
        """Each item's nearest by who bought them."""
        return ItemNeighbours(threads=self.settings.run.threads).fit(self.history)

    @cached_property
    def recall(self) -> CandidateSource:
        """The candidates' source."""
        is_exclude = self.repeat_purchases == "exclude"
        counted = facts(self.history, self.items)
        length = self.settings.recommend.list_length
        return CandidateSource(
            counted, self.factors, self.neighbours.similarity, is_exclude, from_als=max(FROM_ALS, length)
        )

    def ranker(self, name: str, scorer: Scorer | None = None) -> Ranker:
        """The model `name`, fitted; a second step ranks by its `scorer`."""
        if name == "als":
            return self.factors
        if name == "item_neighbours":
            return self.neighbours
        if scorer is not None:
            return Reranker(self.recall, scorer)
        return rule(name, self.params, self.settings).fit(self.history)

    def rankers(
        self, scorers: Mapping[str, Scorer], without: Collection[str] = ()
    ) -> Iterator[tuple[str, Ranker]]:
        """Every model that can be fitted here, in turn; of the second steps those in `scorers`."""
        for name in MODELS:
            if (name not in RERANKERS or name in scorers) and name not in without:
                yield name, self.ranker(name, scorers.get(name))

    def filled(self, ranker: Ranker) -> Filled:
        """As lists are published: those of `ranker`, empty slots filled by ALS, then by what is popular."""
        return Filled((ranker, self.factors, self.ranker("recently_popular")))

    def examples(self, judge: Judge, fold: Fold) -> pa.Table:
        """Rows of the dataset `examples`: candidates of the judged users, and what they bought."""
        served = np.flatnonzero(judge.held_out.rows != UNSERVED)
        schema = DATASETS["examples"].schema(self.settings.ids.model_dump())
        parts = [schema.empty_table()]
        for start in range(0, len(served), BATCH_USERS):
            users = served[start : start + BATCH_USERS]
            table = self.recall.table(judge.held_out.rows[users])
            seed = (self.settings.run.seed, start)
            parts.append(draw(table, judge.held_out, users, self.history, fold.cut_at, seed).cast(schema))
        return pa.concat_tables(parts)
