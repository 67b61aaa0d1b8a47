"""pipeline/variety/likeness.py: six items, alike by factors, by words, by both, or by nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cold.content import NONE, read_content
from pipeline.contract.datasets import TIME
from pipeline.models.als_factors import AlsFactors
from pipeline.variety.likeness import Likeness

MILK, MILK_TOO, CREAM, TEA, UNKNOWN, BARE = range(6)
NAMES = {
    10: ("milk fresh", "dairy"),
    11: ("fresh milk", "dairy"),
    12: ("cream fresh", "dairy"),
    13: ("tea green", "drinks"),
    14: ("tea black", "drinks"),
}
"""The sixth item, 15, is not in the shop's table."""
FACTORS = [[2, 0], [0, 1], [1, 0], [-1, 0], [0, 0], [3, 0]]


def of_shop(folder: Path) -> Likeness:
    ids, texts = list(NAMES), list(NAMES.values())
    table = pa.table(
        {
            "item_id": ids,
            "name": [name for name, _ in texts],
            "category": [category for _, category in texts],
            "known_at": pa.nulls(len(ids), TIME),
        }
    )
    pq.write_table(table, folder / "items.parquet")
    items = np.array(FACTORS, np.float32)
    factors = AlsFactors(items[:1], items, pa.array([1]), pa.array([*ids, 15]))
    return Likeness.of(factors, read_content(folder / "items.parquet", None, None))


def test_items_are_alike_in_the_mean_of_what_both_have(tmp_path: Path) -> None:
    likeness = of_shop(tmp_path)
    words = (likeness.words @ likeness.words.T).toarray()
    [alike] = likeness.within(np.array([[MILK, MILK_TOO, CREAM, TEA, UNKNOWN, BARE]])).degree
    assert alike[MILK, MILK_TOO] == pytest.approx((0 + 1) / 2), "the same words, other buyers"
    assert alike[MILK, CREAM] == pytest.approx((1 + words[MILK, CREAM]) / 2)
    assert 0 < words[MILK, CREAM] < 1
    assert alike[MILK, TEA] == 0.0, "opposite factors are no less than nothing"
    assert alike[TEA, UNKNOWN] == pytest.approx(words[TEA, UNKNOWN]), "no factors: the words say it alone"
    assert alike[MILK, BARE] == pytest.approx(1.0), "no words: the factors do"
    assert alike[UNKNOWN, BARE] == 0.0, "nothing that both have"


def test_two_kinds_of_one_product_have_the_same_number_and_what_has_no_name_none(tmp_path: Path) -> None:
    likeness = of_shop(tmp_path)
    [product] = likeness.within(np.array([[MILK, MILK_TOO, CREAM, BARE]])).product
    assert product[MILK] == product[MILK_TOO] != product[CREAM]
    assert product[3] == NONE
    assert likeness.categories.tolist() == [0, 0, 0, 1, 1, NONE]


def test_an_empty_slot_is_like_nothing_and_no_product(tmp_path: Path) -> None:
    alike = of_shop(tmp_path).within(np.array([[MILK, -1, BARE]]))
    assert not alike.degree[0, 1].any()
    assert not alike.degree[0, :, 1].any()
    assert alike.product[0].tolist()[1:] == [NONE, NONE]


def test_the_diversity_of_a_list_by_hand(tmp_path: Path) -> None:
    """Of three items there are three pairs; of one there is none."""
    likeness = of_shop(tmp_path)
    lists = np.array([[MILK, MILK_TOO, TEA], [MILK, BARE, -1], [TEA, -1, -1], [-1, -1, -1]])
    diversity = likeness.diversity(lists)
    assert diversity[0] == pytest.approx(1 - (0.5 + 0 + 0) / 3)
    assert diversity[1] == pytest.approx(0.0)
    assert np.isnan(diversity[2:]).all()


def test_a_shop_without_items_is_compared_by_factors_alone() -> None:
    items = np.array(FACTORS, np.float32)
    likeness = Likeness.of(AlsFactors(items[:1], items, pa.array([1]), pa.array(range(6))), None)
    alike = likeness.within(np.array([[MILK, CREAM, MILK_TOO]]))
    assert alike.degree[0, 0].tolist() == [1.0, 1.0, 0.0]
    assert (alike.product == NONE).all()
    assert (likeness.categories == NONE).all()


def test_some_of_the_items_alone_are_alike_as_before(tmp_path: Path) -> None:
    likeness = of_shop(tmp_path)
    some = likeness.only(np.array([MILK_TOO, CREAM, BARE]))
    whole = likeness.within(np.array([[MILK_TOO, CREAM, BARE]]))
    part = some.within(np.array([[0, 1, 2]]))
    assert np.array_equal(part.degree, whole.degree)
    assert np.array_equal(part.product, whole.product)


def test_a_table_without_rows_says_nothing(tmp_path: Path) -> None:
    columns = {"item_id": pa.int64(), "name": pa.string(), "category": pa.string(), "known_at": TIME}
    pq.write_table(pa.schema(columns.items()).empty_table(), tmp_path / "items.parquet")
    items = np.array(FACTORS, np.float32)
    factors = AlsFactors(items[:1], items, pa.array([1]), pa.array(range(6)))
    likeness = Likeness.of(factors, read_content(tmp_path / "items.parquet", None, None))
    assert (likeness.products == NONE).all()
    assert likeness.within(np.array([[MILK, CREAM]])).degree[0, 0, 1] == 1.0
