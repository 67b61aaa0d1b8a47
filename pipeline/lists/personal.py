"""Every user's list with its reasons, as rows of `recommendations`: buyers, and browsers where wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline import progress
from pipeline.lists.evidence import Evidence
from pipeline.lists.new_items import NewItems
from pipeline.lists.reasons import NEW_IN_CATEGORY, reasons_of
from pipeline.models.als_factors import AlsFactors
from pipeline.models.top_n import NOTHING, Ranker, TopN, numbered
from pipeline.parallel import in_order
from pipeline.runs.kept import NOT_KEPT, TABLE, Kept

BATCH_USERS = 1024
KEPT_BATCHES = 32
"""Batches whose lists are kept in one file: what a kill loses is at most so much."""
DETAILS = ("last_bought_on", "gap_days", "percent_off")
"""Columns of `recommendations` that a reason is told with."""


@dataclass(frozen=True)
class Audience:
    """Users who get lists from one model.

    user_ids: by row number, ascending
    own:      what they bought (buyers) or looked at (browsers), shape (n_users, n_items)
    exclude:  what their lists may not hold, of the same shape; None: nothing
    reason_own, reason_near: the reasons given for an item of `own`, and for one that is like it
    """

    user_ids: pa.Array
    model: Ranker
    own: sp.csr_matrix
    exclude: sp.csr_matrix | None
    reason_own: str
    reason_near: str

    def lists(
        self,
        rows: NDArray[np.int64],
        factors: AlsFactors,
        evidence: Evidence,
        length: int,
        new: NewItems | None = None,
    ) -> pa.Table:
        """The lists of the users `rows`, in the order of `rows`.

        factors:  their cosine says which of a user's own items is nearest to a listed one
        evidence: what other reasons build on, of the users of this audience
        new:      the new items that have places in the lists; None: none have
        """
        top = self.model.top_n(rows, length, self.exclude)
        slots, ranks = np.nonzero(top.items != NOTHING)
        why = reasons_of(
            top.items, rows, self.own, factors.item_factors, evidence, (self.reason_own, self.reason_near)
        )
        table = pa.table(
            {
                "user_id": self.user_ids.take(pa.array(rows[slots])),
                "rank": numbered(slots),
                "item_id": factors.item_ids.take(pa.array(top.items[slots, ranks])),
                "score": top.scores[slots, ranks].astype(np.float64),
                "reason": why["reason"],
                "because_item_id": factors.item_ids.take(why["because"]),
                **{name: why[name] for name in DETAILS},
                "model_rank": pa.nulls(len(slots), pa.int32())
                if top.model_rank is None
                else pa.array(top.model_rank[slots, ranks]),
            }
        )
        return table if new is None else _with_new(table, top, self.user_ids.take(pa.array(rows)), new, rows)


def _with_new(
    table: pa.Table, top: TopN, user_ids: pa.Array, new: NewItems, rows: NDArray[np.int64]
) -> pa.Table:
    """The rows of the lists `top` with the new items in their places.

    table: the rows without them, in the order of users and ranks; user_ids, rows: of the users
    """
    best = new.best(rows, top.items)
    source = new.put_in(top.items, best)
    slots, places = np.nonzero(source != NOTHING)
    of = source[slots, places]
    is_new = of < NOTHING
    row_of_slot = np.cumsum(top.items != NOTHING).reshape(top.items.shape) - 1
    kept = table.take(pa.array(row_of_slot[slots[~is_new], of[~is_new]]))
    kept = kept.set_column(1, "rank", pa.array((places[~is_new] + 1).astype(np.int32)))
    slot, place = slots[is_new], places[is_new]
    added = pa.table(
        {
            "user_id": user_ids.take(pa.array(slot)),
            "rank": pa.array((place + 1).astype(np.int32)),
            "item_id": new.item_ids.take(pa.array(best[slot, -2 - of[is_new]])),
            "score": _score_there(top, slot, new.from_rank - 1),
            "reason": pa.repeat(NEW_IN_CATEGORY, len(slot)),
        }
    )
    return pa.concat_tables([kept, added], promote_options="default").select(table.column_names)


def _score_there(top: TopN, slots: NDArray[np.int64], place: int) -> NDArray[np.float64]:
    """The score of what stood at `place` before, or of a shorter list's last item: scores never rise."""
    last = (top.items != NOTHING).sum(axis=1) - 1
    return np.asarray(top.scores[slots, np.minimum(place, last[slots])], np.float64)


def user_lists(
    audiences: list[Audience],
    factors: AlsFactors,
    evidence: Evidence,
    length: int,
    new: NewItems | None = None,
    threads: int = 0,
    kept: Kept = NOT_KEPT,
) -> Iterator[pa.RecordBatch]:
    """Rows of `recommendations` for all audiences, in the order of the user ids; no user is in two.

    evidence: what reasons build on, of the first audience, the buyers
    new:      the new items that have places in the buyers' lists; None: none have
    threads:  as in `run.threads`: batches of users are worked on side by side
    kept:     where the lists of so many batches (KEPT_BATCHES) are kept at a time
    """
    browsers = audiences[1:]
    evidences = [evidence, *(evidence.of_browsers(len(others.user_ids)) for others in browsers)]
    sizes = [len(audience.user_ids) for audience in audiences]
    ids = pa.chunked_array([audience.user_ids for audience in audiences]).combine_chunks()
    row = np.concatenate([np.arange(size) for size in sizes])
    audience_of = np.repeat(np.arange(len(audiences)), sizes)
    order = pc.sort_indices(ids).to_numpy()

    def lists_of(batch: NDArray[np.int64]) -> pa.Table:
        parts = [
            audience.lists(
                row[batch[audience_of[batch] == number]],
                factors,
                evidences[number],
                length,
                new if number == 0 else None,
            )
            for number, audience in enumerate(audiences)
        ]
        return pa.concat_tables(parts).sort_by([("user_id", "ascending"), ("rank", "ascending")])

    batches = [order[start : start + BATCH_USERS] for start in range(0, len(order), BATCH_USERS)]
    parts = [batches[first : first + KEPT_BATCHES] for first in range(0, len(batches), KEPT_BATCHES)]
    names = [f"lists-{number:05}" for number in range(len(parts))]
    missing = [part for name, part in zip(names, parts, strict=True) if not kept.has(name, TABLE)]
    n_users = sum(len(batch) for part in missing for batch in part)
    tables = progress.over(
        in_order(lists_of, chain.from_iterable(missing), threads),
        "lists",
        n_users,
        "users",
        lambda _: BATCH_USERS,
    )
    for name, part in zip(names, parts, strict=True):
        yield from kept.once(name, TABLE, partial(_next, tables, len(part))).to_batches()


def _next(tables: Iterator[pa.Table], n: int) -> pa.Table:
    """The next `n` of `tables` as one."""
    return pa.concat_tables(islice(tables, n))
