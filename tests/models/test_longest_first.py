"""pipeline/models/longest_first.py: the same lists as by trying all items, and who needs no other item."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from pipeline.models.longest_first import LongestFirst
from pipeline.models.top_n import NOTHING, rank_dense

RNG = np.random.default_rng(7)
N_USERS, N_ITEMS, N_FACTORS = 600, 500, 8


def factors(*, is_skewed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Users and items; the lengths of a skewed shop's items fall fast, all others are 1."""
    users = np.abs(RNG.normal(size=(N_USERS, N_FACTORS))).astype(np.float32)
    items = np.abs(RNG.normal(size=(N_ITEMS, N_FACTORS))).astype(np.float32)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    if is_skewed:
        items *= (0.97 ** RNG.permutation(N_ITEMS)).astype(np.float32)[:, None]
    return users, items


def by_all(users: np.ndarray, items: np.ndarray, n: int, exclude: sp.csr_matrix | None) -> np.ndarray:
    scores = users @ items.T
    if exclude is not None:
        scores[exclude.nonzero()] = -np.inf
    return rank_dense(scores, np.arange(len(items)), n, above=-np.inf).items


@pytest.mark.parametrize("excludes", [True, False])
@pytest.mark.parametrize("is_skewed", [True, False])
def test_whoever_is_done_has_the_list_of_all_items(is_skewed: bool, excludes: bool) -> None:
    users, items = factors(is_skewed=is_skewed)
    exclude = sp.random(N_USERS, N_ITEMS, 0.05, "csr", np.float32, random_state=1) if excludes else None
    top, is_done = LongestFirst.of(items, np.empty(0, np.int64), 120).top_n(users, 10, exclude)
    assert (top.items[is_done] == by_all(users, items, 10, exclude)[is_done]).all()
    assert is_done.mean() > 0.9 if is_skewed else not is_done.any()


def test_where_all_items_are_tried_everybody_is_done() -> None:
    users, items = factors(is_skewed=False)
    hidden = np.arange(0, N_ITEMS, 2)
    top, is_done = LongestFirst.of(items, hidden, N_ITEMS).top_n(users, N_ITEMS, None)
    assert is_done.all()
    assert (top.items[:, N_ITEMS // 2 :] == NOTHING).all()
    assert not np.isin(top.items, hidden).any()
    alone = LongestFirst.of(items[:1], np.array([0]), 5)
    assert (alone.top_n(users, 3, None)[0].items == NOTHING).all(), "the only item is hidden"


def test_an_item_that_is_as_good_as_the_last_one_may_still_enter() -> None:
    """Both of length 1 and the same product: the one that was not tried has the lower id."""
    items = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
    first = LongestFirst.of(items[::-1], np.empty(0, np.int64), 1)
    _, is_done = first.top_n(np.array([[1.0, 0.0]], np.float32), 1, None)
    assert not is_done.any()


def test_users_without_factors_are_not_done_before_all_are_tried() -> None:
    _, items = factors(is_skewed=True)
    _, is_done = LongestFirst.of(items, np.empty(0, np.int64), 10).top_n(
        np.zeros((3, N_FACTORS), np.float32), 5, None
    )
    assert not is_done.any()
