"""The holdout: what users who bought before a cut bought after it, for models to be judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from pipeline.splits.history import History, group_by_id

UNSERVED = -1
"""Row number of a buyer whom the filters leave out of the history: measured, and every slot is a miss."""


@dataclass(frozen=True)
class HeldOut:
    """Purchases after the cut of users who bought before it, one row for each such user, by id.

    user_ids: who is measured, shape (n_measured,)
    rows:     their row numbers in the history, UNSERVED where the filters leave a buyer out
    items:    what each of them bought, shape (n_measured, n_items), ones; items known before the cut only
    bought_at: when each of `items` was first bought after the cut, in microseconds since 1970, int64
    n_items:  distinct items each bought, items first seen after the cut included, shape (n_measured,)
    n_cold_users: users who bought after the cut and never before it (not measured)
    n_cold_items: distinct items among the measured purchases that were never seen before the cut
    """

    user_ids: pa.Array
    rows: np.ndarray
    items: sp.csr_matrix
    bought_at: sp.csr_matrix
    n_items: np.ndarray
    n_cold_users: int
    n_cold_items: int

    def sampled(self, most: int, seed: int) -> HeldOut:
        """`most` of the users, drawn with the seed, in their order; all where there are no more."""
        if len(self.rows) <= most:
            return self
        return self.of(np.sort(np.random.default_rng(seed).choice(len(self.rows), most, replace=False)))

    def of(self, kept: np.ndarray) -> HeldOut:
        """The same of the users in the rows `kept` alone; who and what is cold stays counted of everybody."""
        return replace(
            self,
            user_ids=self.user_ids.take(pa.array(kept)),
            rows=self.rows[kept],
            items=self.items[kept],
            bought_at=self.bought_at[kept],
            n_items=self.n_items[kept],
        )

    @classmethod
    def joined(cls, parts: Sequence[HeldOut]) -> HeldOut:
        """Several stretches of time after one cut as one holdout: a user is in it once for each of them."""
        return cls(
            pa.concat_arrays([part.user_ids for part in parts]),
            np.concatenate([part.rows for part in parts]),
            sp.csr_matrix(sp.vstack([part.items for part in parts])),
            sp.csr_matrix(sp.vstack([part.bought_at for part in parts])),
            np.concatenate([part.n_items for part in parts]),
            sum(part.n_cold_users for part in parts),
            sum(part.n_cold_items for part in parts),
        )


def hold_out(
    history: History,
    later: Sequence[Path],
    *,
    is_repeat_relevant: bool,
    since: datetime | None = None,
    until: datetime | None = None,
) -> HeldOut:
    """What the users of `history` bought in the files `later`, in `[since, until)` of them where given.

    is_repeat_relevant: items that the user bought before count too, not new ones alone
    """
    history.show("later", *later, since=since, until=until)
    rows = history.table("held_out", {"is_repeat_relevant": is_repeat_relevant})
    measured = rows.filter(rows["is_buyer"])
    n_cold_users = len(rows.filter(pc.invert(rows["is_buyer"]))["user_id"].unique())
    cold_items = measured.filter(pc.is_null(measured["item_row"]))["item_id"]
    users = group_by_id(measured["user_id"])
    is_known = pc.is_valid(measured["item_row"]).to_numpy()
    columns = measured["item_row"].drop_null().to_numpy()
    cells, shape = (users.group[is_known], columns), (len(users.ids), history.shape[1])
    items = sp.csr_matrix((np.ones(len(columns), np.float32), cells), shape=shape)
    moments = pc.cast(measured["bought_at"], pa.int64()).to_numpy()[is_known]
    bought_at = sp.csr_matrix((moments, cells), shape=shape)
    row_numbers = pc.fill_null(measured["user_row"], UNSERVED).to_numpy()[users.first]
    n_cold_items = len(cold_items.unique())
    return HeldOut(users.ids, row_numbers, items, bought_at, users.n_rows, n_cold_users, n_cold_items)
