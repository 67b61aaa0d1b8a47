"""The blend: weights that are never below 0 and go to the signal that decides."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.ranking import blend
from pipeline.ranking.blend import SIGNALS, Blend
from pipeline.ranking.training_rows import TrainingRows
from tests.ranking.made_up import auc, examples, features

N = 2000
LOT = np.random.default_rng(4).random((len(SIGNALS), N))
LUCK = np.random.default_rng(5).random(N)


def taught_by(name: str, turned: bool = False) -> TrainingRows:
    """All signals are noise but `name`: the more of it, the likelier bought (or the less, `turned`)."""
    columns = dict(zip(SIGNALS.values(), LOT, strict=True))
    decides = LOT[list(SIGNALS).index(name)]
    chance = 0.4 * (1 - decides if turned else decides)
    return examples(chance > LUCK, **columns)


@pytest.mark.parametrize("name", SIGNALS)
def test_the_signal_that_decides_gets_the_weight(name: str) -> None:
    learnt = taught_by(name)
    model = blend.fit(learnt)
    assert set(model.weights) == set(SIGNALS)
    others = [weight for signal, weight in model.weights.items() if signal != name]
    assert min(others) >= 0
    assert model.weights[name] > 3 * max(others)
    assert auc(model.score(learnt.features), learnt.is_bought) > 0.6


def test_a_signal_that_says_the_opposite_is_ignored_not_turned_around() -> None:
    assert blend.fit(taught_by("als", turned=True)).weights["als"] == pytest.approx(0, abs=1e-6)


def test_what_is_not_known_counts_as_nothing() -> None:
    model = blend.fit(taught_by("als"))
    empty, zero = features(1), features(1, **{of: np.zeros(1) for of in SIGNALS.values()})
    assert model.score(empty).tolist() == model.score(zero).tolist() == [model.bias]
    assert model.score(features(0)).tolist() == []


def test_more_of_a_signal_is_never_worse() -> None:
    model = blend.fit(taught_by("due_again"))
    for of in SIGNALS.values():
        scores = model.score(features(50, **{of: np.linspace(0, 10, 50)}))
        assert (np.diff(scores) >= 0).all()


def test_the_same_examples_give_the_same_weights_and_json_keeps_them() -> None:
    learnt = taught_by("category")
    model = blend.fit(learnt)
    assert blend.fit(learnt) == model
    assert Blend(**model.dump()) == model
