"""Reduced prices, by the dated prices of purchases: which items are reduced now, and who buys reduced items.

Both are empty for a shop whose events carry no prices.
"""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from pipeline.splits.history import History

REDUCED_BY = 0.05
"""What costs less by a smaller share is not reduced."""
FULL_PRICE_ROOM = 1.1
"""A price before the discount above this times what was paid in full was never paid: it is not believed."""
REDUCED_DAYS = 7
"""What was paid for an item in so many days before the cut is taken for its price now."""


def item_reductions(history: History, cut_at: datetime) -> pa.Table:
    """`item_id`, `reduction`, `n_lines`, `full_price`, by id; cut_at: the cut of `history`.

    reduction:  share of the price before, the median of `n_lines` purchases in the last REDUCED_DAYS; 0: not
                reduced, null: no purchases
    full_price: the highest that was paid without a discount; null: nobody paid one
    """
    values = {"cut_at": cut_at, "days": REDUCED_DAYS, "room": FULL_PRICE_ROOM}
    return history.table("item_reductions", values)


def user_reductions(history: History) -> pa.Table:
    """`user_id`, `reduced_share`, `n_lines`, by id: the share of so many purchases that was reduced."""
    return history.table("user_reductions", {"reduced_by": REDUCED_BY})
