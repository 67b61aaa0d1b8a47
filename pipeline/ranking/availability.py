"""Which items the shop does not have now, so that no list may show them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray


def unavailable(items: Path | None, item_ids: pa.Array) -> NDArray[np.int64]:
    """Column numbers of the items that the shop says are not available; null is available."""
    if items is None:
        return np.empty(0, np.int64)
    rows = pq.read_table(items, columns=["item_id", "available"])
    gone = rows.filter(pc.equal(rows["available"], False))["item_id"].combine_chunks()
    return np.flatnonzero(pc.is_in(item_ids, value_set=gone).to_numpy(zero_copy_only=False))
