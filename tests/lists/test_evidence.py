"""pipeline/lists/evidence.py: what reasons build on, each threshold at its edge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.contract.datasets import DATASETS
from pipeline.lists.evidence import DATASETS as NEEDED
from pipeline.lists.evidence import NONE, Evidence, evidence_of
from pipeline.splits.history import opened
from tests import tastes
from tests.shelf import events, give

AS_OF_DAY = 100
IDS = {"user": "integer", "item": "integer"}


def table(name: str, *rows: tuple[Any, ...]) -> pa.Table:
    schema = DATASETS[name].schema(IDS)
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


def bought(user: int, item: int, at: float, price: float | None, discount: float | None) -> tuple[Any, ...]:
    return (user, item, at, "purchase", None, 1.0, price, discount)


def evidence(path: Path, shop: pa.Table, **parts: pa.Table) -> Evidence:
    """Of a night that ends on day 100; a dataset that is not given is empty."""
    job = tastes.job_at(path)
    give(job.folder, purchaser_events=shop, **{name: table(name) for name in NEEDED} | parts)
    lists, items = {name: job.folder.file(name) for name in NEEDED}, job.folder.optional("items")
    files, settings = [job.folder.dataset("purchaser_events")], job.settings
    with opened(files, job.folder.as_of, settings.filter, settings.run, job.folder.scratch()) as history:
        return evidence_of(history, lists, items, job.folder.as_of, is_bought_shown=True, timezone="UTC")


def test_a_shop_that_has_nothing_but_events(tmp_path: Path) -> None:
    known = evidence(tmp_path, events((1, 5, 0), (2, 6, 3)))
    assert known.category.tolist() == [NONE, NONE]
    assert (known.favourites == NONE).all()
    assert not any(part.any() for part in (known.percent_off, known.often_reduced, known.is_popular))
    assert known.gap_days.tolist() == [NONE, NONE]


@pytest.mark.parametrize(("rank", "n_bought", "is_one"), [(3, 3, True), (4, 3, False), (1, 2, False)])
def test_a_favourite_category_is_among_the_first_and_bought_from_often(
    tmp_path: Path, rank: int, n_bought: int, is_one: bool
) -> None:
    shop = events(*((1, 5, at) for at in range(n_bought)), (1, 6, 9))
    known = evidence(
        tmp_path,
        shop,
        item_names=table("item_names", (5, None, "tea")),
        user_categories=table(
            "user_categories", *((1, place, f"other {place}") for place in range(1, rank)), (1, rank, "tea")
        ),
    )
    assert (known.category[0] in known.favourites[0]) == is_one


@pytest.mark.parametrize(
    ("discount", "n_lines", "at", "percent"),
    [
        (5, 3, 99, 5),
        (4.9, 3, 99, 0),
        (25, 3, 99, 25),
        (29, 3, 99, 29),
        (25.9, 3, 99, 25),
        (25, 2, 99, 10),
        (25, 3, 90, 10),
    ],
)
def test_how_far_an_item_is_reduced_now(
    tmp_path: Path, discount: float, n_lines: int, at: float, percent: int
) -> None:
    """By three purchases of the last days or more; else by what the shop says, here 10 %."""
    shop = events(
        *(bought(user, 5, at, 100 - discount, discount) for user in range(n_lines)), bought(9, 5, 0, 100, 0)
    )
    items = table("items", (5, None, None, 90.0, 10.0, None, None, None, None))
    assert evidence(tmp_path, shop, items=items).percent_off.tolist() == [percent]


@pytest.mark.parametrize(
    ("price", "discount", "percent"),
    [
        (8.5, 1.5, 15),
        (2.85, 0.15, 5),
        (9.9, 1.1, 10),
        (10.0, 1.1, 0),
        (8.5, 15.0, 0),
        (None, 1.0, 0),
        (9.0, None, 0),
        (0.0, 0.0, 0),
    ],
)
def test_what_the_shop_says_of_today_is_believed_up_to_what_was_paid(
    tmp_path: Path, price: float | None, discount: float | None, percent: int
) -> None:
    """At most 10 was paid in full: 15 off 8.5 is no money but a percentage."""
    items = table("items", (5, None, None, price, discount, None, None, None, None))
    shop = events(bought(1, 5, 0, 10.0, 0.0), bought(2, 5, 1, 30.0, 3.0))
    assert evidence(tmp_path, shop, items=items).percent_off.tolist() == [percent]


@pytest.mark.parametrize(
    ("n_reduced", "n_lines", "is_often"), [(5, 10, True), (4, 10, False), (9, 9, False), (6, 11, True)]
)
def test_who_often_buys_reduced_items(tmp_path: Path, n_reduced: int, n_lines: int, is_often: bool) -> None:
    rows = [bought(1, 5, at, 9, 1 if at < n_reduced else 0) for at in range(n_lines)]
    assert evidence(tmp_path, events(*rows)).often_reduced.tolist() == [is_often]
