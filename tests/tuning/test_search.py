"""The search for ALS parameters: where it begins, what it tries, what it cuts off, how it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import Als
from pipeline.evaluation.judge import Judge
from pipeline.models.params import Params
from pipeline.runs.job import Job
from pipeline.splits import folds
from pipeline.splits.history import History, opened
from pipeline.tuning.search import Search, search
from tests import tastes
from tests.shelf import events, give

TRIALS = {"trials": 14, "factors": (2, 8), "iterations": (4, 8)}
Cut = tuple[History, Judge]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return tastes.night_at(tmp_path_factory.mktemp("search"), "split")


@pytest.fixture(scope="module")
def cut(night: Job) -> Iterator[Cut]:
    """The validation of the shop of two tastes."""
    fold, settings = folds.validations(night.folder)[-1], night.settings
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, night.folder.scratch()) as history:
        yield history, Judge.of(history, fold, excludes_repeats=True)


def searched(journal: Path, cut: Cut, start: Params | None = None, **tune: Any) -> Search:
    """A search over the trials that `journal` holds already, if any."""
    settings = tastes.settings_of(tune={**TRIALS, **tune})
    begin = start or Params.configured(settings)
    return search("s", journal, *cut, begin, settings, lambda line: None)


@pytest.fixture(scope="module")
def straight(cut: Cut, tmp_path_factory: pytest.TempPathFactory) -> Search:
    """One that was never stopped."""
    return searched(tmp_path_factory.mktemp("straight") / "journal", cut)


def rows(result: Search) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in result.table().to_pylist()]


def test_it_begins_with_what_it_is_given_moved_into_the_ranges(cut: Cut, tmp_path: Path) -> None:
    settings = tastes.settings_of()
    als = Als(factors=500, iterations=5, regularization=0.001, alpha=1.5, regularization_scale=0.25)
    weights = settings.weights.model_copy(update={"half_life_days": 21.0})
    first = searched(tmp_path / "journal", cut, start=Params(als, weights), trials=1).trials[0].params
    assert first == {
        "factors": 8, "iterations": 5, "regularization": 0.1, "alpha": 1.5, "regularization_scale": 0.25,
        "half_life_days": 21.0,
    }  # fmt: skip


def test_every_trial_is_written_down_and_those_cut_off_say_so(
    straight: Search,
) -> None:
    """The first ones run to their end whatever they reach; later ones are held to the median of those."""
    table = straight.table().to_pylist()
    assert [row["trial"] for row in table] == list(range(14))
    assert {row["state"] for row in table} == {"complete", "pruned"}
    assert [row["state"] for row in table[:4]] == ["complete"] * 4
    assert straight.n_pruned == sum(row["state"] == "pruned" for row in table)
    assert len(straight.complete) + straight.n_pruned == 14
    assert all(0 <= row["precision_at_3"] <= 1 for row in table)
    best = max(row["precision_at_3"] for row in table if row["state"] == "complete")
    assert straight.best().values == [best]


def test_what_is_tried_lies_in_the_ranges(straight: Search) -> None:
    ranges = tastes.settings_of(tune=TRIALS).tune.ranges()
    for row in straight.table().to_pylist():
        for name, value in json.loads(row["params"]).items():
            low, high = ranges[name]
            assert low <= value <= high, name
            assert (name in ("factors", "iterations")) == isinstance(value, int)


def test_a_search_stopped_half_way_and_gone_on_with_is_the_search_that_was_not(
    cut: Cut, straight: Search, tmp_path: Path
) -> None:
    """Cut-off trials and all."""
    first = searched(tmp_path / "journal", cut, trials=6)
    assert rows(first) == rows(straight)[:6]
    gone_on = searched(tmp_path / "journal", cut)
    assert rows(gone_on) == rows(straight)
    assert straight.n_pruned
    assert gone_on.ended_by == straight.ended_by == "trials"


def test_a_journal_whose_last_line_was_cut_short_is_gone_on_with(
    cut: Cut, straight: Search, tmp_path: Path
) -> None:
    """By a full disk or a kill; and the link that Optuna's own lock would wait for."""
    journal = tmp_path / "journal"
    searched(journal, cut, trials=6)
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole.splitlines()[-1][:9])
    (tmp_path / "journal.lock").symlink_to("nowhere")
    assert rows(searched(journal, cut)) == rows(straight)


def test_its_best_trial_has_what_als_reaches_with_the_parameters_it_hands_on(
    cut: Cut, straight: Search
) -> None:
    settings = tastes.settings_of(tune=TRIALS)
    best = straight.best_params(Params.configured(settings))
    history, judge = cut
    assert straight.best().values[0] == judge.precision_at_3(best.als_model(settings).fit(history))


def test_minutes_end_it_after_one_trial_at_least(cut: Cut, tmp_path: Path) -> None:
    result = searched(tmp_path / "journal", cut, minutes=1e-9)
    assert (len(result.trials), result.ended_by) == (1, "minutes")


def test_the_number_of_a_trial_is_that_of_its_parameters(cut: Cut, straight: Search) -> None:
    """Fitted again from scratch with the best parameters: the same Precision@3."""
    settings = tastes.settings_of()
    params = straight.best_params(Params.configured(settings))
    history, judge = cut
    assert judge.precision_at_3(params.als_model(settings).fit(history)) == straight.best().values[0]
    assert params.weights.purchase == settings.weights.purchase, "the unit of all weights, not searched"


@pytest.mark.parametrize("kinds", [(), ("view",), ("view", "cart")])
def test_weights_of_views_and_carts_are_searched_where_there_are_any(
    night: Job, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    rng = np.random.default_rng(0)
    seen = [(u, int(rng.integers(0, 20)), 50 + rng.random(), kind) for kind in kinds for u in range(40)]
    bought = [(u, (3 * u + n) % 20, 10.0 * n + 0.01 * u) for u in range(40) for n in range(10)]
    job = tastes.job_at(tmp_path)
    give(
        job.folder,
        train=events(*bought, *seen),
        validation_set=events(*((u, (u * 7) % 20, 99) for u in range(40))),
    )
    fold = folds.Fold((job.folder.file("train"),), tastes.AS_OF, (job.folder.file("validation_set"),))
    who, run = night.settings.filter, night.settings.run
    with opened(fold.before, fold.cut_at, who, run, job.folder.scratch()) as history:
        result = searched(
            tmp_path / "journal", (history, Judge.of(history, fold, excludes_repeats=False)), trials=2
        )
    for trial in result.trials:
        assert set(trial.params) & {"view", "cart"} == set(kinds)
