"""Every user's list with its reasons, as rows of `recommendations`: buyers, and browsers where wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.lists.evidence import Evidence
from pipeline.lists.reasons import reasons_of
from pipeline.models.als import AlsFactors
from pipeline.models.top_n import NOTHING, Ranker, numbered

BATCH_USERS = 2048
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
        self, rows: NDArray[np.int64], factors: AlsFactors, evidence: Evidence, length: int
    ) -> pa.Table:
        """The lists of the users `rows`, in the order of `rows`.

        factors:  their cosine says which of a user's own items is nearest to a listed one
        evidence: what other reasons build on, of the users of this audience
        """
        top = self.model.top_n(rows, length, self.exclude)
        slots, ranks = np.nonzero(top.items != NOTHING)
        why = reasons_of(
            top.items, rows, self.own, factors.item_factors, evidence, (self.reason_own, self.reason_near)
        )
        return pa.table(
            {
                "user_id": self.user_ids.take(pa.array(rows[slots])),
                "rank": numbered(slots),
                "item_id": factors.item_ids.take(pa.array(top.items[slots, ranks])),
                "score": top.scores[slots, ranks].astype(np.float64),
                "reason": why["reason"],
                "because_item_id": factors.item_ids.take(why["because"]),
                **{name: why[name] for name in DETAILS},
            }
        )


def user_lists(
    audiences: list[Audience], factors: AlsFactors, evidence: Evidence, length: int
) -> Iterator[pa.RecordBatch]:
    """Rows of `recommendations` for all audiences, in the order of the user ids; no user is in two.

    evidence: what reasons build on, of the first audience, the buyers
    """
    browsers = audiences[1:]
    evidences = [evidence, *(evidence.of_browsers(len(others.user_ids)) for others in browsers)]
    sizes = [len(audience.user_ids) for audience in audiences]
    ids = pa.chunked_array([audience.user_ids for audience in audiences]).combine_chunks()
    row = np.concatenate([np.arange(size) for size in sizes])
    audience_of = np.repeat(np.arange(len(audiences)), sizes)
    order = pc.sort_indices(ids).to_numpy()
    for start in range(0, len(order), BATCH_USERS):
        batch = order[start : start + BATCH_USERS]
        parts = [
            audience.lists(row[batch[audience_of[batch] == number]], factors, evidences[number], length)
            for number, audience in enumerate(audiences)
        ]
        table = pa.concat_tables(parts)
        yield from table.sort_by([("user_id", "ascending"), ("rank", "ascending")]).to_batches()
