"""The rules, on a shop of three users and four items."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from pipeline.config import Filter, Run
from pipeline.models.baselines import ItemNeighbours, MostTouched, OwnMostBought, Popular
from pipeline.models.top_n import NOTHING, Model
from pipeline.runs.folder import RunFolder
from pipeline.splits.history import History, opened
from tests.shelf import day, events

ALL = np.array([0, 1, 2])


@pytest.fixture
def history(run_folder: Callable[..., RunFolder]) -> Iterator[History]:
    """Columns 0 to 3 are items 10, 11, 12, 13. Item 10 was bought most, but long ago; 13 was only seen."""
    folder = run_folder()
    folder.write(
        "purchaser_events",
        events(
            (1, 10, 0), (1, 10, 1), (1, 11, 59),
            (2, 10, 0), (2, 12, 60), (2, 12, 60.1),
            (3, 11, 60), (3, 13, 60, "view"),
        ),
    )  # fmt: skip
    with opened([folder.file("purchaser_events")], day(61), Filter(), Run(), folder.scratch()) as history:
        yield history


def lists(model: Model, history: History, n: int = 3, *, new_only: bool = False) -> list[list[int]]:
    top = model.fit(history).top_n(ALL, n, history.purchases() if new_only else None)
    assert ((top.items == NOTHING) <= (top.scores == 0)).all()
    return top.items.tolist()


def test_most_touched_holds_what_was_only_looked_at_too(history: History) -> None:
    """Two users each bought 10 and 11; one bought 12, one looked at 13. The same user twice counts once."""
    assert lists(MostTouched(), history, 5) == [[0, 1, 2, 3, -1]] * 3
    assert lists(MostTouched(), history, 4, new_only=True)[2] == [0, 2, 3, -1]


def test_popular_is_the_same_for_everybody_and_never_holds_what_nobody_bought(history: History) -> None:
    assert lists(Popular(), history, 4) == [[0, 1, 2, -1]] * 3


def test_recently_popular_forgets(history: History) -> None:
    assert lists(Popular(half_life_days=7), history) == [[2, 1, 0]] * 3


def test_popular_without_what_the_user_bought_closes_up(history: History) -> None:
    assert lists(Popular(), history, 2, new_only=True) == [[2, -1], [1, -1], [0, 2]]


def test_own_most_bought_prefers_the_recent_and_is_empty_for_new_items(history: History) -> None:
    assert lists(OwnMostBought(1000.0), history, 2) == [[0, 1], [2, 0], [1, -1]]
    assert lists(OwnMostBought(5.0), history, 2) == [[1, 0], [2, 0], [1, -1]]
    assert lists(OwnMostBought(5.0), history, 2, new_only=True) == [[-1, -1]] * 3


def test_item_neighbours_by_hand(history: History) -> None:
    """cos(10, 11) = 1 / 2, cos(10, 12) = 1 / sqrt 2, cos(11, 12) = 0: 3 bought 11 only, so gets 10."""
    ranker = ItemNeighbours(threads=1).fit(history)
    top = ranker.top_n(ALL, 2, history.purchases())
    assert top.items.tolist() == [[2, -1], [1, -1], [0, -1]]
    assert top.scores[:, 0].tolist() == pytest.approx([2**-0.5, 0.5, 0.5], abs=1e-5)


def test_item_neighbours_of_an_earlier_cut_serve_what_was_bought_since(
    run_folder: Callable[..., RunFolder],
) -> None:
    """Until day 61 as above. Then item 9 comes, which moves every column, and 3 buys 12 and 9: the nearest of
    12 is 10, as it was; that 9 and 12 have a buyer in common is not known yet."""
    folder = run_folder()
    before = ((1, 10, 0), (1, 10, 1), (1, 11, 59), (2, 10, 0), (2, 12, 60), (2, 12, 60.1), (3, 11, 60))
    folder.write("purchaser_events", events(*before, (3, 12, 62), (3, 9, 62), (4, 9, 62)))
    file = [folder.file("purchaser_events")]
    with opened(file, day(61), Filter(), Run(), folder.scratch()) as history:
        earlier = ItemNeighbours(threads=1).fit(history)
    with opened(file, day(63), Filter(), Run(), folder.scratch()) as history:
        assert history.item_ids.to_pylist() == [9, 10, 11, 12]
        later = earlier.onto(history)
        top = later.top_n(np.arange(4), 2, history.purchases())
    assert later.similarity.shape == (4, 4)
    assert top.items.tolist() == [[3, -1], [2, -1], [1, -1], [-1, -1]]
    assert top.scores[:3, 0].tolist() == pytest.approx([2**-0.5, 0.5, 0.5 + 2**-0.5], abs=1e-5)


def test_where_nobody_has_bought_yet_no_item_has_neighbours(run_folder: Callable[..., RunFolder]) -> None:
    """At a cut in the first weeks of a shop, and at the next one, which its neighbours serve."""
    folder = run_folder()
    folder.write("purchaser_events", events((1, 10, 0, "view"), (1, 11, 5), (1, 10, 5), (2, 10, 6)))
    file = [folder.file("purchaser_events")]
    with opened(file, day(1), Filter(), Run(), folder.scratch()) as history:
        earlier = ItemNeighbours(threads=1).fit(history)
        assert (earlier.similarity.nnz, earlier.similarity.shape[1]) == (0, history.shape[1])
    with opened(file, day(7), Filter(), Run(), folder.scratch()) as history:
        top = earlier.onto(history).top_n(np.arange(2), 2, None)
    assert (top.items == NOTHING).all()
