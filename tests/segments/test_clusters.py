"""pipeline/segments/clusters.py: k-means on points that can be told apart by eye."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.segments import clusters
from pipeline.segments.clusters import centres_of, drawn, nearest


def groups(*sizes: int) -> np.ndarray:
    """Points around (0, 0), (10, 0), (20, 0), ..., as many as told."""
    rng = np.random.default_rng(3)
    parts = [rng.normal((10 * number, 0), 0.5, (size, 2)) for number, size in enumerate(sizes)]
    return np.concatenate(parts).astype(np.float32)


def test_the_largest_cluster_comes_first() -> None:
    points = groups(20, 60, 40)
    centres = centres_of(points, 3, seed=1)
    assert np.round(centres[:, 0]).tolist() == [10, 20, 0]
    assert np.bincount(nearest(points, centres)).tolist() == [60, 40, 20]


def test_a_cluster_keeps_its_number_while_somebody_of_it_is_left() -> None:
    """The middle group was number 2 and is the smallest now; half of everybody is new."""
    points = groups(30, 20, 40)
    before = np.repeat([0, 2, 1], (30, 20, 40))
    before[::2] = -1
    assert np.round(centres_of(points, 3, 1, before)[:, 0]).tolist() == [0, 20, 10]
    before[before == 2] = -1
    assert np.round(centres_of(points, 3, 1, before)[:, 0]).tolist() == [0, 20, 10], "the others stay"


def test_of_many_people_some_are_fitted_on_and_all_have_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "MOST_FITTED", 50)
    monkeypatch.setattr(clusters, "BATCH", 64)
    points = groups(300, 100)
    some = drawn(400, seed=1)
    assert (len(some), len(drawn(50, seed=1))) == (50, 50)
    centres = centres_of(points[some], 2, seed=1)
    assert np.bincount(nearest(points, centres)).tolist() == [300, 100]
    assert (some == drawn(400, seed=1)).all(), "the same seed, the same people"
    assert (centres == centres_of(points[some], 2, seed=1)).all(), "and the same centres"
    before = np.repeat([1, 0], (300, 100))
    assert (nearest(points, centres_of(points[some], 2, 1, before[some])) == before).all()


def test_of_two_centres_as_near_the_lower_number_is_taken() -> None:
    assert nearest(np.zeros((1, 1), np.float32), np.array([[1.0], [-1.0]])).tolist() == [0]
