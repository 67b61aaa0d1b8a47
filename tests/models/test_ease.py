"""EASE, on shops of a few users and items; the weights are those of a ridge regression of each item."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from pipeline.config import Filter, Run
from pipeline.models.ease import FADED, HALF_LIFE_DAYS, PENALTY, Ease
from pipeline.models.top_n import NOTHING
from pipeline.runs.folder import RunFolder
from pipeline.splits.history import History, opened
from tests.shelf import day, events

BOUGHT = {1: (10, 11), 2: (10, 11, 12), 3: (11, 12), 4: (10,), 5: (10, 12, 13)}
"""What each user bought, all on day 0. Columns 0 to 3 are items 10 to 13."""
USERS = np.arange(len(BOUGHT))


@contextmanager
def shop(folder: RunFolder, *more: tuple[object, ...], until: float = 1) -> Iterator[History]:
    rows = [(user, item, 0) for user, items in BOUGHT.items() for item in items]
    folder.write("purchaser_events", events(*rows, *more))
    with opened([folder.file("purchaser_events")], day(until), Filter(), Run(), folder.scratch()) as history:
        yield history


def regressed(bought: np.ndarray, penalty: float) -> np.ndarray:
    """Column j: the ridge regression of item j on all the others (Steck 2019, equation 4)."""
    n = bought.shape[1]
    weights = np.zeros((n, n))
    for item in range(n):
        others = np.flatnonzero(np.arange(n) != item)
        known = bought[:, others]
        inner = known.T @ known + penalty * np.eye(n - 1)
        weights[others, item] = np.linalg.solve(inner, known.T @ bought[:, item])
    return weights


def test_the_weights_are_those_of_ridge_regressions(run_folder: Callable[..., RunFolder]) -> None:
    with shop(run_folder()) as history:
        fitted = Ease().fit(history)
        bought = history.purchases().toarray()
    assert fitted.columns.tolist() == [0, 1, 2, 3]
    assert fitted.weights == pytest.approx(regressed(bought, PENALTY), rel=1e-4)
    assert fitted.weights.tobytes() == Ease().fit(history).weights.tobytes()


def test_scores_are_the_faded_purchases_times_the_weights(run_folder: Callable[..., RunFolder]) -> None:
    """User 1 buys 10 once more: it counts for more in the scores, and for no more in the weights.

    User 2 buys 11 thrice more, which counts as one fresh purchase.
    """
    more = [(1, 10, HALF_LIFE_DAYS), *[(2, 11, HALF_LIFE_DAYS)] * 3]
    with shop(run_folder(), *more, until=2 * HALF_LIFE_DAYS) as history:
        fitted = Ease().fit(history)
    with shop(run_folder()) as history:
        assert fitted.weights.tobytes() == Ease().fit(history).weights.tobytes()
    faded = np.array([[1 / 4 + 1 / 2, 1 / 4, 0, 0], [1 / 4, 1, 1 / 4, 0]])
    asked = np.where(faded > 0, FADED + (1 - FADED) * faded, 0)
    assert fitted.scores(np.array([0, 1])) == pytest.approx(asked @ fitted.weights, rel=1e-5)


def test_lists_are_the_best_scores_above_0_and_ties_go_to_the_lower_id(
    run_folder: Callable[..., RunFolder],
) -> None:
    """Users 6 and 7 bought 20, 21 and 22 alike, so that 21 and 22 are level for user 8, who bought 20."""
    more = [(user, item, 0) for user in (6, 7) for item in (20, 21, 22)]
    with shop(run_folder(), *more, (8, 20, 0)) as history:
        fitted, bought = Ease().fit(history), history.purchases()
        place = {item: column for column, item in enumerate(history.item_ids.to_pylist())}
    [items] = fitted.top_n(np.array([7]), 3, bought).items.tolist()
    assert items == [place[21], place[22], NOTHING], "what speaks against an item never shows it"
    assert fitted.top_n(np.array([7]), 1, bought).items.tolist() == [[place[21]]]
    scores = fitted.scores(USERS)
    for n in (2, 9):
        top = fitted.top_n(USERS, n, None)
        for row, values in enumerate(scores):
            best = [item for item in np.lexsort((fitted.columns, -values)) if values[item] > 0][:n]
            assert top.items[row, : len(best)].tolist() == fitted.columns[best].tolist()
            assert (top.items[row, len(best) :] == NOTHING).all()


def test_only_the_items_with_the_most_buyers_take_part(run_folder: Callable[..., RunFolder]) -> None:
    """10 has four buyers, 11 and 12 three each, 13 one; an item that was only looked at has none."""
    with shop(run_folder(), (1, 9, 0, "view")) as history:
        assert history.item_ids.to_pylist() == [9, 10, 11, 12, 13]
        fitted, every = Ease(most_items=2).fit(history), Ease().fit(history)
        bought = history.purchases().toarray()[:, [1, 2]]
    assert fitted.columns.tolist() == [1, 2]
    assert every.columns.tolist() == [1, 2, 3, 4]
    assert fitted.weights == pytest.approx(regressed(bought, PENALTY), rel=1e-4)
    assert set(fitted.top_n(USERS, 5, None).items.ravel()) == {1, 2, NOTHING}


def test_where_there_are_more_users_it_learns_from_every_second_or_third(
    run_folder: Callable[..., RunFolder],
) -> None:
    with shop(run_folder()) as history:
        some, bought = Ease(most_users=3).fit(history), history.purchases().toarray()
        assert Ease(most_users=5).fit(history).weights.tobytes() == Ease().fit(history).weights.tobytes()
    assert some.weights == pytest.approx(regressed(bought[::2], PENALTY), rel=1e-4, abs=1e-9)
    assert some.scores(USERS).shape == (5, 4), "all of them are scored"


def test_weights_of_an_earlier_cut_serve_what_was_bought_since(run_folder: Callable[..., RunFolder]) -> None:
    """Item 9 comes, which moves every column, and user 4 buys 12: scored by it, with the same weights."""
    folder = run_folder()
    more = [(4, 12, 3), (4, 9, 3), (6, 9, 3)]
    with shop(folder, *more) as history:
        earlier = Ease().fit(history)
    with shop(folder, *more, until=5) as history:
        assert history.item_ids.to_pylist() == [9, 10, 11, 12, 13]
        later, bought = earlier.onto(history), history.purchases()
    assert later.columns.tolist() == [1, 2, 3, 4]
    assert later.weights.tobytes() == earlier.weights.tobytes()
    left = {item: FADED + (1 - FADED) * 0.5 ** (days / HALF_LIFE_DAYS) for item, days in ((0, 5), (2, 2))}
    expected = np.array([left[0], 0, left[2], 0]) @ earlier.weights
    assert later.scores(np.array([3]))[0] == pytest.approx(expected, rel=1e-5)
    assert later.top_n(np.array([3]), 1, bought).items.tolist() == [[2]]
    assert later.top_n(np.array([5]), 1, bought).items.tolist() == [[NOTHING]], "nothing is known of 9 yet"


def test_an_item_that_is_gone_at_a_later_cut_takes_its_weights_with_it(
    run_folder: Callable[..., RunFolder],
) -> None:
    folder, smaller = run_folder(), run_folder("smaller")
    with shop(folder) as history:
        earlier = Ease().fit(history)
    smaller.write("purchaser_events", events((1, 10, 0), (1, 12, 0)))
    with opened([smaller.file("purchaser_events")], day(1), Filter(), Run(), smaller.scratch()) as history:
        later = earlier.onto(history)
    assert later.columns.tolist() == [0, 1]
    assert later.weights.tolist() == earlier.weights[np.ix_([0, 2], [0, 2])].tolist()


def test_hidden_items_are_shown_to_nobody_and_still_speak_for_others(
    run_folder: Callable[..., RunFolder],
) -> None:
    with shop(run_folder()) as history:
        fitted = Ease().fit(history)
    hidden = fitted.hide(np.array([1]))
    assert 1 in fitted.top_n(USERS, 3, None).items
    assert 1 not in hidden.top_n(USERS, 3, None).items
    assert hidden.scores(USERS).tobytes() == fitted.scores(USERS).tobytes()


def test_where_nobody_has_bought_yet_nothing_is_known(run_folder: Callable[..., RunFolder]) -> None:
    """At a cut in the first weeks of a shop, and at the next one, which its weights serve."""
    folder = run_folder()
    folder.write("purchaser_events", events((1, 10, 0, "view"), (1, 11, 5), (1, 10, 5), (2, 10, 6)))
    file = [folder.file("purchaser_events")]
    with opened(file, day(1), Filter(), Run(), folder.scratch()) as history:
        earlier = Ease().fit(history)
    with opened(file, day(7), Filter(), Run(), folder.scratch()) as history:
        later = earlier.onto(history)
    assert earlier.weights.shape == later.weights.shape == (0, 0)
    assert later.scores(np.arange(2)).shape == (2, 0)
    assert later.top_n(np.arange(2), 2, None).items.tolist() == [[NOTHING, NOTHING]] * 2
