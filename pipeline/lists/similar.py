"""Similar items: for every item those that the same people like, by cosine of ALS factors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from pipeline.models.als import AlsFactors
from pipeline.models.top_n import NOTHING, numbered

BATCH_ITEMS = 2048


def similar_items(factors: AlsFactors, length: int) -> Iterator[pa.RecordBatch]:
    """Rows of `similar_items`: for every item that is not hidden the `length` items nearest to it."""
    columns = np.setdiff1d(np.arange(len(factors.item_ids)), factors.hidden)
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
