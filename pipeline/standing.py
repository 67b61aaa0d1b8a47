"""One cut with all that stands for judgement there: ALS, the rules, and the second steps over them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.candidates import FROM_ALS, Recall
from pipeline.config import Als, Settings
from pipeline.contract import DATASETS
from pipeline.facts import facts
from pipeline.folds import Fold
from pipeline.history import UNSERVED, History, opened
from pipeline.judge import Judge
from pipeline.models import blend, trees
from pipeline.models.als import AlsFactors, AlsModel
from pipeline.models.baselines import ItemNeighbours, Neighbours, OwnMostBought, Popular
from pipeline.models.examples import Examples, draw
from pipeline.models.second_step import BATCH_USERS, Scorer, SecondStep
from pipeline.models.top_n import Filled, Model, Ranker
from pipeline.params import Params

PLAIN_ALS = "als_500_3_001"
RULES = ("popular", "recently_popular", "own_most_bought", "item_neighbours", PLAIN_ALS)
SECOND_STEPS = ("blend", "ranker")
MODELS = (*RULES, "als", *SECOND_STEPS)


@dataclass(frozen=True)
class Standing:
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
    def recall(self) -> Recall:
        """The candidates' source."""
        is_exclude = self.repeat_purchases == "exclude"
        counted = facts(self.history, self.items)
        length = self.settings.recommend.list_length
        return Recall(
            counted, self.factors, self.neighbours.similarity, is_exclude, from_als=max(FROM_ALS, length)
        )

    def ranker(self, name: str, scorer: Scorer | None = None) -> Ranker:
        """The model `name`, fitted; a second step ranks by its `scorer`."""
        if name == "als":
            return self.factors
        if name == "item_neighbours":
            return self.neighbours
        if scorer is not None:
            return SecondStep(self.recall, scorer)
        return rule(name, self.params, self.settings).fit(self.history)

    def rankers(
        self, scorers: Mapping[str, Scorer], without: Collection[str] = ()
    ) -> Iterator[tuple[str, Ranker]]:
        """Every model that can be fitted here, in turn; of the second steps those in `scorers`."""
        for name in MODELS:
            if (name not in SECOND_STEPS or name in scorers) and name not in without:
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


def rule(name: str, params: Params, settings: Settings) -> Model:
    """The rule `name`, with the half-lives that validation liked best."""
    run = settings.run
    if name == "popular":
        return Popular()
    if name == "recently_popular":
        return Popular(params.half_lives[name], name)
    if name == "own_most_bought":
        return OwnMostBought(params.half_lives[name])
    if name == "item_neighbours":
        return ItemNeighbours(threads=run.threads)
    if name != PLAIN_ALS:
        raise KeyError(name)
    plain = Als(factors=500, iterations=3, regularization=0.01, regularization_scale=0.0)
    return AlsModel(plain, None, run.seed, run.threads, PLAIN_ALS)


def second_steps(
    learnt: Sequence[pa.Table], settings: Settings, names: Sequence[str] = SECOND_STEPS
) -> dict[str, Scorer]:
    """The second steps, fitted on rows of `examples`; none where there is nothing to learn from."""
    examples = Examples.read(*learnt) if learnt else None
    if examples is None or not examples.can_teach:
        return {}
    found: dict[str, Scorer] = {}
    for name in names:
        if name == "blend":
            found[name] = blend.fit(examples)
        if name == "ranker":
            found[name] = trees.fit(examples, settings.ranking.objective, settings.run.seed)
    return found


@contextmanager
def at(
    fold: Fold,
    params: Params,
    settings: Settings,
    items: Path | None,
    spill: Path,
    fitted: AlsFactors | None = None,
) -> Iterator[tuple[Standing, Judge]]:
    """The fold with ALS fitted, and its judge in the mode that is published.

    fitted: ALS with these parameters at this fold, where it has been fitted already
    """
    mode = settings.run.repeat_purchases
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, spill) as history:
        judge = Judge.of(history, fold, mode)
        factors = fitted or params.als_model(settings).fit(history)
        yield Standing(history, factors, params, settings, items, mode), judge
