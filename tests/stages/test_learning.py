"""tune, train, evaluate, recommend, gate on one small shop of two tastes, step by step."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import optuna
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from pipeline.config import Settings
from pipeline.errors import DamagedFile
from pipeline.params import is_search_due
from pipeline.run import Job, run_stage
from pipeline.stages.tune import JOURNAL
from tests.shelf import day, events, give, pairs

AS_OF = day(100)
TUNE = {"trials": 3, "factors": (2, 8), "iterations": (2, 5)}
ITEMS = pa.table(
    {
        "item_id": pa.array(range(20)),
        "name": pa.array([f"item {n}" for n in range(20)]),
        "category": pa.array(["even" if n % 2 == 0 else "odd" for n in range(20)]),
        "price": pa.nulls(20, pa.float64()),
        "discount": pa.nulls(20, pa.float64()),
        "available": pa.array([None if n == 1 else n != 4 for n in range(20)]),
    }
)


def shop() -> pa.Table:
    """40 users, 20 items: even users buy even items, odd users odd ones, a purchase every few days."""
    rng = np.random.default_rng(5)
    return events(
        *(
            (user, 2 * int(rng.integers(0, 10)) + user % 2, float(at) + 0.01 * user)
            for user in range(40)
            for at in np.sort(rng.uniform(0, 99, 14))
        )
    )


@pytest.fixture
def night(job: Callable[..., Job], make_settings: Callable[..., Settings]) -> Job:
    """A run that has come as far as `split`."""
    made = job(as_of=AS_OF, settings=make_settings(tune=TUNE, recommend={"list_length": 5}))
    give(made.folder, purchaser_events=shop(), items=ITEMS, live={})
    run_stage("split", made)
    return made


def again(job: Job, settings: Settings) -> Job:
    return Job(job.folder, settings, job.databases, job.now, job.say, job.force)


def journal(night: Job) -> JournalStorage:
    """The study as it lies in the run folder."""
    return JournalStorage(JournalFileBackend(str(night.folder.path / JOURNAL)))


def best(night: Job) -> dict[str, Any]:
    return night.folder.document("best_params")


def test_tune_tries_what_it_was_told_and_keeps_the_best(night: Job) -> None:
    run_stage("tune", night)
    trials = night.folder.table("trials").to_pylist()
    assert [t["trial"] for t in trials] == [0, 1, 2]
    chosen = max(trials, key=lambda t: (t["precision_at_3"], -t["trial"]))
    told = best(night)
    assert told["source"] == "searched"
    assert told["n_trials"] == 3
    assert told["precision_at_3"] == chosen["precision_at_3"]
    assert told["als"]["factors"] == json.loads(chosen["params"])["factors"]
    assert told["searched_at"] == AS_OF.isoformat()


def test_a_search_that_goes_on_is_the_search_that_was_not_stopped(
    night: Job, make_settings: Callable[..., Settings], said: list[str]
) -> None:
    """Stopped after one trial, killed in the second, gone on with to three: the same trials."""
    run_stage("tune", night)
    straight = pairs(night.folder.table("trials"), "precision_at_3", "params")
    (night.folder.path / JOURNAL).unlink()
    one = again(night, make_settings(tune={**TUNE, "trials": 1}, recommend={"list_length": 5}))
    run_stage("tune", one)
    optuna.load_study(study_name=None, storage=journal(night)).ask()
    run_stage("tune", night)
    trials = night.folder.table("trials").to_pylist()
    assert [t["state"] for t in trials] == ["complete", "fail", "complete", "complete"]
    finished = [(t["precision_at_3"], t["params"]) for t in trials if t["state"] == "complete"]
    assert finished == straight
    assert len(set(straight)) == 3


def test_a_search_killed_in_its_first_trial_tries_the_start_again(night: Job) -> None:
    run_stage("tune", night)
    first = night.folder.table("trials").to_pylist()[0]["params"]
    name = journal(night).get_all_studies()[0].study_name
    (night.folder.path / JOURNAL).unlink()
    optuna.create_study(study_name=name, storage=journal(night), direction="maximize").ask()
    run_stage("tune", night)
    trials = night.folder.table("trials").to_pylist()
    assert trials[0]["state"] == "fail"
    assert trials[1]["params"] == first


def test_tune_twice_is_the_same_bytes(night: Job, said: list[str]) -> None:
    run_stage("tune", night)
    files = [night.folder.file(name) for name in ("trials", "best_params")]
    before, n_said = [file.read_bytes() for file in files], len([s for s in said if "tune: trial" in s])
    run_stage("tune", night)
    assert [file.read_bytes() for file in files] == before
    assert len([s for s in said if "tune: trial" in s]) == n_said == 3


def test_a_search_that_ran_out_of_time_is_not_gone_on_with(
    night: Job, make_settings: Callable[..., Settings]
) -> None:
    """Otherwise the same stage on the same input would try more each time."""
    short = again(night, make_settings(tune={**TUNE, "minutes": 1e-6}))
    run_stage("tune", short)
    assert night.folder.table("trials").num_rows == 1
    run_stage("tune", short)
    assert night.folder.table("trials").num_rows == 1


def test_a_run_of_the_past_does_not_know_later_parameters(night: Job) -> None:
    """What was learnt from events after this run's as_of would be measured on those events."""
    run_stage("tune", night)
    later = {"version": 3, "as_of": day(200).isoformat(), "params": best(night)}
    give(night.folder, live=later)
    run_stage("tune", night)
    assert best(night)["source"] == "searched"


def test_tune_reuses_the_live_parameters_while_the_search_is_young(
    night: Job, make_settings: Callable[..., Settings]
) -> None:
    run_stage("tune", night)
    live = {"version": 3, "as_of": AS_OF.isoformat(), "params": best(night)}
    give(night.folder, live=live)
    run_stage("tune", night)
    assert best(night)["source"] == "reused"
    assert best(night)["als"] == live["params"]["als"]
    assert night.folder.table("trials").num_rows == 0


@pytest.mark.parametrize(
    ("mode", "searched_days_ago", "searched_for", "is_due"),
    [
        ("auto", 0, "exclude", False),
        ("auto", 6.9, "exclude", False),
        ("auto", 7, "exclude", True),
        ("auto", 1, "allow", True),
        ("auto", None, "exclude", True),
        ("always", 0, "exclude", True),
        ("never", 99, "exclude", False),
    ],
)
def test_when_a_search_is_due(
    make_settings: Callable[..., Settings],
    mode: str,
    searched_days_ago: float | None,
    searched_for: str,
    is_due: bool,
) -> None:
    settings = make_settings(tune={"mode": mode})
    searched_at = (
        None if searched_days_ago is None else (AS_OF - timedelta(days=searched_days_ago)).isoformat()
    )
    params = {
        "als": settings.als.model_dump(),
        "weights": settings.weights.model_dump(),
        "searched_at": searched_at,
        "repeat_purchases": searched_for,
    }
    assert is_search_due({"params": params}, settings, AS_OF) is is_due


def test_a_first_night_searches_and_never_uses_the_settings(
    night: Job, make_settings: Callable[..., Settings]
) -> None:
    assert is_search_due({}, night.settings, AS_OF)
    run_stage("tune", again(night, make_settings(tune={**TUNE, "mode": "never"})))
    assert best(night)["source"] == "settings"
    assert best(night)["als"] == night.settings.als.model_dump()


def test_evaluate_prints_the_model_beside_every_rule_in_both_modes(night: Job) -> None:
    for stage in ("tune", "train", "evaluate"):
        run_stage(stage, night)
    rows = night.folder.table("metrics").to_pylist()
    models = {"als", "als_500_3_001", "item_neighbours", "own_most_bought", "popular", "recently_popular"}
    for mode in ("exclude", "allow"):
        assert {row["model"] for row in rows if row["repeat_purchases"] == mode} == models
    for row in rows:
        assert 0 <= row["ci_low"] <= row["precision_at_3"] <= row["ci_high"] <= 1
        assert row["precision_at_3"] <= row["ceiling_at_3"]
    of = {row["model"]: row["precision_at_3"] for row in rows if row["repeat_purchases"] == "exclude"}
    assert of["als"] > of["popular"], "two tastes are there to be found"
    assert of["own_most_bought"] == 0, "only new items count, and it knows none"
    users = night.folder.table("user_metrics").to_pylist()
    assert {row["model"] for row in users} == models
    mean = np.mean([row["precision_at_3"] for row in users if row["model"] == "als"])
    assert mean == pytest.approx(of["als"])


def test_evaluate_refuses_a_model_of_other_events(night: Job) -> None:
    for stage in ("tune", "train"):
        run_stage(stage, night)
    told = night.folder.receipt("train")
    give(night.folder, train=events((1, 5, 0), (2, 6, 1)), validation_set=events((1, 6, 2)))
    assert told
    with pytest.raises(DamagedFile, match="other events"):
        run_stage("evaluate", night)


@pytest.fixture
def published(night: Job) -> Job:
    run_stage("tune", night)
    run_stage("recommend", night)
    return night


def test_lists_hold_no_bought_no_unavailable_item_no_gap_no_repeat(published: Job) -> None:
    bought = set(pairs(shop(), "user_id", "item_id"))
    rows = pairs(published.folder.table("recommendations"), "user_id", "item_id", "rank")
    assert not {(user, item) for user, item, _ in rows} & bought
    assert 4 not in {item for _, item, _ in rows}
    assert 1 in published.folder.table("similar_items")["item_id"].to_pylist(), "unknown is available"
    lists: dict[int, list[tuple[int, int]]] = {}
    for user, item, rank in rows:
        lists.setdefault(user, []).append((rank, item))
    for entries in lists.values():
        assert [rank for rank, _ in entries] == list(range(1, len(entries) + 1))
        assert len({item for _, item in entries}) == len(entries) <= 5


def test_every_recommendation_says_why(published: Job) -> None:
    bought = set(pairs(shop(), "user_id", "item_id"))
    for row in published.folder.table("recommendations").to_pylist():
        assert row["reason"] == "similar_to_purchase"
        assert (row["user_id"], row["because_item_id"]) in bought


def test_with_repeats_allowed_what_was_bought_is_bought_again(
    night: Job, make_settings: Callable[..., Settings]
) -> None:
    allow = again(night, make_settings(tune=TUNE, run={"repeat_purchases": "allow"}))
    run_stage("tune", allow)
    run_stage("recommend", allow)
    bought = set(pairs(shop(), "user_id", "item_id"))
    rows = allow.folder.table("recommendations").to_pylist()
    again_rows = [row for row in rows if row["reason"] == "bought_again"]
    assert again_rows
    for row in rows:
        assert ((row["user_id"], row["item_id"]) in bought) == (row["reason"] == "bought_again")
        assert (row["because_item_id"] is None) == (row["reason"] == "bought_again")


def test_popular_lists_are_ranked_for_the_shop_and_each_category(published: Job) -> None:
    rows = published.folder.table("popular_items").to_pylist()
    assert {row["category"] for row in rows} == {"all", "even", "odd"}
    for category in ("all", "even", "odd"):
        of = [row for row in rows if row["category"] == category]
        assert [row["rank"] for row in of] == list(range(1, len(of) + 1))
        assert [row["score"] for row in of] == sorted((row["score"] for row in of), reverse=True)
        assert 4 not in {row["item_id"] for row in of}
    assert all(row["item_id"] % 2 == 0 for row in rows if row["category"] == "even")


def test_the_shops_list_is_long_enough_for_an_unknown_user(
    night: Job, make_settings: Callable[..., Settings]
) -> None:
    short = again(night, make_settings(tune={"mode": "never"}, recommend={"popular_length": 2}))
    for stage in ("tune", "recommend"):
        run_stage(stage, short)
    categories = short.folder.table("popular_items")["category"].to_pylist()
    assert {name: categories.count(name) for name in set(categories)} == {"all": 19, "even": 2, "odd": 2}


def test_similar_items_share_the_taste(published: Job) -> None:
    rows = published.folder.table("similar_items").to_pylist()
    first = [row for row in rows if row["rank"] == 1]
    assert np.mean([(row["item_id"] + row["similar_item_id"]) % 2 == 0 for row in first]) > 0.8
    assert all(row["item_id"] != row["similar_item_id"] for row in rows)


def test_without_an_items_table_every_item_may_be_shown(
    job: Callable[..., Job], make_settings: Callable[..., Settings]
) -> None:
    bare = job(as_of=AS_OF, settings=make_settings(tune={"mode": "never"}))
    give(bare.folder, purchaser_events=shop(), live={})
    for stage in ("split", "tune", "recommend"):
        run_stage(stage, bare)
    assert set(bare.folder.table("popular_items")["category"].to_pylist()) == {"all"}


def test_recommend_twice_is_the_same_bytes(published: Job) -> None:
    files = [published.folder.file(name) for name in ("recommendations", "popular_items", "similar_items")]
    before = [file.read_bytes() for file in files]
    run_stage("recommend", published)
    assert [file.read_bytes() for file in files] == before


def test_the_gate_lets_good_lists_pass(published: Job) -> None:
    run_stage("train", published)
    run_stage("evaluate", published)
    run_stage("gate", published)
    decision = published.folder.document("decision")
    assert decision["publish"]
    assert not decision["forced"]
    assert decision["reasons"] == []


def _bad_list(published: Job, **changes: pa.Array) -> None:
    lists = published.folder.table("recommendations")
    for name, values in changes.items():
        lists = lists.set_column(lists.column_names.index(name), name, values)
    give(published.folder, recommendations=lists)


@pytest.mark.parametrize("is_forced", [False, True])
def test_the_gate_refuses_a_list_that_holds_an_item_twice(published: Job, is_forced: bool) -> None:
    for stage in ("train", "evaluate"):
        run_stage(stage, published)
    lists = published.folder.table("recommendations")
    _bad_list(published, item_id=pa.array([lists["item_id"][0].as_py()] * len(lists)))
    run_stage(
        "gate",
        Job(published.folder, published.settings, published.databases, AS_OF, published.say, is_forced),
    )
    decision = published.folder.document("decision")
    assert decision["publish"] is is_forced
    assert decision["forced"] is is_forced
    assert any("recommendations" in reason for reason in decision["reasons"])


@pytest.mark.parametrize("name", ["popular_items", "similar_items"])
def test_the_gate_looks_at_every_kind_of_list(published: Job, name: str) -> None:
    for stage in ("train", "evaluate"):
        run_stage(stage, published)
    lists = published.folder.table(name)
    give(published.folder, **{name: lists.set_column(1, "rank", pc.add(lists["rank"], 1000))})
    run_stage("gate", published)
    decision = published.folder.document("decision")
    assert not decision["publish"]
    assert f"`{name}`: not true: no list is longer" in " ".join(decision["reasons"])


def test_the_gate_refuses_empty_lists(published: Job) -> None:
    for stage in ("train", "evaluate"):
        run_stage(stage, published)
    give(published.folder, recommendations=published.folder.table("recommendations").slice(0, 0))
    run_stage("gate", published)
    decision = published.folder.document("decision")
    assert not decision["publish"]
    assert "`recommendations` is empty" in decision["reasons"][0]
