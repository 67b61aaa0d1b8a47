"""Reduced prices, by the dated prices of purchases: which items are reduced now, and who buys reduced items.

Both are empty for a shop whose events carry no prices.
"""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from pipeline.splits.history import History

REDUCED_BY = 0.05
"""What costs less by a smaller share is not reduced."""
REDUCED_DAYS = 7
"""What was paid for an item in so many days before the cut is taken for its price now."""


def item_reductions(history: History, cut_at: datetime) -> pa.Table:
    """`item_id`, `reduction`, `n_lines`, by id: the median of so many purchases in the last REDUCED_DAYS.

    reduction: share of the price before, 0: not reduced; cut_at: the cut of `history`
    """
    return history.rows("item_reductions", {"cut_at": cut_at, "days": REDUCED_DAYS}).read_all()


def user_reductions(history: History) -> pa.Table:
    """`user_id`, `reduced_share`, `n_lines`, by id: the share of so many purchases that was reduced."""
    return history.rows("user_reductions", {"reduced_by": REDUCED_BY}).read_all()
