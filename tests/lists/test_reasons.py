"""pipeline/lists/reasons.py: the strongest true reason, each threshold at its edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from pipeline.lists.evidence import FAVOURITES, NONE, Evidence
from pipeline.lists.nearest import Pairs
from pipeline.lists.reasons import LOOKED_AT, NEAR, SIMILAR_TO_VIEW, reasons_of
from pipeline.models.top_n import NOTHING

NOBODY = Evidence(
    pairs=Pairs.none(4),
    category=np.full(4, NONE, np.int32),
    favourites=np.full((2, FAVOURITES), NONE, np.int32),
    percent_off=np.zeros(4, np.int32),
    often_reduced=np.zeros(2, bool),
    is_popular=np.zeros(4, bool),
    bought_on=np.zeros(0, np.int32),
    gap_days=np.zeros(0, np.int32),
)
OWN = sp.csr_matrix(np.array([[0, 1, 0, 0], [1, 0, 0, 1]], np.float32))
FAR = np.eye(4, dtype=np.float32)
PAIR = Pairs(np.array([0, 1, 1, 1, 1]), np.array([1], np.int32), np.array([0.1]))
"""Buyers of item 0 also bought item 1."""
WEAKER: tuple[dict[str, Any], ...] = (
    {"is_popular": np.ones(4, bool)},
    {"category": np.array([7, 5, 7, 7], np.int32), "favourites": np.full((2, FAVOURITES), 5, np.int32)},
    {"pairs": PAIR},
    {"percent_off": np.full(4, 25, np.int32), "often_reduced": np.ones(2, bool)},
)


def factors(cosine: float) -> np.ndarray:
    """Items 0 and 1 have this cosine, all others none."""
    return np.array([[1, 0, 0], [cosine, np.sqrt(1 - cosine**2), 0], [0, 0, 1], [0, 0, 1]], np.float32)


def given(items: list[int], evidence: Evidence, of: np.ndarray = FAR, **told: Any) -> list[tuple[Any, ...]]:
    """Reasons of user 1's list, who bought items 0 and 3."""
    rows = reasons_of(np.array([items], np.int32), np.array([1]), OWN, of, evidence, **told)
    return list(zip(*(column.to_pylist() for column in rows.values()), strict=True))


def test_each_reason_gives_way_to_the_stronger_one() -> None:
    evidence, named = NOBODY, [given([1], NOBODY)[0][0]]
    for more in WEAKER:
        evidence = replace(evidence, **more)
        named.append(given([1], evidence)[0][0])
    assert named == [None, "recently_popular", "favourite_category", "also_bought_with", "on_discount"]
    assert given([0], evidence)[0][0] == "bought_again"


@pytest.mark.parametrize(
    ("cosine", "reason"),
    [(NEAR + 1e-4, "similar_to_purchase"), (NEAR - 1e-4, "favourite_category"), (0.0, "favourite_category")],
)
def test_only_what_is_clearly_near_comes_before_the_category(cosine: float, reason: str) -> None:
    [row] = given([1], replace(NOBODY, **WEAKER[0] | WEAKER[1]), factors(cosine))
    assert row[:2] == (reason, 0 if reason == "similar_to_purchase" else None)


def test_what_is_hardly_near_is_called_so_only_where_it_is_not_popular() -> None:
    assert given([1], replace(NOBODY, **WEAKER[0]), factors(0.01))[0][:2] == ("recently_popular", None)
    assert given([1], NOBODY, factors(0.01))[0][:2] == ("similar_to_purchase", 0)
    assert given([1], NOBODY, factors(0.0))[0][:2] == (None, None)


def test_details_belong_to_their_reason() -> None:
    """Cells of OWN: user 0's item 1, user 1's items 0 and 3."""
    evidence = replace(
        NOBODY,
        **WEAKER[3],
        bought_on=np.array([1, 2, 3], np.int32),
        gap_days=np.array([4, 5, NONE], np.int32),
    )
    assert given([3, 1, NOTHING, 0], evidence) == [
        ("bought_again", None, date(1970, 1, 4), None, None),
        ("on_discount", None, None, None, 25),
        ("bought_again", None, date(1970, 1, 3), 5, None),
    ]


def test_a_reduced_item_is_no_reason_for_who_does_not_look_for_one() -> None:
    evidence = replace(NOBODY, **WEAKER[3] | {"often_reduced": np.array([True, False])})
    assert given([1], evidence) == [(None,) * 5]


def test_an_item_without_category_is_of_no_favourite_one() -> None:
    assert given([1], replace(NOBODY, favourites=np.full((2, FAVOURITES), NONE, np.int32)))[0][0] is None


def test_browsers_looked_at_or_are_shown_what_is_near_or_popular() -> None:
    evidence = replace(NOBODY, **WEAKER[0] | WEAKER[2] | WEAKER[3]).of_browsers(2)
    names = (LOOKED_AT, SIMILAR_TO_VIEW)
    rows = given([0, 1, 2], evidence, factors(0.95), own_and_near=names)
    assert [row[:2] for row in rows] == [("looked_at", None), ("similar_to_view", 0), ("similar_to_view", 3)]
    [hardly] = given([1], replace(evidence, is_popular=np.zeros(4, bool)), factors(0.1), own_and_near=names)
    assert hardly[:2] == ("similar_to_view", 0)
    [popular] = given([1], evidence, factors(0.1), own_and_near=names)
    assert popular == ("recently_popular", None, None, None, None)
