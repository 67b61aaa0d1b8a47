"""The race on validation: what re-rankers learn from, who is judged, and who can win."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.evaluation.at_cut import at
from pipeline.evaluation.judge import Judge
from pipeline.models.catalog import rerankers, rules
from pipeline.models.params import Params
from pipeline.ranking.fitted import FittedModels
from pipeline.ranking.reranker import fit_rerankers
from pipeline.ranking.training_rows import TrainingRows
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from pipeline.splits.folds import Fold
from tests import tastes
from tests.shelf import day, events, give, pairs

JUDGED = [day(72), day(58), day(44)]


@contextmanager
def models_at(learnt: Job, fold: Fold) -> Iterator[tuple[FittedModels, Judge]]:
    """One cut of the night, with the parameters it settled on."""
    params = Params.read(learnt.folder.document("best_params"))
    items = learnt.folder.dataset("items")
    with at(fold, params, learnt.settings, items, learnt.folder.scratch()) as models_and_judge:
        yield models_and_judge


def cuts(learnt: Job) -> list[Fold]:
    """Newest first."""
    return [folds.validation(learnt.folder), *folds.earlier(learnt.folder, 4)]


def numbers(models: FittedModels, judge: Judge, learnt_from: list[pa.Table]) -> dict[str, float]:
    """Precision@3 of the re-rankers, fitted on these training rows."""
    scorers = fit_rerankers(learnt_from, models.settings)
    return {name: judge.precision_at_3(models.ranker(name, scorers[name])) for name in rerankers()}


def raced(learnt: Job) -> dict[tuple[str, str], float]:
    """What the race found, by cut and model."""
    rows = learnt.folder.document("best_params")["race_by_window"]
    return {(row["cut_at"], row["model"]): row["precision_at_3"] for row in rows}


def test_rerankers_learn_from_older_folds_alone_and_a_leak_would_show(learnt: Job) -> None:
    """Taught by the judged fold too, the ranker would find far more than the race says it does."""
    raced_values, tables, honest, leaked = raced(learnt), [], [], []
    for fold in reversed(cuts(learnt)):
        with models_at(learnt, fold) as (models, judge):
            own = models.training_rows(judge.held_out, fold)
            if fold.cut_at in JUDGED:
                values = numbers(models, judge, tables)
                for name, value in values.items():
                    assert raced_values[fold.cut_at.isoformat(), name] == value, f"{name} at {fold.cut_at}"
                honest.append(values["ranker"])
                leaked.append(numbers(models, judge, [*tables, own])["ranker"])
            tables.append(own)
    assert np.mean(leaked) > 1.4 * np.mean(honest)
    written, fitted_by_hand = TrainingRows.read(learnt.folder.table("examples")), TrainingRows.read(*tables)
    np.testing.assert_array_equal(written.features, fitted_by_hand.features)
    assert written.is_bought.tolist() == fitted_by_hand.is_bought.tolist()


def test_examples_are_what_was_bought_between_their_cut_and_the_next(learnt: Job) -> None:
    shop = tastes.shop()
    bought = list(
        zip(*(shop[name].to_pylist() for name in ("user_id", "item_id", "occurred_at")), strict=True)
    )
    rows = learnt.folder.table("examples")
    for fold in cuts(learnt):
        ends = fold.until or day(86)
        later = {(user, item) for user, item, when in bought if fold.cut_at <= when < ends}
        before = {(user, item) for user, item, when in bought if when < fold.cut_at}
        of_cut = rows.filter(pa.compute.equal(rows["cut_at"], pa.scalar(fold.cut_at)))
        assert of_cut.num_rows
        for user, item, is_bought in pairs(of_cut, "user_id", "item_id", "is_bought"):
            assert is_bought is ((user, item) in later)
            assert (user, item) not in before


def test_all_models_are_judged_on_the_same_users(learnt: Job) -> None:
    rows = learnt.folder.document("best_params")["race_by_window"]
    for fold in cuts(learnt)[:3]:
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
    with models_at(learnt, folds.validation(learnt.folder)) as (models, judge):
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
