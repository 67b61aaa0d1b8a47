"""What is popular in a segment: the recent purchases of the buyers who are nearest to it."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.models.top_n import NOTHING, TopN, best_first
from pipeline.segments.clusters import Labels


def popular_lists(
    purchases: sp.csr_matrix, labels: Labels, n: int, length: int, min_buyers: int, hidden: NDArray[np.int64]
) -> TopN:
    """The best sellers among the buyers of each of `n` segments, shape (n, length).

    purchases:  of each (buyer, item), the recent ones counting more
    labels:     the segment of each buyer, shape (n_buyers,)
    min_buyers: different buyers in the segment from which an item is listed
    hidden:     column numbers of items that nobody is shown
    """
    member = sp.csr_matrix((np.ones(len(labels)), (labels, np.arange(len(labels)))), (n, len(labels)))
    is_bought = purchases.copy()
    is_bought.data = (is_bought.data > 0).astype(np.float64)
    scores, n_buyers = (member @ purchases).toarray(), (member @ is_bought).toarray()
    scores[n_buyers < min_buyers] = 0.0
    scores[:, hidden] = 0.0
    top = TopN.empty(n, length)
    for segment, row in enumerate(scores):
        columns = np.flatnonzero(row > 0)
        best = columns[best_first(row[columns], columns, length)]
        top.items[segment, : len(best)], top.scores[segment, : len(best)] = best, row[best]
    return top


def filled(lists: TopN, popular: TopN, length: int) -> NDArray[np.int32]:
    """Items of each segment's list, then of the whole shop's, as `recommend()` shows them, (n, length).

    popular: of one row, long enough to fill an empty list
    """
    rows = np.full((len(lists.items), length), NOTHING, np.int32)
    for segment, own in enumerate(lists.items):
        own = own[own != NOTHING]
        rest = popular.items[0][popular.items[0] != NOTHING]
        row = np.concatenate([own, rest[~np.isin(rest, own)]])[:length]
        rows[segment, : len(row)] = row
    return rows
