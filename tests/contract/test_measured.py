"""Who was measured, in words."""

from __future__ import annotations

import pytest

from pipeline.contract.measured import different_buyers, measured


@pytest.mark.parametrize(
    ("row", "told", "n_buyers"),
    [
        ({"n_users": 1322, "n_buyers": 1322}, "1,322 buyers", 1322),
        ({"n_users": 2413, "n_buyers": 1322}, "2,413 measurements of 1,322 buyers", 1322),
        ({"n_users": 3, "n_buyers": 1}, "3 measurements of 1 buyer", 1),
        ({"n_users": 1}, "1 buyer", 1),
    ],
    ids=["one cut", "several cuts", "one buyer", "earlier release"],
)
def test_measurements_and_buyers_are_told_apart(row: dict[str, int], told: str, n_buyers: int) -> None:
    assert measured(row) == told
    assert different_buyers(row) == n_buyers
