"""train and evaluate over three cuts of one test: each cut measured with what was known before it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.contract.datasets import FALLBACK, PUBLISHED
from pipeline.errors import DamagedFile
from pipeline.evaluation import comparison, metrics
from pipeline.evaluation.at_cut import at, judge_of, left_by, trained
from pipeline.evaluation.judge import Judge
from pipeline.models import als as als_module
from pipeline.models.catalog import rerankers, rules
from pipeline.models.params import Params
from pipeline.ranking.reranker import fit_rerankers
from pipeline.ranking.saved import read_item_factors
from pipeline.ranking.training_rows import TrainingRows
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from pipeline.splits.history import opened
from tests import tastes
from tests.shelf import day, events, give
from tests.tastes import RACED

CUTS = [day(86 + 14 * place / 3) for place in range(3)]
FILES = {CUTS[0]: "model/als.npz", CUTS[2]: "model/als_2.npz"}
JUDGED = ("metrics", "user_metrics", "segment_metrics", "latest_examples", "comparison", "fallback")


@pytest.fixture(scope="module")
def rolled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The night on the shop of two tastes, its test rolled over three cuts, as far as `evaluate`."""
    path = tmp_path_factory.mktemp("rolled")
    job = tastes.night_at(path, "split", "tune")
    tastes.roll(job, 3)
    for stage in ("train", "evaluate"):
        run_stage(stage, job)
    return path


@pytest.fixture
def rolled(rolled_once: Path, tmp_path: Path, said: list[str]) -> Job:
    shutil.copytree(rolled_once, tmp_path / "rolled")
    return tastes.job_at(tmp_path / "rolled", said.append)


def main_rows(job: Job) -> dict[str, dict[str, Any]]:
    rows = job.folder.table("metrics").to_pylist()
    return {row["model"]: row for row in rows if row["repeat_purchases"] == "exclude"}


def of_cuts(table: pa.Table, cuts: list[datetime]) -> pa.Table:
    return table.filter(pc.is_in(table["cut_at"], value_set=pa.array(cuts, table["cut_at"].type)))


def contents(job: Job, *names: str) -> dict[str, bytes]:
    return {name: job.folder.file(name).read_bytes() for name in names}


@pytest.mark.parametrize("is_large", [False, True])
def test_als_knows_what_lies_before_each_cut_its_items_what_lay_there_a_week_ago_at_most(
    rolled: Job, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    """At the second cut, four days after the first, the users' factors alone are new."""
    if is_large:
        monkeypatch.setattr(als_module, "LARGE", 0)
        run_stage("train", rolled)
    folder, settings = rolled.folder, rolled.settings
    als = Params.read(folder.document("best_params")).als_model(settings)
    n_events, oldest, earlier, start = [], None, None, read_item_factors(folder)
    for fold in folds.tests(folder):
        with opened(fold.before, fold.cut_at, settings.filter, settings.run, folder.scratch()) as history:
            expected = als.fit(history, start) if fold.cut_at in FILES else als.carried(oldest, history)
            if fold.cut_at not in FILES:
                np.testing.assert_array_equal(expected.item_factors, oldest.item_factors)
                assert not np.array_equal(expected.user_factors, oldest.user_factors)
            oldest, start = oldest or expected, expected.of_items()
            n_events.append(history.purchases().sum())
        with trained(folder, settings, fold, earlier) as models:
            np.testing.assert_array_equal(models.factors.user_factors, expected.user_factors)
            np.testing.assert_array_equal(models.factors.item_factors, expected.item_factors)
            earlier = left_by(models, fold, earlier)
    assert n_events == sorted(set(n_events)), "each knows more than the one before"
    document = folder.document("model")
    assert {datetime.fromisoformat(cut["cut_at"]): cut["file"] for cut in document["cuts"]} == FILES
    assert document["cut_at"] == CUTS[0].isoformat()
    assert folder.receipt("train")["counts"]["n_cuts"] == len(FILES)
    assert set(FILES.values()) <= set(folder.receipt("train")["files"])


def test_the_numbers_are_those_of_the_cuts_one_by_one(rolled: Job) -> None:
    """Each cut judged by hand, in both modes: as many measurements, and the mean over all of them.

    Plain ALS is fitted at the oldest cut alone, item neighbours a week later too.
    """
    folder, settings = rolled.folder, rolled.settings
    for mode, excludes in (("exclude", True), ("allow", False)):
        values: dict[str, list[float]] = {name: [] for name in rules()}
        earlier = None
        for fold in folds.tests(folder):
            with trained(folder, settings, fold, earlier) as models:
                earlier = left_by(models, fold, earlier, with_plain=True)
                judge = Judge.of(models.history, fold, excludes_repeats=excludes)
                for name in rules():
                    hits = judge.hits(judge.lists(models.ranker(name)))
                    values[name] += metrics.precision_at_k(hits, 3).tolist()
        rows = {
            row["model"]: row
            for row in folder.table("metrics").to_pylist()
            if row["repeat_purchases"] == mode
        }
        for name, measured in values.items():
            assert rows[name]["n_users"] == len(measured) > rows[name]["n_buyers"]
            assert rows[name]["precision_at_3"] == pytest.approx(np.mean(measured))


def test_every_model_is_measured_at_every_cut(rolled: Job, said: list[str]) -> None:
    rows, users = main_rows(rolled), rolled.folder.table("user_metrics")
    assert set(rows) >= {*RACED, PUBLISHED}
    for name, row in rows.items():
        of_model = users.filter(pc.equal(users["model"], name))
        assert pc.unique(of_model["cut_at"]).to_pylist() == CUTS
        assert of_model.num_rows == row["n_users"]
        assert pc.count_distinct(of_model["user_id"]).as_py() == row["n_buyers"]
        assert pc.mean(of_model["precision_at_3"]).as_py() == pytest.approx(row["precision_at_3"])
    counts = rolled.folder.receipt("evaluate")["counts"]
    assert counts["n_measured_users"] == rows["als"]["n_users"] > counts["n_measured_buyers"]
    run_stage("evaluate", rolled)
    who = f"{rows['als']['n_users']} measurements of {rows['als']['n_buyers']} buyers"
    assert any(who in line for line in said)


def test_segments_and_session_lists_are_of_every_cut_training_rows_a_week_apart(
    rolled: Job,
) -> None:
    folder = rolled.folder
    learnt = pc.unique(folder.table("latest_examples")["cut_at"]).to_pylist()
    assert learnt == [CUTS[0], CUTS[2]], "a week apart"
    row = main_rows(rolled)[PUBLISHED]
    of_category = [
        segment
        for segment in folder.table("segment_metrics").to_pylist()
        if (segment["kind"], segment["model"]) == ("category", PUBLISHED)
    ]
    assert sum(segment["n_users"] for segment in of_category) == row["n_users"], "even and odd, at all cuts"
    assert sum(segment["n_buyers"] for segment in of_category) == row["n_buyers"]
    document = folder.document("session_lists")
    assert document["n_cuts"] == 3
    test = folder.table("test").filter(pc.equal(folder.table("test")["event_type"], "purchase"))
    at_cuts = sum(
        pc.count_distinct(
            test.filter(pc.and_(pc.greater_equal(test["occurred_at"], a), pc.less(test["occurred_at"], b)))[
                "user_id"
            ]
        ).as_py()
        for a, b in zip(CUTS, [*CUTS[1:], day(100)], strict=True)
    )
    assert document["n_orders_of_one_item"] == at_cuts


def test_nothing_after_a_cut_changes_what_is_judged_at_it_but_its_own_held_out_purchases(rolled: Job) -> None:
    """After the newest cut everybody buys the other taste, and new items and users come: the older cuts are
    measured as before, user by user, with the same models and training rows."""
    folder = rolled.folder
    users, rows = folder.table("user_metrics"), folder.table("latest_examples")
    models = {name: (folder.path / name).read_bytes() for name in FILES.values()}
    test = folder.table("test")
    kept = test.filter(pc.less(test["occurred_at"], pa.scalar(CUTS[2], test["occurred_at"].type)))
    other = [(user, 2 * n + (user + 1) % 2, 95.4 + 0.01 * user) for user in range(40) for n in range(6)]
    other += [(user, 777, 96) for user in range(40)] + [(999, item, 97) for item in range(20)]
    give(folder, test=pa.concat_tables([kept, events(*other).cast(test.schema)]))
    for stage in ("train", "evaluate"):
        run_stage(stage, rolled)
    assert {name: (folder.path / name).read_bytes() for name in FILES.values()} == models
    now, rows_now = folder.table("user_metrics"), folder.table("latest_examples")
    for name in (*RACED, PUBLISHED):
        before, after = (table.filter(pc.equal(table["model"], name)) for table in (users, now))
        assert of_cuts(before, CUTS[:2]).equals(of_cuts(after, CUTS[:2])), name
        assert not of_cuts(before, CUTS[2:]).equals(of_cuts(after, CUTS[2:])), "so that this test can fail"
    known, known_now = (TrainingRows.read(table, until=CUTS[2]) for table in (rows, rows_now))
    assert known.features.tobytes() == known_now.features.tobytes(), "as far as the newest cut may know them"
    assert known.is_bought.tolist() == known_now.is_bought.tolist()
    assert rows.num_rows != rows_now.num_rows, "so that this test can fail"


def test_what_lies_between_two_cuts_is_known_at_the_later_one_alone(rolled: Job) -> None:
    """Before the second cut everybody buys the other taste: the model of the first cut does not change, that
    of the third does."""
    folder = rolled.folder
    before = [(folder.path / name).read_bytes() for name in FILES.values()]
    test = folder.table("test")
    other = [(user, 2 * n + (user + 1) % 2, 88 + 0.01 * user) for user in range(40) for n in range(6)]
    give(folder, test=pa.concat_tables([test, events(*other).cast(test.schema)]))
    run_stage("train", rolled)
    after = [(folder.path / name).read_bytes() for name in FILES.values()]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False]


def test_on_the_same_input_it_leaves_the_same_bytes(rolled: Job) -> None:
    before = (
        contents(rolled, *JUDGED, "model"),
        [(rolled.folder.path / name).read_bytes() for name in FILES.values()],
    )
    for stage in ("train", "evaluate"):
        run_stage(stage, rolled)
    after = (
        contents(rolled, *JUDGED, "model"),
        [(rolled.folder.path / name).read_bytes() for name in FILES.values()],
    )
    assert after == before


def test_what_an_evaluate_left_that_was_stopped_does_not_matter(rolled: Job) -> None:
    """It was at work on two cuts and had written its files, when it was stopped before its receipt."""
    before = contents(rolled, *JUDGED)

    def stop(line: str) -> None:
        if "evaluate" not in line and "repeat_purchases" in line:
            raise KeyboardInterrupt(line)

    tastes.roll(rolled, 2)
    run_stage("train", rolled)
    with pytest.raises(KeyboardInterrupt):
        run_stage("evaluate", replace(rolled, say=stop))
    assert not rolled.folder.receipt("evaluate")
    assert contents(rolled, "latest_examples") != {"latest_examples": before["latest_examples"]}
    tastes.roll(rolled, 3)
    for stage in ("train", "evaluate"):
        run_stage(stage, rolled)
    assert contents(rolled, *JUDGED) == before


def test_fewer_cuts_leave_no_model_of_those_that_are_gone(rolled: Job) -> None:
    tastes.roll(rolled, 1)
    run_stage("train", rolled)
    assert [path.name for path in sorted(rolled.folder.path.glob("model/*.npz"))] == ["als.npz"]


def test_models_of_other_cuts_are_refused(rolled: Job) -> None:
    tastes.roll(rolled, 2)
    with pytest.raises(DamagedFile, match="fitted at other cuts") as refused:
        run_stage("evaluate", rolled)
    assert "run train" in refused.value.then


def test_the_live_model_is_fitted_again_at_the_same_cuts(rolled: Job) -> None:
    folder, settings = rolled.folder, rolled.settings
    als = {**folder.document("best_params")["als"], "factors": 1, "iterations": 1}
    params = {**folder.document("best_params"), "model": "als", "als": als}
    give(folder, live={"version": 4, "as_of": tastes.AS_OF.isoformat(), "params": params})
    run_stage("evaluate", rolled)
    then = Params.published(folder.document("live"), settings)
    assert then is not None
    values: list[float] = []
    earlier = None
    for fold in folds.tests(folder):
        items, spill = folder.dataset("items"), folder.scratch()
        with at(fold, then, settings, items, spill, earlier=earlier) as models:
            earlier = left_by(models, fold, earlier)
            judge = judge_of(models, fold)
            values += metrics.precision_at_k(judge.hits(judge.lists(models.factors, 3)), 3).tolist()
    row = next(row for row in folder.document("comparison")["against"] if row["against"] == "live")
    assert row["precision_at_3"] == np.mean(values)
    assert row["n_users"] == len(values) > row["n_buyers"]
    assert row["ci_low"] < row["difference"] < row["ci_high"]


def test_rerankers_are_fitted_anew_where_they_are_a_week_old(rolled: Job) -> None:
    """By hand: those of `train` at the first two cuts, at the third what was bought until then counts too."""
    folder, settings = rolled.folder, rolled.settings
    users = folder.table("user_metrics")
    rows = [folder.table("examples"), of_cuts(folder.table("latest_examples"), CUTS[:1])]
    stale, fresh = (
        fit_rerankers(tables, cut, settings) for tables, cut in ((rows[:1], CUTS[0]), (rows, CUTS[2]))
    )
    earlier = None
    for fold, is_fresh in zip(folds.tests(folder), (False, False, True), strict=True):
        with trained(folder, settings, fold, earlier) as models:
            earlier = left_by(models, fold, earlier)
            judge = judge_of(models, fold)
            by_hand = [
                {
                    name: judge.scores(judge.lists(models.ranker(name, scorers[name])))["ndcg_at_10"].tolist()
                    for name in rerankers()
                }
                for scorers in (stale, fresh)
            ]
            measured = {
                name: of_cuts(users.filter(pc.equal(users["model"], name)), [fold.cut_at])["ndcg_at_10"]
                for name in rerankers()
            }
            assert {name: values.to_pylist() for name, values in measured.items()} == by_hand[is_fresh]
    assert by_hand[0] != by_hand[1], "so that this test can fail"


def test_a_live_reranker_is_fitted_again_as_tonights_is(rolled: Job) -> None:
    """With tonight's parameters it has tonight's numbers, measurement by measurement."""
    users = rolled.folder.table("user_metrics")
    for name in rerankers():
        params = replace(Params.read(rolled.folder.document("best_params")), model=name)
        of_model = users.filter(pc.equal(users["model"], name))
        again = comparison.fitted_again(rolled, params)
        assert again is not None
        assert again.tolist() == of_model["precision_at_3"].to_pylist()


def test_a_rule_that_stays_live_is_measured_at_every_cut(rolled: Job) -> None:
    rule = {"model": "popular", "n_nights_not_lost": 0, "chosen_on_test_from": day(50).isoformat()}
    live = {"version": 1, "as_of": day(99).isoformat(), "repeat_purchases": "exclude", "fallback": rule}
    give(rolled.folder, live={**live, "params": {}})
    run_stage("evaluate", rolled)
    assert rolled.folder.document("fallback")["reason"] == "waiting"
    rows, users = main_rows(rolled), rolled.folder.table("user_metrics")
    of_rule = users.filter(pc.equal(users["model"], FALLBACK))
    assert pc.unique(of_rule["cut_at"]).to_pylist() == CUTS
    assert rows[FALLBACK]["n_users"] == of_rule.num_rows == rows[PUBLISHED]["n_users"]
    assert rows[FALLBACK]["precision_at_3"] == rolled.folder.document("fallback")["precision_at_3"]


@pytest.mark.parametrize("n_cuts", [1, 2])
def test_a_promotion_that_is_lost_to_a_rule_is_told_for_all_cuts(
    tmp_path: Path, n_cuts: int, make_night: Callable[[Path], Job]
) -> None:
    job = make_night(tmp_path)
    tastes.roll(job, n_cuts)
    for stage in ("tune", "train", "evaluate"):
        run_stage(stage, job)
    document = job.folder.document("fallback")
    assert document["reason"] == "lost"
    assert document["chosen_on_test_from"] == day(86).isoformat()
    users = job.folder.table("user_metrics")
    of_rule = users.filter(pc.equal(users["model"], FALLBACK))
    assert pc.count_distinct(of_rule["cut_at"]).as_py() == n_cuts
    assert document["lost_by"]["n_users"] == of_rule.num_rows
    assert document["lost_by"]["precision_at_3"] == pc.mean(of_rule["precision_at_3"]).as_py()


@pytest.fixture
def make_night() -> Callable[[Path], Job]:
    """The shop whose test is a promotion, split."""
    from tests.evaluation.test_fallback import NO_VARIETY, night

    def make(path: Path) -> Job:
        job = night(path, tastes.settings_of(recommend=NO_VARIETY), 100)
        run_stage("split", job)
        return job

    return make
