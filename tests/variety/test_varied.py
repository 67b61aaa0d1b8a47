"""pipeline/variety/varied.py and capped.py: what everybody is shown, what is like an item above, and what is
too much of its category moves down."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.cold.content import NONE
from pipeline.models.params import Variety
from pipeline.models.top_n import NOTHING, Filled, Ranker, TopN
from pipeline.variety.capped import Capped, capped
from pipeline.variety.likeness import Likeness
from pipeline.variety.varied import HEAD, POOL, Varied, exposure_of, sample_of

N_ITEMS = 80


def unlike(*same: int) -> Likeness:
    """Items that have nothing in common. same: items that are one product"""
    none = np.full(N_ITEMS, NONE, np.int32)
    products = none.copy()
    products[list(same)] = 7
    words = sp.csr_matrix((N_ITEMS, 0), dtype=np.float32)
    return Likeness(np.eye(N_ITEMS, dtype=np.float32), words, none, products)


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


def varied(model: Ranker, variety: Variety, likeness: Likeness | None = None, n_users: int = 10) -> Varied:
    return Varied(model, likeness or unlike(), variety, np.arange(n_users), None)


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
        len(np.unique(varied(model, Variety(strength), n_users=200).top_n(rows, 3, None).items))
        for strength in (0.0, 0.5, 1.0, 2.0, 3.0)
    ]
    assert n_shown == sorted(n_shown)
    assert n_shown[-1] > 2 * n_shown[0]


def test_scores_never_rise_and_empty_slots_stay_last() -> None:
    top = varied(crowd(), Variety(2.0)).top_n(np.arange(10), 8, None)
    assert (np.diff(top.scores[:, :5], axis=1) <= 0).all()
    assert top.scores[:, :5].tolist() == crowd().top.scores.tolist(), "they stay at their places"
    assert (top.items[:, 5:] == NOTHING).all()
    assert not top.scores[:, 5:].any()
    assert all(
        sorted(row) == sorted(own) for row, own in zip(top.items[:, :5], crowd().top.items, strict=True)
    )


def test_exposure_is_how_often_of_a_thousand_whatever_the_order_of_the_lists() -> None:
    """Items 0 and 1 are in every list, whatever it costs; what nobody is shown costs nothing."""
    top = crowd().top
    exposure = exposure_of(top, N_ITEMS, 0.5).of_items
    assert exposure[[0, 1]] == pytest.approx(1000 / 1000.5)
    assert exposure[3] == 0.0
    assert 0 < exposure[10] < exposure[2] < exposure[0]
    order = np.random.default_rng(0).permutation(10)
    assert np.array_equal(
        exposure_of(TopN(top.items[order], top.scores[order]), N_ITEMS, 0.5).of_items, exposure
    )


def test_without_strength_or_lists_exposure_is_nothing() -> None:
    assert not exposure_of(crowd().top, N_ITEMS, 0.0).of_items.any()
    assert not exposure_of(TopN.empty(0, 5), N_ITEMS, 1.0).of_items.any()


def test_a_model_of_small_scores_gives_way_no_sooner() -> None:
    """A strength is in standard deviations."""
    small = Fixed(TopN(crowd().top.items, crowd().top.scores * np.float32(2**-10)))
    ours, same = (
        varied(model, Variety(0.5)).top_n(np.arange(10), 5, None).items for model in (crowd(), small)
    )
    assert np.array_equal(ours, same)


def test_a_user_of_small_scores_gives_way_by_the_own_deviation_too() -> None:
    """Of ten users one has a hundredth of the others' scores: by theirs alone, exposure would decide."""
    scores = crowd().top.scores.copy()
    scores[0] *= 0.01
    top = varied(Fixed(TopN(crowd().top.items, scores)), Variety(0.05)).top_n(np.arange(10), 3, None)
    assert top.items[0].tolist() == [0, 1, 10], (
        "item 0 and 1 stand, being far ahead by the user's own deviation"
    )


def test_equal_scores_are_told_apart_by_exposure_alone() -> None:
    model = Fixed(lists([(0, 1.0), (1, 1.0)], [(0, 1.0), (2, 1.0)]))
    top = varied(model, Variety(1.0), n_users=2).top_n(np.arange(2), 2, None)
    assert top.items.tolist() == [[1, 0], [2, 0]]


def test_of_two_that_are_alike_the_second_moves_down() -> None:
    """Item 1 is like item 0; its place goes to item 2, which is a little worse and another thing."""
    likeness = unlike()
    likeness.factors[1] = likeness.factors[0]
    model = Fixed(lists([(0, 3.0), (1, 2.0), (2, 1.9), (3, 0.0)]))
    top = varied(model, Variety(1.0), likeness, 1).top_n(np.array([0]), 4, None)
    assert top.items[0].tolist() == [0, 2, 1, 3]


@pytest.mark.parametrize(("has_near_duplicates", "expected"), [(True, [0, 1, 2, 3]), (False, [0, 2, 3, 1])])
@pytest.mark.parametrize("scale", [1.0, 1e9])
def test_near_duplicates_come_after_all_others_where_they_are_kept_apart(
    has_near_duplicates: bool, expected: list[int], scale: float
) -> None:
    model = Fixed(lists([(0, 9.0 * scale), (1, 8.0 * scale), (2, scale), (3, 0.0)]))
    variety = Variety(0.0, has_near_duplicates)
    top = varied(model, variety, unlike(0, 1), n_users=1).top_n(np.array([0]), 5, None)
    assert top.items[0].tolist() == [*expected, NOTHING]


@pytest.mark.parametrize("scale", [1.0, 1e9])
def test_no_more_of_a_category_than_allowed_as_long_as_there_are_others(scale: float) -> None:
    """Items 0 to 3 are of one category, 4 of another, 5 and 6 of none, which is no category."""
    categories = np.array([7, 7, 7, 7, 8, *[NONE] * (N_ITEMS - 5)], np.int32)
    model = Fixed(lists([(item, scale * (10.0 - item)) for item in range(7)]))
    top = Capped(model, categories, 2).top_n(np.array([0]), 8, None)
    assert top.items[0].tolist() == [0, 1, 4, 5, 6, 2, 3, NOTHING]
    assert top.scores[0].tolist() == pytest.approx([*(scale * np.arange(10, 3, -1)), 0.0])
    assert top.model_rank is not None
    assert top.model_rank[0, :7].tolist() == [1, 2, 5, 6, 7, 3, 4]
    assert capped(top, categories, 0) is top


def test_beyond_the_first_ten_a_category_has_no_limit() -> None:
    categories = np.zeros(N_ITEMS, np.int32)
    categories[40:] = np.arange(40, N_ITEMS)
    model = Fixed(lists([(item, float(N_ITEMS - item)) for item in range(N_ITEMS)]))
    items = Capped(model, categories, 1).top_n(np.array([0]), N_ITEMS, None).items[0].tolist()
    assert items[:HEAD] == [0, *range(40, 49)]
    assert items[HEAD:] == [*range(1, 40), *range(49, N_ITEMS)]


def test_a_list_that_is_varied_and_capped_has_the_models_own_ranks() -> None:
    categories = np.array([7, 7, 7, *[NONE] * (N_ITEMS - 3)], np.int32)
    top = Capped(varied(crowd(), Variety(0.5)), categories, 1).top_n(np.arange(10), 4, None)
    assert top.items[0].tolist() == [0, 10, 3, 1]
    assert top.model_rank is not None
    assert top.model_rank[0].tolist() == [1, 4, 5, 2]


def test_what_fills_a_list_comes_after_what_the_model_has_and_tells_its_place() -> None:
    """Exposure moves nothing that only fills: a user of whom the model knows nothing gets it in its order."""
    short = Fixed(lists(*([(0, 5.0), (1, 4.9)] for _ in range(9)), [], length=2))
    popular = Fixed(lists(*([(item, 9.0 - item) for item in range(6)] for _ in range(10))))
    top = Filled((varied(short, Variety(2.0)), popular)).top_n(np.arange(10), 5, None)
    assert top.items[9].tolist() == [0, 1, 2, 3, 4]
    assert top.items[0, 2:].tolist() == [2, 3, 4]
    assert top.model_rank is not None
    assert top.model_rank[9].tolist() == [1, 2, 3, 4, 5]
    assert sorted(top.model_rank[0].tolist()) == [1, 2, 3, 4, 5]


def test_no_variety_leaves_the_order() -> None:
    top = varied(crowd(), Variety()).top_n(np.arange(10), 5, None)
    assert np.array_equal(top.items, crowd().top.items)


def test_beyond_the_pool_a_list_goes_on_in_the_models_order() -> None:
    n = POOL + 10
    model = Fixed(lists([(item, float(n - item)) for item in range(n)]))
    top = varied(model, Variety(1.0), n_users=1).top_n(np.array([0]), n, None)
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
    assert not hidden.exposure.of_items[[0, 1]].any()


def test_the_sample_stays_when_the_shop_grows_and_is_everybody_in_a_small_one() -> None:
    ids = np.arange(50_000)
    assert sample_of(pa.array(ids[:5])).tolist() == [0, 1, 2, 3, 4]
    drawn = sample_of(pa.array(ids))
    assert len(np.unique(drawn)) == 1_000
    assert len(np.intersect1d(drawn, sample_of(pa.array(np.append(ids, 50_000))))) >= 999
    assert len(np.intersect1d(drawn, sample_of(pa.array(ids[100:])) + 100)) > 990
    assert abs(drawn.mean() / ids.mean() - 1) < 0.1, "from all of them"


def test_ids_that_are_texts_are_sampled_alike() -> None:
    ids = [f"user {number}" for number in range(3_000)]
    drawn = sample_of(pa.array(ids))
    assert len(drawn) == 1_000
    assert np.array_equal(drawn, sample_of(pa.array(ids)))
