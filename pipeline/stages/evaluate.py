"""Precision@3 of every model on purchases none of them saw, and whose lists go live."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from pipeline.contract.datasets import DATASETS, FALLBACK
from pipeline.errors import SettingsError
from pipeline.evaluation.all_models import MODES, JudgedCut, in_order, judge_at, pool
from pipeline.evaluation.at_cut import Before, left_by, trained, training_rows
from pipeline.evaluation.cold_items import ColdCut, cold_at, cold_before, cold_items_document
from pipeline.evaluation.cold_items import counts as cold_counts
from pipeline.evaluation.comparison import comparison, judged_along, opponents
from pipeline.evaluation.fallback import fall_back
from pipeline.evaluation.new_items import Places, places_at, places_document
from pipeline.evaluation.segments import Groups, groups_at, segment_rows
from pipeline.evaluation.session_lists import Orders, counts, orders_at, session_lists
from pipeline.evaluation.unjudged import UNJUDGED, leave_unjudged
from pipeline.models.catalog import has_rerankers, raced
from pipeline.ranking.learnt import Learnt
from pipeline.ranking.saved import read_scorers
from pipeline.report.cold_items import lines as cold_lines
from pipeline.report.first_purchases import lines as first_lines
from pipeline.report.session_lists import lines
from pipeline.report.summary import metrics_lines
from pipeline.runs.job import Counts, Job
from pipeline.runs.kept import TABLE
from pipeline.segments.judged import JudgedSegments, first_purchases_document, judged_at, not_measured
from pipeline.segments.judged import counts as first_counts
from pipeline.splits import folds


def run(job: Job) -> Counts:
    """`train`, `validation_set`, `test`, `model`, `best_params`, `examples`, `live`, `items`, `users`,
    `item_embeddings`, `browser_events` -> `metrics`, `user_metrics`, `segment_metrics`, `latest_examples`,
    `comparison`, `fallback`, `session_lists`, `cold_items`, `first_purchases`."""
    if folds.is_unjudged(job.folder):
        job.folder.write_document("first_purchases", not_measured(UNJUDGED))
        return leave_unjudged(job)
    _refuse_dropped(job)
    folder, settings = job.folder, job.settings
    mode, seed = settings.run.repeat_purchases, settings.run.seed
    cuts = _at_cuts(job)
    judged, groups = pool([cut.judged for cut in cuts], mode, seed), [cut.groups for cut in cuts]
    folder.write("latest_examples", pa.concat_tables([cut.training_rows for cut in cuts]))
    segments = segment_rows(job, groups, judged.measurements, judged.users)
    sessions = session_lists([cut.orders for cut in cuts if cut.orders], seed)
    folder.write_document("session_lists", sessions)
    cold = {
        **cold_items_document([cut.cold for cut in cuts if cut.cold], seed),
        "new_items": places_document([cut.places for cut in cuts if cut.places], job),
    }
    folder.write_document("cold_items", cold)
    is_timed = folder.document("split")["method"] == "time"
    first = first_purchases_document([cut.segments for cut in cuts if cut.segments], seed, is_timed=is_timed)
    folder.write_document("first_purchases", first)
    others = opponents(job, judged.users, judged.live)
    folder.write_document("comparison", comparison(job, judged.users, judged.measurements.clusters, others))
    fallback = fall_back(job, judged, groups, others, [cut.before for cut in cuts])
    folder.write_document("fallback", dict(fallback.document))
    if why := fallback.document["why"]:
        job.say(f"evaluate: {why}")
    if fallback.lists and fallback.segments:
        lists = fallback.lists
        judged = judged.beside(FALLBACK, mode, lists.row, lists.scores)
        segments = in_order(pa.concat_tables([segments, fallback.segments]), "segment_metrics")
    folder.write("segment_metrics", segments)
    folder.write("metrics", judged.metrics())
    folder.write("user_metrics", judged.user_metrics(settings.ids))
    for of_mode in MODES:
        job.say(metrics_lines(judged.of_mode(of_mode), of_mode))
    job.say("\n".join([*lines(sessions), *cold_lines(cold), *first_lines(first)]))
    rule = fallback.document["model"]
    of_models = judged.counts(mode)
    new = {**counts(sessions), **cold_counts(cold), **first_counts(first)}
    return {**of_models, **new, **({"fallback": rule} if rule else {})}


def _refuse_dropped(job: Job) -> None:
    """Where `models.race` was changed since `tune`, the model that won may be none that is judged."""
    won, racers = job.folder.document("best_params")["model"], raced(job.settings)
    if won not in racers:
        raise SettingsError(
            f"the race of this run was won by {won}, which `models.race` does not name now",
            found=", ".join(job.settings.models.race),
            then=f"python -m pipeline run tune --run-id {job.folder.run_id}",
        )


@dataclass(frozen=True)
class _Cut:
    """What one cut of the test gives to the whole."""

    judged: JudgedCut
    before: Before
    groups: Groups
    training_rows: pa.Table
    orders: Orders | None
    cold: ColdCut | None
    places: Places | None
    segments: JudgedSegments | None


def _at_cuts(job: Job) -> list[_Cut]:
    """Judge everything at each cut of the test, one after the other: one history is open at a time.

    What is fitted and counted at a cut is shared by all that is judged there. The re-rankers of `train` are
    fitted anew where they have become a week old, with the training rows of the test's cuts, and so are the
    item neighbours. Plain ALS, which takes as long as all the others, is fitted at the oldest cut alone.
    """
    folder, settings = job.folder, job.settings
    mode, tests = settings.run.repeat_purchases, folds.tests(folder)
    with_orders = {fold.cut_at for fold in folds.for_session_lists(folder)}
    for_learning = {
        fold.cut_at: fold
        for fold in folds.latest_for_learning(folder, settings.ranking.windows)
        if has_rerankers(settings)
    }
    nothing = DATASETS["latest_examples"].schema(folder.ids).empty_table()
    first_at = folds.test_from(folder)
    is_refitted = tests[-1].cut_at - first_at >= folds.WEEK
    learnt = Learnt(
        settings,
        [folder.table("examples")] if is_refitted else [],
        fitted_at=first_at,
        scorers=read_scorers(folder),
    )
    earlier, cuts, live = None, list[_Cut](), judged_along(job)
    for fold in tests:
        with trained(folder, settings, fold, earlier, job.kept) as models:
            before = Before(learnt.by(fold.cut_at), earlier)
            judged = judge_at(models, before.scorers, fold, job.kept, live)
            if fold is not tests[-1]:
                earlier = left_by(models, fold, earlier, with_plain=True)
            models.forget_plain_als()
            groups = groups_at(job, models, judged.held_out[mode])
            orders = orders_at(job, models, fold) if fold.cut_at in with_orders else None
            history, cold = models.history, cold_before(job, models.history, fold)
            found = cold_at(job, history, cold, fold) if cold is not None else None
            places = places_at(job, history, cold, judged)
            segments = judged_at(job, models, fold)
            teaches = for_learning.get(fold.cut_at)
            if teaches:
                rows = job.kept.once(f"rows-{fold.name}", TABLE, partial(training_rows, models, teaches))
            else:
                rows = nothing
            learnt.rows.append(rows)
            cuts.append(_Cut(judged, before, groups, rows, orders, found, places, segments))
    return cuts
