"""The fitted models at one cut: ALS, the rules, and the re-rankers over their candidates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import progress
from pipeline.cold.content import read_content
from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS
from pipeline.models.als_factors import AlsFactors
from pipeline.models.baselines import ItemNeighbours, Neighbours
from pipeline.models.catalog import (
    ALS,
    EASE,
    ITEM_NEIGHBOURS,
    NCF,
    PLAIN_ALS,
    RECENTLY_POPULAR,
    build,
    is_reranker,
    plain_als,
    raced,
    rules,
)
from pipeline.models.ease import Ease, EaseWeights
from pipeline.models.ncf import Ncf, NcfWeights
from pipeline.models.params import Params, Variety
from pipeline.models.top_n import Filled, Ranker
from pipeline.parallel import in_order
from pipeline.ranking.candidates import FROM_ALS, CandidateSource
from pipeline.ranking.features import Scorer
from pipeline.ranking.neural import NeuralRanker
from pipeline.ranking.pairs import Column
from pipeline.ranking.reranker import BATCH_USERS, Reranker
from pipeline.ranking.statistics import Statistics, count_statistics
from pipeline.ranking.training_rows import draw_training_rows
from pipeline.runs.kept import NOT_KEPT, Kept
from pipeline.splits.folds import WEEK, Fold
from pipeline.splits.history import History
from pipeline.splits.holdout import UNSERVED, HeldOut
from pipeline.variety.capped import Capped
from pipeline.variety.likeness import Likeness
from pipeline.variety.varied import Exposure, Varied, sample_of


@dataclass(frozen=True)
class Earlier:
    """What was fitted at an earlier cut and serves later ones: what is known of items changes slowly.

    cut_at:     when the models but `plain` were fitted, which serve for a week
    factors:    tuned ALS
    neighbours: each item's nearest
    ease:       EASE, where it is fitted
    plain:      plain ALS, which serves for all cuts where it is there
    ncf:        NCF, where it races
    """

    cut_at: datetime
    factors: AlsFactors
    neighbours: Neighbours
    ease: EaseWeights | None = None
    plain: AlsFactors | None = None
    ncf: NcfWeights | None = None

    def is_fresh(self, cut_at: datetime) -> bool:
        """Whether less than a week has passed."""
        return cut_at - self.cut_at < WEEK


@dataclass(frozen=True)
class AllUsers:
    """What is fitted and counted over all users: with it the models of a few of them are made.

    earlier:    ALS, neighbours and EASE as fitted on all, without their users
    mean_cells: cells of a user on average, in the matrix that ALS is fitted on
    statistics: of items, as in `Statistics.items`
    rankers:    by name, those that are the same for everybody
    exposure:   of the published model; None: its lists have no variety
    """

    earlier: Earlier
    mean_cells: float
    statistics: Mapping[str, Column]
    rankers: Mapping[str, Ranker]
    exposure: Exposure | None = None


@dataclass(frozen=True)
class FittedModels:
    """The models that are fitted on one history, and what they share. Usable while the history is open.

    items: the shop's items, for their categories; None: it has none
    earlier: what was fitted at an earlier cut and is still fresh; None: the models are fitted here
    plain_before: plain ALS as fitted at an earlier cut; None: it is fitted here
    kept: where plain ALS is kept, which is fitted at one cut alone
    all_users: where `history` is that of some users alone, what was fitted on all; None: it is that of all
    """

    history: History
    factors: AlsFactors
    params: Params
    settings: Settings
    items: Path | None
    earlier: Earlier | None = None
    plain_before: AlsFactors | None = None
    kept: Kept = NOT_KEPT
    all_users: AllUsers | None = None

    @cached_property
    def plain_als(self) -> AlsFactors:
        """Plain ALS: it has the most factors of all, so that it takes longest to fit."""
        if self.plain_before is not None:
            return self.plain_before.onto(self.history)
        plain, form = plain_als(self.params, self.settings), AlsFactors.form(self.settings.run.threads)
        return self.kept.once("plain-als", form, lambda: plain.fit(self.history))

    def forget_plain_als(self) -> None:
        """Give back the memory of plain ALS, which nothing but its own lists is made of.

        A later cut still needs it as it was fitted (`Earlier.plain`).
        """
        vars(self).pop("plain_als", None)

    @cached_property
    def neighbours(self) -> Neighbours:
        """Each item's nearest by who bought them."""
        if self.earlier is not None:
            return self.earlier.neighbours.onto(self.history)
        return ItemNeighbours(threads=self.settings.run.threads).fit(self.history)

    @cached_property
    def ease(self) -> EaseWeights:
        """What each purchase says of each item."""
        if self.earlier is not None and self.earlier.ease is not None:
            return self.earlier.ease.onto(self.history)
        return Ease().fit(self.history)

    @cached_property
    def ncf(self) -> NcfWeights:
        """What a neural network has learnt of users and items."""
        if self.earlier is not None and self.earlier.ncf is not None:
            return self.earlier.ncf.onto(self.history)
        return Ncf.of(self.settings).fit(self.history)

    @cached_property
    def likeness(self) -> Likeness:
        """How alike items are, by their factors and by what the shop said of them at the cut."""
        content = read_content(self.items, None, self.history.known_until) if self.items else None
        return Likeness.of(self.factors, content)

    @cached_property
    def statistics(self) -> Statistics:
        """What the events say of users, items and pairs."""
        counted = self.all_users.statistics if self.all_users else None
        return count_statistics(self.history, self.items, counted)

    @cached_property
    def candidates(self) -> CandidateSource:
        """Where the re-rankers' candidates come from."""
        return self._candidates(self.settings.run.excludes_repeats)

    def _candidates(self, is_exclude: bool) -> CandidateSource:
        return CandidateSource(
            self.statistics,
            self.factors,
            self.neighbours.similarity,
            self.ease,
            is_exclude,
            from_als=max(FROM_ALS, self.settings.recommend.list_length),
        )

    def _neural_ranker(self) -> NeuralRanker:
        is_exclude = self.settings.run.excludes_repeats
        both = {is_exclude: self.candidates, not is_exclude: self._candidates(not is_exclude)}
        return NeuralRanker(both, self.ncf)

    def ranker(self, name: str, scorer: Scorer | None = None) -> Ranker:
        """The model `name`, fitted; a re-ranker ranks by its `scorer`, and without one it is a KeyError.

        The models that generate candidates too are fitted once and kept.
        """
        if scorer is not None and is_reranker(name):
            return Reranker(self.candidates, scorer)
        kept: Mapping[str, Callable[[], Ranker]] = {
            ALS: lambda: self.factors,
            EASE: lambda: self.ease,
            ITEM_NEIGHBOURS: lambda: self.neighbours,
            NCF: self._neural_ranker,
            PLAIN_ALS: lambda: self.plain_als,
        }
        if name in kept:
            return kept[name]()
        if self.all_users and name in self.all_users.rankers:
            return self.all_users.rankers[name]
        return build(name, self.params, self.settings).fit(self.history)

    def rankers(
        self, scorers: Mapping[str, Scorer], without: Collection[str] = ()
    ) -> Iterator[tuple[str, Ranker]]:
        """Every model that races but `without`, in turn; of the re-rankers those in `scorers`."""
        for name in raced(self.settings):
            if (not is_reranker(name) or name in scorers) and name not in without:
                yield name, self.ranker(name, scorers.get(name))

    def filled(self, ranker: Ranker) -> Filled:
        """The lists of `ranker`, empty slots filled by ALS, then by what is popular."""
        return Filled((ranker, self.factors, self.ranker(RECENTLY_POPULAR)))

    def published(self, name: str, ranker: Ranker, variety: Variety | None = None) -> Ranker:
        """As the lists of the model `name`, fitted as `ranker`, are published: with variety, filled, capped.

        variety: None: that of `params`, which was chosen for the lists of its model, and no other's
        The lists of a rule never have any.
        """
        return self.capped(self.filled(self.varied(name, ranker, variety) or ranker))

    def varied(self, name: str, ranker: Ranker, variety: Variety | None = None) -> Varied | None:
        """The lists of the model `name` with variety; None where they have none."""
        if variety is None:
            variety = self.params.variety if name == self.params.model else Variety()
        if name in rules() or variety == Variety():
            return None
        exclude = self.history.purchases() if self.settings.run.excludes_repeats else None
        sampled = sample_of(self.history.user_ids)
        counted = self.all_users.exposure if self.all_users else None
        return Varied(ranker, self.likeness, variety, sampled, exclude, counted)

    def capped(self, ranker: Ranker) -> Ranker:
        """The same lists with no more items of a category than the settings allow."""
        most = self.settings.recommend.max_per_category
        return Capped(ranker, self.likeness.categories, most) if most else ranker

    def training_rows(self, held_out: HeldOut, fold: Fold) -> pa.Table:
        """Rows of the dataset `examples`: candidates of the held-out users, labelled by what they bought."""
        served = np.flatnonzero(held_out.rows != UNSERVED)
        schema = DATASETS["examples"].schema(self.settings.ids.model_dump())

        def rows_of(users: NDArray[np.int64]) -> pa.Table:
            table = self.candidates.table(held_out.rows[users])
            seed = self.settings.run.seed
            return draw_training_rows(table, held_out, users, self.history, fold.cut_at, seed).cast(schema)

        batches = (served[start : start + BATCH_USERS] for start in range(0, len(served), BATCH_USERS))
        parts = in_order(rows_of, batches, self.settings.run.threads)
        counted = progress.over(parts, "training rows", len(served), "users", lambda _: BATCH_USERS)
        return pa.concat_tables([schema.empty_table(), *counted])
