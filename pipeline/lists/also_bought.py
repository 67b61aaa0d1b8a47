"""What buyers of an item also bought: pairs of items that share more buyers than chance would give them.

A pair has a support and a lift, and pairs are ranked by the log-likelihood ratio G2 of its two-by-two
table (Dunning 1993), which neither a rare pair of high lift nor a pair of best sellers tops by itself.
A buyer of d items makes d squared pairs: time goes with the sum of those squares, memory does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import xlog1py

from pipeline import progress
from pipeline.models.top_n import best_first, numbered

MOST_ITEMS = 10_000
"""A buyer of more distinct items is not counted: 100 million pairs say nothing about any one of them."""
BATCH_CELLS = 2 * 1024 * 1024
"""Pairs of a batch of items, at most (those of one item, where it alone has more)."""

Ints = NDArray[np.int64]


def baskets_of(bought: sp.csr_matrix) -> sp.csr_matrix:
    """Ones where a buyer bought an item, without the buyers of more than MOST_ITEMS items.

    bought: how often each buyer bought each item, shape (n_users, n_items)
    """
    kept = bought[np.flatnonzero(np.diff(bought.indptr) <= MOST_ITEMS)]
    return sp.csr_matrix((np.ones(kept.nnz, np.int32), kept.indices, kept.indptr), shape=kept.shape)


def also_bought(
    baskets: sp.csr_matrix,
    item_ids: pa.Array,
    hidden: Ints,
    length: int,
    min_buyers: int,
    asked: Ints | None = None,
) -> Iterator[pa.RecordBatch]:
    """For every item its best `length` pairs, in the order of the ids, as rows of `also_bought`.

    baskets:    ones where a buyer bought an item (see `baskets_of`), shape (n_buyers, n_items)
    hidden:     column numbers of items that nobody is shown: they are in no pair
    min_buyers: fewest buyers of both items
    asked:      column numbers of the items whose lists are wanted, ascending; None: of all

    support is n_both / n_buyers and lift is n_both * n_buyers / (n_a * n_b), above 1. Ties of G2 go to
    the lower id.
    """
    n_buyers, n_items = baskets.shape
    n_of = np.bincount(baskets.indices, minlength=n_items)
    shown = np.setdiff1d(np.flatnonzero(n_of >= min_buyers), hidden)
    of_buyers, n_of = sp.csr_matrix(baskets[:, shown]), n_of[shown]
    rows = np.arange(len(shown)) if asked is None else np.flatnonzero(np.isin(shown, asked))
    of_items = sp.csr_matrix(of_buyers.T)[rows]
    ranges = _batches(of_items, of_buyers)
    counted = progress.over(ranges, "also bought", len(rows), "items", lambda items: items[1] - items[0])
    for start, stop in counted:
        joint = sp.csr_matrix(of_items[start:stop] @ of_buyers)
        a, b, n_both = _pairs(joint, rows[start:stop], n_of, n_buyers, min_buyers)
        scores = g2(n_both, n_of[a], n_of[b], n_buyers)
        bounds = np.append(np.searchsorted(a, rows[start:stop]), len(a))
        best = np.concatenate([i + best_first(scores[i:j], b[i:j], length) for i, j in pairwise(bounds)])
        a, b, n_both = a[best], b[best], n_both[best]
        yield pa.RecordBatch.from_pydict(
            {
                "item_id": item_ids.take(pa.array(shown[a])),
                "rank": numbered(a),
                "also_bought_item_id": item_ids.take(pa.array(shown[b])),
                "support": n_both / n_buyers,
                "lift": n_both * n_buyers / (n_of[a] * n_of[b]),
            }
        )


def g2(n_both: Ints, n_a: Ints, n_b: Ints, n_buyers: int) -> NDArray[np.float64]:
    """The log-likelihood ratio of pairs: 2 * sum of k * log(k / expected) over the cells of the table.

    The cells k are the buyers of both, of a alone, of b alone and of neither. For each, k * n_buyers is
    the product of its margins plus or minus one distance, an integer; log1p of their ratio loses nothing
    however many buyers there are. No margin is 0 (where all buyers bought an item, its lift is 1).
    """
    distance = n_both * n_buyers - n_a * n_b
    not_a, not_b = n_buyers - n_a, n_buyers - n_b
    total = xlog1py(n_both, distance / (n_a * n_b))
    total += xlog1py(n_a - n_both, -distance / (n_a * not_b))
    total += xlog1py(n_b - n_both, -distance / (not_a * n_b))
    total += xlog1py(not_a - n_b + n_both, distance / (not_a * not_b))
    return np.asarray(2.0 * total)


def _batches(of_items: sp.csr_matrix, of_buyers: sp.csr_matrix) -> Iterator[tuple[int, int]]:
    """Ranges of rows of `of_items` whose products with `of_buyers` have at most BATCH_CELLS cells."""
    n_cells = np.minimum(of_items @ np.diff(of_buyers.indptr).astype(np.int64), of_items.shape[0])
    ends = np.concatenate([[0], np.cumsum(n_cells)])
    start = 0
    while start < of_items.shape[0]:
        stop = max(start + 1, int(np.searchsorted(ends, ends[start] + BATCH_CELLS, side="right")) - 1)
        yield start, stop
        start = stop


def _pairs(
    joint: sp.csr_matrix, rows: Ints, n_of: Ints, n_buyers: int, min_buyers: int
) -> tuple[Ints, Ints, Ints]:
    """Of the joint counts of the items `rows`, the pairs of enough buyers and a lift above 1.

    Returns a (ascending), b, and the buyers of both.
    """
    cells = np.flatnonzero(joint.data >= min_buyers)
    a = rows[np.searchsorted(joint.indptr, cells, side="right") - 1]
    b, n_both = joint.indices[cells].astype(np.int64), joint.data[cells].astype(np.int64)
    is_kept = (a != b) & (n_both * n_buyers > n_of[a] * n_of[b])
    return a[is_kept], b[is_kept], n_both[is_kept]
