"""What recommend writes beside the lists: purchases, categories, names, what is bought together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from pipeline.config import Settings
from pipeline.models.params import Params
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.stages import recommend
from tests.shelf import NO_FACTORS, NO_FALLBACK, NO_SEGMENTS, day, events, give, pairs

SHELF = ("also_bought", "user_purchases", "user_categories", "item_names")
TEA, MILK, CAKE, PLATE, GONE, VIEWED = 11, 12, 13, 14, 15, 16
ITEMS = [
    (TEA, "Assam", "tea", True),
    (MILK, "Milk", "dairy", None),
    (CAKE, None, "cakes", True),
    (PLATE, "Plate", None, True),
    (GONE, "Scones", "cakes", False),
    (VIEWED, "Tablecloth", "linen", True),
    (99, "Never touched", "tea", True),
]
SHOP = events(
    (1, TEA, 0),
    (1, MILK, 0),
    (1, GONE, 9),
    (2, TEA, 1),
    (2, MILK, 2),
    (2, MILK, 3),
    (2, VIEWED, 3, "view"),
    (3, CAKE, 1),
    (3, PLATE, 1),
    (4, TEA, 5),
)


@pytest.fixture
def night(job: Callable[..., Job], make_settings: Callable[..., Settings]) -> Callable[..., Job]:
    """`night(shop, items, run={...}, recommend={...})`: recommend has run on these events and items."""

    def make(
        shop: pa.Table = SHOP, items: list[tuple[Any, ...]] | None = ITEMS, **sections: dict[str, Any]
    ) -> Job:
        options = {"also_bought_min_buyers": 1, **sections.pop("recommend", {})}
        settings = make_settings(als={"factors": 2}, recommend=options, **sections)
        new_job = job(as_of=day(10), settings=settings)
        params = Params.configured(settings).dump()
        give(
            new_job.folder,
            purchaser_events=shop,
            live={},
            fallback=NO_FALLBACK,
            model=NO_FACTORS,
            first_purchases=NO_SEGMENTS,
            best_params=params,
        )
        if items is not None:
            ids, names, categories, available = zip(*items, strict=True)
            n = pa.nulls(len(items), pa.float64())
            columns = {"item_id": ids, "name": names, "category": categories, "price": n, "discount": n}
            give(new_job.folder, items=pa.table({**columns, "available": pa.array(available, pa.bool_())}))
        run_stage("recommend", new_job)
        return new_job

    return make


def read(job: Job, name: str) -> list[tuple[Any, ...]]:
    table = job.folder.table(name)
    return pairs(table, *table.column_names)


def test_purchases_are_what_each_user_bought_of_the_popular_lists(night: Callable[..., Job]) -> None:
    """Not scones, which are not available and so in no list, and not what was only looked at."""
    assert read(night(), "user_purchases") == [
        (1, 1, TEA),
        (1, 2, MILK),
        (2, 1, TEA),
        (2, 2, MILK),
        (3, 1, CAKE),
        (3, 2, PLATE),
        (4, 1, TEA),
    ]


def test_purchases_beyond_the_popular_lists_are_left_out(night: Callable[..., Job]) -> None:
    """Tea and milk lead the shop's list of two; cakes have a list of their own, and plates have none."""
    short = {"popular_length": 2, "popular_half_life_days": 0.0}
    job = night(recommend=short, serving={"max_n": 1})
    assert set(pairs(job.folder.table("user_purchases"), "item_id")) == {(TEA,), (MILK,), (CAKE,)}


def test_purchases_are_not_told_where_they_may_be_shown_again(night: Callable[..., Job]) -> None:
    assert read(night(run={"repeat_purchases": "allow"}), "user_purchases") == []


def test_users_whom_the_filters_leave_out_have_purchases_and_categories(night: Callable[..., Job]) -> None:
    job = night(filter={"min_events": 3})
    assert {user for user, *_ in read(job, "recommendations")} <= {1, 2}
    assert [row for row in read(job, "user_purchases") if row[0] > 2] == [(4, 1, TEA)]
    assert [row for row in read(job, "user_categories") if row[0] > 2] == [(4, 1, "tea")]


def test_categories_are_those_bought_from_most_with_a_list(night: Callable[..., Job]) -> None:
    """User 1 bought tea and milk as often: by name. Cakes come first: bought nine days later."""
    assert read(night(), "user_categories") == [
        (1, 1, "cakes"),
        (1, 2, "dairy"),
        (1, 3, "tea"),
        (2, 1, "dairy"),
        (2, 2, "tea"),
        (3, 1, "cakes"),
        (4, 1, "tea"),
    ]


def test_a_category_without_a_popular_list_is_none(night: Callable[..., Job]) -> None:
    """Scones alone made up user 1's cakes; without the cake of user 3 there is no list of cakes."""
    no_cake = SHOP.filter(pa.compute.not_equal(SHOP["item_id"], CAKE))
    categories = pairs(night(no_cake).folder.table("user_categories"), "user_id", "category")
    assert categories == [(1, "dairy"), (1, "tea"), (2, "dairy"), (2, "tea"), (4, "tea")]


@pytest.mark.parametrize(("half_life", "first"), [(0.0, "dairy"), (1.0, "tea"), (0.1, "tea")])
def test_recent_purchases_count_more_however_long_ago(
    night: Callable[..., Job], half_life: float, first: str
) -> None:
    """Milk twice early on against tea once two days later, all of it long faded at the cut."""
    shop = events((1, MILK, 0), (1, MILK, 0.1), (1, TEA, 2), (2, MILK, 9.95), (2, TEA, 9.95))
    job = night(shop, recommend={"popular_half_life_days": half_life})
    assert read(job, "user_categories")[0] == (1, 1, first)


@pytest.mark.parametrize(("length", "kept"), [(0, 0), (1, 4), (2, 6)])
def test_as_many_categories_as_the_setting_says(night: Callable[..., Job], length: int, kept: int) -> None:
    rows = read(night(recommend={"user_categories": length}), "user_categories")
    assert len(rows) == kept
    assert max((rank for _, rank, _ in rows), default=0) <= length


def test_names_of_what_somebody_touched(night: Callable[..., Job]) -> None:
    nameless = [(TEA, "", None, True), (MILK, None, None, True), (CAKE, "a\0b", "cakes", True), *ITEMS[3:]]
    assert read(night(items=nameless), "item_names") == [
        (CAKE, "ab", "cakes"),
        (PLATE, "Plate", None),
        (GONE, "Scones", "cakes"),
        (VIEWED, "Tablecloth", "linen"),
        (99, "Never touched", "tea"),
    ]


def test_a_shop_without_items_has_no_names_and_no_categories(night: Callable[..., Job]) -> None:
    job = night(items=None)
    assert read(job, "item_names") == []
    assert read(job, "user_categories") == []
    assert (1, 3, GONE) in read(job, "user_purchases"), "nothing says that it is not available"


def test_what_is_bought_together(night: Callable[..., Job]) -> None:
    """Tea and milk by 2 of 4 buyers, cake and plate by 1; scones are not available."""
    assert read(night(), "also_bought") == [
        (TEA, 1, MILK, 0.5, pytest.approx(2 * 4 / (3 * 2))),
        (MILK, 1, TEA, 0.5, pytest.approx(2 * 4 / (2 * 3))),
        (CAKE, 1, PLATE, 0.25, 4.0),
        (PLATE, 1, CAKE, 0.25, 4.0),
    ]


def test_as_many_joint_buyers_as_the_setting_says(night: Callable[..., Job]) -> None:
    job = night(recommend={"also_bought_min_buyers": 2})
    assert pairs(job.folder.table("also_bought"), "item_id", "also_bought_item_id") == [
        (TEA, MILK),
        (MILK, TEA),
    ]


def test_buyers_who_are_not_counted_are_told(
    night: Callable[..., Job], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.lists.also_bought.MOST_ITEMS", 2)
    monkeypatch.setattr(recommend, "MOST_ITEMS", 2)
    job = night()
    assert "recommend: 1 buyers of more than 2 different items are not counted in also_bought" in said
    assert read(job, "also_bought")[0] == (TEA, 1, MILK, pytest.approx(1 / 3), 1.5)


def test_twice_is_the_same_bytes(night: Callable[..., Job]) -> None:
    job = night()
    files = [job.folder.file(name) for name in SHELF]
    before = [file.read_bytes() for file in files]
    run_stage("recommend", job)
    assert [file.read_bytes() for file in files] == before


def test_text_ids(job: Callable[..., Job], make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(
        ids={"user": "text", "item": "text"}, als={"factors": 2}, recommend={"also_bought_min_buyers": 1}
    )
    new_job = job(as_of=day(10), settings=settings)
    shop = SHOP
    for name in ("user_id", "item_id"):
        words = pa.array([f"{'u' if name == 'user_id' else 'i'}{n}" for n in SHOP[name].to_pylist()])
        shop = shop.set_column(shop.column_names.index(name), name, words)
    params = Params.configured(settings).dump()
    give(
        new_job.folder,
        purchaser_events=shop,
        live={},
        fallback=NO_FALLBACK,
        model=NO_FACTORS,
        first_purchases=NO_SEGMENTS,
        best_params=params,
    )
    run_stage("recommend", new_job)
    assert read(new_job, "also_bought")[0][:3] == ("i11", 1, "i12")
    assert read(new_job, "user_purchases")[-1] == ("u4", 1, "i11")
