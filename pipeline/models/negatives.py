"""Negative sampling: items that a user has nothing to do with, as implicit feedback has no dislikes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROUNDS = 50
"""How often what was drawn in vain is drawn anew."""


def drawn(
    rng: np.random.Generator, users: NDArray[np.int64], keys: NDArray[np.int64], n_items: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """For each of `users` an item without an event of that user, all alike likely; and whether there is one.

    keys: user x n_items + item of every pair with an event, ascending
    Of users who have to do with nearly everything, some may be left without.
    """
    items = rng.integers(0, n_items, len(users))
    again = np.arange(len(users))
    for _ in range(ROUNDS):
        asked = users[again] * n_items + items[again]
        place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        again = again[keys[place] == asked]
        if not len(again):
            break
        items[again] = rng.integers(0, n_items, len(again))
    asked = users[again] * n_items + items[again]
    is_drawn = np.ones(len(users), bool)
    is_drawn[again] = keys[np.minimum(np.searchsorted(keys, asked), len(keys) - 1)] != asked
    return items, is_drawn
