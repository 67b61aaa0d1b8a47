"""That nobody fools himself: nothing after a cut is seen, a leak would show, shuffled labels teach nothing,
and where the right answer is known it is found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from pipeline.evaluation import metrics
from pipeline.evaluation.at_cut import at, judge_of
from pipeline.evaluation.judge import Judge
from pipeline.models.params import Params
from pipeline.ranking import trees
from pipeline.ranking.features import Scorer
from pipeline.ranking.fitted import FittedModels
from pipeline.ranking.reranker import Reranker, fit_rerankers
from pipeline.ranking.training_rows import TrainingRows
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from pipeline.splits.folds import Fold
from tests import tastes
from tests.shelf import day, events, give
from tests.tastes import RACED


@contextmanager
def cut(job: Job, fold: Fold) -> Iterator[tuple[FittedModels, Judge]]:
    params = Params.configured(job.settings)
    items, spill = job.folder.dataset("items"), job.folder.scratch()
    with at(fold, params, job.settings, items, spill) as models:
        yield models, judge_of(models, fold)


CUTS = (44, 58, 72, 86)
"""Days of the cuts of the shop of two tastes: two of validation, two of the test, fourteen days apart."""


def rolled(job: Job) -> list[Fold]:
    """Two cuts within `train`, then all of CUTS, oldest first."""
    return [*folds.earlier(job.folder, 2)[::-1], *folds.validations(job.folder), *folds.tests(job.folder)]


def up_to(job: Job, day_of_cut: int, *planted: Path) -> list[Fold]:
    """A cut and the two before it, newest first; what is planted lies in their histories and answers.

    The older ones ask about three weeks, so beyond the newest cut too, as labels may.
    """
    over = [fold for fold in rolled(job) if fold.cut_at <= day(day_of_cut)][-3:]
    newest, *older = [replace(fold, before=(*fold.before, *planted)) for fold in over[::-1]]
    asked = ((fold, fold.cut_at + timedelta(days=21)) for fold in older)
    return [newest, *(replace(fold, later=(*fold.later, *planted), until=until) for fold, until in asked)]


def lists(job: Job, over: list[Fold]) -> dict[str, tuple[bytes, bytes]]:
    """What every model lists for every user at the newest cut, re-rankers taught at the others."""
    taught = []
    for fold in reversed(over[1:]):
        with cut(job, fold) as (models, judge):
            taught.append(models.training_rows(judge.held_out, fold))
    lists_of = {}
    with cut(job, over[0]) as (models, judge):
        users = np.arange(40)  # not those who come after the cut: lists are compared user by user
        for name, ranker in models.rankers(fit_rerankers(taught, over[0].cut_at, job.settings)):
            top = ranker.top_n(users, 10, judge.exclude)
            lists_of[name] = (top.items.tobytes(), top.scores.tobytes())
    return lists_of


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The shop of two tastes, cut."""
    job = tastes.night_at(
        tmp_path_factory.mktemp("proof"), "split", als={"factors": 8}, split={"test_days": "auto"}
    )
    assert [fold.cut_at for fold in rolled(job)[2:]] == [day(cut_at) for cut_at in CUTS]
    return job


def plant(job: Job, cut_at: int) -> Path:
    """A file of what lies after a cut, from its very moment on: everybody's purchases of the other taste, a
    new item, a new user, a view."""
    wrong = [(u, 2 * n + (u + 1) % 2, cut_at + 0.1 * n) for u in range(40) for n in range(10)]
    new = [(u, 777, cut_at + 8) for u in range(40)] + [(999, i, cut_at + 3) for i in range(20)]
    file = job.folder.path / f"planted_{cut_at}.parquet"
    pq.write_table(events(*wrong, *new, (5, 3, cut_at, "view")), file)
    return file


@pytest.mark.parametrize("cut_at", CUTS)
def test_no_model_sees_what_lies_after_its_cut(night: Job, cut_at: int) -> None:
    """With what lies after the cut in the files of the history every list and score is bit for bit what it is
    without: at each cut that models are chosen at, and at each that they are measured at."""
    clean, planted = up_to(night, cut_at), up_to(night, cut_at, plant(night, cut_at))
    for over in (clean, planted):
        with cut(night, over[0]) as (models, _):
            assert models.history.shape == (40, 20), "neither the new user nor the new item"
    without, beside = lists(night, clean), lists(night, planted)
    assert set(without) == set(RACED)
    for name in RACED:
        assert beside[name] == without[name], name


def test_what_is_planted_would_change_every_model_that_saw_it(night: Job) -> None:
    """So the test above can fail. (Of new items only, own_most_bought lists none, whatever it sees.)"""
    newest, *older = up_to(night, 72, plant(night, 72))
    seen, unseen = (lists(night, [fold, *older]) for fold in (replace(newest, cut_at=day(99)), newest))
    for name in set(RACED) - {"own_most_bought"}:
        assert seen[name] != unseen[name], name


@pytest.fixture(scope="module")
def whims(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A shop that nobody can foresee: every fortnight each user buys three other items, thrice each."""
    rng, rows = np.random.default_rng(8), []
    for user in range(40):
        for window in range(7):
            for item in rng.choice(60, 3, replace=False):
                rows += [(user, int(item), 2 + 14 * window + 13.9 * rng.random()) for _ in range(3)]
    path = tmp_path_factory.mktemp("whims")
    sections = {"run": {"repeat_purchases": "allow"}, "split": {"test_days": 14}, "als": {"factors": 16}}
    job = tastes.night_at(path, **sections)
    give(job.folder, purchaser_events=events(*rows))
    run_stage("split", job)
    return job


def leaking(fold: Fold, job: Job) -> Fold:
    """The fold as if its history had been opened at the end of what it asks about."""
    both = (job.folder.file("train"), job.folder.file("validation_set"))
    assert fold.until
    return replace(fold, before=both, cut_at=fold.until)


def precision(job: Job, newest: Fold, older: Fold) -> dict[str, float]:
    """Precision@3 of every model at the newest fold, re-rankers taught at the older one."""
    with cut(job, older) as (models, judge):
        scorers = fit_rerankers([models.training_rows(judge.held_out, older)], day(99), job.settings)
    with cut(job, newest) as (models, judge):
        return {name: judge.precision_at_3(ranker) for name, ranker in models.rankers(scorers)}


def test_a_history_opened_beyond_its_cut_is_caught_by_a_large_rise(whims: Job) -> None:
    """Honest, no model finds anything; with the answers in the history all that know the user do."""
    older, newest = folds.validations(whims.folder)
    honest = precision(whims, newest, older)
    leaked = precision(whims, leaking(newest, whims), leaking(older, whims))
    assert set(honest) == set(RACED)
    assert max(honest.values()) < 0.15
    for name in set(RACED) - {"popular", "recently_popular"}:
        assert leaked[name] > 3 * honest[name], name
    assert leaked["ranker"] > 0.9


@dataclass(frozen=True)
class AtRandom:
    """Any order of the candidates."""

    seed: int

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.random.default_rng(self.seed).random(len(features))


def shuffled(examples: TrainingRows, seed: int) -> TrainingRows:
    """The same candidates of the same users; which of them were bought is drawn anew for each user."""
    rng, is_bought = np.random.default_rng(seed), examples.is_bought.copy()
    ends = np.cumsum(examples.group)
    for start, end in zip(ends - examples.group, ends, strict=True):
        is_bought[start:end] = rng.permutation(is_bought[start:end])
    return replace(examples, is_bought=is_bought)


def test_shuffled_labels_teach_nothing(learnt: Job) -> None:
    """Of sixty rankers taught by shuffled labels the mean is within 0.06 of any order of the candidates.

    Taught by the true ones it is three times that. (The blend is not asked: its weights are never below 0,
    so that even what it learns of noise puts what ALS likes first.)
    """
    examples = TrainingRows.read(learnt.folder.table("examples"), until=day(86))
    with cut(learnt, folds.tests(learnt.folder)[-1]) as (models, judge):

        def precision_of(scorer: Scorer) -> float:
            return judge.precision_at_3(Reranker(models.candidates, scorer))

        chance = float(np.mean([precision_of(AtRandom(seed)) for seed in range(100)]))
        taught = [precision_of(trees.fit(shuffled(examples, seed), "binary", 0)) for seed in range(60)]
        honest = precision_of(trees.fit(examples, "binary", 0))
    assert honest > 3 * chance
    assert np.mean(taught) == pytest.approx(chance, abs=0.06)


def test_shuffled_answers_are_found_by_chance_alone(learnt: Job) -> None:
    """The honest ranker, asked about purchases drawn among the candidates: no better than any order."""
    examples = TrainingRows.read(learnt.folder.table("examples"), until=day(86))
    scorer = trees.fit(examples, "binary", 0)
    rng = np.random.default_rng(0)
    with cut(learnt, folds.tests(learnt.folder)[-1]) as (models, judge):
        table = models.candidates.table(judge.held_out.rows)
        mine = table.best(scorer.score(table.features), 3).items
        n_bought = np.diff(judge.held_out.items.indptr)
        precision, chance = [], []
        for _ in range(100):
            items = judge.held_out.items.tolil()
            items[:] = 0
            for slot in range(judge.n_users):
                own = table.items[table.slots == slot]
                items[slot, rng.choice(own, n_bought[slot], replace=False)] = 1
            precision.append(metrics.precision_at_k(metrics.hits(mine, items.tocsr()), 3).mean())
            chance.append(np.mean(n_bought / np.bincount(table.slots)))
    assert np.mean(precision) == pytest.approx(np.mean(chance), abs=0.02)
    assert judge.precision_at_3(Reranker(models.candidates, scorer)) > 3 * np.mean(chance)


def test_the_checkerboard_is_solved(tmp_path: Path) -> None:
    """User u buys items of u's parity, each once: nine of twelve before the test, in it the last three.

    Those three are the right answer. Nobody told by popularity alone finds more than half of them.
    """
    rows = []
    for user in range(30):
        own = np.random.default_rng(user).permutation(np.arange(user % 2, 24, 2))
        days = np.concatenate([np.linspace(0, 69, 6), [73, 78, 83], [87, 92, 97]]) + 0.01 * user
        rows += [(user, int(item), float(at)) for item, at in zip(own, days, strict=True)]
    settings = {"tune": {"mode": "never"}, "als": {"factors": 2}, "ranking": {"windows": 2}}
    night = tastes.night_at(tmp_path, split={"test_days": 14}, **settings)
    give(night.folder, purchaser_events=events(*rows))
    for stage in ("split", "tune", "train", "evaluate"):
        run_stage(stage, night)
    metrics_rows = night.folder.table("metrics").to_pylist()
    precisions = {
        row["model"]: row["precision_at_3"] for row in metrics_rows if row["repeat_purchases"] == "exclude"
    }
    for solver in ("als", "item_neighbours", "blend", "ranker", "published"):
        assert precisions[solver] > 0.97, solver
    assert precisions["popular"] < 0.6
