"""Popular items, and what `recommend()` needs to fill a short list up from them.

The lists are SQL over the events (`sql/transform/`); each function streams the rows of one dataset.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from pipeline.config import Settings
from pipeline.splits.history import History


def popular_items(
    history: History, items: Path | None, settings: Settings, *, is_judged: bool = False
) -> pa.RecordBatchReader:
    """Rows of `popular_items`: the best sellers of each category and of the whole shop, by recency.

    items:     the shop's items, for their categories and whether they are available; None: it has none
    is_judged: the lists are judged on a test, so that what is available today is not asked: it was not known
    """
    lengths = settings.recommend
    history.show_items(items, are_all_available=is_judged)
    values = {
        "half_life_days": lengths.popular_half_life_days,
        "length": lengths.popular_length,
        "length_of_all": longest_popular(settings),
    }
    return history.rows("popular_items", values)


def longest_popular(settings: Settings) -> int:
    """Items in the whole shop's list: enough for a list of `max_n` although half of them were blocked."""
    return max(settings.recommend.popular_length, 2 * settings.serving.max_n)


def user_purchases(history: History, popular: Path) -> pa.RecordBatchReader:
    """Rows of `user_purchases`: what every buyer bought of the items in the popular lists."""
    history.show("popular_items", popular)
    return history.rows("user_purchases")


def user_categories(
    history: History, items: Path | None, popular: Path, settings: Settings
) -> pa.RecordBatchReader:
    """Rows of `user_categories`: the categories every buyer bought from most, lately."""
    lengths = settings.recommend
    history.show_items(items)
    history.show("popular_items", popular)
    values = {"half_life_days": lengths.popular_half_life_days, "length": lengths.user_categories}
    return history.rows("user_categories", values)


def item_names(history: History, items: Path | None, more: pa.Array | None = None) -> pa.RecordBatchReader:
    """Rows of `item_names`: names and categories, where the shop gives them.

    more: ids of items that nobody touched and lists show all the same; None: none
    """
    history.show_items(items)
    history.give("untouched", pa.table({"item_id": history.item_ids[:0] if more is None else more}))
    return history.rows("item_names")
