"""pipeline/variety/products.py: what is one product in several kinds, by its name."""

from __future__ import annotations

import pytest

from pipeline.cold.content import NONE
from pipeline.variety.products import products_of


@pytest.mark.parametrize(
    "names",
    [
        ("EGGS - LARGE 1 DZ", "EGGS - X-LARGE 18 CT"),
        ("FLUID MILK WHITE ONLY 1 GA", "FLUID MILK WHITE ONLY 64 OZ"),
        ("Trail Shoe size 41", "Trail Shoe size 42"),
        ("Shirt red M", "Red shirt, XL"),
        ("Café 250g", "café 500 g"),
    ],
)
def test_sizes_amounts_and_the_order_of_words_make_no_other_product(names: tuple[str, str]) -> None:
    first, second = products_of(list(names))
    assert first == second != NONE


@pytest.mark.parametrize(
    "names",
    [
        ("Casablanca", "Metropolis"),
        ("Shirt red M", "Shirt blue M"),
        ("FLUID MILK WHITE ONLY", "FLUID MILK SKIM"),
        ("1984", "2001"),
    ],
)
def test_other_words_are_another_product(names: tuple[str, str]) -> None:
    """Numbers tell products apart where a name has nothing else."""
    first, second = products_of(list(names))
    assert first != second


def test_items_without_a_name_are_no_product_of_each_other() -> None:
    assert products_of([None, "", "--", None]).tolist() == [NONE] * 4
    assert products_of([]).tolist() == []
