"""Metrics of top-N lists, per user: Precision, Recall, NDCG, MAP and hit rate; their intervals.

Every function takes `hits`, bool of shape (n_users, length): whether the item in each slot was bought
after the cut. An empty slot is a miss. A user with nothing held out is not measured and has no row.
A mean over users is taken last, by the caller; `interval` gives its bootstrap confidence interval.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Hits = NDArray[np.bool_]
PerUser = NDArray[np.float64]


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


def ceiling_at_k(held_out: sp.csr_matrix, k: int) -> float:
    """Precision@k of a list that knew the future: limited by users who bought fewer than `k` known items."""
    return float(np.mean(np.minimum(np.diff(held_out.indptr), k) / k))


def coverage_at_k(items: NDArray[np.int32], n_items: int, k: int) -> float:
    """Share of the catalogue that appears in anybody's first `k` slots."""
    shown = np.unique(items[:, :k])
    return float((shown >= 0).sum() / n_items)


def novelty_at_k(items: NDArray[np.int32], buyers: NDArray[np.int64], k: int) -> float:
    """Mean surprise of the items in the first `k` slots, in bits: -log2 of an item's share of all buyers
    and items (Zhou et al. 2010); an item nobody bought counts as if one had. 0 when nothing is shown.

    buyers: of each item, shape (n_items,)
    """
    shown = items[:, :k][items[:, :k] >= 0]
    if not len(shown):
        return 0.0
    share = np.maximum(buyers[shown], 1) / max(int(buyers.sum()), 1)
    return float(-np.log2(share).mean())


def popular_share_at_k(items: NDArray[np.int32], buyers: NDArray[np.int64], k: int, head: int = 100) -> float:
    """Share of the filled first `k` slots that hold one of the `head` items with most buyers."""
    shown = items[:, :k][items[:, :k] >= 0]
    most = np.lexsort((np.arange(len(buyers)), -buyers))[:head]
    return float(np.isin(shown, most).mean()) if len(shown) else 0.0


def paired_interval(
    ours: PerUser, others: PerUser, seed: int, draws: int = 1000
) -> tuple[float, float, float]:
    """Mean paired difference over the same users, `ours` - `others`, and its 95 % bootstrap interval.

    Users are resampled, not lists, so that what makes a user easy or hard for both models cancels out.
    """
    difference = ours - others
    return (float(difference.mean()), *interval(difference, seed, draws))


def interval(values: PerUser, seed: int, draws: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over users: percentiles of `draws` resampled means (Efron 1979).

    Users with the same value are drawn together, by their number: the same distribution as one by one.
    """
    distinct, counts = np.unique(values, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(values), counts / len(values), size=draws)
    low, high = np.percentile(drawn @ distinct / len(values), [2.5, 97.5])
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
