"""Fit again on all events and write every list: for each buyer, the popular items, the similar items,
what is bought together; and beside them what filling up and explaining a list needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.also_bought import MOST_ITEMS, also_bought, counted
from pipeline.config import Settings
from pipeline.history import History, opened
from pipeline.models.als import AlsFactors
from pipeline.models.top_n import NOTHING, numbered
from pipeline.params import Params
from pipeline.reasons import BOUGHT_AGAIN, SIMILAR_TO_PURCHASE, because
from pipeline.run import Counts, Job

BATCH_ROWS = 2048


def run(job: Job) -> Counts:
    """`purchaser_events`, `best_params`, `items` -> every list, and what filling one up needs."""
    folder, settings = job.folder, job.settings
    params = Params.read(folder.document("best_params"))
    events = [folder.dataset("purchaser_events")]
    with opened(events, folder.as_of, settings.filter, settings.run, folder.scratch()) as history:
        factors = params.model(settings).fit(history)
        bought = history.purchases()
        n_popular = _write_popular(job, history)
    hidden = unavailable(job, factors.item_ids)
    exclude = bought if settings.run.repeat_purchases == "exclude" else None
    lengths = settings.recommend
    lists = user_lists(factors, bought, exclude, hidden, lengths.list_length)
    n_recommendations = folder.write("recommendations", lists)
    n_similar = folder.write("similar_items", similar_lists(factors, hidden, lengths.similar_length))
    n_also_bought = _write_also_bought(job, bought, factors.item_ids, hidden)
    n_served = _n_served(job)
    return {
        "n_users": n_served,
        "n_users_without_list": len(factors.user_ids) - n_served,
        "n_items": len(factors.item_ids),
        "n_unavailable_items": len(hidden),
        "n_recommendations": n_recommendations,
        "n_popular": n_popular,
        "n_similar": n_similar,
        "n_also_bought": n_also_bought,
    }


def unavailable(job: Job, item_ids: pa.Array) -> NDArray[np.int64]:
    """Column numbers of the items that the shop says are not available; null is available."""
    if not job.folder.has("items"):
        return np.empty(0, np.int64)
    items = job.folder.table("items")
    gone = items.filter(pc.equal(items["available"], False))["item_id"].combine_chunks()
    return np.flatnonzero(pc.is_in(item_ids, value_set=gone).to_numpy(zero_copy_only=False))


def user_lists(
    factors: AlsFactors,
    bought: sp.csr_matrix,
    exclude: sp.csr_matrix | None,
    hidden: NDArray[np.int64],
    length: int,
) -> Iterator[pa.RecordBatch]:
    """Every buyer's list with its reasons, in the order of the ids, as rows of `recommendations`."""
    for start in range(0, len(factors.user_ids), BATCH_ROWS):
        rows = np.arange(start, min(start + BATCH_ROWS, len(factors.user_ids)))
        top = factors.top_n(rows, length, exclude, hidden)
        nearest = because(top.items, bought[rows], factors.item_factors)
        slots, ranks = np.nonzero(top.items != NOTHING)
        items, because_items = top.items[slots, ranks], nearest[slots, ranks]
        is_own = items == because_items
        yield pa.RecordBatch.from_pydict(
            {
                "user_id": factors.user_ids.take(pa.array(rows[slots])),
                "rank": numbered(slots),
                "item_id": factors.item_ids.take(pa.array(items)),
                "score": top.scores[slots, ranks].astype(np.float64),
                "reason": np.where(is_own, BOUGHT_AGAIN, SIMILAR_TO_PURCHASE),
                "because_item_id": factors.item_ids.take(pa.array(because_items, mask=is_own)),
            }
        )


def similar_lists(factors: AlsFactors, hidden: NDArray[np.int64], length: int) -> Iterator[pa.RecordBatch]:
    """For every item that may be shown the items most like it, as rows of `similar_items`."""
    columns = np.setdiff1d(np.arange(len(factors.item_ids)), hidden)
    for start in range(0, len(columns), BATCH_ROWS):
        batch = columns[start : start + BATCH_ROWS]
        top = factors.similar_items(batch, length, hidden)
        slots, ranks = np.nonzero(top.items != NOTHING)
        yield pa.RecordBatch.from_pydict(
            {
                "item_id": factors.item_ids.take(pa.array(batch[slots])),
                "rank": numbered(slots),
                "similar_item_id": factors.item_ids.take(pa.array(top.items[slots, ranks])),
                "score": top.scores[slots, ranks].astype(np.float64),
            }
        )


def longest_popular(settings: Settings) -> int:
    """Items in the shop's own popular list: it fills a shelf of max_n though half of them were blocked."""
    return max(settings.recommend.popular_length, 2 * settings.serving.max_n)


def _write_popular(job: Job, history: History) -> int:
    """`popular_items`, and what filling up from them needs; returns how many rows of `popular_items`."""
    folder, lengths = job.folder, job.settings.recommend
    items = folder.dataset("items") if folder.has("items") else None
    half_life = lengths.popular_half_life_days
    length_of_all = longest_popular(job.settings)
    lists = history.popular(items, half_life, lengths.popular_length, length_of_all)
    n_popular = folder.write("popular_items", lists)
    popular = folder.file("popular_items")
    is_exclude = job.settings.run.repeat_purchases == "exclude"
    folder.write("user_purchases", history.purchases_of(popular) if is_exclude else [])
    folder.write("user_categories", history.categories(items, popular, half_life, lengths.user_categories))
    folder.write("item_names", history.names(items))
    return n_popular


def _write_also_bought(job: Job, bought: sp.csr_matrix, item_ids: pa.Array, hidden: NDArray[np.int64]) -> int:
    """`also_bought`; returns how many rows."""
    lengths, baskets = job.settings.recommend, counted(bought)
    if n_left_out := bought.shape[0] - baskets.shape[0]:
        job.say(
            f"recommend: {n_left_out:,} buyers of more than {MOST_ITEMS:,} different items are not counted"
            " in also_bought"
        )
    pairs = also_bought(baskets, item_ids, hidden, lengths.also_bought_length, lengths.also_bought_min_buyers)
    return job.folder.write("also_bought", pairs)


def _n_served(job: Job) -> int:
    """How many buyers have a list: rows of rank 1."""
    ranks = pq.read_table(job.folder.file("recommendations"), columns=["rank"])["rank"]
    return int(pc.sum(pc.equal(ranks, 1)).as_py() or 0)
