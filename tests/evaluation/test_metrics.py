"""The metrics against lists worked by hand."""

from __future__ import annotations

import time

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
    assert metrics.ceiling_at_k(BOUGHT, 3).tolist() == pytest.approx([2 / 3, 1 / 3, 1 / 3])


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


def before_users_were_clusters(values: np.ndarray, seed: int) -> tuple[float, float]:
    """The interval as it was when nobody was measured twice."""
    distinct, counts = np.unique(values, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(values), counts / len(values), size=1000)
    low, high = np.percentile(drawn @ distinct / len(values), [2.5, 97.5])
    return float(low), float(high)


@pytest.mark.parametrize("n_users", [1, 7, 2000, 50_000])
def test_with_one_measurement_of_each_user_the_interval_is_what_it_was_bit_for_bit(n_users: int) -> None:
    """Whatever the users' numbers and their order."""
    rng = np.random.default_rng(n_users)
    ours, others = (rng.integers(0, 4, n_users) / 3 for _ in range(2))
    users = rng.permutation(n_users) + 5
    for values in (ours, ours - others):
        assert metrics.interval(values, 3) == before_users_were_clusters(values, 3)
        assert metrics.interval(values, 3, users) == before_users_were_clusters(values, 3)
    paired = metrics.paired_interval(ours, others, 3, users)
    assert paired == ((ours - others).mean(), *before_users_were_clusters(ours - others, 3))


def simulated(values: np.ndarray, users: np.ndarray, seed: int) -> np.ndarray:
    """Users drawn one by one, each with all of the user's values; the mean of the values that were drawn."""
    rng, of_user = np.random.default_rng(seed), [values[users == user] for user in np.unique(users)]
    means = [
        np.concatenate([of_user[n] for n in rng.integers(0, len(of_user), len(of_user))]).mean()
        for _ in range(5000)
    ]
    return np.percentile(means, [2.5, 97.5])


def test_a_user_measured_at_several_cuts_is_drawn_whole_as_in_a_plain_simulation() -> None:
    """200 users, one to five measurements each, alike within a user: as wide as the simulation finds it, and
    clearly wider than if each measurement were another user's."""
    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(200), rng.integers(1, 6, 200))
    skill = rng.random(200)
    values = (rng.random((3, len(users))) < skill[users]).sum(axis=0) / 3
    order = rng.permutation(len(users))
    low, high = metrics.interval(values, 4, users, draws=5000)
    assert (low, high) == pytest.approx(tuple(simulated(values, users, 4)), abs=0.004)
    again = metrics.interval(values[order], 4, users[order], draws=5000)
    assert again == pytest.approx((low, high), abs=0.004)
    apart = metrics.interval(values, 4, draws=5000)
    assert high - low > 1.3 * (apart[1] - apart[0])


def test_users_who_are_measured_more_often_count_as_often() -> None:
    """One user with three measurements of 1 and one with a single 0: a draw of both has the mean 3 / 4."""
    values, users = np.array([1.0, 1.0, 1.0, 0.0]), np.array([8, 8, 8, 3])
    assert metrics.interval(values, 0, users) == (0.0, 1.0)
    assert metrics.paired_interval(values, np.zeros(4), 0, users)[0] == 0.75


def test_three_hundred_thousand_measurements_take_no_second() -> None:
    rng = np.random.default_rng(0)
    users, values = rng.integers(0, 100_000, 300_000), rng.integers(0, 4, 300_000) / 3
    started = time.perf_counter()
    low, high = metrics.interval(values, 1, users)
    assert time.perf_counter() - started < 1
    assert low < values.mean() < high < low + 0.004


def test_novelty_is_the_surprise_of_what_is_shown() -> None:
    """Of 8 pairs of buyer and item, item 0 has 4 (1 bit), 1 and 2 have 2 (2 bits), 3 none: as if one (3)."""
    buyers = np.array([4, 2, 2, 0])
    lists = np.array([[0, 1, 3], [0, -1, -1]], np.int32)
    assert metrics.surprise_at_k(lists, buyers, 1).tolist() == [1, 1]
    assert metrics.surprise_at_k(lists, buyers, 3).tolist() == [1, 2, 3, 1]
    assert metrics.surprise_at_k(np.full((2, 3), -1, np.int32), buyers, 3).tolist() == []


def test_what_is_popular_is_told_of_the_slots_that_are_filled() -> None:
    """The head of two items is 0 and, of those bought as often, the lower id 1."""
    buyers = np.array([4, 2, 2, 0])
    lists = np.array([[0, 1, 2], [3, -1, -1]], np.int32)
    assert metrics.is_popular_at_k(lists, buyers, 3, head=2).tolist() == [1, 1, 0, 0]
    assert metrics.is_popular_at_k(lists, buyers, 1, head=2).tolist() == [1, 0]
    assert metrics.is_popular_at_k(np.full((1, 3), -1, np.int32), buyers, 3).tolist() == []
