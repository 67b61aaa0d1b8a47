"""What the places of new items cost, counted by hand on three lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import config
from pipeline.evaluation.all_models import PUBLISHED_LENGTH, JudgedCut
from pipeline.evaluation.cold_items import cold_before
from pipeline.evaluation.new_items import Places, places_at, places_document
from pipeline.models.top_n import NOTHING
from pipeline.runs.job import Job
from pipeline.splits.folds import Fold
from pipeline.splits.holdout import hold_out
from tests.cold.shop import CUT, ITEMS, at_cut, items, written
from tests.shelf import day, events, give

Make = Callable[..., Job]
LATER = [(1, 32, 101), (1, 20, 102), (2, 10, 103), (3, 20, 104)]
"""User 1 buys the white tea and a hammer, the others what is in their lists."""
LISTS = [[2, 3], [0, 1], [2, 3]]
"""Columns: the hammer and the saw for users 1 and 3, teas for user 2."""


def places_of(job: Make, path: Path, *rows: Any, **lengths: int) -> tuple[Job, Places | None]:
    """rows: of `items`, those of tests/cold/shop.py where there are none"""
    lengths = {"new_items_slots": 1, "new_items_from_rank": 4, **lengths}
    night = job(settings=config.changed(config.load(), "recommend", **lengths), as_of=day(120))
    give(night.folder, items=items(*rows, added_at={30: day(99)}))
    file = written(path / "later.parquet", events(*LATER))
    lists = np.full((3, PUBLISHED_LENGTH), NOTHING, np.int32)
    lists[:, :2] = LISTS
    with at_cut(path) as history:
        fold = Fold((path / "events.parquet",), CUT, (file,), CUT, day(115))
        held_out = hold_out(history, (file,), is_repeat_relevant=False)
        judged = JudgedCut(fold, {night.settings.run.repeat_purchases: held_out}, {}, lists)
        return night, places_at(night, history, cold_before(night, history, fold), judged)


def test_a_new_item_that_is_bought_counts_and_those_below_move_down(job: Make, tmp_path: Path) -> None:
    """The white tea is the new item of user 1, the tea of summer that of user 3, who has the white one."""
    night, places = places_of(job, tmp_path)
    assert places is not None
    assert places.user_ids.to_pylist() == [1, 2, 3]
    assert places.without.tolist() == [0.5, 1.0, 1.0]
    assert places.with_new.tolist() == [1.0, 1.0, 1.0]
    assert places.has_new.tolist() == [True, False, True]
    assert places.n_bought == 1
    document = places_document([places], night)
    assert document is not None
    assert (document["n_lists"], document["n_with_new"], document["n_bought"]) == (3, 2, 1)
    assert document["difference"] == pytest.approx(0.5 / 3)
    assert (document["slots"], document["from_rank"]) == (1, 4)


def test_without_places_nothing_is_measured(job: Make, tmp_path: Path) -> None:
    night, places = places_of(job, tmp_path, new_items_slots=0)
    assert places is None
    assert places_document([], night) is None


def test_new_items_that_no_list_takes_cost_nothing(job: Make, tmp_path: Path) -> None:
    """Without categories nobody bought from theirs."""
    rows = [(item, name, None) for item, name, _ in ITEMS]
    _, places = places_of(job, tmp_path, *rows)
    assert places is not None
    assert places.with_new.tolist() == places.without.tolist() == [0.5, 1.0, 1.0]
    assert not places.has_new.any()


def test_lists_are_as_long_as_they_are_published(job: Make, tmp_path: Path) -> None:
    """Of lists of two items, a new one from the fourth rank on is in none."""
    _, places = places_of(job, tmp_path, list_length=2)
    assert places is not None
    assert not places.has_new.any()
