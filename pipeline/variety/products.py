"""Which items are one product in several kinds, by their names: a size or amount makes no other product."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from pipeline.cold.content import NONE

WORD = re.compile(r"[^\W_]+")
SIZES = frozenset(
    (
        *(
            "xs",
            "small",
            "medium",
            "large",
            "xl",
            "xxl",
            "xxxl",
            "size",
            "count",
            "ct",
            "pack",
            "pk",
            "pkt",
            "ea",
        ),
        *(
            "each",
            "dozen",
            "dz",
            "doz",
            "oz",
            "lb",
            "lbs",
            "fl",
            "pt",
            "qt",
            "gal",
            "ga",
            "gr",
            "kg",
            "mg",
            "ml",
        ),
        *("cl", "dl", "ltr", "liter", "litre", "mm", "cm", "inch", "ft"),
    )
)
"""Words that say how much or how big, as do numbers and single letters."""


def products_of(names: list[str | None]) -> NDArray[np.int32]:
    """The number of each item's product, shape (n_items,): the same where the words of the names are; NONE
    of an item without a name.

    The order of words does not count, and neither do sizes, unless a name has no other word.
    """
    numbers: dict[frozenset[str], int] = {}
    products = [
        NONE if words is None else numbers.setdefault(words, len(numbers)) for words in map(_words, names)
    ]
    return np.array(products, np.int32)


def _words(name: str | None) -> frozenset[str] | None:
    words = frozenset(WORD.findall((name or "").lower()))
    telling = frozenset(word for word in words if not _is_size(word))
    return telling or words or None


def _is_size(word: str) -> bool:
    return len(word) == 1 or word in SIZES or any(letter.isdigit() for letter in word)
