"""MLlib's ALS finds what the local model finds: the minimum of one and the same loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.config import Als, Filter, Run, Weights
from pipeline.errors import SettingsError
from pipeline.models.als import AlsModel
from pipeline.runs.folder import RunFolder
from pipeline.spark.als import FADED, MOST, Fitted, fit, mllib_params
from pipeline.splits.history import History, opened
from tests.shelf import day, events

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

PARAMS = Als(factors=4, iterations=60, regularization=12.0, alpha=2.0, regularization_scale=1.0)
WEIGHTS = Weights(purchase=3.0, half_life_days=10.0)
USERS, ITEMS = [4] * 32 + [1] * 16, [16] * 8 + [4] * 4
"""Cells of each user and item. Powers of 4, of which alone the local model makes exact penalties."""


class Both(NamedTuple):
    """Factors, float64: of users, shape (n_users, factors), and of items."""

    users: NDArray[np.float64]
    items: NDArray[np.float64]


@pytest.fixture
def history(run_folder: Callable[..., RunFolder]) -> Iterator[History]:
    """48 users who bought 12 items in the last 30 days, once or twice, and one cell that has faded to 0."""
    rng, folder = np.random.default_rng(1), run_folder()
    left = np.array(ITEMS)
    cells = []
    for user, n in enumerate(USERS):
        for item in np.lexsort((rng.random(len(left)), -left))[:n].tolist():
            left[item] -= 1
            cells += [(user, item, 1000.0 - float(when)) for when in rng.integers(1, 30, rng.integers(1, 3))]
    pair = cells[0][:2]
    faded = [cell for cell in cells if cell[:2] != pair]
    folder.write("purchaser_events", events(*faded, (*pair, 0.0)))
    with opened([folder.file("purchaser_events")], day(1000), Filter(), Run(), folder.scratch()) as history:
        yield history


@pytest.fixture
def weights(history: History) -> sp.csr_matrix:
    matrix = history.interactions(WEIGHTS)
    assert np.diff(matrix.indptr).tolist() == USERS
    assert np.bincount(matrix.indices).tolist() == ITEMS
    assert (matrix.data == 0).sum() == 1
    assert len(np.unique(matrix.data)) > 20
    return matrix


def test_both_models_come_to_the_same_minimum(
    history: History, weights: sp.csr_matrix, session: SparkSession
) -> None:
    local = AlsModel(PARAMS, WEIGHTS, seed=0).fit(history)
    ours = Both(local.user_factors.astype(float), local.item_factors.astype(float))
    with fit(session, frame(session, weights), PARAMS, seed=0) as fitted:
        theirs = both(fitted, weights.shape)
    assert loss(weights, theirs) == pytest.approx(loss(weights, ours), rel=1e-5)
    assert loss(weights, theirs) < 0.9 * loss(weights, Both(0 * ours.users, 0 * ours.items))
    np.testing.assert_allclose(theirs.users @ theirs.items.T, ours.users @ ours.items.T, atol=0.01)
    for side, other in zip(theirs, ours, strict=True):
        assert norms(side) == pytest.approx(norms(other), abs=0.02)


@pytest.fixture(scope="module")
def found(session: SparkSession) -> Both:
    """What MLlib finds for `at_random`."""
    weights = at_random()
    with fit(session, frame(session, weights), PARAMS, seed=0) as fitted:
        return both(fitted, weights.shape)


def test_the_loss_is_level_where_mllib_ends(found: Both) -> None:
    """Any numbers of cells, as MLlib counts them one by one."""
    for level, penalty in zip(*gradient(at_random(), found), strict=True):
        assert np.linalg.norm(level) < 1e-4 * np.linalg.norm(penalty)


def test_a_cell_that_has_faded_counts_as_touched(found: Both) -> None:
    """Were it none to MLlib, the loss without it would be level too, at the user whose it is."""
    weights = at_random()
    without = weights.copy()
    without.eliminate_zeros()
    assert without.nnz == weights.nnz - 1
    off = []
    for cells in (weights, without):
        level, penalty = gradient(cells, found)
        off.append(np.linalg.norm(level.users[0]) / np.linalg.norm(penalty.users[0]))
    assert off[0] < 1e-3
    assert off[1] > 0.05
    assert np.float32(FADED) > 0
    assert 1.0 + PARAMS.alpha * FADED == 1.0


def test_the_scale_is_of_the_local_model_and_not_its_inverse(found: Both) -> None:
    """At a minimum both sides' penalties are equal, or the same products could be had for less.

    An item has four times the cells of a user, so that s^2 = 1/2."""
    users, items = penalties(at_random(), found)
    assert users == pytest.approx(items, rel=1e-3)
    for s_squared in (2, 4):  # not scaled back, as MLlib leaves them; and the wrong way
        s = np.sqrt(s_squared)
        users, items = penalties(at_random(), Both(found.users * s, found.items / s))
        assert users == pytest.approx(s_squared**2 * items, rel=1e-3)


def test_the_one_penalty_is_the_geometric_mean_of_both() -> None:
    params = mllib_params(PARAMS, mean_of_users=3.0, mean_of_items=12.0, seed=7)
    assert params == {
        "rank": 4,
        "maxIter": 60,
        "regParam": pytest.approx(2.0),  # 12 / sqrt(3 x 12)
        "alpha": 2.0,
        "implicitPrefs": True,
        "nonnegative": False,
        "seed": 7,
    }


def test_the_same_seed_gives_the_same_factors(session: SparkSession) -> None:
    weights, short = at_random(), PARAMS.model_copy(update={"iterations": 3})
    three = []
    for seed in (3, 3, 4):
        with fit(session, frame(session, weights), short, seed) as fitted:
            three.append(both(fitted, weights.shape))
    one, again, other = three
    assert (one.users == again.users).all()
    assert (one.items == again.items).all()
    assert not np.allclose(one.items, other.items)


def test_a_penalty_that_does_not_grow_in_proportion_is_refused(session: SparkSession) -> None:
    half = PARAMS.model_copy(update={"regularization_scale": 0.5})
    with pytest.raises(SettingsError, match="MLlib's penalty grows in proportion") as error:
        fit(session, frame(session, at_random()), half, seed=0)
    assert "regularization_scale = 0.5" in error.value.found
    assert "als.regularization_scale = 1.0" in error.value.then


def test_many_iterations_without_a_folder_for_checkpoints_are_refused(
    session: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as MOST are not: they fit without one."""
    monkeypatch.setattr(session.sparkContext, "getCheckpointDir", lambda: None)
    cells, most = frame(session, at_random()), PARAMS.model_copy(update={"iterations": MOST})
    with fit(session, cells, most, seed=0) as fitted:
        assert fitted.item_factors.any()
    with pytest.raises(SettingsError, match="a folder for checkpoints") as error:
        fit(session, cells, most.model_copy(update={"iterations": MOST + 1}), seed=0)
    assert "spark.checkpoint.dir" in error.value.then


def test_users_and_items_without_cells_are_absent(session: SparkSession) -> None:
    """Users 2, 40 and 7 alone, and items 9 and 3: nothing between them is made up."""
    cells = session.createDataFrame(
        pd.DataFrame({"user_row": [40, 2, 7, 40], "item_row": [9, 3, 9, 3], "weight": [1.0, 2.0, 0.0, 1.0]})
    )
    with fit(session, cells, PARAMS.model_copy(update={"iterations": 2}), seed=0) as fitted:
        users = fitted.user_factors()
        assert users.schema.simpleString() == "struct<user_row:int,features:array<float>>"
        assert sorted(row.user_row for row in users.collect()) == [2, 7, 40]
    assert fitted.item_rows.tolist() == [3, 9]
    assert fitted.item_factors.shape == (2, 4)
    assert fitted.item_factors.dtype == np.float32


def test_executors_keep_the_factors_of_users_until_closed_and_nothing_else(session: SparkSession) -> None:
    kept = session.sparkContext._jsc.getPersistentRDDs
    before = set(kept())
    with fit(session, frame(session, at_random()), PARAMS.model_copy(update={"iterations": 3}), seed=0):
        assert [rdd.name() for number, rdd in kept().items() if number not in before] == ["userFactors"]
    assert set(kept()) <= before


def at_random() -> sp.csr_matrix:
    """Weights of 60 users and 15 items, each with a cell, some with many; one of the first user's is 0."""
    rng = np.random.default_rng(5)
    chance = np.outer(rng.uniform(0.1, 1.0, 60), rng.uniform(0.1, 0.7, 15))
    is_touched = rng.random(chance.shape) < chance
    is_touched[np.arange(60), np.arange(60) % 15] = True
    weights = sp.csr_matrix(is_touched * rng.uniform(0.1, 5.0, chance.shape), dtype=np.float32)
    weights.data[0] = 0.0
    return weights


def frame(session: SparkSession, weights: sp.csr_matrix) -> DataFrame:
    cells = weights.tocoo()
    columns = {"user_row": cells.row, "item_row": cells.col, "weight": cells.data}
    return session.createDataFrame(pd.DataFrame(columns))


def both(fitted: Fitted, shape: tuple[int, int]) -> Both:
    """All factors; of a user or item without cells zeros."""
    rows = fitted.user_factors().collect()
    full = Both(*(np.zeros((n, PARAMS.factors)) for n in shape))
    full.users[[row.user_row for row in rows]] = [row.features for row in rows]
    full.items[fitted.item_rows] = fitted.item_factors
    return full


def parts(weights: sp.csr_matrix) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[NDArray[np.float64]]]:
    """Of each cell its confidence and whether it is touched; and the penalties of users and of items."""
    cells, shape = weights.tocoo(), weights.shape
    confidence, is_touched = np.ones(shape), np.zeros(shape, bool)
    confidence[cells.row, cells.col] += PARAMS.alpha * cells.data
    is_touched[cells.row, cells.col] = True
    counts = [is_touched.sum(axis=1), is_touched.sum(axis=0)]
    return confidence, is_touched, [PARAMS.regularization * n / n.mean() for n in counts]


def penalties(weights: sp.csr_matrix, factors: Both) -> list[float]:
    """Of all users and of all items."""
    _, _, penalty = parts(weights)
    return [float((of[:, None] * side**2).sum()) for of, side in zip(penalty, factors, strict=True)]


def loss(weights: sp.csr_matrix, factors: Both) -> float:
    """Of the local model, at regularization_scale 1."""
    confidence, is_touched, _ = parts(weights)
    error = is_touched - factors.users @ factors.items.T
    return float((confidence * error**2).sum()) + sum(penalties(weights, factors))


def gradient(weights: sp.csr_matrix, factors: Both) -> tuple[Both, Both]:
    """Half the gradient of the loss, and the part of it that is the penalty's."""
    confidence, is_touched, (of_users, of_items) = parts(weights)
    pull = confidence * (factors.users @ factors.items.T - is_touched)
    penalty = Both(of_users[:, None] * factors.users, of_items[:, None] * factors.items)
    return Both(pull @ factors.items + penalty.users, pull.T @ factors.users + penalty.items), penalty


def norms(side: NDArray[np.float64]) -> list[float]:
    """The length of each row: what a rotation of all factors does not change."""
    return np.linalg.norm(side, axis=1).tolist()
