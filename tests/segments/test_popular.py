"""pipeline/segments/popular.py: best sellers of segments, counted by hand."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from pipeline.segments.popular import filled, popular_lists

PURCHASES = sp.csr_matrix(
    np.array(
        [
            [1.0, 0.5, 0.0, 0.0],
            [0.5, 1.0, 0.0, 2.0],
            [0.0, 0.5, 3.0, 0.0],
            [0.0, 0.0, 1.0, 1.0],
        ]
    )
)
"""Of four buyers, the first two of segment 0."""
LABELS = np.array([0, 0, 1, 1])
NOBODY = np.zeros(0, np.int64)


def test_the_best_sellers_of_each_segment() -> None:
    """Items 0 and 1 have the same score in segment 0: the lower column comes first."""
    lists = popular_lists(PURCHASES, LABELS, 2, 3, 1, NOBODY)
    assert lists.items.tolist() == [[3, 0, 1], [2, 3, 1]]
    assert lists.scores.tolist() == [[2.0, 1.5, 1.5], [4.0, 1.0, 0.5]]


def test_what_too_few_people_bought_and_what_is_hidden_is_not_listed() -> None:
    lists = popular_lists(PURCHASES, LABELS, 3, 3, 2, np.array([0]))
    assert lists.items.tolist() == [[1, -1, -1], [2, -1, -1], [-1, -1, -1]]


def test_empty_places_are_filled_with_what_the_whole_shop_buys() -> None:
    own = popular_lists(PURCHASES, LABELS, 2, 3, 2, NOBODY)
    everybody = popular_lists(PURCHASES, np.zeros(4, np.int64), 1, 4, 1, NOBODY)
    assert everybody.items.tolist() == [[2, 3, 1, 0]]
    assert filled(own, everybody, 3).tolist() == [[0, 1, 2], [2, 3, 1]]
    assert filled(own, everybody, 5).tolist() == [[0, 1, 2, 3, -1], [2, 3, 1, 0, -1]]
