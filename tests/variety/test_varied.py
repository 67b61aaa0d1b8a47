"""pipeline/variety/varied.py: what is shown to everybody, and what is like the items above, moves down."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.cold.content import NONE
from pipeline.models.params import Variety
from pipeline.models.top_n import NOTHING, TopN
from pipeline.variety.likeness import Likeness
from pipeline.variety.varied import HEAD, POOL, Varied, exposure_of, sample_of

N_ITEMS = 80


def unlike(n_items: int = N_ITEMS, categories: dict[int, int] | None = None) -> Likeness:
    """Items that have nothing in common; categories: of some of them."""
    of = np.full(n_items, NONE, np.int32)
    for item, category in (categories or {}).items():
        of[item] = category
    factors = np.eye(n_items, dtype=np.float32)
    return Likeness(factors, sp.csr_matrix((n_items, 0), dtype=np.float32), of)


def lists(*rows: list[tuple[int, float]], length: int | None = None) -> TopN:
    """Each row: items and scores."""
    top = TopN.empty(len(rows), length or max(len(row) for row in rows))
    for slot, row in enumerate(rows):
        top.items[slot, : len(row)] = [item for item, _ in row]
        top.scores[slot, : len(row)] = [score for _, score in row]
    return top


@dataclass(frozen=True)
class Fixed:
    """A model whose lists are given. seen: how often it was asked for how many rows"""

    top: TopN
    hidden: tuple[int, ...] = ()
    seen: list[int] = field(default_factory=list)

    def hide(self, columns: NDArray[np.int64]) -> Fixed:
        return replace(self, hidden=tuple(columns.tolist()))

    def top_n(self, rows: NDArray[np.int64], n: int, exclude: sp.csr_matrix | None) -> TopN:
        self.seen.append(len(rows))
        top = TopN.empty(len(rows), n)
        for slot, row in enumerate(rows):
            kept = [place for place, item in enumerate(self.top.items[row]) if item not in self.hidden][:n]
            top.items[slot, : len(kept)] = self.top.items[row, kept]
            top.scores[slot, : len(kept)] = self.top.scores[row, kept]
        return top


def varied(model: Fixed, variety: Variety, likeness: Likeness | None = None, most: int = 0) -> Varied:
    n_users = len(model.top.items)
    return Varied(model, likeness or unlike(), variety, most, np.arange(n_users), None)


def crowd() -> Fixed:
    """Ten users: all are shown items 0, 1 and 2 first, and then, nearly as good, one of their own."""
    return Fixed(lists(*([(0, 5.0), (1, 4.0), (2, 3.0), (10 + user, 2.9), (3, 1.0)] for user in range(10))))


def test_what_everybody_is_shown_gives_way_to_what_is_nearly_as_good() -> None:
    model = crowd()
    top = varied(model, Variety(0.5)).top_n(np.arange(10), 3, None)
    assert top.items.tolist() == [[0, 1, 10 + user] for user in range(10)]
    assert top.model_rank is not None
    assert top.model_rank[0].tolist() == [1, 2, 4]


def test_the_stronger_it_is_the_more_items_are_shown() -> None:
    """Two hundred users with tastes of their own, and items that differ in how well they sell."""
    rng = np.random.default_rng(0)
    scores = 3.0 * np.exp(-np.arange(N_ITEMS) / 10) + rng.normal(0.0, 0.5, (200, N_ITEMS))
    order = np.argsort(-scores, axis=1)[:, :POOL].astype(np.int32)
    model = Fixed(TopN(order, np.take_along_axis(scores, order, axis=1).astype(np.float32)))
    rows = np.arange(200)
    n_shown = [
        len(np.unique(varied(model, Variety(strength)).top_n(rows, 3, None).items))
        for strength in (0.0, 0.5, 1.0, 2.0, 3.0)
    ]
    assert n_shown == sorted(n_shown)
    assert n_shown[-1] > 2 * n_shown[0]


def test_scores_never_rise_and_empty_slots_stay_last() -> None:
    top = varied(crowd(), Variety(2.0)).top_n(np.arange(10), 8, None)
    assert (np.diff(top.scores[:, :5], axis=1) <= 0).all()
    assert (top.items[:, 5:] == NOTHING).all()
    assert not top.scores[:, 5:].any()
    assert all(
        sorted(row) == sorted(own) for row, own in zip(top.items[:, :5], crowd().top.items, strict=True)
    )


def test_exposure_is_how_often_of_a_thousand_and_depends_on_no_order() -> None:
    """Items 0 and 1 are in every list, whatever it costs; what nobody is shown costs nothing."""
    exposure = exposure_of(crowd().top, N_ITEMS, Variety(0.5))
    scores = crowd().top.scores[0].astype(float)
    assert exposure.scale == pytest.approx(scores.std())
    assert exposure.cost[[0, 1]] == pytest.approx(1000 / 1001)
    assert exposure.cost[3] == 0.0
    assert 0 < exposure.cost[10] < exposure.cost[2] < exposure.cost[0]


def test_equal_scores_have_a_scale() -> None:
    assert exposure_of(lists([(0, 1.0), (1, 1.0)]), 2, Variety(1.0)).scale == 1.0


def test_of_two_that_are_alike_the_second_moves_down() -> None:
    """Item 1 is like item 0; its place goes to item 2, which is a little worse and another thing."""
    likeness = unlike()
    likeness.factors[1] = likeness.factors[0]
    model = Fixed(lists([(0, 3.0), (1, 2.0), (2, 1.9), (3, 0.0)]))
    top = varied(model, Variety(1.0), likeness).top_n(np.array([0]), 4, None)
    assert top.items[0].tolist() == [0, 2, 1, 3]


def same_words(*items: int) -> Likeness:
    """These items are called the same."""
    words = sp.csr_matrix((np.ones(len(items), np.float32), (items, [0] * len(items))), shape=(N_ITEMS, 1))
    return replace(unlike(), words=words)


@pytest.mark.parametrize(("has_near_duplicates", "expected"), [(True, [0, 1, 2, 3]), (False, [0, 2, 3, 1])])
def test_near_duplicates_come_after_all_others_where_they_are_kept_apart(
    has_near_duplicates: bool, expected: list[int]
) -> None:
    model = Fixed(lists([(0, 9.0), (1, 8.0), (2, 1.0), (3, 0.0)]))
    variety = Variety(0.0, has_near_duplicates)
    top = varied(model, variety, same_words(0, 1)).top_n(np.array([0]), 4, None)
    assert top.items[0].tolist() == expected


def test_no_more_of_a_category_than_allowed_as_long_as_there_are_others() -> None:
    """Items 0 to 3 are of one category, 4 of another, 5 and 6 of none, which is no category."""
    likeness = unlike(categories={0: 7, 1: 7, 2: 7, 3: 7, 4: 8})
    model = Fixed(lists([(item, 10.0 - item) for item in range(7)]))
    top = varied(model, Variety(), likeness, most=2).top_n(np.array([0]), 7, None)
    assert top.items[0].tolist() == [0, 1, 4, 5, 6, 2, 3]


def test_no_variety_leaves_the_order_and_asks_for_no_sample() -> None:
    model = crowd()
    top = varied(model, Variety(), most=5).top_n(np.arange(10), 5, None)
    assert np.array_equal(top.items, crowd().top.items)
    assert top.scores.tolist() == crowd().top.scores.tolist()
    assert sum(model.seen) == 10, "the lists themselves"


def test_beyond_the_pool_a_list_goes_on_in_the_models_order() -> None:
    n = POOL + 10
    model = Fixed(lists([(item, float(n - item)) for item in range(n)]))
    top = varied(model, Variety(1.0)).top_n(np.array([0]), n, None)
    assert top.items[0, POOL:].tolist() == list(range(POOL, n))
    assert sorted(top.items[0, :POOL]) == list(range(POOL))
    assert (np.diff(top.scores[0]) <= 0).all()
    assert top.model_rank is not None
    assert top.model_rank[0, POOL:].tolist() == list(range(POOL + 1, n + 1))


def test_a_shorter_list_is_the_beginning_of_a_longer_one() -> None:
    model = crowd()
    short, long = (varied(model, Variety(1.0)).top_n(np.arange(10), n, None).items for n in (3, HEAD + 5))
    assert np.array_equal(short, long[:, :3])


def test_the_same_lists_come_in_batches_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = varied(crowd(), Variety(1.0)).top_n(np.arange(10), 5, None)
    monkeypatch.setattr("pipeline.variety.varied.BATCH_LISTS", 3)
    parts = varied(crowd(), Variety(1.0)).top_n(np.arange(10), 5, None)
    assert np.array_equal(whole.items, parts.items)
    assert np.array_equal(whole.scores, parts.scores)


def test_what_is_hidden_is_nowhere_and_counts_as_no_exposure() -> None:
    hidden = varied(crowd(), Variety(1.0)).hide(np.array([0, 1]))
    assert not np.isin(hidden.top_n(np.arange(10), 5, None).items, [0, 1]).any()
    assert not hidden.exposure.cost[[0, 1]].any()


def test_the_sample_is_drawn_with_the_seed_and_is_everybody_in_a_small_shop() -> None:
    assert sample_of(5, 0).tolist() == [0, 1, 2, 3, 4]
    drawn = sample_of(50_000, 3)
    assert len(np.unique(drawn)) == 1_000
    assert np.array_equal(drawn, sample_of(50_000, 3))
    assert not np.array_equal(drawn, sample_of(50_000, 4))
