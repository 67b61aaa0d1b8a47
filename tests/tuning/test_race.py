"""The race on validation: what re-rankers learn from, who is judged, and who can win."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evaluation.at_cut import at, judge_of, training_rows
from pipeline.evaluation.judge import Judge
from pipeline.models.catalog import SIMPLEST, rerankers, rules
from pipeline.models.item_factors import ItemFactors
from pipeline.models.params import Params
from pipeline.ranking.fitted import FittedModels
from pipeline.ranking.reranker import fit_rerankers
from pipeline.ranking.saved import read_item_factors
from pipeline.ranking.training_rows import TrainingRows
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from pipeline.splits.folds import Fold
from pipeline.tuning.race import FINER, MEASURE, FoldScores, Race, race
from tests import tastes
from tests.fits import assert_each_goes_on, watch
from tests.shelf import day, events, give, pairs

JUDGED = [day(58), day(72)]
"""The cuts of validation of the shop of two tastes."""


@contextmanager
def models_at(
    learnt: Job, fold: Fold, start: ItemFactors | None = None
) -> Iterator[tuple[FittedModels, Judge]]:
    """One cut of the night, with the parameters it settled on. start: ALS at the cut before"""
    params = Params.read(learnt.folder.document("best_params"))
    items = learnt.folder.dataset("items")
    with at(fold, params, learnt.settings, items, learnt.folder.scratch(), start=start) as models:
        yield models, judge_of(models, fold)


def learning(learnt: Job) -> list[Fold]:
    """What re-rankers learn from, oldest first."""
    return folds.for_learning(learnt.folder, learnt.settings.ranking.windows)


def numbers(models: FittedModels, judge: Judge, rows: list[pa.Table], until: datetime) -> dict[str, float]:
    """Precision@3 of the re-rankers, fitted on these training rows."""
    scorers = fit_rerankers(rows, until, models.settings)
    return {name: judge.precision_at_3(models.ranker(name, scorers[name])) for name in rerankers()}


def raced(learnt: Job) -> dict[tuple[str, str], float]:
    """What the race found, by cut and model."""
    rows = learnt.folder.document("best_params")["race_by_window"]
    return {(row["cut_at"], row["model"]): row["precision_at_3"] for row in rows}


def test_rerankers_learn_from_older_cuts_alone_and_a_leak_would_show(learnt: Job) -> None:
    """Taught by the judged cut too, the ranker would find far more than the race says it does."""
    raced_values, tables, honest, leaked = raced(learnt), [], [], []
    start: ItemFactors | None = None
    judged = {fold.cut_at: fold for fold in folds.validations(learnt.folder)}
    assert list(judged) == JUDGED
    for fold in learning(learnt):
        with models_at(learnt, judged.get(fold.cut_at, fold), start) as (models, judge):
            start = models.factors.of_items()
            own = training_rows(models, fold)
            if fold.cut_at in judged:
                values = numbers(models, judge, tables, fold.cut_at)
                for name, value in values.items():
                    assert raced_values[fold.cut_at.isoformat(), name] == value, f"{name} at {fold.cut_at}"
                honest.append(values["ranker"])
                leaked.append(numbers(models, judge, [*tables, own], day(86))["ranker"])
            tables.append(own)
    assert np.mean(leaked) > 1.4 * np.mean(honest)
    written = TrainingRows.read(learnt.folder.table("examples"), until=day(86))
    by_hand = TrainingRows.read(*tables, until=day(86))
    left = read_item_factors(learnt.folder)
    assert start is not None
    assert left is not None
    assert left.item_ids.equals(start.item_ids)
    np.testing.assert_array_equal(left.factors, start.factors)
    np.testing.assert_array_equal(written.features, by_hand.features)
    assert written.is_bought.tolist() == by_hand.is_bought.tolist()


def test_in_a_large_shop_als_goes_on_from_cut_to_cut_and_tune_leaves_the_newest(
    learnt: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = watch(monkeypatch)
    ended = race(learnt, Params.read(learnt.folder.document("best_params")))
    assert len(fits) == len(learning(learnt))
    assert_each_goes_on(fits, None)
    assert ended.item_factors is not None
    np.testing.assert_array_equal(ended.item_factors.factors, fits[-1].left.factors)


def test_what_is_bought_after_a_cut_does_not_teach_those_who_are_judged_there(learnt: Job) -> None:
    """The rows of older cuts tell of what was bought after the judged one too: at it that is not known."""
    rows = learnt.folder.table("examples")
    before = rows.filter(pa.compute.less(rows["cut_at"], pa.scalar(day(58))))
    at = before["bought_at"]
    is_later = pa.compute.fill_null(pa.compute.greater_equal(at, pa.scalar(day(58))), False)
    assert pa.compute.sum(is_later).as_py() > 10
    place = before.column_names.index("bought_at")
    unknown = pa.compute.if_else(is_later, pa.scalar(None, at.type), at)
    hidden = before.set_column(place, "bought_at", unknown)
    known, blind = (TrainingRows.read(table, until=day(58)) for table in (before, hidden))
    assert known.features.tobytes() == blind.features.tobytes()
    assert known.is_bought.tolist() == blind.is_bought.tolist()


def test_examples_are_what_was_bought_in_a_fortnight_and_before_the_test(learnt: Job) -> None:
    shop = tastes.shop()
    bought = list(
        zip(*(shop[name].to_pylist() for name in ("user_id", "item_id", "occurred_at")), strict=True)
    )
    rows = learnt.folder.table("examples")
    cuts = pa.compute.unique(rows["cut_at"]).to_pylist()
    assert cuts == [day(at) for at in (30, 37, 44, 51, 58, 72)]
    assert cuts == [fold.cut_at for fold in learning(learnt)]
    for cut in cuts:
        later: dict[tuple[int, int], datetime] = {}
        for user, item, when in bought:
            if cut <= when < min(cut + timedelta(days=14), day(86)):
                later[user, item] = min(when, later.get((user, item), when))
        before = {(user, item) for user, item, when in bought if when < cut}
        of_cut = rows.filter(pa.compute.equal(rows["cut_at"], pa.scalar(cut)))
        for user, item, bought_at in pairs(of_cut, "user_id", "item_id", "bought_at"):
            assert bought_at == later.get((user, item))
            assert (user, item) not in before


def test_all_models_are_judged_on_the_same_users(learnt: Job) -> None:
    rows = learnt.folder.document("best_params")["race_by_window"]
    for fold in folds.validations(learnt.folder):
        with models_at(learnt, fold) as (_, judge):
            of_cut = {row["n_users"] for row in rows if row["cut_at"] == fold.cut_at.isoformat()}
            assert of_cut == {judge.n_users}


def test_where_nothing_can_be_learnt_no_model_below_a_rule_wins(tmp_path: Path) -> None:
    """Purchases at random: whoever is ahead is ahead by luck, and still not behind the best rule."""
    rng = np.random.default_rng(1)
    rows = [(u, int(rng.integers(0, 25)), at) for u in range(30) for at in rng.uniform(0, 99, 12)]
    night = tastes.night_at(tmp_path, ranking={"windows": 3}, tune={"mode": "never"})
    give(night.folder, purchaser_events=events(*rows))
    for stage in ("split", "tune"):
        run_stage(stage, night)
    document = night.folder.document("best_params")
    precision = {row["model"]: row["precision_at_3"] for row in document["race"]}
    assert precision[document["model"]] >= max(precision[rule] for rule in rules() if rule in precision)


def test_some_of_the_users_stand_for_all_drawn_by_the_seed(learnt: Job) -> None:
    with models_at(learnt, folds.validations(learnt.folder)[-1]) as (models, judge):
        some, again, other = judge.sampled(7, 1), judge.sampled(7, 1), judge.sampled(7, 2)
        assert judge.sampled(99, 1).held_out is judge.held_out
        everybody = judge.lists(models.factors)
        for sample in (some, other):
            ids = sample.held_out.user_ids.to_pylist()
            places = [judge.held_out.user_ids.to_pylist().index(user) for user in ids]
            assert places == sorted(set(places))
            assert len(places) == sample.n_users == 7
            assert sample.held_out.n_items.tolist() == judge.held_out.n_items[places].tolist()
            assert (sample.lists(models.factors) == everybody[places]).all()
            assert (sample.held_out.items != judge.held_out.items[places]).nnz == 0
    assert some.held_out.user_ids.equals(again.held_out.user_ids)
    assert not some.held_out.user_ids.equals(other.held_out.user_ids)


def cut_of(day_of_cut: int, **precision: list[float]) -> FoldScores:
    """What models reached at one cut, one value for each user."""
    values = {model: np.array(per_user) for model, per_user in precision.items()}
    return FoldScores(
        day(day_of_cut).isoformat(), {model: {MEASURE: v, FINER: v} for model, v in values.items()}
    )


def test_of_models_that_chance_may_explain_the_one_that_proved_best_elsewhere_wins() -> None:
    """The blend is ahead by one user of twelve; ALS is far behind."""
    ended = Race(
        [
            cut_of(1, als=[0, 0, 0, 0], blend=[1, 0, 1, 0], ranker=[0, 1, 0, 0]),
            cut_of(2, als=[0, 0, 0, 0], blend=[0, 1, 1, 0], ranker=[1, 0, 0, 0]),
            cut_of(3, als=[0, 0, 0, 0], blend=[1, 1, 1, 0], ranker=[0, 1, 1, 1]),
        ],
        [],
    )
    assert [row["model"] for row in ended.standings()] == ["blend", "ranker", "als"]
    assert ended.winner() == "ranker"
    assert ended.why() == (
        "ranker: Precision@3 0.4167 on validation, 12 users; blend has 0.5833, which may be chance,"
        " and ranker did better on most other shops"
    )


def test_a_model_that_is_behind_beyond_chance_does_not_win() -> None:
    ahead, behind = [1.0] * 16 + [0.0] * 14, [1.0] * 9 + [0.0] * 21
    ended = Race([cut_of(1, blend=ahead, ranker=behind)], [])
    assert ended.winner() == "blend"
    assert ended.why() == ("blend: Precision@3 0.5333 on validation, 30 users; next is ranker with 0.3000")


def test_a_model_below_a_rule_never_wins_and_between_equal_ones_the_rule_does_not() -> None:
    """Chance explains every difference here."""
    below = Race([cut_of(1, popular=[1, 0, 1, 0], als=[1, 0, 0, 0], ranker=[0, 1, 0, 0])], [])
    assert below.winner() == "popular"
    equal = Race([cut_of(1, popular=[1, 0, 1, 0], als=[0, 1, 0, 1])], [])
    assert equal.winner() == "als"
    assert equal.why().endswith("; popular has as much, and als did better on most other shops")


def test_where_nobody_could_be_measured_als_is_published() -> None:
    assert Race([], []).winner() == "als"


def test_where_nobody_could_be_measured_and_als_does_not_race_the_simplest_rule_is_published() -> None:
    ended = Race([], [], SIMPLEST)
    assert (ended.winner(), ended.why()) == (SIMPLEST, f"{SIMPLEST}: nobody could be measured on validation")
