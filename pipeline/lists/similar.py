"""Similar items: for every item those that the same people like, by cosine of ALS factors.

Where nothing was learnt, those that the same people bought or looked at, as far as enough people did.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.lists.also_bought import also_bought, baskets_of
from pipeline.models.als import AlsFactors
from pipeline.models.top_n import NOTHING, numbered

BATCH_ITEMS = 2048


def similar_items(
    factors: AlsFactors, length: int, asked: NDArray[np.int64] | None = None
) -> Iterator[pa.RecordBatch]:
    """Rows of `similar_items`: for every item that is not hidden the `length` items nearest to it.

    asked: column numbers of the items whose lists are wanted; None: of all
    """
    columns = np.setdiff1d(np.arange(len(factors.item_ids)) if asked is None else asked, factors.hidden)
    for start in range(0, len(columns), BATCH_ITEMS):
        batch = columns[start : start + BATCH_ITEMS]
        top = factors.similar_items(batch, length)
        slots, ranks = np.nonzero(top.items != NOTHING)
        yield pa.RecordBatch.from_pydict(
            {
                "item_id": factors.item_ids.take(pa.array(batch[slots])),
                "rank": numbered(slots),
                "similar_item_id": factors.item_ids.take(pa.array(top.items[slots, ranks])),
                "score": top.scores[slots, ranks].astype(np.float64),
            }
        )


def similar_by_people(
    touched: sp.csr_matrix, item_ids: pa.Array, hidden: NDArray[np.int64], length: int, min_people: int
) -> Iterator[pa.RecordBatch]:
    """Rows of `similar_items` without a model: pairs as in `also_bought`, of events of every kind.

    touched:    ones where a user has an event on the item, shape (n_users, n_items)
    min_people: fewest people with both items; below it a pair says nothing

    The score is the cosine between the people of the two items, n_both / sqrt(n_a * n_b).
    """
    for pairs in also_bought(baskets_of(touched), item_ids, hidden, length, min_people):
        support, lift = (pairs[name].to_numpy() for name in ("support", "lift"))
        yield pa.RecordBatch.from_pydict(
            {
                "item_id": pairs["item_id"],
                "rank": pairs["rank"],
                "similar_item_id": pairs["also_bought_item_id"],
                "score": np.sqrt(support * lift),
            }
        )
