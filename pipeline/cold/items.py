"""Which items are cold at a cut, and how much each is asked for.

Cold is an item of the shop that nobody bought before the cut, or that was first bought less than COLD_DAYS
before it, in a shop whose events reach back KNOWN_DAYS or more.
Of such an item purchases say little or nothing, so the demand for it is a sum of three:

    purchases   those so far, the recent ones counting more
    looks       views and carts, which count LOOK_WEIGHT of a purchase
    arrivals    how well items sold that came into the shop lately and have the same words

The last is the only one of an item that nobody ever looked at. It halves every HALF_LIFE_DAYS from the day on
that the shop added the item, where this is known: what lay there for weeks and was not bought is hardly asked
for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.cold.content import NONE, Content, read_content
from pipeline.splits.history import History

COLD_DAYS = 14.0
KNOWN_DAYS = 28.0
"""So far back events have to reach that they say what is new: where they begin, each item has its first."""
LEAST_DEMAND = 1e-9
HALF_LIFE_DAYS = 7.0
LOOK_WEIGHT = 0.3
ARRIVAL_DAYS = 28.0
"""An item came lately where it was first bought in so many days."""
ARRIVAL_WEIGHT = 0.005
"""Of an item whose words sold like the median word, in purchases."""
PRIOR_ITEMS, PRIOR_BUYERS = 5.0, 0.05
"""Each word is counted as if it stood in so many more items, each with so many buyers."""


@dataclass(frozen=True)
class ColdItems:
    """The n cold items of a shop at one cut, in the order of their ids.

    rows:      row numbers in `content`, ascending, shape (n,)
    columns:   column numbers in the history, NONE where nobody who takes part touched the item, shape (n,)
    demand:    in purchases, above 0, float64, shape (n,)
    bought:    the part of it that is purchases, shape (n,)
    is_bought: whether somebody bought it before the cut, shape (n,)
    n_people:  different people with an event on it, shape (n,)
    age_days:  since the shop added it; where this is not known, since the first event if somebody bought it;
               infinite where neither is known, shape (n,)
    """

    content: Content
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    demand: NDArray[np.float64]
    bought: NDArray[np.float64]
    is_bought: NDArray[np.bool_]
    n_people: NDArray[np.int64]
    age_days: NDArray[np.float64]

    @property
    def item_ids(self) -> pa.Array:
        """Their ids, ascending."""
        return self.content.item_ids.take(pa.array(self.rows))

    @property
    def categories(self) -> NDArray[np.int32]:
        """The number of each one's category, NONE where it has none."""
        return self.content.categories[self.rows]

    @property
    def has_content(self) -> NDArray[np.bool_]:
        """Whether anything is known by which each can be compared."""
        return np.asarray(self.content.n_parts[self.rows] > 0)

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, is_kept: NDArray[np.bool_]) -> ColdItems:
        """Those of them that are kept."""
        return ColdItems(
            self.content,
            self.rows[is_kept],
            self.columns[is_kept],
            self.demand[is_kept],
            self.bought[is_kept],
            self.is_bought[is_kept],
            self.n_people[is_kept],
            self.age_days[is_kept],
        )

    def most_wanted(self, most: int) -> ColdItems:
        """At most `most` of them, those with the highest demand; ties go to the lower id."""
        best = np.argsort(-self.demand, kind="stable")[:most]
        is_kept = np.zeros(len(self), bool)
        is_kept[best] = True
        return self.only(is_kept)


def cold_items(
    history: History,
    items: Path | None,
    embeddings: Path | None,
    cut_at: datetime,
    *,
    is_judged: bool = False,
) -> ColdItems | None:
    """Those at `cut_at`, where `history` ends; None where the shop has no table of items.

    items, embeddings: the datasets `items` and `item_embeddings`; None: the shop has none
    is_judged: something is measured: what the shop says since later, and of today, is not known
    """
    if items is None:
        return None
    content = read_content(items, embeddings, cut_at if is_judged else None)
    history.show_items(items, are_all_available=is_judged)
    values = {"cut_at": cut_at, "half_life_days": HALF_LIFE_DAYS, "is_judged": is_judged}
    table = history.table("item_demand", values)
    columns = {name: table[name].to_numpy() for name in table.column_names}  # null is NaN
    rows = columns["content_row"].astype(np.int64)
    first_seen, first_bought, added = (
        columns[name].astype(np.float64) for name in ("first_seen_days", "first_bought_days", "added_days")
    )
    is_long = columns["history_days"] >= KNOWN_DAYS
    is_bought = ~np.isnan(first_bought)
    is_cold = ~is_bought | ((first_bought < COLD_DAYS) & is_long)
    is_lately = is_bought & (first_bought < ARRIVAL_DAYS)
    buyers = np.where(is_lately, columns["n_buyers"], 0.0)
    arrivals = _arrivals(content, rows, buyers, is_lately | ~is_bought)
    since_added = np.where(np.isnan(added), 0.0, added)
    bought = columns["bought"]
    demand = bought + LOOK_WEIGHT * columns["looked_at"] + arrivals * 0.5 ** (since_added / HALF_LIFE_DAYS)
    cold = ColdItems(
        content,
        rows,
        _columns(history, content, rows),
        np.maximum(demand, LEAST_DEMAND),
        bought,
        is_bought,
        columns["n_people"].astype(np.int64),
        np.where(np.isnan(added), np.where(is_bought & is_long, first_seen, np.inf), added),
    )
    return cold.only(is_cold)


def _columns(history: History, content: Content, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    column = np.full(content.n_items, NONE, np.int64)
    of_history = content.rows_of(history.item_ids)
    is_met = of_history != NONE
    column[of_history[is_met]] = np.flatnonzero(is_met)
    return column[rows]


def _arrivals(
    content: Content, rows: NDArray[np.int64], buyers: NDArray[np.float64], is_arriving: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """What arrivals say of the items `rows`, in purchases: high where items of the same words sold well.

    buyers:      of those that came lately, 0 of all others
    is_arriving: whether an item came lately or was never bought: those that the buyers could have chosen

    A word's rate is its buyers for each item that has it. An item's is the squared geometric mean of its
    words' rates, each as a multiple of the median word's: one word in common says little, several say much.
    """
    has_word = (content.words[rows] > 0).astype(np.float64)
    n_words = np.asarray(has_word.sum(axis=1)).ravel()
    rate = (has_word.T @ buyers + PRIOR_ITEMS * PRIOR_BUYERS) / (
        has_word.T @ is_arriving.astype(float) + PRIOR_ITEMS
    )
    strength = np.log(rate / np.median(rate)) if len(rate) else rate
    mean = (has_word @ strength) / np.maximum(n_words, 1.0)
    return np.asarray(ARRIVAL_WEIGHT * np.exp(2.0 * mean))
