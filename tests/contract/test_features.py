"""pipeline/contract/features.py: each feature has one entry, and its name says its unit."""

from __future__ import annotations

import math

import pytest

from pipeline.contract.datasets import DATASETS
from pipeline.contract.features import AMONG_OWN, BY_NAME, ENTRIES, FEATURES, OWN, RANKED_OWN, Feature

UNITS = {"days", "count", "decayed count", "score", "share", "rank", "ratio"}


def test_each_name_stands_once_and_the_datasets_have_them_in_this_order() -> None:
    assert len(ENTRIES) == len(FEATURES) == len(set(FEATURES))
    for name in ("examples", "latest_examples"):
        assert tuple(DATASETS[name].columns)[-len(FEATURES) :] == FEATURES


@pytest.mark.parametrize("feature", ENTRIES, ids=lambda feature: feature.name)
def test_an_entry_says_unit_meaning_and_absence(feature: Feature) -> None:
    """Days are named as days; no time that lies back, no rank and no ratio is 0 where there is none."""
    assert feature.unit in UNITS
    assert feature.meaning
    assert feature.absent == 0.0 or math.isnan(feature.absent)
    assert (feature.unit == "days") == feature.name.endswith(("age_days", "gap_days"))
    if feature.unit in ("days", "rank", "ratio"):
        assert math.isnan(feature.absent)


def test_what_is_ranked_among_the_users_candidates_is_of_the_users_own() -> None:
    assert set(RANKED_OWN) <= {feature.name for feature in OWN}
    kinds = ("rank", "share", "part")
    assert [feature.name for feature in AMONG_OWN] == [
        f"{name}_{kind}" for name in RANKED_OWN for kind in kinds
    ]
    assert all(BY_NAME[feature.name] is feature for feature in AMONG_OWN)
