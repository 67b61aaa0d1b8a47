"""Precision@3 of the model and of every baseline on purchases none of them saw, in both modes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa

from pipeline.config import Als, Settings
from pipeline.contract import DATASETS
from pipeline.errors import DamagedFile
from pipeline.files import utc
from pipeline.history import History, opened
from pipeline.judge import Judge
from pipeline.metrics import PerUser
from pipeline.models.als import AlsFactors, AlsModel
from pipeline.models.baselines import ItemNeighbours, OwnMostBought, Popular
from pipeline.models.top_n import Model, Ranker
from pipeline.run import Counts, Job
from pipeline.stages.train import FACTORS
from pipeline.summary import metrics_lines

MODES = ("exclude", "allow")
OWN_HALF_LIFE_DAYS = 60.0


def baselines(settings: Settings) -> tuple[Model, ...]:
    """The rules every model is printed beside, with their knobs fixed beforehand."""
    run = settings.run
    return (
        Popular(),
        Popular(settings.recommend.popular_half_life_days, name="recently_popular"),
        OwnMostBought(OWN_HALF_LIFE_DAYS),
        ItemNeighbours(threads=run.threads),
        AlsModel(
            Als(factors=500, iterations=3, regularization=0.01), None, run.seed, run.threads, "als_500_3_001"
        ),
    )


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `test`, `model` -> `metrics`, `user_metrics`."""
    folder, settings = job.folder, job.settings
    cut_at = utc(datetime.fromisoformat(folder.document("split")["test_from"]))
    before = [folder.dataset("train"), folder.dataset("validation_set")]
    with opened(before, cut_at, settings.filter, settings.run, folder.scratch()) as history:
        judges = {mode: Judge.of(history, folder.dataset("test"), mode) for mode in MODES}
        rows: list[dict[str, object]] = []
        users: list[pa.Table] = []
        for name, ranker in _rankers(job, history):
            for mode, judge in judges.items():
                if not judge.n_users:
                    continue
                row, scores = judge.verdict(judge.lists(ranker), settings.run.seed)
                rows.append({"model": name, "repeat_purchases": mode, **row})
                if mode == settings.run.repeat_purchases:
                    users.append(_user_table(name, judge, scores))
    folder.write("metrics", _sorted(pa.Table.from_pylist(rows), "metrics"))
    folder.write("user_metrics", _sorted(pa.concat_tables(users), "user_metrics"))
    for mode in MODES:
        job.say(metrics_lines([row for row in rows if row["repeat_purchases"] == mode], mode))
    return _counts(rows, settings.run.repeat_purchases)


def _rankers(job: Job, history: History) -> Iterator[tuple[str, Ranker]]:
    """The trained model, then each baseline fitted on the same history; one in memory at a time."""
    factors = AlsFactors.load(job.folder.path / FACTORS, job.settings.run.threads)
    if not (factors.user_ids.equals(history.user_ids) and factors.item_ids.equals(history.item_ids)):
        raise DamagedFile(
            f"{FACTORS} was trained on other events than `train` and `validation_set` hold",
            found=f"{len(factors.user_ids):,} users, {len(factors.item_ids):,} items",
            promised=f"{history.shape[0]:,} users, {history.shape[1]:,} items, the same ids",
            then=f"python -m pipeline run train --run-id {job.folder.run_id}",
        )
    yield "als", factors
    for model in baselines(job.settings):
        yield model.name, model.fit(history)


def _user_table(name: str, judge: Judge, scores: dict[str, PerUser]) -> pa.Table:
    users = judge.held_out.user_ids
    return pa.table({"model": pa.array([name] * len(users)), "user_id": users, **scores})


def _sorted(rows: pa.Table, name: str) -> pa.Table:
    """In the columns and the order that contract.py promises."""
    dataset = DATASETS[name]
    return rows.select(list(dataset.columns)).sort_by([(key, "ascending") for key in dataset.key])


def _counts(rows: list[dict[str, object]], mode: str) -> Counts:
    of_mode = {str(row["model"]): row for row in rows if row["repeat_purchases"] == mode}
    rules = {name: float(str(row["precision_at_3"])) for name, row in of_mode.items() if name != "als"}
    best = max(rules, key=lambda name: (rules[name], name))
    return {
        "n_measured_users": int(str(of_mode["als"]["n_users"])),
        "precision_at_3": round(float(str(of_mode["als"]["precision_at_3"])), 4),
        "best_baseline": best,
        "best_baseline_precision_at_3": round(rules[best], 4),
    }
