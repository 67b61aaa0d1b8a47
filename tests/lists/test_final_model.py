"""pipeline/lists/final_model.py and personal.py: a model of the shop of two tastes, everybody's list."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.lists.evidence import DATASETS, evidence_of
from pipeline.lists.final_model import FinalModel, fit_final_model
from pipeline.lists.personal import user_lists
from pipeline.models.params import Params
from pipeline.runs.job import Job
from pipeline.splits.history import opened
from tests import tastes
from tests.shelf import day, events


@pytest.fixture(params=["als", "ranker", "popular"])
def model(learnt: Job, request: pytest.FixtureRequest) -> Iterator[FinalModel]:
    """Fitted with each kind of model; user 100 only looked at things."""
    folder, settings = learnt.folder, learnt.settings
    params = Params.read(folder.document("best_params")).but(model=request.param)
    training_rows = [folder.dataset(name) for name in ("examples", "latest_examples")]
    folder.write("browser_events", events((100, 3, 90, "view"), (100, 5, 91, "view")))
    files = [folder.file("purchaser_events")]
    with opened(files, tastes.AS_OF, settings.filter, settings.run, folder.scratch()) as history:
        yield fit_final_model(
            history,
            params,
            settings,
            folder.file("items"),
            training_rows,
            folder.file("browser_events"),
            day(100),
        )


def test_buyers_and_browsers_have_lists_in_the_order_of_their_ids(learnt: Job, model: FinalModel) -> None:
    beside = {name: learnt.folder.file(name) for name in DATASETS}
    history, items = model.fitted.history, learnt.folder.file("items")
    evidence = evidence_of(history, beside, items, day(100), is_bought_shown=False, timezone="UTC")
    table = pa.Table.from_batches(list(user_lists(model.audiences, model.factors, evidence, 3)))
    users = table["user_id"].to_pylist()
    assert users == sorted(users)
    assert pc.unique(table["user_id"]).to_pylist() == [*range(40), 100]
    assert set(table["rank"].to_pylist()) <= {1, 2, 3}
    assert 4 not in table["item_id"].to_pylist(), "it is not available"


def test_what_is_not_available_is_hidden_from_everything_that_lists(model: FinalModel) -> None:
    assert model.hidden.tolist() == [4]
    assert model.factors.hidden.tolist() == [4]
    assert [len(audience.user_ids) for audience in model.audiences] == [40, 1]


def test_cold_counts(model: FinalModel) -> None:
    """Everybody bought on 14 days, of things that are still there; every item is older than two weeks."""
    assert model.cold_counts() == {"n_thin_users": 0, "n_users_items_gone": 0, "n_new_items": 0}
