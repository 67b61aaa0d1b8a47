"""Similar items: for every item those that the same people like, by cosine of ALS factors.

Of a cold item, which nobody or hardly anybody touched yet, factors say little: there the likeness of content
counts, and gives way to the factors as people come. Where nothing was learnt, similar are those that
the same people bought or looked at, as far as enough people did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline import progress
from pipeline.cold.content import NONE
from pipeline.cold.items import ColdItems
from pipeline.lists.also_bought import also_bought, baskets_of
from pipeline.models.als_factors import AlsFactors
from pipeline.models.top_n import NOTHING, best_first, numbered

BATCH_ITEMS = 2048
BATCH_CELLS = 4 * 1024 * 1024
"""Pairs of items that are compared by content at a time."""


def similar_items(
    factors: AlsFactors, length: int, asked: NDArray[np.int64] | None = None
) -> Iterator[pa.RecordBatch]:
    """Rows of `similar_items`: for every item that is not hidden the `length` items nearest to it.

    asked: column numbers of the items whose lists are wanted; None: of all
    """
    columns = np.setdiff1d(np.arange(len(factors.item_ids)) if asked is None else asked, factors.hidden)
    starts = range(0, len(columns), BATCH_ITEMS)
    for start in progress.over(starts, "similar items", len(columns), "items", lambda _: BATCH_ITEMS):
        batch = columns[start : start + BATCH_ITEMS]
        top = factors.similar_items(batch, length)
        slots, ranks = np.nonzero(top.items != NOTHING)
        yield pa.RecordBatch.from_pydict(
            {
                "item_id": factors.item_ids.take(pa.array(batch[slots])),
                "rank": numbered(slots),
                "similar_item_id": factors.item_ids.take(pa.array(top.items[slots, ranks])),
                "score": top.scores[slots, ranks].astype(np.float64),
            }
        )


def similar_to_cold(
    cold: ColdItems, factors: AlsFactors, length: int, min_buyers: int
) -> Iterator[pa.RecordBatch]:
    """Rows of `similar_items` for cold items: the `length` items most like each that somebody touched.

    min_buyers: people with an event on an item after whom both count alike

    The score is the mean of both, weighed by people; items that are in no way like it are left out.
    """
    shown = np.setdiff1d(np.arange(len(factors.item_ids)), factors.hidden)
    rows = cold.content.rows_of(factors.item_ids.take(pa.array(shown)))
    shown, targets = shown[rows != NONE], cold.content.only(rows[rows != NONE])
    length_of = np.linalg.norm(factors.item_factors, axis=1, keepdims=True)
    unit = factors.item_factors / np.where(length_of > 0, length_of, 1.0)
    weight = np.where(cold.columns == NONE, 0.0, cold.n_people / (cold.n_people + min_buyers))
    batch_items = max(1, BATCH_CELLS // max(len(shown), 1))
    for start in range(0, len(cold), batch_items):
        batch = slice(start, start + batch_items)
        own = tuple(part[cold.rows[batch]] for part in cold.content.parts)
        with threadpool_limits(1, "blas"):
            score = (1.0 - weight[batch, None]) * targets.alikeness(own)
            is_learnt = weight[batch] > 0
            columns = cold.columns[batch][is_learnt]
            score[is_learnt] += weight[batch][is_learnt, None] * (unit[columns] @ unit[shown].T)
        score[shown == cold.columns[batch, None]] = 0.0
        parts = [best_first(of_item, shown, length) for of_item in score]
        parts = [best[of_item[best] > 0] for best, of_item in zip(parts, score, strict=True)]
        slots = np.repeat(np.arange(len(parts)), [len(best) for best in parts])
        best = np.concatenate(parts) if parts else np.empty(0, np.int64)
        yield pa.RecordBatch.from_pydict(
            {
                "item_id": cold.item_ids.take(pa.array(slots + start)),
                "rank": numbered(slots),
                "similar_item_id": factors.item_ids.take(pa.array(shown[best])),
                "score": score[slots, best],
            }
        )


def merged(lists: Iterable[pa.RecordBatch], more: Sequence[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows of both in the order of `item_id`, in which each of them is; no item is in both.

    more: at least one batch, though it may have no rows
    """
    rest = pa.Table.from_batches(more)
    for batch in lists:
        if not batch.num_rows:
            continue
        is_before = pc.less_equal(rest["item_id"], batch["item_id"][-1])
        both = pa.concat_tables([pa.Table.from_batches([batch]), rest.filter(is_before)])
        rest = rest.filter(pc.invert(is_before))
        yield from both.sort_by([("item_id", "ascending"), ("rank", "ascending")]).to_batches()
    yield from rest.to_batches()


def similar_by_people(
    touched: sp.csr_matrix, item_ids: pa.Array, hidden: NDArray[np.int64], length: int, min_people: int
) -> Iterator[pa.RecordBatch]:
    """Rows of `similar_items` without a model: pairs as in `also_bought`, of events of every kind.

    touched:    ones where a user has an event on the item, shape (n_users, n_items)
    min_people: fewest people with both items; below it a pair says nothing

    The score is the cosine between the people of the two items, n_both / sqrt(n_a * n_b).
    """
    for pairs in also_bought(baskets_of(touched), item_ids, hidden, length, min_people):
        support, lift = (pairs[name].to_numpy() for name in ("support", "lift"))
        yield pa.RecordBatch.from_pydict(
            {
                "item_id": pairs["item_id"],
                "rank": pairs["rank"],
                "similar_item_id": pairs["also_bought_item_id"],
                "score": np.sqrt(support * lift),
            }
        )
