"""Places in every list for items that are new in the shop, which no model knows that learns from purchases.

New is a cold item that the shop added in the last days, or that was first bought in them where the shop does
not say when it was added. Each buyer gets the best of them, of categories that the buyer bought from, from a
given rank on; what stood there moves down. Where no new item is of such a category, the list stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.cold.items import ColdItems
from pipeline.cold.ranking import ColdRanking
from pipeline.models.top_n import NOTHING
from pipeline.settings.publishing import Recommend
from pipeline.splits.history import History

MOST_NEW = 1_000
"""New items that have a chance of a place: those most asked for."""


@dataclass(frozen=True)
class NewItems:
    """The new items at one cut, and their places. ranking: of the new items; from_rank: 1 and up"""

    ranking: ColdRanking
    slots: int
    from_rank: int

    def best(self, rows: NDArray[np.int64], listed: NDArray[np.int32]) -> NDArray[np.int32]:
        """The new items of each user `rows`: numbers in `ranking.items`, then NOTHING, shape (n, slots).

        listed: column numbers of what the user's list has, NOTHING in empty slots, shape (n, length)
        """
        return self.ranking.top_n_beside(rows, self.slots, listed).items

    @property
    def item_ids(self) -> pa.Array:
        """The ids of the new items, by number."""
        return self.ranking.items.item_ids

    def put_in(self, listed: NDArray[np.int32], new: NDArray[np.int32]) -> NDArray[np.int64]:
        """Where each slot of a list comes from: the slot of the old list, or -2 - k for the k-th of `new`.

        listed, new: as `best` takes and returns them
        Returns NOTHING where the list ends; of the shape of `listed`.
        """
        length = listed.shape[1]
        old = np.where(listed == NOTHING, NOTHING, np.arange(length))
        added = np.where(new == NOTHING, NOTHING, -2 - np.arange(self.slots))
        first = np.minimum(self.from_rank - 1, length)
        whole = np.hstack([old[:, :first], added, old[:, first:]])
        order = np.argsort(whole == NOTHING, axis=1, kind="stable")  # what is empty goes to the end
        return np.asarray(np.take_along_axis(whole, order, axis=1)[:, :length])


def new_items(history: History, cold: ColdItems | None, lengths: Recommend) -> NewItems | None:
    """The new ones of the cold items where `history` ends; None: there are none, or no places for them."""
    if cold is None or not lengths.new_items_slots:
        return None
    new = cold.only(cold.age_days < lengths.new_items_days).most_wanted(MOST_NEW)
    if not len(new):
        return None
    return in_places(ColdRanking(history, new), lengths)


def in_places(ranking: ColdRanking, lengths: Recommend) -> NewItems:
    """The items of `ranking` in the places that the settings give them."""
    return NewItems(ranking.counted(), lengths.new_items_slots, lengths.new_items_from_rank)
