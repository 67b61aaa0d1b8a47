"""Why an item is in a list: the user bought it before, or it is nearest to something the user bought."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline.models.top_n import NOTHING

BOUGHT_AGAIN, SIMILAR_TO_PURCHASE = "bought_again", "similar_to_purchase"
LOOKED_AT, SIMILAR_TO_VIEW = "looked_at", "similar_to_view"
"""Of browsers, who bought nothing."""
RECENTLY_POPULAR = "recently_popular"
"""Where nothing that the user bought or looked at is near."""


def nearest_of_own(
    items: NDArray[np.int32], own: sp.csr_matrix, item_factors: NDArray[np.float32]
) -> NDArray[np.int32]:
    """For each slot of a list, the user's own item that is nearest to it by cosine of factors.

    items: column numbers, NOTHING in empty slots, shape (n_users, length)
    own:   what the same users bought or looked at, shape (n_users, n_items); at least one item each
    Returns column numbers of the shape of `items`: the item itself where it is the user's own, NOTHING
    in empty slots and where none is near (cosine 0 or less). Ties go to the lower id.

    One small product a user, on one thread: memory is that of one user, and more threads would only wait.
    """
    nearest = np.full(items.shape, NOTHING, np.int32)
    length = np.linalg.norm(item_factors, axis=1)
    length[length == 0] = 1.0
    with threadpool_limits(1, "blas"):
        for row, listed in enumerate(items):
            columns = np.sort(own.indices[own.indptr[row] : own.indptr[row + 1]])
            slots = np.flatnonzero(listed != NOTHING)
            cosine = (item_factors[listed[slots]] @ item_factors[columns].T) / length[columns]
            best = columns[np.argmax(cosine, axis=1)]
            nearest[row, slots] = np.where(cosine.max(axis=1) > 0, best, NOTHING)
            is_own = np.isin(listed[slots], columns)
            nearest[row, slots[is_own]] = listed[slots[is_own]]
    return nearest
