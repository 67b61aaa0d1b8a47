"""The registry of models: its order, its kinds, and that one entry is all that a new rule needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Settings
from pipeline.models import catalog
from pipeline.models.baselines import Popular
from pipeline.models.catalog import MODELS, ModelEntry
from pipeline.models.params import HALF_LIVES, Params
from pipeline.models.top_n import NOTHING
from pipeline.ranking.reranker import FITTERS
from pipeline.ranking.saved import STORAGES
from pipeline.report import build
from pipeline.runs.folder import RunFolder
from pipeline.runs.run_stage import run_stage
from pipeline.settings.learning import RACERS
from tests import corner, tastes
from tests.report.pages import text
from tests.shelf import give


def test_the_order_of_the_models_is_promised() -> None:
    """Between equal models it decides, and with it the bytes of what a run leaves."""
    rules = ("popular", "recently_popular", "own_most_bought", "item_neighbours", "als_500_3_001")
    assert catalog.rules() == rules
    assert catalog.rerankers() == ("blend", "ranker")
    assert tuple(MODELS) == (*rules, "ncf", "ease", "als", "blend", "ranker")
    assert all(name == entry.name and entry.title for name, entry in MODELS.items())


def test_the_learnt_models_may_race_in_the_order_of_the_catalogue() -> None:
    """All but the neural network do, unless `models.race` says otherwise."""
    learnt = [name for name in MODELS if name not in catalog.rules()]
    assert list(RACERS) == learnt
    assert list(catalog.raced(Settings())) == [name for name in MODELS if name != "ncf"]
    only = Settings.model_validate({"models": {"race": ["ranker", "ncf"]}})
    assert list(catalog.raced(only)) == [*catalog.rules(), "ncf", "ranker"]


def test_every_reranker_can_be_fitted_and_stored() -> None:
    assert set(catalog.rerankers()) == set(FITTERS) == set(STORAGES)


def test_every_other_model_is_built_under_its_name(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    params = Params.configured(settings)
    for name in (*catalog.rules(), catalog.EASE, catalog.ALS):
        assert catalog.build(name, params, settings).name == name
    for name in (*catalog.rerankers(), catalog.NCF, "oracle"):
        with pytest.raises(KeyError):
            catalog.build(name, params, settings)
    assert set(HALF_LIVES) <= set(catalog.rules())


RANKED = [name for name, entry in MODELS.items() if entry.build]


@pytest.mark.parametrize("name", RANKED)
def test_every_model_has_a_test_of_its_own(name: str, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    model = type(catalog.build(name, Params.configured(settings), settings)).__name__
    tests = (path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert any(f"{model}(" in text for text in tests)


@pytest.mark.parametrize("name", RANKED)
def test_no_model_lists_what_is_hidden_or_left_out_or_an_item_twice(
    name: str, run_folder: Callable[..., RunFolder], make_settings: Callable[..., Settings]
) -> None:
    settings, users = make_settings(als={"factors": 2}), np.arange(3)
    with corner.history(run_folder(), corner.BEFORE) as (history, _):
        ranker = catalog.build(name, Params.configured(settings), settings).fit(history)
        bought = history.purchases()
    top = ranker.top_n(users, 5, None)
    assert top.items.tobytes() == ranker.top_n(users, 5, None).items.tobytes()
    for items, scores in zip(top.items, top.scores, strict=True):
        n = int((items != NOTHING).sum())
        assert (items[n:] == NOTHING).all()
        assert len(set(items[:n])) == n
        assert (np.diff(scores[:n]) <= 0).all()
    for user, items in zip(users, ranker.top_n(users, 5, bought).items, strict=True):
        assert not set(items) & set(bought[user].indices)
    for item in range(history.shape[1]):
        assert item not in ranker.hide(np.array([item])).top_n(users, 5, None).items


@pytest.mark.parametrize("chosen", ["als", "made_up"])
def test_a_new_rule_is_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str) -> None:
    """The race, `evaluate` (both modes, each user, the comparison), `recommend` and the report take it."""
    entry = ModelEntry("made_up", "rule", "Made-up picks", lambda params, settings: Popular(3.0, "made_up"))
    monkeypatch.setitem(MODELS, entry.name, entry)
    night = tastes.night_at(
        tmp_path, "split", "tune", "train", tune={"mode": "never"}, ranking={"windows": 1}
    )
    document = night.folder.document("best_params")
    assert {row["model"] for row in document["race"]} >= {"made_up", "als", "popular"}
    document["model"] = chosen
    give(night.folder, best_params=document)
    run_stage("evaluate", night)
    rows = night.folder.table("metrics").to_pylist()
    modes = {row["repeat_purchases"] for row in rows if row["model"] == "made_up"}
    assert modes == {"exclude", "allow"}
    assert "made_up" in night.folder.table("user_metrics")["model"].to_pylist()
    assert "made_up" in night.folder.table("segment_metrics")["model"].to_pylist()
    assert night.folder.document("comparison")["published"] == chosen
    run_stage("recommend", night)
    assert night.folder.table("recommendations").num_rows
    page = text(build(night.folder, night.settings).read_text(encoding="utf-8"))
    assert "Made-up picks" in page
