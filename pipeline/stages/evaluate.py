"""Precision@3 of every model on purchases none of them saw, and how the one that is published compares.

In the mode that is published all models are judged; in the other one ALS, with the same parameters, and
the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from pipeline.contract.datasets import DATASETS
from pipeline.errors import DamagedFile
from pipeline.evaluation.comparison import comparison
from pipeline.evaluation.judge import Judge
from pipeline.evaluation.metrics import PerUser
from pipeline.evaluation.segments import segment_rows
from pipeline.models.als import AlsFactors
from pipeline.models.catalog import RULES
from pipeline.models.params import Params
from pipeline.models.top_n import Ranker
from pipeline.ranking.fitted import FittedModels
from pipeline.ranking.saved import FACTORS, read_scorers
from pipeline.report.summary import metrics_lines
from pipeline.runs.job import Counts, Job
from pipeline.splits import folds
from pipeline.splits.history import History, opened

MODES = ("exclude", "allow")
BOTH_MODES = (*RULES, "als")
PUBLISHED = "published"


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `test`, `model`, `best_params`, `live`, `items`, `users`
    -> `metrics`, `user_metrics`, `segment_metrics`, `latest_examples`, `comparison`."""
    folder, settings = job.folder, job.settings
    rows: list[dict[str, object]] = []
    users: dict[str, Mapping[str, PerUser]] = {}
    fold = folds.test(folder)
    with _standing(job) as standing:
        judges = {mode: Judge.of(standing.history, fold, mode) for mode in MODES}
        judge = judges[settings.run.repeat_purchases]
        last = np.empty((0, 0), np.int32)
        for name, ranker in _rankers(job, standing):
            for mode, each in judges.items():
                if each.n_users and (each is judge or name in BOTH_MODES):
                    is_known = name == PUBLISHED and each.is_full(last)
                    lists = last if is_known else each.lists(ranker)
                    row, scores = each.verdict(lists, settings.run.seed)
                    rows.append({"model": name, "repeat_purchases": mode, **row})
                    if each is judge:
                        last, users[name] = lists, scores
        sample = judge.sampled(settings.ranking.most_users, settings.run.seed)
        folder.write("latest_examples", standing.examples(sample, fold))
        folder.write("segment_metrics", segment_rows(job, standing, judge, users))
    folder.write("metrics", _sorted(pa.Table.from_pylist(rows), "metrics"))
    folder.write("user_metrics", _user_table(job, judge, users))
    folder.write_document("comparison", comparison(job, judge, users))
    for mode in MODES:
        job.say(metrics_lines([row for row in rows if row["repeat_purchases"] == mode], mode))
    return _counts(rows, settings.run.repeat_purchases)


@contextmanager
def _standing(job: Job) -> Iterator[FittedModels]:
    """The cut of the test, with the trained factors."""
    folder, settings, fold = job.folder, job.settings, folds.test(job.folder)
    params = Params.read(folder.document("best_params"))
    items = folder.dataset("items") if folder.has("items") else None
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, folder.scratch()) as history:
        factors = _trained(job, history)
        yield FittedModels(history, factors, params, settings, items, settings.run.repeat_purchases)


def _trained(job: Job, history: History) -> AlsFactors:
    factors = AlsFactors.load(job.folder.path / FACTORS, job.settings.run.threads)
    if not (factors.user_ids.equals(history.user_ids) and factors.item_ids.equals(history.item_ids)):
        raise DamagedFile(
            f"{FACTORS} was trained on other events than `train` and `validation_set` hold",
            found=f"{len(factors.user_ids):,} users, {len(factors.item_ids):,} items",
            promised=f"{history.shape[0]:,} users, {history.shape[1]:,} items, the same ids",
            then=f"python -m pipeline run train --run-id {job.folder.run_id}",
        )
    return factors


def _rankers(job: Job, standing: FittedModels) -> Iterator[tuple[str, Ranker]]:
    """Every model, one after the other; after the chosen one what is published: its lists, filled up."""
    model = standing.params.model
    for name, ranker in standing.rankers(read_scorers(job.folder)):
        yield name, ranker
        if name == model:
            yield PUBLISHED, standing.filled(ranker)


def _user_table(job: Job, judge: Judge, users: dict[str, Mapping[str, PerUser]]) -> pa.Table:
    schema = DATASETS["user_metrics"].schema(job.settings.ids.model_dump())
    ids = judge.held_out.user_ids
    parts = [pa.table({"model": [name] * len(ids), "user_id": ids, **told}) for name, told in users.items()]
    tables = [part.select(schema.names).cast(schema) for part in parts]
    return _sorted(pa.concat_tables([schema.empty_table(), *tables]), "user_metrics")


def _sorted(rows: pa.Table, name: str) -> pa.Table:
    """In the columns and the order that contract.py promises."""
    dataset = DATASETS[name]
    return rows.select(list(dataset.columns)).sort_by([(key, "ascending") for key in dataset.key])


def _counts(rows: list[dict[str, object]], mode: str) -> Counts:
    value = {
        str(row["model"]): float(str(row["precision_at_3"]))
        for row in rows
        if row["repeat_purchases"] == mode
    }
    measured = next((int(str(row["n_users"])) for row in rows if row["repeat_purchases"] == mode), 0)
    if not measured:
        return {"n_measured_users": 0}
    best = max(RULES, key=lambda name: (value[name], name))
    return {
        "n_measured_users": measured,
        "precision_at_3": round(value[PUBLISHED], 4),
        "best_rule": best,
        "best_rule_precision_at_3": round(value[best], 4),
    }
