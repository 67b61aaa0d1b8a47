"""Precision@3 of every model on purchases none of them saw, and whose lists go live."""

from __future__ import annotations

import pyarrow as pa

from pipeline.contract.datasets import FALLBACK
from pipeline.evaluation.all_models import MODES, in_order, judge_all
from pipeline.evaluation.at_cut import trained
from pipeline.evaluation.comparison import comparison, opponents
from pipeline.evaluation.fallback import fall_back
from pipeline.evaluation.segments import segment_rows
from pipeline.evaluation.session_lists import counts, judge_session_lists
from pipeline.evaluation.unjudged import leave_unjudged
from pipeline.ranking.saved import read_scorers
from pipeline.report.session_lists import lines
from pipeline.report.summary import metrics_lines
from pipeline.runs.job import Counts, Job
from pipeline.splits import folds


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `test`, `model`, `best_params`, `live`, `items`, `users`
    -> `metrics`, `user_metrics`, `segment_metrics`, `latest_examples`, `comparison`, `fallback`,
    `session_lists`."""
    if folds.is_unjudged(job.folder):
        return leave_unjudged(job)
    folder, settings, fold = job.folder, job.settings, folds.test(job.folder)
    with trained(folder, settings) as models:
        judged = judge_all(models, read_scorers(folder), fold)
        sample = judged.judge.sampled(settings.ranking.most_users, settings.run.seed)
        folder.write("latest_examples", models.training_rows(sample.held_out, fold))
        segments = segment_rows(job, models, judged.judge, judged.users)
        sessions = judge_session_lists(job, models)
    folder.write_document("session_lists", sessions)
    others = opponents(job, judged.users)
    folder.write_document("comparison", comparison(job, judged.users, others))
    fallback = fall_back(job, judged, others)
    folder.write_document("fallback", dict(fallback.document))
    if why := fallback.document["why"]:
        job.say(f"evaluate: {why}")
    if fallback.lists and fallback.segments:
        lists = fallback.lists
        judged = judged.beside(FALLBACK, settings.run.repeat_purchases, lists.row, lists.scores)
        segments = in_order(pa.concat_tables([segments, fallback.segments]), "segment_metrics")
    folder.write("segment_metrics", segments)
    folder.write("metrics", judged.metrics())
    folder.write("user_metrics", judged.user_metrics(settings.ids))
    for mode in MODES:
        job.say(metrics_lines(judged.of_mode(mode), mode))
    job.say("\n".join(lines(sessions)))
    rule = fallback.document["model"]
    of_models = judged.counts(settings.run.repeat_purchases)
    return {**of_models, **counts(sessions), **({"fallback": rule} if rule else {})}
