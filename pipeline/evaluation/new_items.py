"""What the places for new items cost: the published lists of the test with them and without, by Recall@20."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from pipeline.cold.items import ColdItems
from pipeline.evaluation import metrics
from pipeline.evaluation.all_models import PUBLISHED_LENGTH, JudgedCut
from pipeline.evaluation.metrics import Hits, PerUser
from pipeline.lists.new_items import NewItems, new_items
from pipeline.models.top_n import NOTHING
from pipeline.runs.job import Job
from pipeline.splits.folds import Fold
from pipeline.splits.history import History
from pipeline.splits.holdout import UNSERVED


@dataclass(frozen=True)
class Places:
    """What was measured at one cut, for each user whose list was judged there.

    with_new, without: Recall@20 of the lists, shape (n_users,)
    has_new:  whether a new item is among the first 20, shape (n_users,)
    n_bought: new items in the first 20 that were bought
    """

    user_ids: pa.Array
    with_new: PerUser
    without: PerUser
    has_new: np.ndarray
    n_bought: int


def places_document(cuts: Sequence[Places], job: Job) -> dict[str, Any] | None:
    """`new_items` of the document `cold_items`; None: lists have no places for them, or nobody is judged.

    Keys: `slots`, `days` and `from_rank` as set; `n_lists` that were judged and `n_with_new`, those with a
    new item among the first 20; `n_bought`, such items that were bought; `recall_at_20` with new items and
    `recall_at_20_without`, the paired `difference` and its interval `ci_low` and `ci_high` (buyers are
    resampled).
    """
    cuts = [cut for cut in cuts if len(cut.user_ids)]
    if not cuts:
        return None
    lengths = job.settings.recommend
    ours, without, has_new = (
        np.concatenate([getattr(cut, name) for cut in cuts]) for name in ("with_new", "without", "has_new")
    )
    user_ids = pa.concat_arrays([cut.user_ids for cut in cuts])
    owner = user_ids.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    difference, low, high = metrics.paired_interval(ours, without, job.settings.run.seed, owner)
    return {
        "slots": lengths.new_items_slots,
        "days": lengths.new_items_days,
        "from_rank": lengths.new_items_from_rank,
        "n_lists": len(ours),
        "n_with_new": int(has_new.sum()),
        "n_bought": sum(cut.n_bought for cut in cuts),
        "recall_at_20": float(ours.mean()),
        "recall_at_20_without": float(without.mean()),
        "difference": difference,
        "ci_low": low,
        "ci_high": high,
    }


def places_at(job: Job, history: History, cold: ColdItems | None, judged: JudgedCut) -> Places | None:
    """What the places cost at one cut of the test; None: lists have none, or nothing is new there.

    history: ends at the cut; cold: the cold items there; judged: what was measured there
    """
    fold, held_out = judged.fold, judged.held_out[job.settings.run.repeat_purchases]
    new = new_items(history, cold, job.settings.recommend)
    if new is None:
        return None
    served = np.flatnonzero(held_out.rows != UNSERVED)
    length = job.settings.recommend.list_length
    rows, lists = held_out.rows[served], judged.published[served][:, :length]
    best = new.best(rows, lists)
    source = new.put_in(lists, best)
    is_old = source >= 0
    hits = metrics.hits(lists, held_out.items[served])
    bought = _bought(history, new, fold)
    with_new: Hits = np.where(is_old, np.take_along_axis(hits, np.maximum(source, 0), axis=1), False)
    user, place = np.nonzero(source < NOTHING)
    item = best[user, -2 - source[user, place]]
    if len(user):  # scipy gives no array for no cells
        with_new[user, place] = np.asarray(bought[rows[user], item]).ravel() > 0
    n_held_out = held_out.n_items[served]
    return Places(
        held_out.user_ids.take(pa.array(served)),
        metrics.recall_at_k(with_new, n_held_out, PUBLISHED_LENGTH),
        metrics.recall_at_k(hits, n_held_out, PUBLISHED_LENGTH),
        np.asarray((source < NOTHING).any(axis=1)),
        int(with_new[user, place].sum()),
    )


def _bought(history: History, new: NewItems, fold: Fold) -> sp.csr_matrix:
    """Ones where a user bought a new item after the cut, shape (n_users, n_new)."""
    history.show("later", *fold.later, since=fold.since, until=fold.until)
    history.give("cold_items", pa.table({"item_id": new.item_ids, "cold_row": np.arange(len(new.item_ids))}))
    rows = history.table("cold_held_out")
    rows = rows.filter(rows["cold_row"].is_valid())
    cells = (np.ones(len(rows)), (rows["user_row"].to_numpy(), rows["cold_row"].to_numpy()))
    return sp.csr_matrix(cells, shape=(history.shape[0], len(new.item_ids)))
