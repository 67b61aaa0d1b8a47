"""recommend on the small shop of two tastes: what lists hold, whichever model won, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import Settings
from pipeline.errors import RunError
from pipeline.models.als_factors import AlsFactors
from pipeline.models.params import Params
from pipeline.ranking.saved import OLDEST_ALS, write_factors
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from tests import tastes
from tests.fits import assert_each_goes_on, watch
from tests.shelf import NO_FACTORS, NO_FALLBACK, NO_SEGMENTS, day, events, give, pairs
from tests.tastes import RACED

LISTS = ("recommendations", "popular_items", "similar_items", "also_bought")
EXPLAINED = {"also_bought_with", "similar_to_purchase"}
BOUGHT = set(pairs(tastes.shop(), "user_id", "item_id"))


def chosen(learnt: Job, model: str) -> Job:
    """The night as if `model` had won."""
    give(learnt.folder, best_params={**learnt.folder.document("best_params"), "model": model})
    run_stage("recommend", learnt)
    return learnt


def bare(path: Path, **sections: dict[str, Any]) -> Job:
    """A night that has come as far as `recommend` with the parameters of config.toml: ALS alone."""
    job = tastes.night_at(path, **sections)
    give(
        job.folder,
        fallback=NO_FALLBACK,
        model=NO_FACTORS,
        first_purchases=NO_SEGMENTS,
        best_params=Params.configured(job.settings).dump(),
    )
    return job


@pytest.mark.parametrize("model", RACED)
def test_lists_hold_no_bought_no_unavailable_item_no_gap_no_repeat(learnt: Job, model: str) -> None:
    """All 40 buyers get a whole list, whichever model won; scores descend."""
    night = chosen(learnt, model)
    rows = night.folder.table("recommendations").to_pylist()
    assert not {(row["user_id"], row["item_id"]) for row in rows} & BOUGHT
    assert 4 not in {row["item_id"] for row in rows}
    lists: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        lists.setdefault(row["user_id"], []).append(row)
    assert set(lists) == set(range(40))
    for entries in lists.values():
        assert [row["rank"] for row in entries] == list(range(1, 6))
        assert len({row["item_id"] for row in entries}) == 5
        assert (np.diff([row["score"] for row in entries]) <= 0).all()


def test_in_a_large_shop_als_goes_on_from_the_newest_that_train_left(
    learnt: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = learnt.folder
    oldest = AlsFactors.load(folder.path / OLDEST_ALS)
    newest = replace(oldest, item_factors=2 * oldest.item_factors)
    document = folder.document("model")
    [cut] = document["cuts"]
    give(folder, model={**document, "cuts": [cut, {**cut, "file": write_factors(folder, newest, 1)}]})
    fits = watch(monkeypatch)
    chosen(learnt, "als")
    assert_each_goes_on(fits, newest.of_items())


def test_unknown_is_available(learnt: Job) -> None:
    assert 1 in learnt.folder.table("similar_items")["item_id"].to_pylist()


def test_every_recommendation_says_why(learnt: Job) -> None:
    """Some by a purchase. tests/stages/test_reasons.py has them all."""
    reasons = set()
    for row in learnt.folder.table("recommendations").to_pylist():
        reasons.add(row["reason"])
        if row["reason"] in EXPLAINED:
            assert (row["user_id"], row["because_item_id"]) in BOUGHT
        else:
            assert row["because_item_id"] is None
    assert reasons >= EXPLAINED


@pytest.mark.parametrize("model", ["als", "own_most_bought"])
def test_with_repeats_allowed_what_was_bought_is_bought_again(tmp_path: Path, model: str) -> None:
    night = bare(tmp_path, run={"repeat_purchases": "allow"})
    chosen(night, model)
    rows = night.folder.table("recommendations").to_pylist()
    assert any(row["reason"] == "bought_again" for row in rows)
    for row in rows:
        assert ((row["user_id"], row["item_id"]) in BOUGHT) == (row["reason"] == "bought_again")
        assert (row["because_item_id"] is None) == (row["reason"] not in EXPLAINED)


def test_a_second_step_needs_the_examples_of_evaluate(tmp_path: Path) -> None:
    night = bare(tmp_path)
    with pytest.raises(RunError, match="examples"):
        chosen(night, "blend")


def test_how_many_are_unusual_is_counted_and_each_has_a_list(
    job: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    """User 1 came once, 2 twice, both for things that are gone; 3 came thrice. Item 8 is ten days old."""
    settings = make_settings(als={"factors": 2}, recommend={"list_length": 2})
    new_job = job(as_of=day(100), settings=settings)
    shop = events(
        (1, 5, 0), (1, 6, 0.1),
        (2, 5, 10), (2, 5, 20),
        (3, 6, 0), (3, 7, 50), (3, 8, 90), (3, 9, 90.1),
        (4, 7, 10), (4, 9, 20), (4, 7, 30), (4, 10, 40), (4, 10, 50),
    )  # fmt: skip
    gone = pa.array([n in (5, 6) for n in range(5, 11)])
    columns = {name: pa.nulls(6, pa.string()) for name in ("name", "category")}
    numbers = {name: pa.nulls(6, pa.float64()) for name in ("price", "discount")}
    items = pa.table({"item_id": range(5, 11), **columns, **numbers, "available": pa.compute.invert(gone)})
    params = Params.configured(settings).dump()
    give(
        new_job.folder,
        purchaser_events=shop,
        items=items,
        live={},
        fallback=NO_FALLBACK,
        model=NO_FACTORS,
        first_purchases=NO_SEGMENTS,
        best_params=params,
    )
    counts = run_stage("recommend", new_job)
    assert (counts["n_users"], counts["n_users_without_list"]) == (4, 0)
    assert (counts["n_thin_users"], counts["n_users_items_gone"], counts["n_new_items"]) == (2, 2, 1)
    rows = new_job.folder.table("recommendations")
    assert set(rows["user_id"].to_pylist()) == {1, 2, 3, 4}
    assert not {5, 6} & set(rows["item_id"].to_pylist())


def test_popular_lists_are_ranked_for_the_shop_and_each_category(learnt: Job) -> None:
    rows = learnt.folder.table("popular_items").to_pylist()
    assert {row["category"] for row in rows} == {"all", "even", "odd"}
    for category in ("all", "even", "odd"):
        of = [row for row in rows if row["category"] == category]
        assert [row["rank"] for row in of] == list(range(1, len(of) + 1))
        assert [row["score"] for row in of] == sorted((row["score"] for row in of), reverse=True)
        assert 4 not in {row["item_id"] for row in of}
    assert all(row["item_id"] % 2 == 0 for row in rows if row["category"] == "even")


def test_the_shops_list_is_long_enough_for_an_unknown_user(tmp_path: Path) -> None:
    short = bare(tmp_path, recommend={"popular_length": 2})
    run_stage("recommend", short)
    categories = short.folder.table("popular_items")["category"].to_pylist()
    assert {name: categories.count(name) for name in set(categories)} == {"all": 19, "even": 2, "odd": 2}


def test_similar_items_share_the_taste(learnt: Job) -> None:
    rows = learnt.folder.table("similar_items").to_pylist()
    first = [row for row in rows if row["rank"] == 1]
    assert np.mean([(row["item_id"] + row["similar_item_id"]) % 2 == 0 for row in first]) > 0.8
    assert all(row["item_id"] != row["similar_item_id"] for row in rows)


def test_without_an_items_table_every_item_may_be_shown(
    job: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    new_job = job(as_of=tastes.AS_OF, settings=make_settings(als={"factors": 4}))
    params = Params.configured(new_job.settings).dump()
    give(
        new_job.folder,
        purchaser_events=tastes.shop(),
        live={},
        fallback=NO_FALLBACK,
        model=NO_FACTORS,
        first_purchases=NO_SEGMENTS,
        best_params=params,
    )
    run_stage("recommend", new_job)
    assert set(new_job.folder.table("popular_items")["category"].to_pylist()) == {"all"}
    assert 4 in new_job.folder.table("recommendations")["item_id"].to_pylist()


@pytest.mark.parametrize("model", ["als", "ranker"])
def test_twice_is_the_same_bytes(learnt: Job, model: str) -> None:
    chosen(learnt, model)
    files = [learnt.folder.file(name) for name in LISTS]
    before = [file.read_bytes() for file in files]
    run_stage("recommend", learnt)
    assert [file.read_bytes() for file in files] == before
