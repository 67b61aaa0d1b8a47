"""Attributes of users: what the shop says of them, such as a country or a year of birth.

An attribute is a further column of `users.sql`. It is a category (a few words, of which a user has one) or a
number, for all users the same. A value that is dated (`known_at`) counts only in cuts at or after its date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipeline.contract.datasets import TIME

NONE = -1
"""The code of a user whose category is not known."""
FEWEST_USERS, LEAST_SHARE = 10, 0.01
"""So many users, and so large a share of all, have a category that has a column in `points_by`."""
MOST_DEVIATIONS = 3.0
"""A number that lies further from the mean, in standard deviations, counts as if it lay so far."""


@dataclass(frozen=True)
class Attributes:
    """The attributes of n_users users, by name in alphabetical order.

    codes:   of each category, the number of each user's word in `words`, NONE where it is not known, int32,
             shape (n_users,)
    words:   of each category, the words that users have, ascending
    numbers: of each other attribute, each user's number, NaN where it is not known, float64, shape (n_users,)
    """

    n_users: int
    codes: Mapping[str, NDArray[np.int32]]
    words: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, NDArray[np.float64]]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all attributes of which a value of some user is known, ascending."""
        return tuple(sorted({*self.codes, *self.numbers}))


def attributes_at(file: Path | None, user_ids: pa.Array, cut_at: datetime | None) -> Attributes:
    """What is known at `cut_at` of the users `user_ids`, in their order; each id stands there once.

    file:   the dataset `user_attributes`; None: the shop has none
    cut_at: None: now, all values are known
    """
    if file is None:
        return Attributes(len(user_ids), {}, {}, {})
    rows = _known(pq.read_table(file), user_ids, cut_at)
    codes, words, numbers = {}, {}, {}
    for name in sorted(pc.unique(rows["name"]).to_pylist()):
        of_name = rows.filter(pc.equal(rows["name"], name))
        users, values = of_name["user"].to_numpy(), of_name["category"]
        if values.null_count < len(values):
            in_order = pa.array(sorted(pc.unique(values).drop_null().to_pylist()), pa.string())
            codes[name] = np.full(len(user_ids), NONE, np.int32)
            codes[name][users] = pc.fill_null(pc.index_in(values, value_set=in_order), NONE).to_numpy()
            words[name] = tuple(in_order.to_pylist())
        else:
            numbers[name] = np.full(len(user_ids), np.nan)
            numbers[name][users] = of_name["number"].to_numpy()
    return Attributes(len(user_ids), codes, words, numbers)


def _known(rows: pa.Table, user_ids: pa.Array, cut_at: datetime | None) -> pa.Table:
    """The rows of these users that are known, with the column `user`: the place of the user in `user_ids`."""
    users = pc.index_in(rows["user_id"], value_set=user_ids.cast(rows["user_id"].type))
    is_known = pc.is_valid(users)
    if cut_at is not None:
        is_dated_later = pc.greater(rows["known_at"], pa.scalar(cut_at, TIME))
        is_known = pc.and_(is_known, pc.invert(pc.fill_null(is_dated_later, False)))
    return rows.append_column("user", users).filter(is_known)


def points_by(attributes: Attributes) -> dict[str, NDArray[np.float32]]:
    """The users as points by each attribute, float32, shape (n_users, n_columns), names ascending.

    A category has a column of 0 and 1 for each word that FEWEST_USERS and LEAST_SHARE of the users have; who
    has another word, or none, has zeros. A number is standardised and lies within MOST_DEVIATIONS of 0; who
    has none has 0. The columns of each attribute are divided by one number, so that their variances add up to
    1: no attribute counts more than another. An attribute in which all users are alike is left out.
    """
    points = {}
    for name in attributes.names:
        if name in attributes.codes:
            block = _one_hot(attributes.codes[name], len(attributes.words[name]))
        else:
            block = _standardised(attributes.numbers[name])
        weighted = _of_equal_weight(block)
        if weighted.shape[1]:
            points[name] = weighted
    return points


def _one_hot(codes: NDArray[np.int32], n_words: int) -> NDArray[np.float32]:
    counts = np.bincount(codes[codes != NONE], minlength=n_words)
    frequent = np.flatnonzero(counts >= max(FEWEST_USERS, LEAST_SHARE * len(codes)))
    if not len(frequent):
        return np.zeros((len(codes), 0), np.float32)
    encoder = OneHotEncoder(
        categories=[frequent], handle_unknown="ignore", sparse_output=False, dtype=np.float32
    )
    return np.asarray(encoder.fit_transform(codes.reshape(-1, 1)))


def _standardised(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    largest = np.nanmax(np.abs(numbers))  # whose square may be too large for a float
    scaled = StandardScaler().fit_transform(numbers.reshape(-1, 1) / (largest or 1.0))
    bounded = np.clip(np.nan_to_num(scaled, nan=0.0), -MOST_DEVIATIONS, MOST_DEVIATIONS)
    return np.asarray(bounded, np.float32)


def _of_equal_weight(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """The block, changed in place to a total variance of 1; without columns where nothing varies."""
    variance = sum(float(column.var(dtype=np.float64)) for column in block.T)
    if not variance > 0:
        return block[:, :0]
    block /= np.float32(np.sqrt(variance))
    return block
