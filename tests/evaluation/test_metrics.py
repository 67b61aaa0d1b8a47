"""The metrics against lists worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from implicit.evaluation import precision_at_k as implicit_precision_at_k

from pipeline.evaluation import metrics

LISTS = np.array(
    [
        [4, 1, 2, 0],  # bought 1 and 0: hits in slots 2 and 4
        [3, -1, -1, -1],  # bought 3: one hit, three slots empty
        [0, 1, 2, 3],  # bought 4 only: no hit
    ],
    np.int32,
)
BOUGHT = sp.csr_matrix(np.array([[1, 1, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]], np.float32))
N_HELD_OUT = np.array([2, 1, 2])  # the third user also bought an item nobody knew before the cut


def test_hits_are_the_slots_that_were_bought() -> None:
    assert metrics.hits(LISTS, BOUGHT).tolist() == [
        [False, True, False, True],
        [True, False, False, False],
        [False, False, False, False],
    ]


def test_an_empty_slot_never_hits_and_an_item_twice_hits_once() -> None:
    lists = np.array([[1, 1, 1], [-1, -1, 4]], np.int32)
    bought = sp.csr_matrix(np.array([[0, 1, 0, 0, 0], [0, 0, 0, 0, 1]], np.float32))
    assert metrics.hits(lists, bought).tolist() == [[True, False, False], [False, False, True]]


def test_precision_at_3_divides_by_3_whatever_was_held_out() -> None:
    hits = metrics.hits(LISTS, BOUGHT)
    assert metrics.precision_at_k(hits, 3).tolist() == [1 / 3, 1 / 3, 0]


def test_precision_at_3_is_not_implicits() -> None:
    """With one held-out item and a hit, implicit's divides by one: three times the real number."""

    class Fixed:
        def recommend(self, users: np.ndarray, *_: object, **__: object) -> tuple[np.ndarray, None]:
            return np.tile(np.array([[3, 1, 2]], np.int32), (len(users), 1)), None

    one = sp.csr_matrix(np.array([[0, 0, 0, 1, 0]], np.float32))
    theirs = implicit_precision_at_k(Fixed(), sp.csr_matrix((1, 5)), one, K=3, show_progress=False)
    ours = metrics.precision_at_k(metrics.hits(np.array([[3, 1, 2]], np.int32), one), 3).mean()
    assert theirs == pytest.approx(1.0)
    assert ours == pytest.approx(1 / 3)


def test_recall_counts_items_that_no_list_could_hold() -> None:
    hits = metrics.hits(LISTS, BOUGHT)
    assert metrics.recall_at_k(hits, N_HELD_OUT, 10).tolist() == [1.0, 1.0, 0.0]
    assert metrics.recall_at_k(hits, np.array([4, 1, 2]), 10).tolist() == [0.5, 1.0, 0.0]


def test_ndcg_by_hand() -> None:
    hits = metrics.hits(LISTS, BOUGHT)
    gain = 1 / np.log2(3) + 1 / np.log2(5)
    ideal = 1 / np.log2(2) + 1 / np.log2(3)
    assert metrics.ndcg_at_k(hits, N_HELD_OUT, 10).tolist() == pytest.approx([gain / ideal, 1.0, 0.0])


def test_average_precision_by_hand() -> None:
    hits = metrics.hits(LISTS, BOUGHT)
    first = (1 / 2 + 2 / 4) / 2
    assert metrics.average_precision_at_k(hits, N_HELD_OUT, 10).tolist() == pytest.approx([first, 1.0, 0.0])


def test_hit_rate_looks_at_the_first_k_slots_only() -> None:
    hits = metrics.hits(LISTS, BOUGHT)
    assert metrics.hit_rate_at_k(hits, 10).tolist() == [1.0, 1.0, 0.0]
    assert metrics.hit_rate_at_k(hits, 1).tolist() == [0.0, 1.0, 0.0]


def test_the_ceiling_is_what_a_list_that_knew_the_future_reaches() -> None:
    assert metrics.ceiling_at_k(BOUGHT, 3) == pytest.approx((2 / 3 + 1 / 3 + 1 / 3) / 3)


def test_coverage_is_the_share_of_the_catalogue_in_anybodys_first_slots() -> None:
    assert metrics.coverage_at_k(LISTS, n_items=5, k=1) == pytest.approx(3 / 5)
    assert metrics.coverage_at_k(LISTS, n_items=5, k=3) == pytest.approx(1.0)


def test_the_interval_holds_the_mean_narrows_with_users_and_repeats_with_the_seed() -> None:
    few = np.array([0.0, 1 / 3, 2 / 3, 0.0] * 10)
    many = np.tile(few, 25)
    low, high = metrics.interval(few, seed=1)
    assert low < few.mean() < high
    assert metrics.interval(few, seed=1) == (low, high)
    closer = metrics.interval(many, seed=1)
    assert closer[1] - closer[0] < (high - low) / 3


def test_a_difference_that_is_the_same_for_every_user_has_no_interval() -> None:
    ours, others = np.array([0.5, 1.0, 0.75]), np.array([0.25, 0.75, 0.5])
    assert metrics.paired_interval(ours, others, seed=0) == (0.25, 0.25, 0.25)
    assert metrics.paired_interval(ours, ours, seed=0) == (0, 0, 0)


def test_the_paired_interval_is_that_of_the_differences_not_of_the_means() -> None:
    """A third better on one user in three, else the same: 1.96 standard errors around 1 / 9."""
    base = np.tile([0.0, 1.0, 0.0, 1 / 3, 2 / 3, 0.0], 100)
    better = base + np.tile([1 / 3, 0.0, 0.0], 200)
    difference, low, high = metrics.paired_interval(better, base, seed=2)
    assert difference == pytest.approx(1 / 9)
    reach = 1.96 * np.sqrt(2) / 9 / np.sqrt(600)
    assert (low, high) == pytest.approx((1 / 9 - reach, 1 / 9 + reach), abs=0.002)
    apart = metrics.interval(better, seed=2)
    assert apart[1] - apart[0] > 2 * (high - low)
    assert metrics.paired_interval(better, base, seed=2) == (difference, low, high)


def test_novelty_is_the_surprise_of_what_is_shown() -> None:
    """Of 8 pairs of buyer and item, item 0 has 4 (1 bit), 1 and 2 have 2 (2 bits), 3 none: as if one (3)."""
    buyers = np.array([4, 2, 2, 0])
    lists = np.array([[0, 1, 3], [0, -1, -1]], np.int32)
    assert metrics.novelty_at_k(lists, buyers, 1) == pytest.approx(1.0)
    assert metrics.novelty_at_k(lists, buyers, 3) == pytest.approx((1 + 2 + 3 + 1) / 4)
    assert metrics.novelty_at_k(np.full((2, 3), -1, np.int32), buyers, 3) == 0.0


def test_the_popular_share_is_of_the_slots_that_are_filled() -> None:
    """The head of two items is 0 and, of those bought as often, the lower id 1."""
    buyers = np.array([4, 2, 2, 0])
    lists = np.array([[0, 1, 2], [3, -1, -1]], np.int32)
    assert metrics.popular_share_at_k(lists, buyers, 3, head=2) == pytest.approx(2 / 4)
    assert metrics.popular_share_at_k(lists, buyers, 1, head=2) == pytest.approx(1 / 2)
    assert metrics.popular_share_at_k(np.full((1, 3), -1, np.int32), buyers, 3) == 0.0
