"""Similar items."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from pipeline.models.als import AlsFactors
from pipeline.models.top_n import NOTHING, numbered

BATCH_ROWS = 2048


def similar_lists(factors: AlsFactors, length: int) -> Iterator[pa.RecordBatch]:
    """For every item that may be shown the items most like it, as rows of `similar_items`."""
    columns = np.setdiff1d(np.arange(len(factors.item_ids)), factors.hidden)
    for start in range(0, len(columns), BATCH_ROWS):
        batch = columns[start : start + BATCH_ROWS]
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
