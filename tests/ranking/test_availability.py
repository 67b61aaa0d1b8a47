"""pipeline/ranking/availability.py: what no list may show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.ranking.availability import unavailable


def test_a_shop_without_items_hides_nothing() -> None:
    assert unavailable(None, pa.array([1, 2])).tolist() == []
    assert unavailable(None, pa.array([1, 2])).dtype == np.int64


def test_only_what_the_shop_says_is_gone_is_hidden(tmp_path: Path) -> None:
    """An item without a word on it, and one that the shop does not list, count as available."""
    items = {"item_id": [1, 2, 3, 9], "available": pa.array([True, False, None, False])}
    pq.write_table(pa.table(items), tmp_path / "items.parquet")
    assert unavailable(tmp_path / "items.parquet", pa.array([1, 2, 3, 4])).tolist() == [1]
