"""Metrics of top-N lists, per user: Precision, Recall, NDCG, MAP and hit rate; their intervals.

Every function takes `hits`, bool of shape (n_users, length): whether the item in each slot was bought
after the cut. An empty slot is a miss. A user with nothing held out is not measured and has no row.
A mean over users is taken last, by the caller; `interval` gives its bootstrap confidence interval. A user
who is measured at several cuts has a row at each; the mean is over the rows, and users are resampled whole.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Hits = NDArray[np.bool_]
PerUser = NDArray[np.float64]
"""A number of each measured user; of one who is measured at several cuts, one for each of them."""
PerSlot = NDArray[np.float64]
"""A number of each slot that is filled."""
Clusters = NDArray[np.int64]
"""Whose each row is: the number of its user, 0 and up."""


def hits(items: NDArray[np.int32], held_out: sp.csr_matrix) -> Hits:
    """Which slots hold an item that was bought.

    items:    column numbers by rank, -1 where a slot is empty, shape (n_users, length)
    held_out: ones where the user bought the item, shape (n_users, n_items)
    Returns bool of the shape of `items`. An item twice in a list is a hit once, in its first slot.
    """
    n_items = held_out.shape[1]
    first_cell = np.arange(len(items), dtype=np.int64) * n_items
    bought = np.repeat(first_cell, np.diff(held_out.indptr)) + held_out.indices
    is_hit: Hits = np.isin(items + first_cell[:, None], bought) & (items >= 0)
    return is_hit & ~_is_repeated(items)


def precision_at_k(hits: Hits, k: int) -> PerUser:
    """Hits in the first `k` slots, over `k`.

    A missing slot is a miss. Not implicit's `precision_at_k`, which divides by min(k, held-out items).
    """
    precision: PerUser = hits[:, :k].sum(axis=1) / k
    return precision


def recall_at_k(hits: Hits, n_held_out: NDArray[np.int64], k: int) -> PerUser:
    """Hits in the first `k` slots, over all the user bought (items unknown before the cut included)."""
    recall: PerUser = hits[:, :k].sum(axis=1) / n_held_out
    return recall


def ndcg_at_k(hits: Hits, n_held_out: NDArray[np.int64], k: int) -> PerUser:
    """Discounted cumulative gain over that of a perfect list (Jaervelin, Kekaelaeinen 2002), binary."""
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    gain = (_first(hits, k) * discount).sum(axis=1)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(n_held_out, k)]
    ndcg: PerUser = gain / ideal
    return ndcg


def average_precision_at_k(hits: Hits, n_held_out: NDArray[np.int64], k: int) -> PerUser:
    """Mean of the precision at each hit, over min(k, held-out items); its mean over users is MAP@k."""
    first = _first(hits, k)
    precision = np.cumsum(first, axis=1) / np.arange(1, k + 1)
    average: PerUser = (precision * first).sum(axis=1) / np.minimum(n_held_out, k)
    return average


def hit_rate_at_k(hits: Hits, k: int) -> PerUser:
    """1 when any of the first `k` slots is a hit, else 0."""
    return np.asarray(hits[:, :k].any(axis=1), np.float64)


def per_user(hits: Hits, n_held_out: NDArray[np.int64]) -> Mapping[str, PerUser]:
    """Every metric of the `user_metrics` dataset, each of shape (n_users,)."""
    return {
        "precision_at_3": precision_at_k(hits, 3),
        "recall_at_10": recall_at_k(hits, n_held_out, 10),
        "ndcg_at_10": ndcg_at_k(hits, n_held_out, 10),
        "map_at_10": average_precision_at_k(hits, n_held_out, 10),
        "hit_rate_at_10": hit_rate_at_k(hits, 10),
    }


def ceiling_at_k(held_out: sp.csr_matrix, k: int) -> PerUser:
    """Precision@k of a list that knew the future: less than 1 for who bought fewer than `k` known items."""
    ceiling: PerUser = np.minimum(np.diff(held_out.indptr), k) / k
    return ceiling


def coverage_at_k(items: NDArray[np.int32], n_items: int, k: int) -> float:
    """Share of the catalogue that appears in anybody's first `k` slots."""
    shown = np.unique(items[:, :k])
    return float((shown >= 0).sum() / n_items)


def surprise_at_k(items: NDArray[np.int32], buyers: NDArray[np.int64], k: int) -> PerSlot:
    """Surprise of each item in the first `k` slots, in bits: -log2 of an item's share of all buyers and
    items; an item nobody bought counts as if one had. Its mean is the novelty (Zhou et al. 2010).

    buyers: of each item, shape (n_items,)
    """
    shown = items[:, :k][items[:, :k] >= 0]
    share = np.maximum(buyers[shown], 1) / max(int(buyers.sum()), 1)
    surprise: PerSlot = -np.log2(share)
    return surprise


def is_popular_at_k(items: NDArray[np.int32], buyers: NDArray[np.int64], k: int, head: int = 100) -> PerSlot:
    """1 for each filled one of the first `k` slots that holds one of the `head` most bought items, else 0."""
    shown = items[:, :k][items[:, :k] >= 0]
    most = np.lexsort((np.arange(len(buyers)), -buyers))[:head]
    return np.isin(shown, most).astype(np.float64)


def gini_at_k(items: NDArray[np.int32], n_items: int, k: int) -> float:
    """How unevenly the `n_items` of the catalogue share the first `k` slots: the Gini coefficient (1912).

    0: each is shown equally often; near 1: few have all the slots. 0 where no slot is filled.
    """
    shown = items[:, :k][items[:, :k] >= 0]
    counts = np.sort(np.bincount(shown, minlength=n_items))
    if not len(shown):
        return 0.0
    weights = 2.0 * np.arange(1, n_items + 1) - n_items - 1
    return float((weights * counts).sum() / (n_items * counts.sum()))


def paired_interval(
    ours: PerUser, others: PerUser, seed: int, clusters: Clusters | None = None, draws: int = 1000
) -> tuple[float, float, float]:
    """Mean paired difference over the same users, `ours` - `others`, and its 95 % bootstrap interval.

    Users are resampled, not lists, so that what makes a user easy or hard for both models cancels out.
    clusters: as for `interval`
    """
    difference = ours - others
    return (float(difference.mean()), *interval(difference, seed, clusters, draws))


def interval(
    values: PerUser, seed: int, clusters: Clusters | None = None, draws: int = 1000
) -> tuple[float, float]:
    """95 % bootstrap interval of the mean: percentiles of `draws` resampled means (Efron 1979).

    clusters: whose each value is; None: each is another user's. Users are resampled, each with all of the
              user's values, because those of one user resemble each other (Field and Welsh 2007, the cluster
              bootstrap); a resampled mean is over as many values as were drawn.

    Users with as many values and the same sum are drawn together, by their number: the same distribution as
    one by one.
    """
    owner = np.arange(len(values)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    sums, sizes = np.bincount(owner, values), np.bincount(owner)
    distinct, counts = np.unique(sums + 1j * sizes, return_counts=True)
    n = len(sums)
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=draws)
    means = (drawn @ distinct.real) / (drawn @ distinct.imag)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _first(hits: Hits, k: int) -> NDArray[np.float64]:
    """The first `k` slots as numbers, shape (n_users, k); slots the list does not have are misses."""
    first = np.zeros((len(hits), k))
    width = min(k, hits.shape[1])
    first[:, :width] = hits[:, :width]
    return first


def _is_repeated(items: NDArray[np.int32]) -> NDArray[np.bool_]:
    """True in every slot whose item stands in an earlier slot of the same list."""
    order = np.argsort(items, axis=1, kind="stable")
    ranked = np.take_along_axis(items, order, axis=1)
    is_same = np.zeros(items.shape, bool)
    is_same[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
    repeated = np.zeros(items.shape, bool)
    np.put_along_axis(repeated, order, is_same, axis=1)
    return repeated
