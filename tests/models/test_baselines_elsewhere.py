"""The rules against other people's, or other ways of writing them, on a random shop.

popular, recently_popular and own_most_bought: pandas over the events. item_neighbours: implicit's
CosineRecommender. (RecTools does not install beside numpy 2.)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from implicit.nearest_neighbours import CosineRecommender

from pipeline.config import Filter, Run
from pipeline.models.baselines import ItemNeighbours, OwnMostBought, Popular
from pipeline.models.top_n import NOTHING
from pipeline.runs.folder import RunFolder
from pipeline.splits.history import History, opened
from tests.shelf import day, events

N_USERS, N_ITEMS, N_EVENTS, CUT, LENGTH = 50, 40, 1500, 90.0, 10
USERS = np.arange(N_USERS)


def shop() -> pd.DataFrame:
    """Every user buys; one event in three is a view; some items are bought far more than others."""
    rng = np.random.default_rng(11)
    n = N_EVENTS - N_USERS
    return pd.DataFrame(
        {
            "user": np.concatenate([USERS, rng.integers(0, N_USERS, n)]),
            "item": np.concatenate([USERS % N_ITEMS, (N_ITEMS * rng.random(n) ** 2).astype(int)]),
            "day": rng.uniform(0, CUT - 0.01, N_EVENTS),
            "kind": ["purchase"] * N_USERS + rng.choice(["purchase", "purchase", "view"], n).tolist(),
        }
    )


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return shop()


@pytest.fixture(scope="module")
def history(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    path: Path = tmp_path_factory.mktemp("rules")
    folder = RunFolder.create(path, "rules", day(CUT), {"user": "integer", "item": "integer"}, {})
    folder.write("purchaser_events", events(*frame.itertuples(index=False, name=None)))
    with opened([folder.file("purchaser_events")], day(CUT), Filter(), Run(), folder.scratch()) as history:
        assert history.user_ids.to_pylist() == USERS.tolist()
        assert history.item_ids.to_pylist() == list(range(N_ITEMS))
        yield history


def weighed(frame: pd.DataFrame, half_life: float) -> pd.DataFrame:
    bought = frame[frame["kind"] == "purchase"].copy()
    bought["weight"] = 2.0 ** ((bought["day"] - CUT) / half_life) if half_life else 1.0
    return bought


def ranked(weights: pd.Series, without: set[int]) -> list[int]:
    """Items by weight, ties by id."""
    table = weights.rename("weight").rename_axis("item").reset_index().round({"weight": 5})
    order = table.sort_values(["weight", "item"], ascending=[False, True])["item"]
    return [int(item) for item in order if item not in without][:LENGTH]


def bought_by(frame: pd.DataFrame, user: int) -> set[int]:
    return set(frame[(frame["kind"] == "purchase") & (frame["user"] == user)]["item"])


def listed(items: np.ndarray) -> list[list[int]]:
    return [[int(item) for item in row if item != NOTHING] for row in items]


@pytest.mark.parametrize("is_new_only", [False, True])
@pytest.mark.parametrize("half_life", [0.0, 7.0, 30.0])
def test_popular(history: History, frame: pd.DataFrame, half_life: float, is_new_only: bool) -> None:
    weights = weighed(frame, half_life).groupby("item")["weight"].sum()
    exclude = history.purchases() if is_new_only else None
    lists = Popular(half_life).fit(history).top_n(USERS, LENGTH, exclude)
    for user, items in enumerate(listed(lists.items)):
        assert items == ranked(weights, bought_by(frame, user) if is_new_only else set())


@pytest.mark.parametrize("half_life", [0.0, 7.0, 60.0])
def test_own_most_bought(history: History, frame: pd.DataFrame, half_life: float) -> None:
    bought = weighed(frame, half_life)
    lists = OwnMostBought(half_life).fit(history).top_n(USERS, LENGTH, None)
    for user, items in enumerate(listed(lists.items)):
        of_user = bought[bought["user"] == user]
        assert items == ranked(of_user.groupby("item")["weight"].sum(), set())


@pytest.mark.filterwarnings("ignore:Method expects CSR")
@pytest.mark.parametrize("is_new_only", [False, True])
def test_item_neighbours(history: History, frame: pd.DataFrame, is_new_only: bool) -> None:
    """The scores of implicit's own recommender, slot by slot, and its items wherever no two scores tie."""
    pairs = frame[frame["kind"] == "purchase"].drop_duplicates(["user", "item"])
    bought = sp.csr_matrix((np.ones(len(pairs)), (pairs["user"], pairs["item"])), shape=(N_USERS, N_ITEMS))
    theirs = CosineRecommender(K=N_ITEMS, num_threads=1)
    theirs.fit(bought, show_progress=False)
    theirs.similarity = theirs.similarity - sp.diags_array(theirs.similarity.diagonal())
    scores = np.asarray((bought @ theirs.similarity).todense())
    if is_new_only:
        scores[bought.toarray() > 0] = 0.0
    model = ItemNeighbours(neighbours=N_ITEMS, threads=1).fit(history)
    top = model.top_n(USERS, LENGTH, history.purchases() if is_new_only else None)
    wanted = -np.sort(-scores, axis=1)[:, :LENGTH]
    np.testing.assert_allclose(top.scores, wanted, rtol=1e-5, atol=1e-6)
    for user, items in enumerate(listed(top.items)):
        np.testing.assert_allclose(scores[user, items], wanted[user, : len(items)], rtol=1e-5)
