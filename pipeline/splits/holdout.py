"""Held-out purchases."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

UNSERVED = -1


"""Row number of a buyer whom the filters leave out: measured, and every slot is a miss."""


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
        """`most` of the users, drawn with the seed and in their order; all where there are no more."""
        if len(self.rows) <= most:
            return self
        kept = np.sort(np.random.default_rng(seed).choice(len(self.rows), most, replace=False))
        users = self.user_ids.take(pa.array(kept))
        return replace(
            self, user_ids=users, rows=self.rows[kept], items=self.items[kept], n_items=self.n_items[kept]
        )
