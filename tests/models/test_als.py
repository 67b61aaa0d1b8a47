"""ALS on a checkerboard, whose right answer is known, and what its lists may never hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from implicit.cpu.als import AlternatingLeastSquares

from pipeline.config import Als, Filter, Run, Weights
from pipeline.models import als
from pipeline.models.als import CONTINUED, LARGE, AlsModel
from pipeline.models.als_factors import AlsFactors
from pipeline.models.item_factors import ItemFactors
from pipeline.models.top_n import NOTHING
from pipeline.runs.folder import RunFolder
from pipeline.splits.history import History, opened
from tests.shelf import day, events

SIZE = 10
PARAMS = Als(factors=4, iterations=15, regularization=0.01, alpha=5.0)


@pytest.fixture
def history(run_folder: Callable[..., RunFolder]) -> Iterator[History]:
    """User u bought item i when both are even or both odd, but never item u: that one is the answer."""
    folder = run_folder()
    cells = [(u, i, 0) for u in range(SIZE) for i in range(SIZE) if (u + i) % 2 == 0 and u != i]
    folder.write("purchaser_events", events(*cells))
    with opened([folder.file("purchaser_events")], day(1), Filter(), Run(), folder.scratch()) as history:
        yield history


@pytest.fixture
def factors(history: History) -> AlsFactors:
    return AlsModel(PARAMS, Weights(), seed=0).fit(history)


@pytest.mark.parametrize("scale", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_the_checkerboard_is_solved(history: History, seed: int, scale: float) -> None:
    """Two factors tell even from odd; with more of them ALS begins to learn the holes as well."""
    two = PARAMS.model_copy(update={"factors": 2, "regularization_scale": scale})
    factors = AlsModel(two, Weights(), seed).fit(history)
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
    some = factors.hide(hidden)
    assert not np.isin(some.top_n(np.arange(SIZE), SIZE, None).items, hidden).any()
    assert not np.isin(some.similar_items(np.arange(SIZE), SIZE).items, hidden).any()
    assert np.isin(factors.top_n(np.arange(SIZE), SIZE, None).items, hidden).any()


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


@pytest.mark.parametrize("scale", [0.0, 0.5])
def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(history: History, scale: float) -> None:
    params = PARAMS.model_copy(update={"regularization_scale": scale})
    one = AlsModel(params, Weights(), seed=3, threads=1).fit(history)
    two = AlsModel(params, Weights(), seed=3, threads=2).fit(history)
    other = AlsModel(params, Weights(), seed=4).fit(history)
    assert one.user_factors.tobytes() == two.user_factors.tobytes()
    assert one.item_factors.tobytes() == two.item_factors.tobytes()
    assert one.user_factors.tobytes() != other.user_factors.tobytes()


def test_one_penalty_for_all_is_the_fit_of_implicit_itself(history: History) -> None:
    """From the same start, bit for bit: confidences given as they are, implicit's alpha at 1."""
    params = PARAMS.model_copy(update={"regularization_scale": 0.0})
    cells = history.interactions(Weights())
    cells.data = np.float32(1) + np.float32(params.alpha) * cells.data
    theirs = AlternatingLeastSquares(
        factors=params.factors, regularization=params.regularization, iterations=params.iterations
    )
    rng = np.random.RandomState(7)
    start = [
        rng.random_sample((n, params.factors)).astype(np.float32) * np.float32(0.01) for n in (SIZE, SIZE)
    ]
    theirs.user_factors, theirs.item_factors = start
    theirs.fit(cells, show_progress=False)
    ours = AlsModel(params, Weights(), seed=7).fit(history)
    assert ours.user_factors.tobytes() == theirs.user_factors.tobytes()
    assert ours.item_factors.tobytes() == theirs.item_factors.tobytes()


def test_a_fit_that_is_stopped_early_is_a_fit_of_fewer_iterations(history: History) -> None:
    whole = AlsModel(PARAMS, Weights(), seed=0).fitting(history)
    stopped = [next(whole) for _ in range(4)][-1]
    short = AlsModel(PARAMS.model_copy(update={"iterations": 4}), Weights(), seed=0).fit(history)
    assert stopped.user_factors.tobytes() == short.user_factors.tobytes()
    assert stopped.item_factors.tobytes() == short.item_factors.tobytes()


def test_a_fit_on_few_cells_begins_at_random_whatever_it_is_given(
    history: History, factors: AlsFactors
) -> None:
    assert 0 < history.interactions(Weights()).nnz < LARGE
    again = AlsModel(PARAMS, Weights(), seed=0).fit(history, factors.of_items())
    assert again.item_factors.tobytes() == factors.item_factors.tobytes()


def test_a_fit_that_goes_on_begins_with_the_items_it_is_given(
    history: History, factors: AlsFactors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two more iterations of implicit, users at zero."""
    monkeypatch.setattr(als, "LARGE", 0)
    params = PARAMS.model_copy(update={"regularization_scale": 0.0})
    cells = history.interactions(Weights())
    cells.data = np.float32(1) + np.float32(params.alpha) * cells.data
    theirs = AlternatingLeastSquares(
        factors=params.factors, regularization=params.regularization, iterations=CONTINUED
    )
    theirs.user_factors, theirs.item_factors = (
        np.zeros((SIZE, params.factors), np.float32),
        factors.item_factors.copy(),
    )
    theirs.fit(cells, show_progress=False)
    before = factors.item_factors.copy()
    ours = AlsModel(params, Weights(), seed=7).fit(history, factors.of_items())
    assert ours.user_factors.tobytes() == theirs.user_factors.tobytes()
    assert ours.item_factors.tobytes() == theirs.item_factors.tobytes()
    assert factors.item_factors.tobytes() == before.tobytes(), "what it begins with is not changed"


def test_a_fit_that_goes_on_solves_the_checkerboard_with_items_it_did_not_know(
    history: History, factors: AlsFactors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun without the last two items, and with one that is gone since."""
    monkeypatch.setattr(als, "LARGE", 0)
    known = np.r_[factors.item_factors[:-2], factors.item_factors[:1]]
    ids = pa.array([*factors.item_ids.to_pylist()[:-2], 999])
    two = AlsModel(PARAMS, Weights(), seed=0).fit(history, ItemFactors(ids, known))
    assert two.item_ids.equals(history.item_ids)
    top = two.top_n(np.arange(SIZE), SIZE // 2, None)
    assert [set(items % 2) for items in top.items] == [{user % 2} for user in range(SIZE)]


def test_a_fit_that_goes_on_finds_a_taste_that_is_new_with_its_users_and_items(
    run_folder: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users 0 to 7 buy items 0 to 7 as before; 8 and 9 are new, and so is all they buy."""
    monkeypatch.setattr(als, "LARGE", 0)
    old = [(user, item, 0) for user in range(8) for item in range(8) if user % 2 == item % 2]
    new = [(user, item, 2) for user in (8, 9) for item in (8, 9)]
    model, folder = AlsModel(PARAMS, Weights(), seed=0), run_folder()
    folder.write("purchaser_events", events(*old, *new))
    before, after = (
        opened([folder.file("purchaser_events")], day(until), Filter(), Run(), folder.scratch())
        for until in (1, 3)
    )
    with before as history:
        start = model.fit(history).of_items()
    with after as history:
        assert start.known(history.interactions(Weights()), history.item_ids) > als.KNOWN
        fitted = model.fit(history, start)
    assert {tuple(sorted(items[:2])) for items in fitted.top_n(np.array([8, 9]), 2, None).items} == {(8, 9)}


def test_items_that_were_new_after_the_fit_are_none_that_it_knows(
    history: History, factors: AlsFactors
) -> None:
    cells, known = history.interactions(Weights()), factors.item_factors.copy()
    known[:4] = 0.0
    start = ItemFactors(factors.item_ids, known)
    assert start.known(cells, history.item_ids) == pytest.approx((SIZE - 4) / SIZE)


def test_a_fit_begins_at_random_where_what_it_is_given_knows_too_few_of_the_cells(
    history: History, factors: AlsFactors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven items of ten, each with as many cells; eight are enough."""
    monkeypatch.setattr(als, "LARGE", 0)
    gone_on = []
    for n in (0, 7, 8):
        start = ItemFactors(factors.item_ids[:n], factors.item_factors[:n])
        assert start.known(history.interactions(Weights()), history.item_ids) == pytest.approx(n / SIZE)
        fitted = AlsModel(PARAMS, Weights(), seed=0).fit(history, start)
        gone_on.append(fitted.item_factors.tobytes() != factors.item_factors.tobytes())
    assert gone_on == [False, False, True]


@pytest.mark.parametrize("ids", [pa.array([3, 5, 8]), pa.array(["00123", "a", "é-long-id"])])
def test_saved_and_loaded_without_a_pickle(tmp_path: Path, ids: pa.Array) -> None:
    rng = np.random.default_rng(0)
    factors = AlsFactors(rng.random((3, 2), np.float32), rng.random((3, 2), np.float32), ids, ids.slice(0, 3))
    factors.save(tmp_path / "a.npz")
    factors.save(tmp_path / "b.npz")
    read = AlsFactors.load(tmp_path / "a.npz")
    assert read.user_ids.equals(ids)
    assert (read.item_factors == factors.item_factors).all()
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


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0])
def test_the_first_step_is_the_formula_of_the_papers(
    run_folder: Callable[..., RunFolder], scale: float
) -> None:
    """Users of 1, 4 and 16 items: x = (Y'Y + sum (c - 1) yy' + penalty I)^-1 sum c y, Y as it starts out.

    The penalty is regularization x (items of the user / mean items of a user) ^ scale, mean 7.
    """
    folder = run_folder()
    folder.write("purchaser_events", events(*((u, i, 0) for u, n in enumerate((1, 4, 16)) for i in range(n))))
    params = Als(factors=2, iterations=1, regularization=3.0, alpha=0.5, regularization_scale=scale)
    with opened([folder.file("purchaser_events")], day(0.1), Filter(), Run(), folder.scratch()) as history:
        fitted = next(AlsModel(params, Weights(half_life_days=0), seed=5).fitting(history)).user_factors
    rng = np.random.RandomState(5)
    _, start = rng.random_sample((3, 2)), rng.random_sample((16, 2)) * 0.01
    confidence = 1 + 0.5 * Weights().purchase
    for user, n in enumerate((1, 4, 16)):
        own = start[:n]
        penalty = 3.0 * (n / 7) ** scale
        left = start.T @ start + (confidence - 1) * own.T @ own + penalty * np.eye(2)
        wanted = np.linalg.solve(left, confidence * own.sum(axis=0))
        assert fitted[user].tolist() == pytest.approx(wanted.tolist(), rel=1e-3)


def test_scores_are_products_of_factors_also_of_some_users_alone(factors: AlsFactors) -> None:
    rows, columns = np.array([3, 3, 7, 0]), np.array([1, 9, 2, 2])
    wanted = (factors.user_factors[rows] * factors.item_factors[columns]).sum(axis=1)
    assert factors.scores(rows, columns).tolist() == pytest.approx(wanted.tolist(), rel=1e-5)
    some = factors.top_n_of(factors.user_factors[[7, 3]], 3, None)
    assert some.items.tolist() == factors.top_n(np.array([7, 3]), 3, None).items.tolist()


@pytest.mark.parametrize("scale", [0.0, 0.5])
def test_factors_of_an_earlier_cut_serve_what_users_did_since(
    run_folder: Callable[..., RunFolder], scale: float
) -> None:
    """On day 2 user 10 comes and buys three even items, user 0 buys odd ones, and item 99 is sold first: the
    items are as they were, the users are those of the exact solution against them, and 99 is near nobody."""
    folder = run_folder()
    cells = [(u, i, 0) for u in range(SIZE) for i in range(SIZE) if (u + i) % 2 == 0 and u != i]
    later = [(10, 2, 2), (10, 4, 2), (10, 6, 2), (0, 1, 2), (0, 3, 2), (0, 99, 2)]
    folder.write("purchaser_events", events(*cells, *later))
    als = AlsModel(PARAMS.model_copy(update={"factors": 8, "regularization_scale": scale}), Weights(), seed=0)
    file = [folder.file("purchaser_events")]
    with opened(file, day(1), Filter(), Run(), folder.scratch()) as history:
        earlier = als.fit(history)
    with opened(file, day(3), Filter(), Run(), folder.scratch()) as history:
        factors = als.carried(earlier, history)
        known = earlier.onto(history)
        exact = replace(known, user_factors=als.fold_in(known, history.interactions(Weights())))
        lists, of_exact = (
            each.top_n(np.arange(SIZE + 1), 2, history.purchases()).items for each in (factors, exact)
        )
    np.testing.assert_array_equal(factors.item_factors[:SIZE], earlier.item_factors)
    assert not factors.item_factors[SIZE].any()
    np.testing.assert_allclose(factors.user_factors, exact.user_factors, rtol=0.01, atol=0.01)
    assert lists.tolist() == of_exact.tolist()
    assert not np.isin(lists, (NOTHING, SIZE)).any()
    assert not np.allclose(factors.user_factors[0], earlier.user_factors[0], atol=0.1)
