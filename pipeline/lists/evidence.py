"""What is known of buyers and items that a reason may build on, by row and column number.

Everything is read before the lists are made: from the events, and from the datasets that `recommend` has
written by then. What a shop does not have (categories, prices, pairs) leaves its part empty, and the reasons
that need it are given to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.lists.nearest import Pairs
from pipeline.lists.reductions import (
    FULL_PRICE_ROOM,
    REDUCED_BY,
    item_reductions,
    user_reductions,
)
from pipeline.splits.history import History
from pipeline.times import clock

CLEAR_LIFT = 2.0
"""Least lift of two items that are said to be bought together: twice as often as by chance."""
GAP_DAYS_NEED = 3
"""Fewest days with a purchase of an item that say how often somebody buys it."""
FAVOURITES, FAVOURITE_PURCHASES = 3, 3
"""A favourite category is among the user's first 3 in `user_categories`, with 3 purchases or more."""
REDUCED_LINES = 3
"""An item is reduced now as in its last days (`reductions`), where it was bought at least 3 times in them."""
OFTEN_REDUCED, OFTEN_LINES = 0.5, 10
"""Somebody often buys reduced items: at least half of their purchases, which are at least 10."""
NONE = -1
"""No category; no gap."""


DATASETS = ("also_bought", "popular_items", "user_categories", "item_names")
"""What `recommend` writes before its lists and `evidence_of` reads."""


@dataclass(frozen=True)
class Evidence:
    """The parts, each of a shop's n_users buyers and n_items items.

    pairs:         what was bought together, with its lift
    category:      number of each item's category, NONE where it has none, shape (n_items,)
    favourites:    numbers of each buyer's favourite categories, NONE beyond, shape (n_users, FAVOURITES)
    percent_off:   how far each item is reduced now, 0 where it is not or nothing is known, shape (n_items,)
    often_reduced: whether a buyer often buys reduced items, shape (n_users,)
    is_popular:    whether an item is in the popular list of the whole shop, shape (n_items,)
    bought_on:     the day of the last purchase for each cell of `purchases()`, in the order of its cells,
                   days since 1970; empty where lists leave out what was bought
    gap_days:      the usual days between two purchases, NONE where not known, of the same shape
    """

    pairs: Pairs
    category: NDArray[np.int32]
    favourites: NDArray[np.int32]
    percent_off: NDArray[np.int32]
    often_reduced: NDArray[np.bool_]
    is_popular: NDArray[np.bool_]
    bought_on: NDArray[np.int32]
    gap_days: NDArray[np.int32]

    def of_browsers(self, n_users: int) -> Evidence:
        """Of people who bought nothing only what holds for everybody: which items are popular."""
        n_items = len(self.category)
        return Evidence(
            pairs=Pairs.none(n_items),
            category=self.category,
            favourites=np.full((n_users, FAVOURITES), NONE, np.int32),
            percent_off=self.percent_off,
            often_reduced=np.zeros(n_users, bool),
            is_popular=self.is_popular,
            bought_on=np.zeros(0, np.int32),
            gap_days=np.zeros(0, np.int32),
        )


def evidence_of(
    history: History,
    lists: Mapping[str, Path],
    items: Path | None,
    as_of: datetime,
    *,
    is_bought_shown: bool,
    timezone: str,
    percent_off: NDArray[np.int32] | None = None,
) -> Evidence:
    """Gathered from the events of `history`, which end at `as_of`, and from datasets.

    lists: the files of `also_bought`, `popular_items`, `user_categories` and `item_names`
    items: the shop's items; None: it has none
    is_bought_shown: lists may hold what the user bought; timezone: the shop's, for the day of a purchase
    percent_off: of the items, where `history` is that of some users alone; None: by its purchases
    """
    item_ids = history.item_ids
    category, names = _categories(lists["item_names"], item_ids)
    popular = pq.read_table(lists["popular_items"], filters=[("category", "=", "all")])["item_id"]
    bought_on, gap_days = (
        _last_purchases(history, as_of, timezone) if is_bought_shown else (np.zeros(0, np.int32),) * 2
    )
    return Evidence(
        pairs=Pairs.read(lists["also_bought"], item_ids, CLEAR_LIFT),
        category=category,
        favourites=_favourites(history, lists["user_categories"], category, names),
        percent_off=_percent_off(history, items, as_of) if percent_off is None else percent_off,
        often_reduced=_often_reduced(history),
        is_popular=pc.is_in(item_ids, value_set=popular).to_numpy(zero_copy_only=False),
        bought_on=bought_on,
        gap_days=gap_days,
    )


def _last_purchases(
    history: History, as_of: datetime, timezone: str
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    history.give("clock", clock(timezone, as_of))
    rows = history.table("last_purchases", {"min_days": GAP_DAYS_NEED})
    return rows["last_day"].to_numpy(), pc.fill_null(rows["gap_days"], NONE).to_numpy()


def _categories(item_names: Path, item_ids: pa.Array) -> tuple[NDArray[np.int32], pa.Array]:
    """The number of each item's category, and the categories by number."""
    rows = pq.read_table(item_names, columns=["item_id", "category"])
    of_items = rows["category"].combine_chunks().take(pc.index_in(item_ids, value_set=rows["item_id"]))
    encoded = of_items.dictionary_encode()
    return pc.fill_null(encoded.indices, NONE).to_numpy(zero_copy_only=False), encoded.dictionary


def _favourites(
    history: History, user_categories: Path, category: NDArray[np.int32], names: pa.Array
) -> NDArray[np.int32]:
    favourites = np.full((history.shape[0], FAVOURITES), NONE, np.int32)
    rows = pq.read_table(user_categories, filters=[("rank", "<=", FAVOURITES)])
    user = pc.fill_null(pc.index_in(rows["user_id"], value_set=history.user_ids), NONE).to_numpy()
    number = pc.fill_null(pc.index_in(rows["category"], value_set=names), NONE).to_numpy()
    is_met = (user != NONE) & (number != NONE)
    user, number, rank = user[is_met], number[is_met], rows["rank"].to_numpy()[is_met]
    if not len(user):
        return favourites
    has_category = np.flatnonzero(category != NONE)
    cells = (np.ones(len(has_category), np.float32), (has_category, category[has_category]))
    of_categories = sp.csr_matrix(cells, shape=(history.shape[1], len(names)))
    n_bought = history.purchases() @ of_categories
    is_enough = np.asarray(n_bought[user, number]).ravel() >= FAVOURITE_PURCHASES
    favourites[user[is_enough], rank[is_enough] - 1] = number[is_enough]
    return favourites


def _percent_off(history: History, items: Path | None, as_of: datetime) -> NDArray[np.int32]:
    """By the last days' purchases; an item without enough of them, by what the shop says of today.

    Rounded down, and only off a price that somebody paid: nobody is promised more than is taken off.
    """
    rows, ids = item_reductions(history, as_of), history.item_ids
    full_price = _by_item(rows["item_id"], rows["full_price"], ids)
    rows = rows.filter(pc.greater_equal(rows["n_lines"], REDUCED_LINES))
    share = _by_item(rows["item_id"], rows["reduction"], ids)
    if items is not None:
        shop = pq.read_table(items, columns=["item_id", "price", "discount"])
        discount = pc.fill_null(shop["discount"], 0.0)
        before = _by_item(shop["item_id"], pc.add(shop["price"], discount), ids)
        said = _by_item(shop["item_id"], discount, ids) / np.where(before > 0, before, np.nan)
        said = np.where(before <= full_price * FULL_PRICE_ROOM, np.round(said, 6), np.nan)
        share = np.where(np.isnan(share), said, share)
    is_reduced = (share >= REDUCED_BY) & (share <= 1.0)
    percent = 100 * np.where(is_reduced, share, 0.0)
    return np.floor(percent + 1e-6).astype(np.int32)  # 100 x 0.29 is a little less than 29


def _by_item(ids: pa.ChunkedArray, values: pa.ChunkedArray, item_ids: pa.Array) -> NDArray[np.float64]:
    """The value of each of `item_ids`, NaN where it has none."""
    taken = values.combine_chunks().take(pc.index_in(item_ids, value_set=ids.combine_chunks()))
    return np.asarray(pc.fill_null(taken, np.nan).to_numpy(zero_copy_only=False), np.float64)


def _often_reduced(history: History) -> NDArray[np.bool_]:
    rows = user_reductions(history)
    is_often = pc.and_(
        pc.greater_equal(rows["reduced_share"], OFTEN_REDUCED), pc.greater_equal(rows["n_lines"], OFTEN_LINES)
    )
    often = rows.filter(is_often)["user_id"]
    return np.asarray(pc.is_in(history.user_ids, value_set=often).to_numpy(zero_copy_only=False))
