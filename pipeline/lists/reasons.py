"""Why an item is in a list: bought before, or nearest to something the user bought."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline.models.top_n import NOTHING

BOUGHT_AGAIN, SIMILAR_TO_PURCHASE = "bought_again", "similar_to_purchase"
LOOKED_AT, SIMILAR_TO_VIEW = "looked_at", "similar_to_view"
"""Of browsers."""
RECENTLY_POPULAR = "recently_popular"
"""Where nothing the user bought is near."""


def because(
    items: NDArray[np.int32], bought: sp.csr_matrix, item_factors: NDArray[np.float32]
) -> NDArray[np.int32]:
    """For each slot, the item among the user's purchases that is nearest by cosine of factors.

    items:  column numbers, NOTHING in empty slots, shape (n_users, length)
    bought: what the same users bought, shape (n_users, n_items); every user has bought something
    Returns column numbers of the shape of `items`: the item itself where the user bought it, NOTHING
    in empty slots and where no purchase is near (cosine 0 or less). Ties go to the lower id. One small
    product a user: memory is that of one user, and more than one thread would only wait.
    """
    nearest = np.full(items.shape, NOTHING, np.int32)
    length = np.linalg.norm(item_factors, axis=1)
    length[length == 0] = 1.0
    with threadpool_limits(1, "blas"):
        for row, listed in enumerate(items):
            own = np.sort(bought.indices[bought.indptr[row] : bought.indptr[row + 1]])
            filled = np.flatnonzero(listed != NOTHING)
            cosine = (item_factors[listed[filled]] @ item_factors[own].T) / length[own]
            nearest[row, filled] = np.where(cosine.max(axis=1) > 0, own[np.argmax(cosine, axis=1)], NOTHING)
            is_own = np.isin(listed[filled], own)
            nearest[row, filled[is_own]] = listed[filled[is_own]]
    return nearest
