"""Positions within groups of rows: the one place where "the best n of each user" is worked out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def position_in_group(groups: NDArray[np.integer]) -> NDArray[np.int64]:
    """0, 1, 2, ... anew for each group; `groups` names the group of each row, ascending."""
    return np.arange(len(groups)) - np.searchsorted(groups, groups, side="left")


def best_in_groups(
    scores: NDArray[np.floating], groups: NDArray[np.integer], n: int | None = None
) -> NDArray[np.int64]:
    """Row numbers of the `n` highest scores of each group (None: all), by group, best first.

    Ties go to the earlier row.
    """
    order = np.lexsort((-scores, groups))
    return order if n is None else order[position_in_group(groups[order]) < n]
