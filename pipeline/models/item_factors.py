"""The items' part of finished ALS factors, from which a later fit goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from numpy.typing import NDArray

Factors: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class ItemFactors:
    """The items' part of finished factors. factors: float32, shape (n_items, factors)"""

    item_ids: pa.Array
    factors: Factors

    def known(self, cells: sp.csr_matrix, item_ids: pa.Array) -> float:
        """Share of the cells (users x items, of which these are the ids) whose items have factors.

        Factors that are all zero are none: so an item is told that was new after the fit.
        """
        is_known = self.onto(item_ids).any(axis=1)
        return float(cells.getnnz(axis=0)[is_known].sum() / max(cells.nnz, 1))

    def onto(self, item_ids: pa.Array) -> Factors:
        """Of these items; those new to them have zeros."""
        return taken(self.factors, pc.index_in(item_ids, value_set=self.item_ids))


def taken(factors: Factors, rows: pa.Int32Array) -> Factors:
    """The rows of `factors`; zeros where there is none (null)."""
    if not len(factors):
        return np.zeros((len(rows), factors.shape[1]), np.float32)
    found: Factors = factors[pc.fill_null(rows, 0).to_numpy()]
    found[rows.is_null().to_numpy(zero_copy_only=False)] = 0.0
    return found
