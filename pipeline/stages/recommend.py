"""Fit again on all events and write every list: for each user, the popular items, the similar items,
what is bought together; and beside them what filling up and explaining a list needs."""

from __future__ import annotations

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.lists.also_bought import MOST_ITEMS, also_bought, baskets_of
from pipeline.lists.evidence import DATASETS, evidence_of
from pipeline.lists.final_model import FinalModel, fit_final_model, unjudged_model
from pipeline.lists.personal import user_lists
from pipeline.lists.popular import item_names, popular_items, user_categories, user_purchases
from pipeline.lists.similar import similar_by_people, similar_items
from pipeline.models.catalog import is_reranker
from pipeline.models.params import Params
from pipeline.runs.job import Counts, Job
from pipeline.splits.history import History, opened


def run(job: Job) -> Counts:
    """`purchaser_events`, `browser_events`, `best_params`, `fallback`, `items`, `examples`,
    `latest_examples` -> every list, and what filling one up needs.

    Where nobody can be measured (`best_params` says so), nothing is learnt.
    """
    folder, settings = job.folder, job.settings
    best_params = folder.document("best_params")
    params = Params.read(best_params)
    if rule := folder.document("fallback")["model"]:
        params = params.but(model=rule)
    learnt_from = ("examples", "latest_examples") if is_reranker(params.model) else ()
    training_rows = [folder.dataset(name) for name in learnt_from]
    is_for_browsers = settings.recommend.audience == "engaged"
    browsers = folder.dataset("browser_events") if is_for_browsers else None
    items, events = folder.optional("items"), [folder.dataset("purchaser_events")]
    with opened(events, folder.as_of, settings.filter, settings.run, folder.scratch()) as history:
        if best_params.get("is_unjudged"):
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
            model = fit_final_model(history, params, settings, items, training_rows, browsers, folder.as_of)
            similar = similar_items(model.factors, settings.recommend.similar_length)
        n_popular = _write_popular(job, history)
        n_also_bought, n_not_in_it = _write_also_bought(job, model)
        evidence = evidence_of(
            history,
            {name: folder.file(name) for name in DATASETS},
            items,
            folder.as_of,
            is_bought_shown=not settings.run.excludes_repeats,
            timezone=settings.source.timezone,
        )
        lists = user_lists(model.audiences, model.factors, evidence, settings.recommend.list_length)
        n_recommendations = folder.write("recommendations", lists)
        cold = model.cold_counts()
    n_similar = folder.write("similar_items", similar)
    n_users, n_served = sum(len(audience.user_ids) for audience in model.audiences), _n_served(job)
    return {
        "model": params.model,
        "n_users": n_served,
        "n_users_without_list": n_users - n_served,
        "n_browsers": n_users - len(model.audiences[0].user_ids),
        **cold,
        "n_items": len(model.factors.item_ids),
        "n_unavailable_items": len(model.hidden),
        "n_recommendations": n_recommendations,
        "n_popular": n_popular,
        "n_similar": n_similar,
        "n_also_bought": n_also_bought,
        "n_buyers_not_in_also_bought": n_not_in_it,
    }


def _write_popular(job: Job, history: History) -> int:
    """`popular_items`, and what filling up from them needs; returns how many rows of `popular_items`."""
    folder, settings = job.folder, job.settings
    items = folder.optional("items")
    n_popular = folder.write("popular_items", popular_items(history, items, settings))
    popular = folder.file("popular_items")
    purchases = user_purchases(history, popular) if settings.run.excludes_repeats else []
    folder.write("user_purchases", purchases)
    folder.write("user_categories", user_categories(history, items, popular, settings))
    folder.write("item_names", item_names(history, items))
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


def _n_served(job: Job) -> int:
    """How many users have a list: rows of rank 1."""
    ranks = pq.read_table(job.folder.file("recommendations"), columns=["rank"])["rank"]
    return int(pc.sum(pc.equal(ranks, 1)).as_py() or 0)
