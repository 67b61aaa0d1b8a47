"""Every user's list with its reasons, as rows of `recommendations`: buyers, and browsers where wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.lists.reasons import RECENTLY_POPULAR, because
from pipeline.models.als import AlsFactors
from pipeline.models.top_n import NOTHING, Ranker, numbered

BATCH_USERS = 2048


@dataclass(frozen=True)
class Audience:
    """Users who get lists from one model.

    user_ids: by row number, ascending; did: what they bought or looked at, shape (n_users, n_items)
    exclude:  what their lists may not hold, of the same shape; None: nothing
    own, near: the reasons of an item they did that with, and of one like it
    """

    user_ids: pa.Array
    model: Ranker
    did: sp.csr_matrix
    exclude: sp.csr_matrix | None
    own: str
    near: str

    def lists(self, rows: NDArray[np.int64], factors: AlsFactors, length: int) -> pa.Table:
        """The lists of the users `rows`, unsorted between users.

        factors: tell which of the things a user did is nearest to a listed item
        """
        top = self.model.top_n(rows, length, self.exclude)
        nearest = because(top.items, self.did[rows], factors.item_factors)
        slots, ranks = np.nonzero(top.items != NOTHING)
        items, because_items = top.items[slots, ranks], nearest[slots, ranks]
        is_own, is_near = items == because_items, because_items != NOTHING
        return pa.table(
            {
                "user_id": self.user_ids.take(pa.array(rows[slots])),
                "rank": numbered(slots),
                "item_id": factors.item_ids.take(pa.array(items)),
                "score": top.scores[slots, ranks].astype(np.float64),
                "reason": np.select([is_own, is_near], [self.own, self.near], RECENTLY_POPULAR),
                "because_item_id": factors.item_ids.take(pa.array(because_items, mask=is_own | ~is_near)),
            }
        )


def lists(audiences: list[Audience], factors: AlsFactors, length: int) -> Iterator[pa.RecordBatch]:
    """Of all audiences, in the order of the ids; no user is in two."""
    ids = pa.chunked_array([each.user_ids for each in audiences]).combine_chunks()
    row = np.concatenate([np.arange(len(each.user_ids)) for each in audiences])
    whose = np.repeat(np.arange(len(audiences)), [len(each.user_ids) for each in audiences])
    order = pc.sort_indices(ids).to_numpy()
    for start in range(0, len(order), BATCH_USERS):
        batch = order[start : start + BATCH_USERS]
        parts = [
            each.lists(row[batch[whose[batch] == place]], factors, length)
            for place, each in enumerate(audiences)
        ]
        table = pa.concat_tables(parts)
        yield from table.sort_by([("user_id", "ascending"), ("rank", "ascending")]).to_batches()
