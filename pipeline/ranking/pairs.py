"""Pairs of a user and an item."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float32]


@dataclass(frozen=True)
class Pairs:
    """Rows for (user, other), sorted by both.

    user, other: row numbers, int64; columns: float32, each of the same length; n_others: how many there are
    """

    user: NDArray[np.int64]
    other: NDArray[np.int64]
    columns: dict[str, Column]
    n_others: int

    @classmethod
    def of(cls, told: dict[str, np.ndarray], other: str, n_others: int) -> Pairs:
        """From the columns of a statement that holds `user_row` and the column `other`."""
        keys = ("user_row", other)
        columns = {name: values for name, values in told.items() if name not in keys}
        return cls(told["user_row"].astype(np.int64), told[other].astype(np.int64), columns, n_others)

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """One ascending number for each pair."""
        return self.user * self.n_others + self.other

    def among(self, rows: NDArray[np.int64]) -> Pairs:
        """The pairs of the users `rows`, whose numbers become their places in `rows`."""
        first = np.searchsorted(self.user, rows, side="left")
        count = np.searchsorted(self.user, rows, side="right") - first
        place = np.repeat(np.arange(len(rows)), count)
        within = np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count)
        taken = np.repeat(first, count) + within
        columns = {name: values[taken] for name, values in self.columns.items()}
        return Pairs(place, self.other[taken], columns, self.n_others)

    def places(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Where each of `keys` stands, and whether it is there at all."""
        own = self.keys
        if not len(own):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), bool)
        found = np.minimum(np.searchsorted(own, keys), len(own) - 1)
        return found, own[found] == keys

    def best(self, score: Column, n: int) -> NDArray[np.int64]:
        """Places of the `n` highest of each user; ties go to the lower number."""
        order = np.lexsort((-score, self.user))
        user = self.user[order]
        within = np.arange(len(order)) - np.searchsorted(user, user, side="left")
        return order[within < n]


def ratio(above: np.ndarray, below: np.ndarray) -> Column:
    """NaN where there is nothing to divide by."""
    out = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=out, where=np.asarray(below) > 0)
    return as_column(out)


def as_column(values: np.ndarray) -> Column:
    return np.asarray(values, np.float32)
