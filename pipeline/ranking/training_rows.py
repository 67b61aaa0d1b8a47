"""Training rows of the re-rankers: candidates of an earlier cut, and when they were bought after it.

A label depends on who asks: a model that is fitted before a moment knows only what was bought until then. So
the rows keep the time, and `TrainingRows.read` makes the labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.contract.datasets import TIME
from pipeline.contract.features import FEATURES
from pipeline.errors import DamagedFile
from pipeline.models.groups import best_in_groups, position_in_group
from pipeline.ranking.features import CandidateTable, side_by_side
from pipeline.splits.history import History
from pipeline.splits.holdout import HeldOut

DRAWN = 30
"""Candidates that are drawn for each user, whether bought or not, beside all that were bought."""


@dataclass(frozen=True)
class TrainingRows:
    """Rows of the dataset `examples` as the re-rankers read them, each user's together.

    features:  float32, shape (n_rows, len(FEATURES))
    is_bought: the labels, bool, shape (n_rows,)
    group:     how many rows each user has at each cut, in their order
    """

    features: NDArray[np.float32]
    is_bought: NDArray[np.bool_]
    group: NDArray[np.int64]

    @classmethod
    def read(cls, *tables: pa.Table, until: datetime) -> TrainingRows:
        """From rows as `draw_training_rows` returns them, labelled by what was bought before `until`.

        Not bought by then are the candidates that were drawn without a look at what was bought. A user who
        had bought none of the candidates by then is left out.
        """
        rows = pa.concat_tables([with_features(table) for table in tables])
        before = pc.less(rows["bought_at"], pa.scalar(until, TIME))
        is_bought = pc.fill_null(before, False)
        kept = pc.or_(is_bought, rows["is_drawn"])
        rows, is_bought = rows.filter(kept), is_bought.filter(kept).to_numpy()
        first = _first_of_each_list(rows)
        n_rows = np.diff(first, append=len(is_bought))
        teaches = np.add.reduceat(is_bought, first) > 0 if len(first) else np.empty(0, bool)
        is_taught = np.repeat(teaches, n_rows)
        rows = rows.filter(pa.array(is_taught))
        features = side_by_side([rows[name].to_numpy() for name in FEATURES])
        return cls(features, is_bought[is_taught], n_rows[teaches])

    @property
    def has_both_labels(self) -> bool:
        """Whether something was bought and something was not: without both nothing can be learnt."""
        return bool(self.is_bought.any() and not self.is_bought.all())


def _at_random(keys: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """A number between 0 and 1 by each key and the seed alone (SplitMix64, Steele et al. 2014)."""
    start = np.uint64((seed + 1) * 0xD1342543DE82EF95 % 2**64)
    state = (keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) ^ start
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return (state ^ (state >> np.uint64(31))) / np.float64(2**64)


def _first_of_each_list(rows: pa.Table) -> NDArray[np.int64]:
    """Where the rows of each user at each cut begin."""
    user = rows["user_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    cut = pc.cast(rows["cut_at"], pa.int64()).to_numpy()
    return np.flatnonzero((np.diff(user, prepend=-1) != 0) | (np.diff(cut, prepend=-1) != 0))


def with_features(rows: pa.Table) -> pa.Table:
    """The same rows. Raises DamagedFile where they have other features than FEATURES.

    This happens when a run was begun by another version of this program.
    """
    if missing := [name for name in ("bought_at", "is_drawn", *FEATURES) if name not in rows.column_names]:
        raise DamagedFile(
            "the training rows of this run have other columns than this version knows",
            found=f"no {', '.join(missing)}",
            promised="`bought_at`, `is_drawn` and the features of pipeline/contract/features.py",
            then="start a new run: python -m pipeline run",
        )
    return rows


def draw_training_rows(
    table: CandidateTable,
    held_out: HeldOut,
    users: NDArray[np.int64],
    history: History,
    cut_at: datetime,
    seed: int,
) -> pa.Table:
    """All bought candidates, and DRAWN of all candidates, of each user who bought one of the candidates.

    users: the row of `held_out` of each user of `table`
    Returns rows of the dataset `examples`, in its order. What is drawn for a user depends on `seed` and the
    user's candidates alone: neither what is bought later nor who buys later has a part in it.
    """
    n_items = held_out.items.shape[1]
    later = held_out.bought_at[users]
    bought = np.repeat(np.arange(table.n_users), np.diff(later.indptr)) * n_items + later.indices
    candidates = table.slots * n_items + table.items
    is_bought = np.isin(candidates, bought)
    bought_at = np.zeros(len(candidates), np.int64)
    bought_at[is_bought] = later.data[np.searchsorted(bought, candidates[is_bought])]
    order = best_in_groups(
        _at_random(held_out.rows[users][table.slots] * n_items + table.items, seed), table.slots
    )
    is_drawn = np.empty(len(candidates), bool)
    is_drawn[order] = position_in_group(table.slots[order]) < DRAWN
    teaches = np.bincount(table.slots, is_bought, minlength=table.n_users) > 0
    kept = np.flatnonzero((is_drawn | is_bought) & teaches[table.slots])
    features = {name: table.features[kept, number] for number, name in enumerate(FEATURES)}
    return pa.table(
        {
            "cut_at": pa.array([cut_at] * len(kept), TIME),
            "user_id": held_out.user_ids.take(pa.array(users[table.slots[kept]])),
            "item_id": history.item_ids.take(pa.array(table.items[kept])),
            "bought_at": pa.array(bought_at[kept], mask=~is_bought[kept]).cast(TIME),
            "is_drawn": is_drawn[kept],
            **features,
        }
    )
