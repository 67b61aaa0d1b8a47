"""train and evaluate on the small shop of two tastes: every model, on purchases none of them saw."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from pipeline.errors import DamagedFile
from pipeline.evaluation.cold_items import NO_COLD_ITEMS
from pipeline.evaluation.session_lists import NO_BASKET
from pipeline.models.catalog import rules
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from tests.shelf import day, events, give, pairs
from tests.tastes import RACED


def rows(learnt: Job, mode: str) -> dict[str, dict[str, Any]]:
    """The rows of `metrics` of one mode, by model."""
    both = learnt.folder.table("metrics").to_pylist()
    return {row["model"]: row for row in both if row["repeat_purchases"] == mode}


def test_every_model_stands_beside_every_rule_and_what_would_be_published(learnt: Job) -> None:
    """In the mode that is not published, the rules, EASE and ALS alone."""
    assert set(rows(learnt, "exclude")) == {*RACED, "published"}
    assert set(rows(learnt, "allow")) == {*rules(), "ease", "als"}
    for mode in ("exclude", "allow"):
        for row in rows(learnt, mode).values():
            assert 0 <= row["ci_low"] <= row["precision_at_3"] <= row["ci_high"] <= 1
            assert row["precision_at_3"] <= row["ceiling_at_3"]
            assert 0 <= row["popular_share_at_3"] <= 1 <= row["novelty_at_3"] + 1
            assert 0 <= row["gini_at_3"] < 1
            assert 0 <= row["diversity_at_10"] <= 1
        assert len({row["n_users"] for row in rows(learnt, mode).values()}) == 1


def test_what_is_there_to_be_found_is_found(learnt: Job) -> None:
    """Two tastes; with new items only the user's own purchases are no help."""
    of = {name: row["precision_at_3"] for name, row in rows(learnt, "exclude").items()}
    for taught in ("als", "blend", "ranker", "item_neighbours"):
        assert of[taught] > 2 * of["popular"]
    assert of["own_most_bought"] == 0
    assert rows(learnt, "allow")["own_most_bought"]["precision_at_3"] > 0


def test_published_is_the_chosen_model_with_its_gaps_filled(learnt: Job) -> None:
    chosen = learnt.folder.document("best_params")["model"]
    row = rows(learnt, "exclude")
    assert row["published"]["precision_at_3"] >= row[chosen]["precision_at_3"]
    assert learnt.folder.document("comparison")["published"] == chosen


def test_the_mean_of_each_users_number_is_the_number(learnt: Job) -> None:
    users = learnt.folder.table("user_metrics")
    for name, row in rows(learnt, "exclude").items():
        of_model = users.filter(pc.equal(users["model"], name))
        assert of_model.num_rows == row["n_users"] == 20
        for measure in ("precision_at_3", "recall_at_10", "ndcg_at_10", "map_at_10", "hit_rate_at_10"):
            assert pc.mean(of_model[measure]).as_py() == pytest.approx(row[measure])


@pytest.mark.parametrize("model", ["als", "popular", "own_most_bought", "ranker"])
def test_published_is_whichever_was_chosen_in_the_mode_of_the_night(learnt: Job, model: str) -> None:
    """A list with gaps is filled by ALS's: own_most_bought, which knows nothing new, is all gap."""
    give(learnt.folder, best_params={**learnt.folder.document("best_params"), "model": model})
    run_stage("evaluate", learnt)
    row = rows(learnt, "exclude")
    same = row["als" if model == "own_most_bought" else model]
    for name in ("n_users", "precision_at_3", "ndcg_at_10", "coverage_at_3"):
        assert row["published"][name] == same[name]
    assert row["own_most_bought"]["precision_at_3"] == 0 < row["als"]["precision_at_3"]


def test_the_newest_examples_are_of_the_test(learnt: Job) -> None:
    examples = learnt.folder.table("latest_examples")
    assert pc.unique(examples["cut_at"]).to_pylist() == [day(86)]
    test = learnt.folder.table("test")
    bought: dict[tuple[int, int], datetime] = {}
    for user, item, at in pairs(test, "user_id", "item_id", "occurred_at"):
        bought[user, item] = min(at, bought.get((user, item), at))
    for user, item, at in pairs(examples, "user_id", "item_id", "bought_at"):
        assert at == bought.get((user, item))


def test_segments_hold_every_model(learnt: Job) -> None:
    """Of 20 measured users half prefer even items; groups below ten users have no row."""
    segments = learnt.folder.table("segment_metrics").to_pylist()
    assert {row["kind"] for row in segments} >= {"activity", "category"}
    assert min(row["n_users"] for row in segments) >= 10
    by_segment: dict[tuple[str, str], set[str]] = {}
    for row in segments:
        by_segment.setdefault((row["kind"], row["segment"]), set()).add(row["model"])
        assert 0 <= row["ci_low"] <= row["precision_at_3"] <= row["ci_high"] <= 1
    assert all(models == {*RACED, "published"} for models in by_segment.values())


def test_on_the_same_input_it_leaves_the_same_bytes(learnt: Job) -> None:
    names = (
        "model", "metrics", "user_metrics", "segment_metrics", "latest_examples", "comparison",
        "session_lists", "cold_items", "first_purchases",
    )  # fmt: skip
    files = [learnt.folder.file(name) for name in names] + sorted(learnt.folder.path.glob("model/*"))
    before = [file.read_bytes() for file in files]
    for stage in ("train", "evaluate"):
        run_stage(stage, learnt)
    assert [file.read_bytes() for file in files] == before


def test_lists_for_baskets_are_judged_and_said(learnt: Job, said: list[str]) -> None:
    """In the shop of two tastes nobody buys two items at once."""
    run_stage("evaluate", learnt)
    document = learnt.folder.document("session_lists")
    assert document["why"] == NO_BASKET
    assert (
        document["n_orders_of_one_item"] == pc.count_distinct(learnt.folder.table("test")["user_id"]).as_py()
    )
    assert any(f"session lists: not judged, {NO_BASKET}\n" in line for line in said)
    assert said[-1].endswith(", 0 session orders")


def test_new_items_are_judged_and_said(learnt: Job, said: list[str]) -> None:
    """In the shop of two tastes every item was bought long before the test."""
    run_stage("evaluate", learnt)
    document = learnt.folder.document("cold_items")
    assert (document["why"], document["new_items"]) == (NO_COLD_ITEMS, None)
    assert said[-2].endswith(f"new items: not judged, {NO_COLD_ITEMS}")


def test_refuses_a_model_of_other_events(learnt: Job) -> None:
    give(learnt.folder, train=events((1, 5, 0), (2, 6, 1)), validation_set=events((1, 6, 2)))
    with pytest.raises(DamagedFile, match="other events"):
        run_stage("evaluate", learnt)


def test_what_the_rerankers_learnt_is_written_down(learnt: Job) -> None:
    document = learnt.folder.document("model")
    assert min(document["blend"]["weights"].values()) >= 0
    assert np.isclose(sum(document["importance"].values()), 1)
