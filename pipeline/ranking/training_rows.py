"""Training rows of the re-rankers: candidates of an earlier cut, labelled by what was bought after it."""

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
    def read(cls, *tables: pa.Table) -> TrainingRows:
        """From rows as `draw_training_rows` returns them."""
        rows = pa.concat_tables([with_features(table) for table in tables])
        features = side_by_side([rows[name].to_numpy() for name in FEATURES])
        user = rows["user_id"].combine_chunks().dictionary_encode().indices.to_numpy()
        cut = pc.cast(rows["cut_at"], pa.int64()).to_numpy()
        is_next = (np.diff(user, prepend=-1) != 0) | (np.diff(cut, prepend=-1) != 0)
        first = np.flatnonzero(is_next)
        return cls(features, rows["is_bought"].to_numpy(), np.diff(first, append=len(user)))

    @property
    def has_both_labels(self) -> bool:
        """Whether something was bought and something was not: without both nothing can be learnt."""
        return bool(self.is_bought.any() and not self.is_bought.all())


def with_features(rows: pa.Table) -> pa.Table:
    """The same rows. Raises DamagedFile where they have other features than FEATURES.

    This happens when a run was begun by another version of this program.
    """
    if missing := [name for name in FEATURES if name not in rows.column_names]:
        raise DamagedFile(
            "the training rows of this run have other features than this version knows",
            found=f"no {', '.join(missing)}",
            promised="the features of pipeline/contract/features.py",
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
    later = held_out.items[users]
    bought = np.repeat(np.arange(table.n_users), np.diff(later.indptr)) * n_items + later.indices
    is_bought = np.isin(table.slots * n_items + table.items, bought)
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
            "is_bought": is_bought[kept],
            **features,
        }
    )
