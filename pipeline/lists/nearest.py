"""Which of a user's own items explains a listed one best: by cosine of factors, and by purchases together.

One small piece of work a user, on one thread: memory is that of one user, and more threads would only wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.models.top_n import NOTHING


@dataclass(frozen=True)
class Pairs:
    """The rows of `also_bought` by column number: of item `i` those from first[i] to first[i + 1].

    other:    the item that buyers of `i` also bought
    strength: support x log(lift), what the buyers of both add to the pair's likelihood ratio
    """

    first: NDArray[np.int64]
    other: NDArray[np.int32]
    strength: NDArray[np.float64]

    @classmethod
    def read(cls, also_bought: Path, item_ids: pa.Array, min_lift: float) -> Pairs:
        """Those of a lift of at least `min_lift`; `item_ids`: each item's id by column number, ascending."""
        rows = pq.read_table(also_bought, filters=[("lift", ">=", min_lift)])
        item = pc.index_in(rows["item_id"], value_set=item_ids).to_numpy()
        other = pc.index_in(rows["also_bought_item_id"], value_set=item_ids).to_numpy()
        first = np.searchsorted(item, np.arange(len(item_ids) + 1))
        strength = rows["support"].to_numpy() * np.log(rows["lift"].to_numpy())
        return cls(first.astype(np.int64), other.astype(np.int32), strength)

    @classmethod
    def none(cls, n_items: int) -> Pairs:
        """Of a shop whose items nobody bought together."""
        return cls(np.zeros(n_items + 1, np.int64), np.zeros(0, np.int32), np.zeros(0))


def nearest_of_own(
    items: NDArray[np.int32], own: sp.csr_matrix, item_factors: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """For each slot of a list, the user's own item that is nearest to it by cosine of factors, and how near.

    items: column numbers, NOTHING in empty slots, shape (n_users, length)
    own:   what the same users bought or looked at, shape (n_users, n_items); at least one item each
    Returns column numbers of the shape of `items`, and the cosines: the item itself and 1 where it is the
    user's own, NOTHING and 0 in empty slots and where none is near (0 or less). Ties go to the lower id.
    """
    nearest = np.full(items.shape, NOTHING, np.int32)
    cosines = np.zeros(items.shape, np.float32)
    length = np.linalg.norm(item_factors, axis=1)
    length[length == 0] = 1.0
    for row, listed in enumerate(items):
        columns = np.sort(own.indices[own.indptr[row] : own.indptr[row + 1]])
        slots = np.flatnonzero(listed != NOTHING)
        cosine = (item_factors[listed[slots]] @ item_factors[columns].T) / length[columns]
        best = np.argmax(cosine, axis=1)
        of_best = cosine[np.arange(len(slots)), best] / length[listed[slots]]
        nearest[row, slots] = np.where(of_best > 0, columns[best], NOTHING)
        cosines[row, slots] = np.maximum(of_best, 0.0)
        is_own = np.isin(listed[slots], columns)
        nearest[row, slots[is_own]] = listed[slots[is_own]]
        cosines[row, slots[is_own]] = 1.0
    return nearest, cosines


def bought_with_own(items: NDArray[np.int32], own: sp.csr_matrix, pairs: Pairs) -> NDArray[np.int32]:
    """For each slot of a list, the user's own item whose row of `also_bought` names it as the strongest pair.

    The arguments are those of `nearest_of_own`. Returns column numbers of the shape of `items`, NOTHING where
    no own item names it. Ties go to the lower id.
    """
    namers = np.full(items.shape, NOTHING, np.int32)
    if not len(pairs.other):
        return namers
    slot_of = np.full(len(pairs.first), NOTHING, np.int64)
    for row, listed in enumerate(items):
        columns = np.sort(own.indices[own.indptr[row] : own.indptr[row + 1]])
        slots = np.flatnonzero(listed != NOTHING)
        n_named = pairs.first[columns + 1] - pairs.first[columns]
        ends = np.cumsum(n_named)
        if not ends[-1]:
            continue
        places = np.arange(ends[-1]) + np.repeat(pairs.first[columns] - (ends - n_named), n_named)
        slot_of[listed[slots]] = slots
        met = slot_of[pairs.other[places]]
        slot_of[listed[slots]] = NOTHING
        is_met = np.flatnonzero(met != NOTHING)
        namer = np.repeat(columns, n_named)[is_met]
        order = np.lexsort((-namer, pairs.strength[places[is_met]]))
        namers[row, met[is_met[order]]] = namer[order]  # of one slot the last stays: the strongest
    return namers
