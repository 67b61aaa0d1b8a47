"""Training rows of the re-rankers: candidates of an earlier cut, and when they were bought after it.

A label depends on who asks: a model that is fitted before a moment knows only what was bought until then. So
the rows keep the time, and `TrainingRows.read` makes the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
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

NEGATIVES = 30
"""Candidates that were not bought, drawn for each user beside all that were."""


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

        What was bought later is left out: it is no purchase yet, and there is more of it among the rows than
        among the candidates that were not bought. So is a user who had bought none of the candidates by then.
        """
        rows = pa.concat_tables([with_features(table) for table in tables])
        is_late = pc.greater_equal(rows["bought_at"], pa.scalar(until, TIME))
        rows = rows.filter(pc.invert(pc.fill_null(is_late, False)))
        is_bought = pc.is_valid(rows["bought_at"]).to_numpy()
        first = _first_of_each_list(rows)
        n_rows = np.diff(first, append=len(is_bought))
        teaches = np.add.reduceat(is_bought, first) > 0 if len(first) else np.empty(0, bool)
        kept = np.repeat(teaches, n_rows)
        rows = rows.filter(pa.array(kept))
        features = side_by_side([rows[name].to_numpy() for name in FEATURES])
        return cls(features, is_bought[kept], n_rows[teaches])

    @property
    def has_both_labels(self) -> bool:
        """Whether something was bought and something was not: without both nothing can be learnt."""
        return bool(self.is_bought.any() and not self.is_bought.all())


def _first_of_each_list(rows: pa.Table) -> NDArray[np.int64]:
    """Where the rows of each user at each cut begin."""
    user = rows["user_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    cut = pc.cast(rows["cut_at"], pa.int64()).to_numpy()
    return np.flatnonzero((np.diff(user, prepend=-1) != 0) | (np.diff(cut, prepend=-1) != 0))


def with_features(rows: pa.Table) -> pa.Table:
    """The same rows. Raises DamagedFile where they have other features than FEATURES.

    This happens when a run was begun by another version of this program.
    """
    if missing := [name for name in ("bought_at", *FEATURES) if name not in rows.column_names]:
        raise DamagedFile(
            "the training rows of this run have other columns than this version knows",
            found=f"no {', '.join(missing)}",
            promised="`bought_at`, and the features of pipeline/contract/features.py",
            then="start a new run: python -m pipeline run",
        )
    return rows


def draw_training_rows(
    table: CandidateTable,
    held_out: HeldOut,
    users: NDArray[np.int64],
    history: History,
    cut_at: datetime,
    seed: Sequence[int],
) -> pa.Table:
    """All bought candidates, and NEGATIVES others, of each user who bought one of the candidates.

    users: the row of `held_out` of each user of `table`
    Returns rows of the dataset `examples`, in its order. The negatives are drawn with `seed`.
    """
    n_items = held_out.items.shape[1]
    later = held_out.bought_at[users]
    bought = np.repeat(np.arange(table.n_users), np.diff(later.indptr)) * n_items + later.indices
    candidates = table.slots * n_items + table.items
    is_bought = np.isin(candidates, bought)
    bought_at = np.zeros(len(candidates), np.int64)
    bought_at[is_bought] = later.data[np.searchsorted(bought, candidates[is_bought])]
    rng = np.random.default_rng(seed)
    priority = -rng.random(len(is_bought))
    priority[is_bought] = 1.0
    order = best_in_groups(priority, table.slots)
    slots = table.slots[order]
    n_bought = np.bincount(table.slots, is_bought, minlength=table.n_users)
    is_kept = (position_in_group(slots) < n_bought[slots] + NEGATIVES) & (n_bought[slots] > 0)
    kept = np.sort(order[is_kept])
    features = {name: table.features[kept, number] for number, name in enumerate(FEATURES)}
    return pa.table(
        {
            "cut_at": pa.array([cut_at] * len(kept), TIME),
            "user_id": held_out.user_ids.take(pa.array(users[table.slots[kept]])),
            "item_id": history.item_ids.take(pa.array(table.items[kept])),
            "bought_at": pa.array(bought_at[kept], mask=~is_bought[kept]).cast(TIME),
            **features,
        }
    )
