"""Pairs of items that share more buyers than chance: counted by hand, and against a count pair by pair."""

from __future__ import annotations

from itertools import combinations
from math import log

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from pipeline.lists import also_bought as module
from pipeline.lists.also_bought import also_bought, baskets_of, g2

NOBODY_HIDDEN = np.empty(0, np.int64)


def baskets(*users: tuple[int, ...], n_items: int = 6) -> sp.csr_matrix:
    """Each user's items as a row of ones."""
    cells = np.zeros((len(users), n_items), np.float32)
    for row, items in enumerate(users):
        cells[row, list(items)] = 1
    return baskets_of(sp.csr_matrix(cells))


def told(bought: sp.csr_matrix, length: int = 20, min_buyers: int = 1, hidden=NOBODY_HIDDEN, asked=None):
    """`(item, rank, also bought, support, lift)` of every row; ids are the hundreds of the columns."""
    ids = pa.array(100 * np.arange(bought.shape[1]))
    batches = also_bought(bought, ids, hidden, length, min_buyers, asked)
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def by_hand(bought: sp.csr_matrix, length: int, min_buyers: int, hidden: set[int]):
    """The same, pair by pair, G2 by its textbook formula."""
    users = [set(row.indices.tolist()) for row in bought]
    buyers = {i: {u for u, items in enumerate(users) if i in items} for i in range(bought.shape[1])}
    n, by_item = len(users), {}
    for a, b in combinations(sorted(set(buyers) - hidden), 2):
        n_a, n_b, both = len(buyers[a]), len(buyers[b]), len(buyers[a] & buyers[b])
        if both < min_buyers or both * n <= n_a * n_b:
            continue
        cells = (
            (both, n_a * n_b),
            (n_a - both, n_a * (n - n_b)),
            (n_b - both, (n - n_a) * n_b),
            (n - n_a - n_b + both, (n - n_a) * (n - n_b)),
        )
        score = 2 * sum(k * log(k * n / margins) for k, margins in cells if k)
        for one, other in ((a, b), (b, a)):
            by_item.setdefault(one, []).append((-round(score, 9), other, both / n, both * n / (n_a * n_b)))
    return [
        (100 * item, rank, 100 * other, support, lift)
        for item, pairs in sorted(by_item.items())
        for rank, (_, other, support, lift) in enumerate(sorted(pairs)[:length], start=1)
    ]


def test_support_and_lift_of_a_shop_of_five() -> None:
    shop = baskets((0, 1), (0, 1), (0, 2), (3,), (3,))
    assert told(shop) == [
        (0, 1, 100, 0.4, pytest.approx(2 * 5 / (3 * 2))),
        (0, 2, 200, 0.2, pytest.approx(1 * 5 / (3 * 1))),
        (100, 1, 0, 0.4, pytest.approx(2 * 5 / (3 * 2))),
        (200, 1, 0, 0.2, pytest.approx(1 * 5 / (3 * 1))),
    ]


def test_what_everybody_buys_goes_with_nothing() -> None:
    assert told(baskets((0, 1), (0, 1), (0, 2), (0, 2))) == []


def test_too_few_joint_buyers_are_no_pair() -> None:
    shop = baskets((0, 1), (0, 1), (0, 2), (3,), (3,))
    assert [(row[0], row[2]) for row in told(shop, min_buyers=2)] == [(0, 100), (100, 0)]


def test_a_hidden_item_is_neither_key_nor_entry_but_its_buyers_count() -> None:
    shop = baskets((0, 1, 2), (0, 1, 2), (3,), (2,))
    assert told(shop, hidden=np.array([2])) == [(0, 1, 100, 0.5, 2.0), (100, 1, 0, 0.5, 2.0)]


def test_ties_go_to_the_lower_id_and_lists_end_at_their_length() -> None:
    shop = baskets((0, 1, 2, 3), (0, 1, 2, 3), (4,))
    assert [row[:3] for row in told(shop, length=2)][:4] == [
        (0, 1, 100),
        (0, 2, 200),
        (100, 1, 0),
        (100, 2, 200),
    ]


def test_a_pair_seen_often_ranks_above_a_rarer_one_of_higher_lift() -> None:
    users = [(0, 1)] * 20 + [(1,)] * 2 + [(0, 2)] * 2 + [(3,)] * 40
    lists = [row for row in told(baskets(*users)) if row[0] == 0]
    assert [row[2] for row in lists] == [100, 200]
    assert lists[0][4] < lists[1][4]


@pytest.mark.parametrize("batch_cells", [1, 40, 10_000])
@pytest.mark.parametrize(("length", "min_buyers"), [(3, 1), (20, 5)])
def test_random_shops_are_counted_as_pair_by_pair(
    monkeypatch: pytest.MonkeyPatch, batch_cells: int, length: int, min_buyers: int
) -> None:
    monkeypatch.setattr(module, "BATCH_CELLS", batch_cells)
    rng = np.random.default_rng(batch_cells + length)
    taste = rng.dirichlet(np.full(25, 0.3), 3)
    users = [
        tuple(rng.choice(25, size=rng.integers(1, 8), p=taste[rng.integers(3)] * 0.9 + 0.1 / 25))
        for _ in range(120)
    ]
    shop, hidden = baskets(*users, n_items=25), np.array([3, 11])
    rows = told(shop, length, min_buyers, hidden)
    assert rows == by_hand(shop, length, min_buyers, {3, 11})
    assert len(rows) > 20


def test_a_batch_of_items_has_no_more_pairs_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of each item at most: 4, 4, 3, 3, 3, 1."""
    monkeypatch.setattr(module, "BATCH_CELLS", 7)
    of_buyers = baskets((0, 1), (0, 1), (2, 3, 4), (5,))
    assert list(module._batches(sp.csr_matrix(of_buyers.T), of_buyers)) == [(0, 1), (1, 3), (3, 6)]


def test_buyers_of_very_many_items_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ITEMS", 3)
    shop = baskets((0, 1), (0, 1, 2), (3,), (0, 1, 2, 3))
    assert shop.shape == (3, 6)
    assert {row[:3] for row in told(shop)} >= {(0, 1, 100)}
    assert (300, 1, 0) not in {row[:3] for row in told(shop)}


def test_no_buyers_no_pairs() -> None:
    assert told(baskets_of(sp.csr_matrix((0, 4), dtype=np.float32))) == []
    assert told(baskets((0,), (1,))) == []


def test_g2_of_dunnings_table_and_of_a_very_large_shop() -> None:
    """`the swiss` of Dunning (1993), table 2: 110, 2442, 111, 29114 give 270.72."""
    one = np.array([110]), np.array([110 + 2442]), np.array([110 + 111])
    assert g2(*one, 110 + 2442 + 111 + 29114)[0] == pytest.approx(270.72, abs=0.005)
    rare = np.array([5]), np.array([10]), np.array([10])
    smaller, larger = g2(*rare, 10_000_000)[0], g2(*rare, 1_000_000_000)[0]
    assert larger - smaller == pytest.approx(10 * log(100), rel=1e-6)


def test_lists_of_some_items_are_those_that_they_have_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """With batches of one item and of all; an item that nobody bought has no list."""
    rng = np.random.default_rng(2)
    shop = baskets(*(tuple(rng.choice(12, 4, replace=False)) for _ in range(60)), n_items=13)
    whole = told(shop, length=5, min_buyers=2)
    asked = np.array([2, 3, 7, 11, 12])
    wanted = [row for row in whole if row[0] // 100 in asked]
    assert 0 < len(wanted) < len(whole)
    for cells in (1, module.BATCH_CELLS):
        monkeypatch.setattr(module, "BATCH_CELLS", cells)
        assert told(shop, length=5, min_buyers=2, asked=asked) == wanted
    assert told(shop, asked=np.empty(0, np.int64)) == []
