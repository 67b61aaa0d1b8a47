"""How much variety is chosen: what costs next to nothing on validation, none where that cannot be told.

The shop: 120 users to whom the model shows items 0, 1 and 2, and then one of their own, which it holds for
nearly as good with some of them, and for much worse with others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from pipeline.cold.content import NONE
from pipeline.config import Settings, changed
from pipeline.evaluation.judge import Judge
from pipeline.models.params import Variety
from pipeline.models.top_n import TopN
from pipeline.splits.folds import Fold
from pipeline.splits.holdout import HeldOut
from pipeline.tuning.pools import Pools
from pipeline.tuning.variety import STRENGTHS, ChosenVariety, _Tried, choose_variety
from pipeline.variety.likeness import Likeness
from tests.shelf import day

N_USERS, N_ITEMS, OWN = 120, 200, 10
FOLD = Fold((), day(100), ())


def bought(*items: int, own: float = 0.0) -> sp.csr_matrix:
    """What everybody bought after the cut, and their own item this share of them."""
    cells = np.zeros((N_USERS, N_ITEMS), np.float32)
    cells[:, items] = 1.0
    buyers = np.arange(int(own * N_USERS))
    cells[buyers, OWN + buyers] = 1.0
    return sp.csr_matrix(cells)


def pools(later: sp.csr_matrix, n_users: int = N_USERS, same: tuple[int, ...] = ()) -> Pools:
    """What the model `ranker` shows at one cut. same: items that are called the same"""
    rows = np.arange(n_users)
    items = np.column_stack([np.tile([0, 1, 2], (n_users, 1)), OWN + rows, np.full(n_users, 3)])
    scores = np.tile(np.array([3.0, 2.5, 2.0, 2.0, 0.5], np.float32), (n_users, 1))
    scores[:, 3] -= np.linspace(0.01, 1.2, n_users)
    words, factors = sp.csr_matrix((N_ITEMS, 0), dtype=np.float32), np.eye(N_ITEMS, dtype=np.float32)
    none = np.full(N_ITEMS, NONE, np.int32)
    products = none.copy()
    products[list(same)] = 7
    held = later[:n_users]
    n_bought = np.maximum(np.diff(held.indptr), 1)
    held_out = HeldOut(pa.array(rows), rows, held, held, n_bought, 0, 0)
    judge = Judge(held_out, None, np.ones(N_ITEMS, np.int64))
    top = TopN(items.astype(np.int32), scores)
    tops = {"ranker": top, "popular": top}
    return Pools.of(FOLD, judge, Likeness(factors, words, none, products), tops)


def chosen(of: Pools, model: str = "ranker", **recommend: float) -> ChosenVariety:
    return choose_variety([of], model, changed(Settings(), "recommend", **recommend))


def test_what_costs_nothing_is_taken_as_strong_as_it_is_tried() -> None:
    """Nobody bought item 2, and half of the users their own: the more it gives way, the better."""
    found = chosen(pools(bought(0, 1, own=0.5)))
    assert found.variety.strength in STRENGTHS
    assert [row["has_near_duplicates"] for row in found.tried] == [*[True] * (1 + len(STRENGTHS)), False]
    by_strength = {row["strength"]: row for row in found.tried[:-1]}
    assert list(by_strength) == [0.0, *STRENGTHS]
    none, best = by_strength[0.0], by_strength[found.variety.strength]
    assert best["coverage_at_3"] > 10 * none["coverage_at_3"]
    assert best["precision_at_3"] >= none["precision_at_3"]
    assert best["gini_at_3"] < none["gini_at_3"]
    assert found.why.startswith(f"strength {found.variety.strength:g}: Precision@3 expected ")
    assert (
        f"counted on validation {best['precision_at_3']:.4f}, without {none['precision_at_3']:.4f}"
        in found.why
    )


def test_what_costs_more_than_allowed_is_not_taken() -> None:
    """Everybody bought the three best sellers: a place taken from one is lost."""
    found = chosen(pools(bought(0, 1, 2)))
    assert found.variety.strength == 0.0
    assert found.why.startswith("strength 0, for the weakest costs more than 1% of Precision@3; ")
    costs = [row["precision_at_3"] for row in found.tried]
    assert costs[0] == 1.0
    assert min(costs) < 0.8


def test_a_larger_loss_allows_more() -> None:
    of = pools(bought(0, 1, 2))
    assert chosen(of, max_precision_loss=1.0).variety.strength == STRENGTHS[-1]


def test_what_was_counted_has_its_say_beyond_chance() -> None:
    """By the scores nothing is lost: item 2 is bought as often as an item with any score of those below it.
    But those who bought it are those from whom it is taken first, and they did not buy their own."""
    later = bought(0, 1).tolil()
    later[: N_USERS // 2, 2] = 1.0
    for user in range(N_USERS // 2, N_USERS):
        later[user, OWN + user] = 1.0
    found = chosen(pools(sp.csr_matrix(later)))
    none, *varied, _ = found.tried
    expected = [row["expected_precision_at_3"] for row in varied if row["strength"] <= 1.0]
    assert min(expected) > 0.99 * none["expected_precision_at_3"]
    assert found.variety.strength == 0.0


def test_no_stronger_variety_counts_beyond_one_that_costs_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stronger one that does better again was lucky."""
    within = _Tried.is_within
    monkeypatch.setattr(
        _Tried,
        "is_within",
        lambda one, *how: one.variety.strength != 0.75 and within(one, *how),
    )
    assert chosen(pools(bought(0, 1, own=0.5)), max_precision_loss=1.0).variety.strength == 0.6875


@pytest.mark.parametrize(
    ("later", "apart", "words"),
    [
        (bought(0), True, "near-duplicates are kept apart"),
        (bought(0, 1), False, "near-duplicates stay, for without them it has Precision@3 0.3333 expected"),
    ],
    ids=["nobody wants the second", "everybody wants both"],
)
def test_near_duplicates_are_kept_apart_where_that_costs_little(
    later: sp.csr_matrix, apart: bool, words: str
) -> None:
    found = chosen(pools(later, same=(0, 1)))
    assert found.variety.has_near_duplicates is not apart
    assert words in found.why


@pytest.mark.parametrize(
    ("model", "recommend", "why"),
    [
        ("ranker", {"max_precision_loss": 0.0}, "none: recommend.max_precision_loss is 0"),
        ("popular", {}, "none: the lists are those of a simple rule"),
        ("blend", {}, "none: nobody could be measured on validation"),
    ],
)
def test_where_there_is_nothing_to_choose_it_says_why(
    model: str, recommend: dict[str, float], why: str
) -> None:
    assert chosen(pools(bought(0, 1)), model, **recommend) == ChosenVariety(Variety(), why)


def test_where_next_to_nothing_was_bought_nothing_is_told() -> None:
    """33 users buy three of the five; another one, and there are hundred purchases to go by."""
    why = "none: 99 of the items that the model suggested were bought on validation, too few to tell"
    found = chosen(pools(bought(0, 1, own=1.0), n_users=33))
    assert found == ChosenVariety(Variety(), f"{why} what it would cost")
    assert chosen(pools(bought(0, 1, own=1.0), n_users=34)).variety.strength > 0


def test_several_cuts_count_together() -> None:
    """At one cut it pays, at the other it costs: less is chosen than where it pays at all."""
    pays, costs = pools(bought(0, 1, own=0.2)), pools(bought(0, 1, 2))
    alone = [choose_variety([of], "ranker", Settings()) for of in (pays, costs)]
    both = choose_variety([pays, costs], "ranker", Settings())
    assert alone[1].variety.strength < both.variety.strength < alone[0].variety.strength
    own = [found.tried[4]["precision_at_3"] for found in alone]
    assert both.tried[4]["precision_at_3"] == pytest.approx(np.mean(own))


def test_the_pools_of_rules_are_left_out_and_items_keep_their_numbers() -> None:
    of = pools(bought(0))
    assert list(of.tops) == ["ranker"]
    assert of.columns.tolist() == [0, 1, 2, 3, *range(OWN, OWN + N_USERS)]
    [reached] = of.reached("ranker", [Variety()], 0)
    assert reached.outcome.scores["precision_at_3"].tolist() == [1 / 3] * N_USERS
    assert reached.outcome.coverage == 3 / N_ITEMS
    assert reached.scores.tolist() == [[3.0, 2.5, 2.0]] * N_USERS
    scores, is_bought = of.slots("ranker")
    assert (len(scores), int(is_bought.sum())) == (5 * N_USERS, N_USERS)
    assert set(scores[is_bought]) == {3.0}


def test_live_variety_stays_where_it_is_as_good_as_the_strongest() -> None:
    of, settings = pools(bought(0, 1, own=0.5)), changed(Settings(), "recommend", max_precision_loss=1.0)
    strongest = choose_variety([of], "ranker", settings).variety
    assert strongest == Variety(STRENGTHS[-1], has_near_duplicates=False)
    for strength, stays in ((2.75, True), (2.5, False)):
        live = replace(strongest, strength=strength)
        assert (choose_variety([of], "ranker", settings, live).variety == live) is stays
    with_duplicates = Variety(2.75, has_near_duplicates=True)
    assert choose_variety([of], "ranker", settings, with_duplicates).variety == replace(
        strongest, strength=2.75
    )
