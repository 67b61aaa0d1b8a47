"""What the learnt models put first at a cut of validation, and what their lists reach there with variety."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.judge import LENGTH, Judge, Outcome
from pipeline.models.catalog import rules
from pipeline.models.params import Variety
from pipeline.models.top_n import NOTHING, TopN
from pipeline.splits.folds import Fold
from pipeline.variety.capped import capped
from pipeline.variety.likeness import Likeness
from pipeline.variety.varied import BATCH_LISTS, SHOWN, exposure_of, reordered, sample_of


@dataclass(frozen=True)
class Reached:
    """What the lists of one model reach at one cut.

    scores: that the model gave the items in the first SHOWN slots, NaN where a slot is empty, shape (n_users,
            SHOWN)
    """

    outcome: Outcome
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class Pools:
    """The pools of the learnt models at one cut, for the users who are measured there.

    columns:  the items in any of the pools, ascending
    likeness: of these items
    tops:     by model, lists in the model's own order, their items as places in `columns`
    """

    fold: Fold
    judge: Judge
    columns: NDArray[np.int64]
    likeness: Likeness
    tops: Mapping[str, TopN]

    @classmethod
    def of(cls, fold: Fold, judge: Judge, likeness: Likeness, tops: Mapping[str, TopN]) -> Pools:
        """From the lists of all models at the cut; those of rules are left out."""
        learnt = {name: top for name, top in tops.items() if name not in rules()}
        listed = [np.empty(0, np.int32), *(top.items.ravel() for top in learnt.values())]
        columns = np.setdiff1d(np.concatenate(listed), [NOTHING]).astype(np.int64)
        places = {name: replace(top, items=_places(top.items, columns)) for name, top in learnt.items()}
        return cls(fold, replace(judge, exclude=None), columns, likeness.only(columns), places)

    def slots(self, model: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The scores of all filled slots of the model's pools, and whether each was bought."""
        top = self.tops[model]
        is_item = top.items != NOTHING
        return top.scores[is_item], self.judge.hits(self._items(top.items))[is_item]

    def reached(self, model: str, tried: Sequence[Variety], most: int) -> list[Reached]:
        """What the lists of `model` reach with each variety of `tried`.

        most: items of one category; 0: as many as come

        Exposure is counted in the lists of those who are measured; when lists are published, of all buyers.
        """
        top = self.tops[model]
        sampled = sample_of(self.judge.held_out.user_ids)
        sample = TopN(top.items[sampled], top.scores[sampled])
        exposures = [exposure_of(sample, len(self.columns), variety.strength) for variety in tried]
        parts: list[list[TopN]] = [[TopN.empty(0, top.items.shape[1])] for _ in tried]
        for start in range(0, len(top.items), BATCH_LISTS):
            batch = top.part(start, start + BATCH_LISTS)
            alike = self.likeness.within(batch.items)
            for lists, exposure, variety in zip(parts, exposures, tried, strict=True):
                varied = reordered(batch, exposure, alike, variety)
                lists.append(_with_own_scores(batch, capped(varied, self.likeness.categories, most)))
        return [self._reached(lists[1:]) for lists in parts]

    def _reached(self, lists: Sequence[TopN]) -> Reached:
        places = np.vstack([part.items[:, :LENGTH] for part in lists])
        scores = np.vstack([part.scores[:, :SHOWN] for part in lists])
        outcome = self.judge.outcome(self._items(places), self.likeness.diversity(places))
        return Reached(outcome, np.where(places[:, :SHOWN] == NOTHING, np.float32(np.nan), scores))

    def _items(self, places: NDArray[np.int32]) -> NDArray[np.int32]:
        """The column numbers of items that are places in `columns`."""
        return np.append(self.columns, NOTHING)[places].astype(np.int32)


def _places(items: NDArray[np.int32], columns: NDArray[np.int64]) -> NDArray[np.int32]:
    places = np.searchsorted(columns, items).astype(np.int32)
    places[items == NOTHING] = NOTHING
    return places


def _with_own_scores(own: TopN, top: TopN) -> TopN:
    """The lists `top`, made from `own`, with the scores that their items have there."""
    assert top.model_rank is not None
    return replace(top, scores=np.take_along_axis(own.scores, top.model_rank - 1, axis=1))
