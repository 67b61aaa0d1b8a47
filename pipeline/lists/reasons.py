"""Why an item is in a list: the strongest reason that is true of the user, the item and the day.

Reasons are tried in the order of REASONS; the first one that is true is given:

    bought_again         the user bought the item before; with the day, and every how many days it usually was
    on_discount          it is reduced now, and the user often buys reduced items; with the percentage
    also_bought_with     buyers of something the user bought also bought it, far more often than by chance
    similar_to_purchase  it is near to something the user bought: a cosine of factors of at least NEAR
    favourite_category   it is of a category that the user buys from often
    recently_popular     it is in the shop's popular list
    similar_to_purchase  something the user bought points its way, though not clearly (a cosine above 0)

What was bought together comes before the cosine, because a person can follow it: on a year of groceries it
names white corn for yellow corn, oranges for lemons, a dip for crisps. Of several pairs the one is named that
most buyers stand behind; the one of the highest lift is rare and odd (cake decoration for juice). Below NEAR
a cosine says little: eggs are near to whatever regular customers buy, and of a best seller it is more honest
to say that it is one. At NEAR and above every second item is
of the category of the one that is named; of pairs every third, below NEAR every fourth.

Where nothing is true there is no reason. Browsers bought nothing: theirs are looked_at, similar_to_view and
recently_popular. Thresholds of what a reason builds on stand in `evidence`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.lists.evidence import NONE, Evidence
from pipeline.lists.nearest import bought_with_own, nearest_of_own
from pipeline.models.top_n import NOTHING

BOUGHT_AGAIN, SIMILAR_TO_PURCHASE = "bought_again", "similar_to_purchase"
ON_DISCOUNT, ALSO_BOUGHT_WITH, FAVOURITE_CATEGORY = "on_discount", "also_bought_with", "favourite_category"
LOOKED_AT, SIMILAR_TO_VIEW = "looked_at", "similar_to_view"
"""Of browsers, who bought nothing."""
NEW_IN_CATEGORY = "new_in_category"
"""Of what stands in a place for new items (`lists/new_items`), whatever else is true."""
RECENTLY_POPULAR = "recently_popular"
"""Where nothing that the user bought or looked at is clearly near."""
NEAR = 0.9
"""Least cosine of factors of two items that are clearly alike."""


def reasons_of(
    items: NDArray[np.int32],
    users: NDArray[np.int64],
    own: sp.csr_matrix,
    item_factors: NDArray[np.float32],
    evidence: Evidence,
    own_and_near: tuple[str, str] = (BOUGHT_AGAIN, SIMILAR_TO_PURCHASE),
) -> dict[str, pa.Array]:
    """The reason of each filled slot, in the order of users and ranks, with what it builds on.

    items: the lists of the users `users`: column numbers, NOTHING in empty slots, shape (n_users, length)
    users: their row numbers in `own` and `evidence`
    own:   what all users of the audience bought or looked at, the items of each in ascending order
    own_and_near: the reasons for an item of `own`, and for one that is near to one

    Returns columns of `recommendations` by name, and as `because` the column number of what explains.
    """
    of_users = own[users]
    nearest, cosine = nearest_of_own(items, of_users, item_factors)
    namer = bought_with_own(items, of_users, evidence.pairs)
    slot = items != NOTHING
    rows, _ = np.nonzero(slot)
    item, user = items[slot], users[rows]
    nearest, cosine, namer = nearest[slot], cosine[slot], namer[slot]
    is_own = nearest == item
    category = evidence.category[item]
    is_favourite = (category != NONE) & (evidence.favourites[user] == category[:, None]).any(axis=1)
    bought_again, similar = own_and_near
    tried = (
        (bought_again, is_own, None),
        (ON_DISCOUNT, evidence.often_reduced[user] & (evidence.percent_off[item] > 0), None),
        (ALSO_BOUGHT_WITH, namer != NOTHING, namer),
        (similar, cosine >= NEAR, nearest),
        (FAVOURITE_CATEGORY, is_favourite, None),
        (RECENTLY_POPULAR, evidence.is_popular[item], None),
        (similar, cosine > 0, nearest),
    )
    given = np.select([is_true for _, is_true, _ in tried], range(len(tried)), len(tried))
    because = np.full(len(item), NOTHING, np.int32)
    for number, (_, _, of_item) in enumerate(tried):
        if of_item is not None:
            because = np.where(given == number, of_item, because)
    is_reduced = np.isin(given, [n for n, (name, *_) in enumerate(tried) if name == ON_DISCOUNT])
    return {
        "reason": pa.array([*(name for name, *_ in tried), None], pa.string()).take(pa.array(given)),
        "because": pa.array(because, mask=because == NOTHING),
        **_purchases(rows * own.shape[1] + item, user, own, of_users, is_own, evidence),
        "percent_off": pa.array(evidence.percent_off[item], mask=~is_reduced),
    }


def _purchases(
    slots: NDArray[np.int64],
    user: NDArray[np.int64],
    own: sp.csr_matrix,
    of_users: sp.csr_matrix,
    is_own: NDArray[np.bool_],
    evidence: Evidence,
) -> dict[str, pa.Array]:
    """`last_bought_on` and `gap_days` of the slots that hold an item of the user's own; null in all others.

    slots: row in `of_users` times n_items plus the item, for each slot; user: its row in `own`
    """
    day, gap = np.zeros(len(slots), np.int32), np.full(len(slots), NONE, np.int32)
    if is_dated := bool(len(evidence.bought_on)):
        n_items = of_users.shape[1]
        row_of_cell = np.repeat(np.arange(of_users.shape[0]), np.diff(of_users.indptr))
        place = np.searchsorted(row_of_cell * n_items + of_users.indices, slots[is_own])
        cell = own.indptr[user[is_own]] + place - of_users.indptr[slots[is_own] // n_items]
        day[is_own], gap[is_own] = evidence.bought_on[cell], evidence.gap_days[cell]
    return {
        "last_bought_on": pa.array(day, mask=~is_own | (not is_dated)).cast(pa.date32()),
        "gap_days": pa.array(gap, mask=gap == NONE),
    }
