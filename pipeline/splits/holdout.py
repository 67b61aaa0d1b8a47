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
    n_items:  distinct items each bought, items first seen after the cut included, shape (n_measured,)
    n_cold_users: users who bought after the cut and never before it (not measured)
    n_cold_items: distinct items among the measured purchases that were never seen before the cut
    """

    user_ids: pa.Array
    rows: np.ndarray
    items: sp.csr_matrix
    n_items: np.ndarray
    n_cold_users: int
    n_cold_items: int

    def sampled(self, most: int, seed: int) -> HeldOut:
        """`most` of the users, drawn with the seed, in their order; all where there are no more."""
        if len(self.rows) <= most:
            return self
        kept = np.sort(np.random.default_rng(seed).choice(len(self.rows), most, replace=False))
        users = self.user_ids.take(pa.array(kept))
        return replace(
            self, user_ids=users, rows=self.rows[kept], items=self.items[kept], n_items=self.n_items[kept]
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
    rows = history.rows("held_out", {"is_repeat_relevant": is_repeat_relevant}).read_all()
    measured = rows.filter(rows["is_buyer"])
    n_cold_users = len(rows.filter(pc.invert(rows["is_buyer"]))["user_id"].unique())
    cold_items = measured.filter(pc.is_null(measured["item_row"]))["item_id"]
    users = group_by_id(measured["user_id"])
    is_known = pc.is_valid(measured["item_row"]).to_numpy()
    columns = measured["item_row"].drop_null().to_numpy()
    items = sp.csr_matrix(
        (np.ones(len(columns), np.float32), (users.group[is_known], columns)),
        shape=(len(users.ids), history.shape[1]),
    )
    row_numbers = pc.fill_null(measured["user_row"], UNSERVED).to_numpy()[users.first]
    return HeldOut(users.ids, row_numbers, items, users.n_rows, n_cold_users, len(cold_items.unique()))
