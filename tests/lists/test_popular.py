"""pipeline/lists/popular.py: the lists of a few purchases, worked by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.config import Filter, Settings
from pipeline.lists.popular import item_names, longest_popular, popular_items, user_categories, user_purchases
from pipeline.runs.folder import RunFolder
from pipeline.splits.history import opened
from tests import corner
from tests.shelf import day, events, pairs


def test_popular_items_are_those_of_who_takes_part(
    run_folder: Callable[..., RunFolder], make_settings: Callable[..., Settings]
) -> None:
    """User 3, an outlier, bought item 9 forty times: it does not make item 9 popular."""
    folder, settings = run_folder(), make_settings(recommend={"popular_half_life_days": 0.0})
    shop = events((1, 5, 0), (1, 6, 0), (2, 5, 1), *((3, 9, n / 40) for n in range(40)))
    folder.write("purchaser_events", shop)
    file, who = folder.file("purchaser_events"), Filter(max_events_sd=1.0)
    with opened([file], day(20), who, settings.run, folder.scratch()) as history:
        rows = popular_items(history, None, settings).read_all().to_pylist()
    assert rows == [
        {"category": "all", "rank": 1, "item_id": 5, "score": 2.0},
        {"category": "all", "rank": 2, "item_id": 6, "score": 1.0},
    ]


@pytest.mark.parametrize(("popular_length", "max_n", "length"), [(10, 4, 10), (10, 200, 400)])
def test_the_shops_list_fills_any_list_though_half_of_it_were_blocked(
    make_settings: Callable[..., Settings], popular_length: int, max_n: int, length: int
) -> None:
    settings = make_settings(recommend={"popular_length": popular_length}, serving={"max_n": max_n})
    assert longest_popular(settings) == length


def test_what_filling_a_list_up_needs(
    run_folder: Callable[..., RunFolder], make_settings: Callable[..., Settings]
) -> None:
    """The corner shop: what its three users bought, and the categories they bought from."""
    folder, settings = run_folder(), make_settings(recommend={"user_categories": 1})
    with corner.history(folder, corner.BEFORE) as (history, items):
        folder.write("popular_items", popular_items(history, items, settings))
        popular = folder.file("popular_items")
        bought = user_purchases(history, popular).read_all()
        categories = user_categories(history, items, popular, settings).read_all()
        names = item_names(history, items).read_all()
    assert sorted(pairs(bought, "user_id", "item_id")) == [
        (1, corner.MILK), (1, corner.BREAD), (2, corner.MILK), (3, corner.TEA),
    ]  # fmt: skip
    assert pairs(categories, "user_id", "rank", "category") == [(1, 1, "baked"), (2, 1, "dairy")]
    assert pairs(names, "item_id", "category") == [
        (corner.MILK, "dairy"), (corner.BREAD, "baked"),
    ]  # fmt: skip
