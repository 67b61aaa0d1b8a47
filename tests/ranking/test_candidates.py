"""Which items may follow for a user: one shop in which each source alone can name one item."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from pipeline.config import Filter, Run
from pipeline.models.als_factors import AlsFactors
from pipeline.models.ease import EaseWeights
from pipeline.ranking.candidates import CandidateSource
from pipeline.ranking.statistics import count_statistics
from pipeline.runs.folder import RunFolder
from pipeline.splits.history import History, opened
from tests.shelf import day, events, whole

HITS = range(100, 140)
"""Bought by everybody else yesterday: more than the candidates from the popular."""
OWN, BY_NEIGHBOURS, BY_CATEGORY, BY_ALS, BY_EASE, SEEN, UNRELATED = range(1, 8)
OLD = (OWN, BY_NEIGHBOURS, BY_CATEGORY, BY_ALS, BY_EASE, UNRELATED)
WHO, ONCE = 0, 5
"""Row numbers: of the user whose candidates are looked at, and of one who bought one hit once."""


@pytest.fixture
def shop(run_folder: Callable[..., RunFolder]) -> Iterator[tuple[History, RunFolder]]:
    """User 0 bought OWN long ago and looked at SEEN; user 4 bought what else is old."""
    rows = [(0, OWN, 10), (0, SEEN, 95, "view"), *((4, item, 9) for item in OLD), (5, HITS[0], 50)]
    hits = [(user, item, 99.9 - 0.01 * n) for user in (1, 2, 3) for n, item in enumerate(HITS)]
    folder = run_folder()
    folder.write("purchaser_events", events(*rows, *hits))
    item_ids = sorted({*OLD, SEEN, *HITS})
    n = len(item_ids)
    shelf = {OWN: "books", BY_CATEGORY: "books"}
    items = {
        "item_id": item_ids,
        "name": pa.nulls(n, pa.string()),
        "category": [shelf.get(item) for item in item_ids],
        "price": pa.nulls(n, pa.float64()),
        "discount": pa.nulls(n, pa.float64()),
        "available": pa.nulls(n, pa.bool_()),
    }
    folder.write("items", whole("items", pa.table(items)))
    with opened([folder.file("purchaser_events")], day(100), Filter(), Run(), folder.scratch()) as history:
        yield history, folder


def recall(shop: tuple[History, RunFolder], is_exclude: bool) -> CandidateSource:
    """ALS names one item to each, and likes BY_ALS best; OWN is near BY_NEIGHBOURS and nothing else.

    EASE knows two items: OWN speaks for BY_EASE.
    """
    history, folder = shop
    n_users, n_items = history.shape
    column = {item: place for place, item in enumerate(history.item_ids.to_pylist())}
    item_factors = np.full((n_items, 1), 0.1, np.float32)
    item_factors[column[BY_ALS]], item_factors[column[OWN]] = 3, 2
    factors = AlsFactors(np.ones((n_users, 1), np.float32), item_factors, history.user_ids, history.item_ids)
    near = sp.lil_matrix((n_items, n_items), dtype=np.float32)
    near[column[OWN], column[BY_NEIGHBOURS]] = near[column[BY_NEIGHBOURS], column[OWN]] = 0.5
    counted = count_statistics(history, folder.file("items"))
    known = np.array([column[OWN], column[BY_EASE]])
    weights = np.array([[0, 0.5], [0, 0]], np.float32)
    ease = EaseWeights(history.purchases()[:, known], weights, known, history.item_ids)
    return CandidateSource(counted, factors, near.tocsr(), ease, is_exclude, from_als=1)


def found(source: CandidateSource, history: History, row: int) -> set[int]:
    table = source.table(np.array([row]))
    assert len(set(table.items.tolist())) == len(table.items)
    return {history.item_ids[int(item)].as_py() for item in table.items}


@pytest.mark.parametrize("is_exclude", [False, True])
def test_every_source_names_its_item(shop: tuple[History, RunFolder], is_exclude: bool) -> None:
    """And nothing names the unrelated one; the popular name the first thirty hits."""
    expected = {BY_NEIGHBOURS, BY_CATEGORY, BY_ALS, BY_EASE, SEEN, *HITS[:30]}
    assert found(recall(shop, is_exclude), shop[0], WHO) == (expected if is_exclude else expected | {OWN})


@pytest.mark.parametrize("is_exclude", [False, True])
def test_nobody_is_without_candidates(shop: tuple[History, RunFolder], is_exclude: bool) -> None:
    """Neither a user of one purchase nor the buyers of every hit."""
    source = recall(shop, is_exclude)
    assert len(found(source, shop[0], ONCE)) >= 30
    for row in range(shop[0].shape[0]):
        assert found(source, shop[0], row)


def test_what_was_bought_is_never_a_candidate_where_it_is_left_out(shop: tuple[History, RunFolder]) -> None:
    bought = shop[0].purchases().toarray() > 0
    table = recall(shop, True).table(np.arange(shop[0].shape[0]))
    assert len(table.items)
    assert not bought[table.slots, table.items].any()


def test_the_popular_make_room_for_those_who_bought_the_first_of_them(
    run_folder: Callable[..., RunFolder], shop: tuple[History, RunFolder]
) -> None:
    """Users 1 to 3 bought all hits, so to them the old and the seen are what is popular beyond."""
    assert found(recall(shop, True), shop[0], 1) == {*OLD}


@pytest.mark.parametrize("is_exclude", [False, True])
def test_hidden_items_are_no_candidates(shop: tuple[History, RunFolder], is_exclude: bool) -> None:
    """Those of every source; and the next hits move up."""
    history, _ = shop
    source = recall(shop, is_exclude)
    gone = {BY_NEIGHBOURS, BY_CATEGORY, BY_ALS, BY_EASE, SEEN, OWN, *HITS[:5]}
    columns = np.flatnonzero([item in gone for item in history.item_ids.to_pylist()])
    some = found(source.hide(columns), history, WHO)
    assert not some & gone
    assert set(HITS[5:35]) <= some
    assert found(source, history, WHO) & gone, "the one it was made from still shows them"


def test_the_table_that_is_kept_is_the_table_made_anew(shop: tuple[History, RunFolder]) -> None:
    source = recall(shop, False)
    some, others = np.array([0, 1]), np.array([4, 5])
    first = source.table(some)
    assert source.table(some) is first, "it is kept"
    other = source.table(others)
    for rows, kept in ((some, first), (others, other)):
        anew = recall(shop, False).table(rows)
        assert anew.items.tolist() == kept.items.tolist()
        np.testing.assert_array_equal(anew.features, kept.features)
        np.testing.assert_array_equal(anew.features, source.table(rows).features)


def test_a_users_candidates_do_not_depend_on_who_else_is_asked_for(shop: tuple[History, RunFolder]) -> None:
    together = recall(shop, True).table(np.arange(6))
    alone = recall(shop, True).table(np.array([WHO]))
    is_who = together.slots == WHO
    assert together.items[is_who].tolist() == alone.items.tolist()
    np.testing.assert_array_equal(together.features[is_who], alone.features)
