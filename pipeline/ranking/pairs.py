"""Sparse columns for pairs: of a user and an item, or of a user and a category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.models.groups import best_in_groups, position_in_group

Column = NDArray[np.float32]


@dataclass(frozen=True)
class Pairs:
    """Rows for (user, other), sorted by both; `other` is an item or a category.

    user, other: row numbers, int32 of all users, int64 of a batch, whose keys are large
    columns: float32, each of the same length; n_others: how many others there are
    """

    user: NDArray[np.integer]
    other: NDArray[np.integer]
    columns: Mapping[str, Column]
    n_others: int

    @classmethod
    def of(cls, values: Mapping[str, np.ndarray], other: str, n_others: int) -> Pairs:
        """From the columns of a statement: `user_row`, the column `other`, and those that are kept."""
        keys = ("user_row", other)
        columns = {name: column for name, column in values.items() if name not in keys}
        user, of_other = (values[name].astype(np.int32, copy=False) for name in ("user_row", other))
        return cls(user, of_other, columns, n_others)

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """One ascending number for each pair."""
        return self.user.astype(np.int64) * self.n_others + self.other

    def among(self, rows: NDArray[np.int64]) -> Pairs:
        """The pairs of the users `rows`, who are numbered by their places in `rows`."""
        wanted = rows.astype(self.user.dtype)  # of another type all users would be cast
        first = np.searchsorted(self.user, wanted, side="left")
        count = np.searchsorted(self.user, wanted, side="right") - first
        slots = np.repeat(np.arange(len(rows)), count)
        taken = np.repeat(first, count) + position_in_group(slots)
        columns = {name: column[taken] for name, column in self.columns.items()}
        return Pairs(slots, self.other[taken].astype(np.int64), columns, self.n_others)

    def places(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """For each of `keys`, the row that holds it (any row where none does), and whether one does."""
        if not len(self.keys):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), bool)
        rows = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return rows, self.keys[rows] == keys

    def best(self, scores: Column, n: int) -> NDArray[np.int64]:
        """Rows of the `n` highest scores of each user; ties go to the lower number."""
        return best_in_groups(scores, self.user, n)


def ratio(above: np.ndarray, below: np.ndarray) -> Column:
    """`above / below`, float32; NaN where there is nothing to divide by."""
    quotient = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=quotient, where=np.asarray(below) > 0)
    return as_column(quotient)


def as_column(values: np.ndarray) -> Column:
    """As float32."""
    return np.asarray(values, np.float32)
