"""tune on one small shop of two tastes: the search, what is reused, the half-lives and the race's choice."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import pyarrow as pa
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from pipeline.errors import SettingsError
from pipeline.models.als import AlsModel
from pipeline.models.als_factors import AlsFactors
from pipeline.models.catalog import PLAIN_ALS, rerankers, rules
from pipeline.models.ease import Ease
from pipeline.models.item_factors import ItemFactors
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from pipeline.splits.history import History
from tests import tastes
from tests.shelf import day, events, give, pairs
from tests.tastes import AS_OF, RACED, TUNE

ONE_WINDOW = {"windows": 1}
"""Nothing earlier to learn from: ALS and the rules alone, which is quick."""


@pytest.fixture(scope="module")
def tuned_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run lies that has come as far as `tune`."""
    path = tmp_path_factory.mktemp("tuned")
    tastes.night_at(path, "split", "tune", ranking=ONE_WINDOW)
    return path


@pytest.fixture
def tuned(tuned_once: Path, tmp_path: Path, said: list[str]) -> Job:
    """A copy of that run."""
    shutil.copytree(tuned_once, tmp_path / "tuned")
    return tastes.job_at(tmp_path / "tuned", said.append, ranking=ONE_WINDOW)


def again(job: Job, **sections: dict[str, Any]) -> Job:
    """The same run with other settings."""
    settings = tastes.settings_of(**{"ranking": ONE_WINDOW, **sections})
    return Job(job.folder, settings, job.databases, job.now, job.say, job.force)


def journal(night: Job) -> Path:
    """The study as it lies in the run folder."""
    [path] = night.folder.path.glob("*.journal")
    return path


def storage(path: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(path)))


def best(night: Job) -> dict[str, Any]:
    return night.folder.document("best_params")


def live_of(night: Job, **changes: Any) -> dict[str, Any]:
    """tonight's parameters as those of the live publication."""
    return {"version": 3, "as_of": AS_OF.isoformat(), "params": {**best(night), **changes}}


def test_tries_what_it_was_told_and_keeps_the_best(tuned: Job) -> None:
    trials = tuned.folder.table("trials").to_pylist()
    assert [t["trial"] for t in trials] == [0, 1, 2]
    chosen = max(trials, key=lambda t: (t["precision_at_3"], -t["trial"]))
    document = best(tuned)
    assert document["source"] == "searched"
    assert (document["n_trials"], document["n_pruned"], document["ended_by"]) == (3, 0, "trials")
    assert document["precision_at_3"] == chosen["precision_at_3"]
    assert document["als"]["factors"] == json.loads(chosen["params"])["factors"]
    assert document["searched_at"] == AS_OF.isoformat()
    assert document["why"] == "searched: there is no earlier search to go by"


def test_a_search_that_goes_on_is_the_search_that_was_not_stopped(tuned: Job) -> None:
    """Stopped after one trial, killed in the second, gone on with to three: the same trials."""
    straight = pairs(tuned.folder.table("trials"), "precision_at_3", "params")
    path = journal(tuned)
    path.unlink()
    run_stage("tune", again(tuned, tune={**TUNE, "trials": 1}))
    assert tuned.folder.table("trials").num_rows == 1
    optuna.load_study(study_name=None, storage=storage(path)).ask()
    run_stage("tune", tuned)
    trials = tuned.folder.table("trials").to_pylist()
    assert [t["state"] for t in trials] == ["complete", "fail", "complete", "complete"]
    finished = [(t["precision_at_3"], t["params"]) for t in trials if t["state"] == "complete"]
    assert finished == straight
    assert len(set(straight)) == 3


def test_a_search_killed_in_its_first_trial_tries_the_start_again(tuned: Job) -> None:
    first = tuned.folder.table("trials").to_pylist()[0]["params"]
    path = journal(tuned)
    name = storage(path).get_all_studies()[0].study_name
    path.unlink()
    optuna.create_study(study_name=name, storage=storage(path), direction="maximize").ask()
    run_stage("tune", again(tuned, tune={**TUNE, "trials": 3}))
    trials = tuned.folder.table("trials").to_pylist()
    assert trials[0]["state"] == "fail"
    assert trials[1]["params"] == first


def test_on_the_same_input_it_leaves_the_same_bytes_whatever_the_test_holds(
    learnt: Job, said: list[str]
) -> None:
    """Searched, raced and taught anew, re-rankers and all."""
    files = [learnt.folder.file(name) for name in ("trials", "best_params", "examples")]
    before = [file.read_bytes() for file in files]
    give(learnt.folder, test=events(*((user, 777, 90) for user in range(40))))
    run_stage("tune", learnt)
    assert [file.read_bytes() for file in files] == before
    assert len([line for line in said if "tune: trial" in line]) == 3


def test_a_finished_search_is_only_read_again(tuned: Job, said: list[str]) -> None:
    files = [tuned.folder.file(name) for name in ("trials", "best_params", "examples")]
    before = [file.read_bytes() for file in files]
    run_stage("tune", tuned)
    assert [file.read_bytes() for file in files] == before
    assert not [line for line in said if "tune: trial" in line]


def test_another_seed_tries_other_parameters_after_the_start(tuned: Job) -> None:
    """And no other seed's trials, one place further on."""
    before = pairs(tuned.folder.table("trials"), "params")
    run_stage("tune", again(tuned, run={"seed": 1}))
    after = pairs(tuned.folder.table("trials"), "params")
    assert after[0] == before[0]
    assert not set(after[1:]) & set(before[1:])


def test_a_search_that_ran_out_of_time_says_so_and_is_not_gone_on_with(tuned: Job) -> None:
    """Otherwise the same stage on the same input would try more each time."""
    journal(tuned).unlink()
    short = again(tuned, tune={**TUNE, "minutes": 1e-6})
    for _ in range(2):
        run_stage("tune", short)
        assert tuned.folder.table("trials").num_rows == 1
        assert best(tuned)["ended_by"] == "minutes"


def test_a_run_of_the_past_does_not_know_later_parameters(tuned: Job) -> None:
    """What was learnt from events after this run's as_of would be measured on those events."""
    give(tuned.folder, live={**live_of(tuned), "as_of": day(200).isoformat()})
    run_stage("tune", tuned)
    assert best(tuned)["source"] == "searched"


def test_reuses_the_live_parameters_while_the_search_is_young_and_still_good(tuned: Job) -> None:
    live = live_of(tuned)
    give(tuned.folder, live=live)
    run_stage("tune", tuned)
    document = best(tuned)
    assert document["source"] == "reused"
    assert document["why"].startswith("reused: ALS reaches")
    for kept in ("als", "weights", "precision_at_3", "searched_at"):
        assert document[kept] == live["params"][kept]
    assert (document["n_trials"], tuned.folder.table("trials").num_rows) == (0, 0)


def test_searches_from_the_live_parameters_when_validation_has_dropped(tuned: Job) -> None:
    """They promised 0.9 and reach a third of that: a search begins, and tries them first.

    The trials of a search from another start, which lie in the run folder, are none of this one.
    """
    factors = {**best(tuned)["als"], "factors": 3, "iterations": 4}
    give(tuned.folder, live=live_of(tuned, als=factors, precision_at_3=0.9))
    run_stage("tune", again(tuned, tune={**TUNE, "trials": 1}))
    assert best(tuned)["source"] == "searched"
    assert "0.9000 when they were found" in best(tuned)["why"]
    first = json.loads(tuned.folder.table("trials").to_pylist()[0]["params"])
    assert (first["factors"], first["iterations"]) == (3, 4)


def test_never_means_the_settings_whatever_is_live(tuned: Job) -> None:
    give(tuned.folder, live=live_of(tuned))
    never = again(tuned, tune={**TUNE, "mode": "never"})
    run_stage("tune", never)
    assert best(tuned)["source"] == "settings"
    assert best(tuned)["als"] == never.settings.als.model_dump()


def test_rules_with_a_half_life_get_the_one_that_validates_best(tmp_path: Path) -> None:
    """Many bought item 5 long ago, some 6 lately; who comes back buys 6, and nothing of before."""
    allow = {"tune": {"mode": "never"}, "run": {"repeat_purchases": "allow"}, "ranking": ONE_WINDOW}
    night = tastes.night_at(tmp_path, **allow)
    old = [(user, item, 0.1 * user) for user in range(10) for item in (5, 7, 8)]
    new = [(user, item, 70 + 0.1 * user) for user in range(10, 14) for item in (6, 9, 10)]
    later = [(user, item, at) for user in (1, 2) for item in (6, 9, 10) for at in (75, 90)]
    give(night.folder, purchaser_events=events(*old, *new, *later))
    for stage in ("split", "tune"):
        run_stage(stage, night)
    assert best(night)["half_lives"]["recently_popular"] == 3.0
    assert best(night)["half_lives"]["own_most_bought"] == 60.0, "nothing it lists is bought: as it was"


def test_the_race_is_of_every_model_and_none_that_loses_to_a_rule_is_chosen(learnt: Job) -> None:
    """But plain ALS, which the test alone measures."""
    document = best(learnt)
    precision = {row["model"]: row["precision_at_3"] for row in document["race"]}
    assert set(precision) == set(RACED) - {PLAIN_ALS}
    assert PLAIN_ALS in learnt.folder.table("metrics")["model"].to_pylist()
    assert precision[document["model"]] >= max(precision[rule] for rule in rules() if rule in precision)
    assert {row["model"] for row in document["race_by_window"]} == set(precision)
    cuts = learnt.folder.table("examples")["cut_at"].unique().to_pylist()
    assert [cut.isoformat() for cut in cuts] == [day(n).isoformat() for n in (30, 37, 44, 51, 58, 72)]
    assert {row["cut_at"] for row in document["race_by_window"]} == {day(n).isoformat() for n in (58, 72)}


def test_what_models_race_does_not_name_is_neither_fitted_nor_judged_nor_published(tmp_path: Path) -> None:
    """ALS goes on naming candidates; a list that is changed after the race is refused in one error."""
    only = {"models": {"race": ["blend"]}, "tune": {"mode": "never"}}
    night = tastes.night_at(tmp_path, "split", "tune", "train", "evaluate", **only)
    assert {row["model"] for row in best(night)["race"]} == {*rules(), "blend"} - {PLAIN_ALS}
    assert best(night)["model"] == "blend"
    assert {row["model"] for row in night.folder.table("metrics").to_pylist()} >= {"blend", "published"}
    assert not {"als", "ease", "ranker"} & set(night.folder.table("metrics")["model"].to_pylist())
    document = night.folder.document("model")
    assert document["blend"]
    assert document["importance"] is None, "no trees were fitted"
    other = Job(**{**vars(night), "settings": tastes.settings_of(**{**only, "models": {"race": ["als"]}})})
    with pytest.raises(SettingsError, match="race of this run was won by blend"):
        run_stage("evaluate", other)


def test_with_nobody_to_validate_on_parameters_stay_and_als_is_published(tmp_path: Path) -> None:
    night = tastes.night_at(tmp_path, ranking={"windows": 2})
    shop = tastes.shop()
    quiet = [day(58) <= at < day(86) for at in shop["occurred_at"].to_pylist()]
    give(night.folder, purchaser_events=shop.filter(pa.array([not is_quiet for is_quiet in quiet])))
    for stage in ("split", "tune"):
        run_stage(stage, night)
    document = best(night)
    assert "nobody can be measured on the validation set" in document["why"]
    assert (document["source"], document["n_trials"]) == ("settings", 0)
    assert (document["model"], document["race"]) == ("als", [])
    assert document["chosen"] == "als: nobody could be measured on validation"
    assert night.folder.table("examples").num_rows, "re-rankers are fitted and measured all the same"


def test_at_a_cut_before_which_nothing_was_learnt_there_are_no_rerankers(tuned: Job) -> None:
    """One window: at the first cut of validation nothing, at the second what the first has taught. The race
    counts the cuts at which all models are there."""
    document = best(tuned)
    raced = {*RACED} - {PLAIN_ALS}
    models: dict[str, set[str]] = {}
    n_users: dict[str, int] = {}
    for row in document["race_by_window"]:
        models.setdefault(row["cut_at"], set()).add(row["model"])
        n_users[row["cut_at"]] = row["n_users"]
    first, second = sorted(models)
    assert models == {first: raced - set(rerankers()), second: raced}
    assert {row["model"]: row["n_users"] for row in document["race"]} == dict.fromkeys(raced, n_users[second])


def test_a_night_of_als_alone_fits_nothing_to_re_rank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No training rows, no EASE, and ALS at the cuts of validation alone, not in the weeks before them."""
    fitted: list[datetime | None] = []
    fit = AlsModel.fit

    def counted(self: AlsModel, history: History, start: ItemFactors | None = None) -> AlsFactors:
        fitted.append(history.known_until)
        return fit(self, history, start)

    monkeypatch.setattr(AlsModel, "fit", counted)
    monkeypatch.setattr(Ease, "fit", lambda self, history: pytest.fail("EASE was fitted"))
    only = {"models": {"race": ["als"]}, "tune": {"mode": "never"}}
    night = tastes.night_at(tmp_path, "split", "tune", **only)
    assert fitted == [fold.cut_at for fold in folds.validations(night.folder)]
    assert night.folder.table("examples").num_rows == 0
    for stage in ("train", "evaluate", "recommend"):
        run_stage(stage, night)
    assert night.folder.table("latest_examples").num_rows == 0
    assert best(night)["model"] == "als"
    assert night.folder.table("recommendations").num_rows == 40 * 5
