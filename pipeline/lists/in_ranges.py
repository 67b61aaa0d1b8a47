"""Everybody's lists, made for one range of users after another: wherever the run's files can be read.

What was fitted over all users goes along; what is known of the users of a range is read from the files again.
So a range needs no more memory than it has users, and each may be made on another machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline.cold.items import ColdItems
from pipeline.cold.ranking import ColdRanking
from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS
from pipeline.engines.tables import Range
from pipeline.lists.evidence import Evidence, evidence_of
from pipeline.lists.final_model import FinalModel, audiences_of
from pipeline.lists.new_items import NewItems, in_places
from pipeline.lists.personal import user_lists
from pipeline.models.als import mean_cells
from pipeline.models.als_factors import AlsFactors
from pipeline.models.catalog import NCF, PLAIN_ALS, RECENTLY_POPULAR, is_same_for_all
from pipeline.models.params import Params
from pipeline.ranking.features import Scorer
from pipeline.ranking.fitted import AllUsers, Earlier, FittedModels
from pipeline.splits.history import History, opened_range

NOT_IN_RANGES = (PLAIN_ALS, NCF)
"""Models that know each user by numbers that only the fit on all users gives."""


@dataclass(frozen=True)
class Files:
    """What lists are made from.

    events:   `purchaser_events`; browsers: `browser_events`; None: lists are for buyers only
    items:    the shop's items; None: it has none
    datasets: those that `evidence_of` reads; spill: a folder for what memory does not hold
    """

    events: Path
    browsers: Path | None
    items: Path | None
    datasets: Mapping[str, Path]
    spill: Path


@dataclass(frozen=True)
class NewOfAll:
    """The new items, and the share of each category in everybody's purchases."""

    items: ColdItems
    mean_shares: NDArray[np.float64]


@dataclass(frozen=True)
class ListsInRanges:
    """Makes the rows of `recommendations` of one range of users; it can be pickled.

    ranges:    of ids, each with the buyers in it who take part, ascending
    item_ids:  of the whole history, by column number
    hidden:    column numbers of items that nobody is shown
    mean_of_browsers: cells of a browser on average
    """

    ranges: Sequence[tuple[Range, pa.Array]]
    item_ids: pa.Array
    hidden: NDArray[np.int64]
    all_users: AllUsers
    params: Params
    settings: Settings
    files: Files
    as_of: datetime
    scorer: Scorer | None
    new: NewOfAll | None
    percent_off: NDArray[np.int32]
    mean_of_browsers: float | None

    @classmethod
    def of(
        cls,
        model: FinalModel,
        evidence: Evidence,
        new: NewItems | None,
        files: Files,
        as_of: datetime,
    ) -> ListsInRanges:
        """From what was fitted and counted over all users; `engine.users_in_task` buyers in each range."""
        fitted, history = model.fitted, model.fitted.history
        browsers = [audience.own for audience in model.audiences[1:]]
        return cls(
            ranges=_ranges(history.user_ids, fitted.settings.engine.users_in_task),
            item_ids=history.item_ids,
            hidden=model.hidden,
            all_users=_all_users(model, as_of),
            params=fitted.params,
            settings=fitted.settings.model_copy(
                update={"run": fitted.settings.run.model_copy(update={"threads": 1})}
            ),
            files=files,
            as_of=as_of,
            scorer=model.scorer,
            new=NewOfAll(new.ranking.items, new.ranking.mean_shares) if new else None,
            percent_off=evidence.percent_off,
            mean_of_browsers=mean_cells(browsers[0]) if browsers else None,
        )

    @property
    def n_ranges(self) -> int:
        return len(self.ranges)

    @property
    def schema(self) -> pa.Schema:
        """Of the rows."""
        return DATASETS["recommendations"].schema(self.settings.ids.model_dump())

    def rows(self, number: int) -> Iterator[pa.RecordBatch]:
        """Those of one range, by user and rank."""
        users, user_ids = self.ranges[number]
        run, events = self.settings.run, [self.files.events]
        with (
            TemporaryDirectory(dir=self.files.spill) as spill,
            threadpool_limits(1, "blas"),
            opened_range(events, self.as_of, users, user_ids, self.item_ids, run, Path(spill)) as history,
        ):
            models = self._models(history)
            audiences = audiences_of(
                models, self.scorer, self.files.browsers, self.as_of, self.mean_of_browsers
            )
            evidence = evidence_of(
                history,
                self.files.datasets,
                self.files.items,
                self.as_of,
                is_bought_shown=not run.excludes_repeats,
                timezone=self.settings.source.timezone,
                percent_off=self.percent_off,
            )
            length = self.settings.recommend.list_length
            lists = user_lists(audiences, models.factors, evidence, length, self._new(history), run.threads)
            for batch in lists:
                yield batch.select(self.schema.names).cast(self.schema)

    def _models(self, history: History) -> FittedModels:
        """The models of the users of `history`: their factors are solved anew, the items' stay."""
        earlier = self.all_users.earlier
        als = self.params.als_model(self.settings)
        factors = als.carried(earlier.factors, history, self.all_users.mean_cells).hide(self.hidden)
        return FittedModels(
            history,
            factors,
            self.params,
            self.settings,
            self.files.items,
            earlier,
            all_users=self.all_users,
        )

    def _new(self, history: History) -> NewItems | None:
        if self.new is None:
            return None
        ranking = ColdRanking(history, self.new.items, self.new.mean_shares)
        return in_places(ranking, self.settings.recommend)


def can_be_in_ranges(model: FinalModel) -> bool:
    """Whether the model's lists can be made for some of its users alone."""
    return model.is_judged and model.fitted.params.model not in NOT_IN_RANGES


def _ranges(user_ids: pa.Array, n: int) -> list[tuple[Range, pa.Array]]:
    """Ranges of ids, in their order, with `n` of `user_ids` each. The first and the last one are open."""
    parts = [user_ids.slice(first, n) for first in range(0, max(len(user_ids), 1), n)]
    bounds = [None, *(part[0].as_py() for part in parts[1:]), None]
    return [((bounds[place], bounds[place + 1]), part) for place, part in enumerate(parts)]


def _all_users(model: FinalModel, as_of: datetime) -> AllUsers:
    """What `model` has learnt of items, without its users."""
    fitted = model.fitted
    name, als = fitted.params.model, fitted.params.als_model(fitted.settings)
    ranker = fitted.ranker(name, model.scorer)
    varied = fitted.varied(name, ranker)
    same = {name for name in (name, RECENTLY_POPULAR) if is_same_for_all(name)}
    return AllUsers(
        Earlier(as_of, _without_users(fitted.factors), fitted.neighbours.learnt(), fitted.ease.learnt()),
        als.mean_cells(fitted.history),
        fitted.statistics.items,
        {name: fitted.ranker(name) for name in same},
        varied.hide(model.hidden).exposure if varied else None,
    )


def _without_users(factors: AlsFactors) -> AlsFactors:
    nobody = {"user_factors": factors.user_factors[:0], "user_ids": factors.user_ids[:0]}
    return replace(factors, **nobody, hidden=np.empty(0, np.int64), threads=1)
