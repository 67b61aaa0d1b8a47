"""Precision@3 of every model on purchases none of them saw, and how the one that is published compares."""

from __future__ import annotations

from pipeline.evaluation.all_models import MODES, judge_all
from pipeline.evaluation.at_cut import trained
from pipeline.evaluation.comparison import comparison
from pipeline.evaluation.segments import segment_rows
from pipeline.ranking.saved import read_scorers
from pipeline.report.summary import metrics_lines
from pipeline.runs.job import Counts, Job
from pipeline.splits import folds


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `test`, `model`, `best_params`, `live`, `items`, `users`
    -> `metrics`, `user_metrics`, `segment_metrics`, `latest_examples`, `comparison`."""
    folder, settings, fold = job.folder, job.settings, folds.test(job.folder)
    with trained(folder, settings) as models:
        judged = judge_all(models, read_scorers(folder), fold)
        sample = judged.judge.sampled(settings.ranking.most_users, settings.run.seed)
        folder.write("latest_examples", models.training_rows(sample.held_out, fold))
        folder.write("segment_metrics", segment_rows(job, models, judged.judge, judged.users))
    folder.write("metrics", judged.metrics())
    folder.write("user_metrics", judged.user_metrics(settings.ids))
    folder.write_document("comparison", comparison(job, judged.users))
    for mode in MODES:
        job.say(metrics_lines(judged.of_mode(mode), mode))
    return judged.counts(settings.run.repeat_purchases)
