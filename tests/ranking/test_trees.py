"""The boosted trees: the same twice, better than the blend where signals act together, kept as text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.contract.features import FEATURES
from pipeline.ranking import blend, trees
from pipeline.ranking.trees import Trees
from tests.ranking.made_up import PER_USER, auc, examples, features

N = 4000
OBJECTIVES = ("binary", "lambdarank")


def together(seed: int) -> dict[str, np.ndarray]:
    """Two signals that say nothing alone: an item is bought when it is due, or new, but not both."""
    rng = np.random.default_rng(seed)
    return {"own_due": rng.random(N), "als_share": rng.random(N), "item_age_days": rng.random(N)}


def is_bought(columns: dict[str, np.ndarray], seed: int) -> np.ndarray:
    acts = (columns["own_due"] > 0.5) != (columns["item_age_days"] > 0.5)
    bought: np.ndarray = np.random.default_rng(seed).random(N) < np.where(acts, 0.4, 0.05)
    return bought


LEARNT, ASKED = together(1), together(2)
EXAMPLES, ANSWERS = examples(is_bought(LEARNT, 3), **LEARNT), is_bought(ASKED, 4)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_same_examples_and_seed_give_the_same_scores(objective: str) -> None:
    asked = features(N, **ASKED)
    one, two = (trees.fit(EXAMPLES, objective, seed=7).score(asked) for _ in range(2))
    assert one.tobytes() == two.tobytes()
    assert one.tobytes() != trees.fit(EXAMPLES, objective, seed=8).score(asked).tobytes()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_trees_find_what_no_sum_of_signals_can(objective: str) -> None:
    """On users they have not seen; the blend stays near chance."""
    asked = features(N, **ASKED)
    assert auc(blend.fit(EXAMPLES).score(asked), ANSWERS) < 0.56
    assert auc(trees.fit(EXAMPLES, objective, seed=0).score(asked), ANSWERS) > 0.7


def test_they_begin_where_the_blend_ends() -> None:
    """In a small shop: before the first tree, the blend's order is the order."""
    model = trees.fit(EXAMPLES, "binary", seed=0)
    assert model.start == blend.fit(EXAMPLES)


def test_saved_as_text_and_loaded_they_are_the_same(tmp_path: Path) -> None:
    model = trees.fit(EXAMPLES, "binary", seed=0)
    model.save(tmp_path / "trees.txt")
    read = Trees.load(tmp_path / "trees.txt", model.start)
    asked = features(N, **ASKED)
    assert read.score(asked).tobytes() == model.score(asked).tobytes()
    assert (tmp_path / "trees.txt").read_text(encoding="utf-8").startswith("tree\n")


def test_what_they_go_by_is_told() -> None:
    importance = trees.fit(EXAMPLES, "binary", seed=0).importance()
    assert list(importance) == list(FEATURES)
    assert sum(importance.values()) == pytest.approx(1)
    assert sorted(importance, key=lambda name: -importance[name])[:2] in (
        ["own_due", "item_age_days"],
        ["item_age_days", "own_due"],
    )


def test_nothing_asked_nothing_scored_and_a_handful_teaches(tmp_path: Path) -> None:
    """One user's twenty candidates are too few for a tree to split: the blend decides."""
    few = examples(is_bought(LEARNT, 3)[:PER_USER], **{name: v[:PER_USER] for name, v in LEARNT.items()})
    model = trees.fit(few, "binary", seed=0)
    assert model.score(features(0)).tolist() == []
    assert np.isfinite(model.score(features(N, **ASKED))).all()
