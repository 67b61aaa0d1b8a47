"""What is counted before a cut, in the corner shop, worked by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.ranking.pairs import Pairs
from pipeline.ranking.statistics import Statistics, count_statistics
from pipeline.runs.folder import RunFolder
from pipeline.splits.history import History
from tests import corner

NAN = np.nan


@pytest.fixture
def shop(run_folder: Callable[..., RunFolder]) -> Iterator[tuple[History, Path]]:
    with corner.history(run_folder(), [*corner.BEFORE, *corner.AFTER]) as history_and_items:
        yield history_and_items


@pytest.fixture
def history(shop: tuple[History, Path]) -> History:
    return shop[0]


@pytest.fixture
def counted(shop: tuple[History, Path]) -> Statistics:
    return count_statistics(*shop)


def near(*values: float) -> object:
    return pytest.approx(list(values), abs=2e-6, nan_ok=True)


def test_item_categories(shop: tuple[History, Path]) -> None:
    """Numbered by name among the items that somebody touched: baked, dairy; "aged" is of no such item."""
    history, items = shop
    assert history.item_categories(items).tolist() == [1, 0, -1]
    assert history.item_categories(None).tolist() == [-1, -1, -1]


def test_of_users(counted: Statistics) -> None:
    of = {name: values.tolist() for name, values in counted.users.items()}
    assert of["user_trips"] == [4, 1, 2]
    assert of["user_trips_28"] == [1, 1, 2]
    assert of["user_last_age_days"] == [3.5, 7, 3]
    assert of["user_trip_gap_days"] == near((90 - 3.5) / 3, NAN, 11)
    assert of["user_items"] == [2, 1, 1]
    assert of["user_basket"] == [4 / 4, 1, 1]
    assert of["user_repeat_share"] == [2 / 4, 0, 1 / 2]


def test_of_items(counted: Statistics) -> None:
    """The gap of milk: user 1 waited 60 days in two steps; nobody bought bread twice."""
    of = {name: values.tolist() for name, values in counted.items.items()}
    assert of["item_buyers"] == [2, 1, 1]
    assert of["item_decay_30"] == near(7 / 8 + 2 ** (-7 / 30), 2 ** (-3.5 / 30), 2 ** (-14 / 30) + 2**-0.1)
    assert of["item_trend_short"] == near(*np.divide(of["item_decay_7"], of["item_decay_30"]))
    assert of["item_trend_long"] == near(*np.divide(of["item_decay_30"], of["item_decay_90"]))
    assert of["item_repeat_share"] == [1 / 2, 0, 1]
    assert of["item_gap_days"] == near(30, NAN, 11)
    assert of["item_share_in_category"] == near(1, 1, NAN)


def test_tastes(counted: Statistics) -> None:
    """Of categories 0 (baked) and 1 (dairy); tea has none, so user 3 has no taste."""
    tastes = counted.tastes
    assert (tastes.user.tolist(), tastes.other.tolist()) == ([0, 0, 1], [0, 1, 1])
    assert tastes.columns["taste_days"].tolist() == [1, 3, 1]
    assert tastes.columns["taste_last_age_days"].tolist() == [3.5, 30, 7]
    assert tastes.columns["taste_decay_90"].tolist() == near(
        2 ** (-3.5 / 90), 1 / 2 + 2 ** (-2 / 3) + 2 ** (-1 / 3), 2 ** (-7 / 90)
    )


def test_a_shop_without_categories_has_no_tastes(history: History) -> None:
    counted = count_statistics(history, None)
    assert len(counted.tastes.user) == 0
    assert np.isnan(counted.items["item_share_in_category"]).all()


def test_what_lies_after_the_cut_is_not_counted(
    run_folder: Callable[..., RunFolder], counted: Statistics
) -> None:
    """The same numbers from a file that ends at the cut."""
    with corner.history(run_folder("other"), corner.BEFORE) as before:
        alone = count_statistics(*before)
    for name in ("bought", "seen", "tastes"):
        ours, theirs = getattr(counted, name), getattr(alone, name)
        assert ours.keys.tolist() == theirs.keys.tolist()
        for column in ours.columns:
            np.testing.assert_array_equal(ours.columns[column], theirs.columns[column])
    for name in ("users", "items"):
        for column, values in getattr(counted, name).items():
            np.testing.assert_array_equal(values, getattr(alone, name)[column])


PAIRS = Pairs(
    np.array([0, 0, 2, 2, 2]),
    np.array([1, 3, 0, 2, 3]),
    {"n": np.array([5, 6, 1, 9, 1], np.float32)},
    4,
)


def test_pairs_among_some_users_are_numbered_by_place() -> None:
    """Users 2, 1, 0 become 0, 1, 2; user 1 has none."""
    some = PAIRS.among(np.array([2, 1, 0]))
    assert some.user.tolist() == [0, 0, 0, 2, 2]
    assert some.other.tolist() == [0, 2, 3, 1, 3]
    assert some.columns["n"].tolist() == [1, 9, 1, 5, 6]


def test_pairs_are_found_by_key() -> None:
    places, is_there = PAIRS.places(np.array([3, 4, 10, 11, 99]))
    assert is_there.tolist() == [True, False, True, True, False]
    assert PAIRS.columns["n"][places[is_there]].tolist() == [6, 9, 1]
    nobody = PAIRS.among(np.array([1]))
    assert nobody.places(np.array([0, 5]))[1].tolist() == [False, False]


def test_the_best_pairs_of_each_user_ties_by_number() -> None:
    assert PAIRS.best(PAIRS.columns["n"], 2).tolist() == [1, 0, 3, 2]
