"""pipeline/cold/ranking.py: each buyer gets cold items like what the buyer bought."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.cold.items import cold_items
from pipeline.cold.ranking import ColdRanking
from pipeline.models.top_n import NOTHING, TopN
from tests.cold.shop import CUT, at_cut, items, written

USERS = np.arange(3)
"""The rows of users 1, 2, 3: tea, tools, and who has the white tea."""


@pytest.fixture
def ranking(tmp_path: Path) -> Iterator[ColdRanking]:
    with at_cut(tmp_path) as history:
        cold = cold_items(history, written(tmp_path / "items.parquet", items()), None, CUT)
        assert cold is not None
        yield ColdRanking(history, cold)


def ids(ranking: ColdRanking, top: TopN) -> list[list[int]]:
    known = ranking.items.item_ids.to_pylist()
    return [[known[item] for item in of_user if item != NOTHING] for of_user in top.items.tolist()]


def test_each_buyer_gets_what_is_like_the_purchases_and_nothing_that_was_bought(ranking: ColdRanking) -> None:
    top = ranking.top_n(USERS, 4)
    first, second, third = ids(ranking, top)
    assert first == [32, 30, 40, 31], "the white tea sells, the tea of summer is like what was bought"
    assert second[:2] == [31, 32], "nobody wanted the chisel yet, but it is what this buyer buys"
    assert third == [30, 40, 31], "who has the white tea is not shown it"
    assert (np.diff(top.scores[0]) < 0).all()


def test_best_sellers_of_the_favourite_categories(ranking: ColdRanking) -> None:
    assert ids(ranking, ranking.top_n_of_categories(USERS, 4)) == [[32, 30], [31], [30]]
    assert ranking.favourites(USERS).tolist() == [
        [True, False, False],
        [False, True, False],
        [True, False, False],
    ]


def test_beside_a_list_stands_what_it_has_not_and_of_categories_bought_from(ranking: ColdRanking) -> None:
    white = int(ranking.items.columns[ranking.items.item_ids.to_pylist().index(32)])
    empty, listed = np.full((3, 2), NOTHING, np.int32), np.array([[white, NOTHING]] * 3, np.int32)
    assert ids(ranking, ranking.top_n_beside(USERS, 3, empty)) == [[32, 30], [31], [30]]
    assert ids(ranking, ranking.top_n_beside(USERS, 3, listed)) == [[30], [31], [30]]


def test_a_batch_is_as_its_users_one_by_one(ranking: ColdRanking) -> None:
    whole = ranking.top_n(USERS, 3)
    for user in USERS:
        alone = ranking.top_n(USERS[user : user + 1], 3)
        assert alone.items.tolist() == whole.items[user : user + 1].tolist()
