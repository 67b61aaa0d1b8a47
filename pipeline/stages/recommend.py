"""Fit again on all events and write every list: for each user, the popular items, the similar items,
what is bought together; and beside them what filling up and explaining a list needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.cold.items import ColdItems, cold_items
from pipeline.cold.ranking import MOST_RANKED
from pipeline.engines.current import current
from pipeline.lists.also_bought import MOST_ITEMS, also_bought, baskets_of
from pipeline.lists.evidence import DATASETS, Evidence, evidence_of
from pipeline.lists.final_model import FinalModel, fit_final_model, unjudged_model
from pipeline.lists.in_ranges import Files, ListsInRanges, can_be_in_ranges
from pipeline.lists.new_items import NewItems, new_items
from pipeline.lists.personal import user_lists
from pipeline.lists.popular import item_names, popular_items, user_categories, user_purchases
from pipeline.lists.reasons import NEW_IN_CATEGORY
from pipeline.lists.similar import merged, similar_by_people, similar_items, similar_to_cold
from pipeline.models.catalog import is_reranker
from pipeline.models.params import Params, Variety
from pipeline.ranking.saved import read_newest_factors
from pipeline.runs.job import Counts, Job
from pipeline.segments.people import Known
from pipeline.segments.rows import segment_rows
from pipeline.segments.segments import Segments, segments_at
from pipeline.splits.history import History, opened

FEW_PEOPLE = 4
"""From so many times `also_bought_min_buyers` people on, factors alone say what an item is similar to."""


def run(job: Job) -> Counts:
    """`purchaser_events`, `browser_events`, `best_params`, `fallback`, `first_purchases`, `live_segments`,
    `items`, `item_embeddings`, `examples`, `latest_examples`, `model` -> every list, and what filling one up
    needs.

    Where nobody can be measured (`best_params` says so), nothing is learnt.
    """
    folder, settings = job.folder, job.settings
    best_params = folder.document("best_params")
    params = Params.read(best_params)
    if rule := folder.document("fallback")["model"]:
        params = params.but(model=rule, variety=Variety())
    learnt_from = ("examples", "latest_examples") if is_reranker(params.model) else ()
    training_rows = [folder.dataset(name) for name in learnt_from]
    is_for_browsers = settings.recommend.audience == "engaged"
    browsers = folder.dataset("browser_events") if is_for_browsers else None
    items, events = folder.optional("items"), [folder.dataset("purchaser_events")]
    scratch, run = folder.scratch(), settings.run
    with opened(events, folder.as_of, settings.filter, run, scratch, is_tonight=True) as history:
        if best_params.get("is_unjudged"):
            cold = None
            model = unjudged_model(history, params, settings, items, browsers, folder.as_of)
            lengths = settings.recommend
            similar = similar_by_people(
                history.touched(),
                history.item_ids,
                model.hidden,
                lengths.similar_length,
                lengths.also_bought_min_buyers,
            )
        else:
            start = read_newest_factors(folder)
            model = fit_final_model(
                history, params, settings, items, training_rows, browsers, folder.as_of, job.kept, start
            )
            cold = cold_items(history, items, folder.optional("item_embeddings"), folder.as_of)
            similar = _similar(job, model, cold)
        new = new_items(history, cold, settings.recommend)
        shown_untouched = _untouched(history, cold, new)
        n_popular = _write_popular(job, history, shown_untouched)
        n_also_bought, n_not_in_it = _write_also_bought(job, model)
        evidence = evidence_of(
            history,
            {name: folder.file(name) for name in DATASETS},
            items,
            folder.as_of,
            is_bought_shown=not settings.run.excludes_repeats,
            timezone=settings.source.timezone,
        )
        lists = _lists(job, model, evidence, new)
        n_recommendations = folder.write("recommendations", lists)
        cold_counts = model.cold_counts()
        n_segments = _write_segments(job, model)
    n_similar = folder.write("similar_items", similar)
    n_users, n_served = sum(len(audience.user_ids) for audience in model.audiences), _n_served(job)
    return {
        "model": params.model,
        "n_users": n_served,
        "n_users_without_list": n_users - n_served,
        "n_browsers": n_users - len(model.audiences[0].user_ids),
        **cold_counts,
        "n_new_items_shown": _n_new_shown(job),
        "n_items": len(model.factors.item_ids),
        "n_unavailable_items": len(model.hidden),
        "n_recommendations": n_recommendations,
        "n_popular": n_popular,
        "n_similar": n_similar,
        "n_segments": n_segments,
        "n_also_bought": n_also_bought,
        "n_buyers_not_in_also_bought": n_not_in_it,
    }


def _lists(job: Job, model: FinalModel, evidence: Evidence, new: NewItems | None) -> Iterator[pa.RecordBatch]:
    """Rows of `recommendations`."""
    folder, settings = job.folder, job.settings

    def whole() -> Iterator[pa.RecordBatch]:
        length, threads = settings.recommend.list_length, settings.run.threads
        return user_lists(model.audiences, model.factors, evidence, length, new, threads, job.kept)

    def in_ranges() -> ListsInRanges:
        files = Files(
            folder.dataset("purchaser_events"),
            folder.dataset("browser_events") if settings.recommend.audience == "engaged" else None,
            folder.optional("items"),
            {name: folder.file(name) for name in DATASETS},
            folder.scratch(),
        )
        return ListsInRanges.of(model, evidence, new, files, folder.as_of)

    return current().over_users(whole, in_ranges if can_be_in_ranges(model) else None, folder.scratch())


def _similar(job: Job, model: FinalModel, cold: ColdItems | None) -> Iterator[pa.RecordBatch]:
    """Rows of `similar_items`; those of the cold items that are most asked for by their content."""
    lengths, factors = job.settings.recommend, model.factors
    if cold is None or not len(cold):
        return similar_items(factors, lengths.similar_length)
    is_little_known = (cold.n_people < FEW_PEOPLE * lengths.also_bought_min_buyers) & cold.has_content
    wanted = cold.only(is_little_known).most_wanted(MOST_RANKED)
    if not len(wanted):
        return similar_items(factors, lengths.similar_length)
    others = np.setdiff1d(np.arange(len(factors.item_ids)), wanted.columns)
    more = list(similar_to_cold(wanted, factors, lengths.similar_length, lengths.also_bought_min_buyers))
    return merged(similar_items(factors, lengths.similar_length, others), more)


def _untouched(history: History, cold: ColdItems | None, new: NewItems | None) -> pa.Array:
    """Ids of the items that nobody touched and lists show all the same."""
    ids = [history.item_ids[:0]]
    if cold is not None and len(cold):
        ids.append(cold.most_wanted(MOST_RANKED).item_ids)
    if new is not None:
        ids.append(new.item_ids)
    return pc.unique(pa.concat_arrays(ids))


def _write_popular(job: Job, history: History, untouched: pa.Array) -> int:
    """`popular_items`, and what filling up from them needs; returns how many rows of `popular_items`.

    untouched: ids of items that nobody touched and lists show all the same
    """
    folder, settings = job.folder, job.settings
    items = folder.optional("items")
    n_popular = folder.write("popular_items", popular_items(history, items, settings))
    popular = folder.file("popular_items")
    purchases = user_purchases(history, popular) if settings.run.excludes_repeats else []
    folder.write("user_purchases", purchases)
    folder.write("user_categories", user_categories(history, items, popular, settings))
    folder.write("item_names", item_names(history, items, untouched))
    return n_popular


def _write_also_bought(job: Job, model: FinalModel) -> tuple[int, int]:
    """`also_bought`; returns how many rows, and how many buyers of too many items it does not count."""
    lengths, bought = job.settings.recommend, model.audiences[0].own
    baskets = baskets_of(bought)
    if n_left_out := bought.shape[0] - baskets.shape[0]:
        job.say(
            f"recommend: {n_left_out:,} buyers of more than {MOST_ITEMS:,} different items are not counted"
            " in also_bought"
        )
    item_ids = model.factors.item_ids
    length, min_buyers = lengths.also_bought_length, lengths.also_bought_min_buyers
    lists = also_bought(baskets, item_ids, model.hidden, length, min_buyers)
    return job.folder.write("also_bought", lists), n_left_out


def _write_segments(job: Job, model: FinalModel) -> int:
    """`user_segments` and `popular_in_segment`; returns how many segments, 0 where none are published.

    None are where they did not foretell first purchases in the test, or tonight one, the whole shop, serves
    newcomers as well.
    """
    folder = job.folder
    segments = _segments(job, model) if folder.document("first_purchases")["is_published"] else None
    if segments is None or segments.n == 1:
        folder.write("user_segments", [])
        folder.write("popular_in_segment", [])
        return 0
    rows = segment_rows(segments, model.factors.item_ids)
    folder.write("user_segments", rows.user_segments)
    folder.write("popular_in_segment", rows.popular_in_segment)
    return segments.n


def _segments(job: Job, model: FinalModel) -> Segments:
    """Tonight's segments, numbered as those of the live publication."""
    folder = job.folder
    events = [folder.file("purchaser_events"), folder.dataset("browser_events")]
    known = Known(events, folder.optional("user_attributes"))
    length, file = job.settings.recommend.popular_length, folder.optional("live_segments")
    last_night = pq.read_table(file) if file else None
    return segments_at(model.fitted, known, folder.as_of, length, last_night)


def _n_new_shown(job: Job) -> int:
    """How many different items are in lists because they are new."""
    is_new = [("reason", "=", NEW_IN_CATEGORY)]
    rows = pq.read_table(job.folder.file("recommendations"), columns=["item_id"], filters=is_new)
    return int(pc.count_distinct(rows["item_id"]).as_py())


def _n_served(job: Job) -> int:
    """How many users have a list: rows of rank 1."""
    ranks = pq.read_table(job.folder.file("recommendations"), columns=["rank"])["rank"]
    return int(pc.sum(pc.equal(ranks, 1)).as_py() or 0)
