"""NCF in the race: candidates in the order of its scores, and nothing for whom it does not know."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.evaluation.at_cut import trained
from pipeline.models.ncf import UNKNOWN, NcfWeights
from pipeline.models.top_n import NOTHING
from pipeline.ranking.fitted import FittedModels
from pipeline.ranking.neural import NeuralRanker
from pipeline.runs.job import Job
from pipeline.splits import folds

USERS = np.arange(40)


@pytest.fixture
def models(learnt: Job) -> Iterator[FittedModels]:
    with trained(learnt.folder, learnt.settings, folds.tests(learnt.folder)[0]) as models:
        yield models


def by_number(models: FittedModels) -> NcfWeights:
    """GMF alone, of one factor: an item's score is its number. User 3 and item 0 are not known."""
    n_users, n_items = models.history.shape
    arrays = {
        "user_gmf": np.ones((n_users, 1), np.float32),
        "item_gmf": np.arange(n_items, dtype=np.float32)[:, None],
        "weight_out": np.ones(1, np.float32),
        "bias_out": np.zeros(1, np.float32),
    }
    users, items = np.arange(n_users), np.arange(n_items)
    users[3], items[0] = UNKNOWN, UNKNOWN
    return NcfWeights(arrays, models.history.user_ids, models.history.item_ids).with_places(users, items)


def ranker(models: FittedModels) -> NeuralRanker:
    vars(models)["ncf"] = by_number(models)
    found = models.ranker("ncf")
    assert isinstance(found, NeuralRanker)
    return found


def test_lists_are_the_candidates_of_the_mode_by_score(models: FittedModels) -> None:
    bought, neural = models.history.purchases(), ranker(models)
    for exclude in (bought, None):
        top = neural.top_n(USERS, 5, exclude)
        table = neural.candidates[exclude is not None].table(USERS)
        for user, items in enumerate(top.items):
            known = table.items[(table.slots == user) & (table.items != 0) & (user != 3)]
            best = np.sort(known)[::-1][:5].tolist()
            assert items.tolist() == best + [NOTHING] * (5 - len(best))
            assert exclude is None or not set(items) & set(bought[user].indices)
    assert (top.items[3] == NOTHING).all(), "who is not known gets nothing"
    assert 0 not in top.items


def test_what_is_hidden_is_shown_to_nobody(models: FittedModels) -> None:
    neural = ranker(models)
    shown = neural.top_n(USERS, 5, None).items
    best = int(shown[0, 0])
    assert best not in neural.hide(np.array([best])).top_n(USERS, 5, None).items


def test_who_gets_nothing_is_served_by_others(models: FittedModels) -> None:
    filled = models.filled(ranker(models)).top_n(USERS, 5, None)
    assert (filled.items != NOTHING).all()


def test_it_is_not_fitted_where_it_does_not_race(models: FittedModels) -> None:
    assert "ncf" not in dict(models.rankers({}))
    assert "ncf" not in vars(models)
