"""What is counted before one cut: of each user, each item, each user-item pair, each user's categories.

Everything comes from the events before the cut, by the statements of `sql/transform/`. Ages are days before
the cut, `decay_<d>` is a count halved every d days. What is unknown is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.ranking.pairs import Column, Pairs, as_column, ratio
from pipeline.splits.history import History


@dataclass(frozen=True)
class Statistics:
    """Everything that is counted before one cut.

    bought, seen: user-item pairs; tastes: user-category pairs, from purchases
    users, items: columns of shape (n_users,) and (n_items,)
    category:     number of each item's category, -1 where it has none
    """

    bought: Pairs
    seen: Pairs
    tastes: Pairs
    users: dict[str, Column]
    items: Mapping[str, Column]
    category: NDArray[np.int32]

    @property
    def n_items(self) -> int:
        return len(self.category)


def count_statistics(
    history: History, items: Path | None, of_items: Mapping[str, Column] | None = None
) -> Statistics:
    """Count everything before the history's cut.

    items:    the shop's items, for their categories; None: it has none
    of_items: what was counted of items, where `history` is that of some users alone; None: it is counted here
    """
    n_users, n_items = history.shape
    bought = Pairs.of(history.columns("bought_pairs"), "item_row", n_items)
    seen = Pairs.of(history.columns("seen_pairs"), "item_row", n_items)
    category = history.item_categories(items)
    if of_items is None:
        of_items = _of_items(bought, history.columns("item_ages"), category)
    of_users = _of_users(bought, history.columns("user_trips"), n_users)
    return Statistics(bought, seen, _tastes(bought, category), of_users, of_items, category)


def _of_items(bought: Pairs, ages: dict[str, np.ndarray], category: NDArray[np.int32]) -> dict[str, Column]:
    def total(values: Column | None = None) -> NDArray[np.float64]:
        """Of each item: the sum over its buyers, or how many there are."""
        return np.bincount(bought.other, values, minlength=bought.n_others).astype(np.float64)

    of_pairs = bought.columns
    n_days, decay_7, decay_30, decay_90 = (
        total(of_pairs[name]) for name in ("n_days", "decay_7", "decay_30", "decay_90")
    )
    buyers = total()
    span_days = total(of_pairs["first_age_days"] - of_pairs["last_age_days"])
    is_repeated = (of_pairs["n_days"] > 1).astype(np.float32)
    return {
        **{name: ages[name] for name in ("item_age_days", "bought_3", "seen_7")},
        "item_buyers": as_column(buyers),
        "item_decay_7": as_column(decay_7),
        "item_decay_30": as_column(decay_30),
        "item_decay_90": as_column(decay_90),
        "item_trend_short": ratio(decay_7, decay_30),
        "item_trend_long": ratio(decay_30, decay_90),
        "item_repeat_share": ratio(total(is_repeated), buyers),
        "item_gap_days": ratio(span_days, n_days - buyers),
        "item_share_in_category": _share_in_category(decay_30, category),
    }


def _share_in_category(sales: NDArray[np.float64], category: NDArray[np.int32]) -> Column:
    """Each item's share of the sales of its category; NaN where it has none."""
    has_category = category >= 0
    of_category = np.bincount(category[has_category], sales[has_category])
    share = np.full(len(category), np.nan)
    share[has_category] = ratio(sales[has_category], of_category[category[has_category]])
    return as_column(share)


def _of_users(bought: Pairs, trips: dict[str, np.ndarray], n_users: int) -> dict[str, Column]:
    n_items = np.bincount(bought.user, minlength=n_users)
    n_days = np.bincount(bought.user, bought.columns["n_days"], minlength=n_users)
    n_trips = trips["n_trips"]
    span_days = trips["first_trip_age_days"] - trips["last_trip_age_days"]
    return {
        "user_trips": n_trips,
        "user_trips_28": trips["n_trips_28"],
        "user_last_age_days": trips["last_trip_age_days"],
        "user_trip_gap_days": ratio(span_days, n_trips - 1),
        "user_items": as_column(n_items),
        "user_basket": ratio(n_days, n_trips),
        "user_repeat_share": ratio(n_days - n_items, n_days),
    }


def _tastes(bought: Pairs, category: NDArray[np.int32]) -> Pairs:
    """The user-item pairs of purchases, added up by the items' categories."""
    n_categories = max(int(category.max(initial=-1)) + 1, 1)
    of_pair = category[bought.other]
    has_category = of_pair >= 0
    keys = bought.user[has_category].astype(np.int64) * n_categories + of_pair[has_category]
    unique, row = np.unique(keys, return_inverse=True)
    decay = np.bincount(row, bought.columns["decay_90"][has_category], minlength=len(unique))
    n_days = np.bincount(row, bought.columns["n_days"][has_category], minlength=len(unique))
    last = np.full(len(unique), np.inf, np.float32)
    np.minimum.at(last, row, bought.columns["last_age_days"][has_category])
    columns = {
        "taste_decay_90": as_column(decay),
        "taste_days": as_column(n_days),
        "taste_last_age_days": last,
    }
    user, other = (part.astype(np.int32) for part in np.divmod(unique, n_categories))
    return Pairs(user, other, columns, n_categories)
