"""ALS on a checkerboard, whose right answer is known, and what its lists may never hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import Als, Filter, Run, Weights
from pipeline.history import History, opened
from pipeline.models.als import AlsFactors, AlsModel
from pipeline.models.top_n import NOTHING
from pipeline.run import RunFolder
from tests.shelf import day, events

SIZE = 10
PARAMS = Als(factors=4, iterations=15, regularization=0.01, alpha=5.0)


@pytest.fixture
def history(run_folder: Callable[..., RunFolder]) -> Iterator[History]:
    """User u bought item i when both are even or both odd, but never item u: that one is the answer."""
    folder = run_folder()
    cells = [(u, i, 0) for u in range(SIZE) for i in range(SIZE) if (u + i) % 2 == 0 and u != i]
    folder.write("purchaser_events", events(*cells))
    with opened([folder.file("purchaser_events")], day(1), Filter(), Run(), folder.scratch()) as made:
        yield made


@pytest.fixture
def factors(history: History) -> AlsFactors:
    return AlsModel(PARAMS, Weights(), seed=0).fit(history)


def test_the_checkerboard_is_solved(history: History, factors: AlsFactors) -> None:
    top = factors.top_n(np.arange(SIZE), 1, history.purchases())
    assert top.items[:, 0].tolist() == list(range(SIZE))


def test_no_bought_item_no_padding_no_repeat_no_sentinel(history: History, factors: AlsFactors) -> None:
    """Six items are new to each user; asked for more than the catalogue holds, six come, then nothing."""
    top = factors.top_n(np.arange(SIZE), SIZE + 5, history.purchases())
    bought = history.purchases().toarray() > 0
    for user, items in enumerate(top.items):
        listed = items[items != NOTHING]
        assert len(listed) == len(set(listed)) == 6
        assert not bought[user, listed].any()
        assert (items[6:] == NOTHING).all()
    assert np.isfinite(top.scores).all()
    assert top.scores.min() > -10


def test_with_repeats_the_list_may_hold_what_was_bought(factors: AlsFactors) -> None:
    top = factors.top_n(np.arange(SIZE), SIZE, None)
    assert sorted(top.items[0].tolist()) == list(range(SIZE))
    assert (np.diff(top.scores, axis=1) <= 0).all()


def test_hidden_items_are_shown_to_nobody(factors: AlsFactors) -> None:
    hidden = np.array([0, 3])
    assert not np.isin(factors.top_n(np.arange(SIZE), SIZE, None, hidden).items, hidden).any()
    assert not np.isin(factors.similar_items(np.arange(SIZE), SIZE, hidden).items, hidden).any()


def test_similar_items_are_the_nearest_by_cosine_and_never_the_item_itself(factors: AlsFactors) -> None:
    unit = factors.item_factors / np.linalg.norm(factors.item_factors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -2)
    top = factors.similar_items(np.arange(SIZE), 4)
    assert top.items.tolist() == np.argsort(-cosine, axis=1)[:, :4].tolist()
    assert top.scores[:, 0].tolist() == pytest.approx(cosine.max(axis=1).tolist(), abs=1e-5)
    assert [(items != NOTHING).sum() for items in factors.similar_items(np.arange(SIZE), 30).items] == [
        9
    ] * SIZE


def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(history: History) -> None:
    one = AlsModel(PARAMS, Weights(), seed=3, threads=1).fit(history)
    two = AlsModel(PARAMS, Weights(), seed=3, threads=2).fit(history)
    other = AlsModel(PARAMS, Weights(), seed=4).fit(history)
    assert one.user_factors.tobytes() == two.user_factors.tobytes()
    assert one.user_factors.tobytes() != other.user_factors.tobytes()


@pytest.mark.parametrize("ids", [pa.array([3, 5, 8]), pa.array(["00123", "a", "é-long-id"])])
def test_saved_and_loaded_without_a_pickle(tmp_path: Path, ids: pa.Array) -> None:
    rng = np.random.default_rng(0)
    made = AlsFactors(rng.random((3, 2), np.float32), rng.random((3, 2), np.float32), ids, ids.slice(0, 3))
    made.save(tmp_path / "a.npz")
    made.save(tmp_path / "b.npz")
    read = AlsFactors.load(tmp_path / "a.npz")
    assert read.user_ids.equals(ids)
    assert (read.item_factors == made.item_factors).all()
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert not any(array.dtype.hasobject for array in np.load(tmp_path / "a.npz").values())


@pytest.mark.parametrize("half_life_days", [60.0, 7.0, 1.0])
def test_an_event_weighs_more_than_no_event_however_old_it_is(
    run_folder: Callable[..., RunFolder], half_life_days: float
) -> None:
    """Confidence is 1 + alpha x weight: a faded purchase never counts as less than an empty cell."""
    folder = run_folder()
    folder.write("purchaser_events", events((1, 5, 0), (1, 6, 0), (2, 5, 0), (2, 6, 0), (3, 7, 0), (3, 8, 0)))
    with opened([folder.file("purchaser_events")], day(400), Filter(), Run(), folder.scratch()) as old:
        faded = AlsModel(PARAMS, Weights(half_life_days=half_life_days), seed=0).fit(old)
    top = faded.top_n(np.arange(3), 2, None)
    assert [set(items) for items in top.items.tolist()] == [{0, 1}, {0, 1}, {2, 3}]


def test_factors_of_zero_rank_nothing(factors: AlsFactors) -> None:
    """implicit would hand out the first items at score 0."""
    flat = np.zeros_like(factors.user_factors)
    flat[1:] = factors.user_factors[1:]
    nobody = replace(factors, user_factors=flat, item_factors=flat)
    top = nobody.top_n(np.arange(SIZE), 3, None)
    assert top.items[0].tolist() == [NOTHING] * 3
    assert (top.items[1:] != NOTHING).all()
    assert nobody.similar_items(np.array([0]), 3).items.tolist() == [[NOTHING] * 3]
