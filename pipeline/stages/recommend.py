"""Fit again on all events and write every list: for each buyer, the popular items, the similar items,
what is bought together; and beside them what filling up and explaining a list needs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse as sp
from numpy.typing import NDArray

from pipeline.lists import personal
from pipeline.lists.also_bought import MOST_ITEMS, also_bought, counted
from pipeline.lists.personal import Audience
from pipeline.lists.popular import longest_popular
from pipeline.lists.reasons import BOUGHT_AGAIN, LOOKED_AT, SIMILAR_TO_PURCHASE, SIMILAR_TO_VIEW
from pipeline.lists.similar import similar_lists
from pipeline.models.catalog import RECENTLY_POPULAR, is_reranker
from pipeline.models.params import Params
from pipeline.models.top_n import Filled
from pipeline.ranking.fitted import FittedModels
from pipeline.ranking.reranker import Scorer, fit_rerankers
from pipeline.runs.job import Counts, Job
from pipeline.splits.history import History, opened

FEW_TRIPS = 2
NEW_DAYS = 14.0


def run(job: Job) -> Counts:
    """`purchaser_events`, `best_params`, `items`, examples -> every list, and what filling one up needs."""
    folder, settings = job.folder, job.settings
    params = Params.read(folder.document("best_params"))
    items = folder.optional("items")
    events = [folder.dataset("purchaser_events")]
    lengths = settings.recommend
    with opened(events, folder.as_of, settings.filter, settings.run, folder.scratch()) as history:
        factors = params.als_model(settings).fit(history)
        hidden = unavailable(job, history.item_ids)
        standing = FittedModels(history, factors.hide(hidden), params, settings, items)
        scorer = _scorer(job, params)
        model = standing.filled(standing.ranker(params.model, scorer)).hide(hidden)
        bought = history.purchases()
        exclude = bought if settings.run.excludes_repeats else None
        audiences = [Audience(history.user_ids, model, bought, exclude, BOUGHT_AGAIN, SIMILAR_TO_PURCHASE)]
        audiences += _browsers(job, standing)
        lists = personal.lists(audiences, standing.factors, lengths.list_length)
        n_recommendations = folder.write("recommendations", lists)
        n_popular = _write_popular(job, history)
        special = unusual(standing, hidden)
    n_similar = folder.write("similar_items", similar_lists(factors.hide(hidden), lengths.similar_length))
    n_also_bought = _write_also_bought(job, bought, factors.item_ids, hidden)
    n_served = _n_served(job)
    return {
        "model": params.model,
        "n_users": n_served,
        "n_users_without_list": sum(len(each.user_ids) for each in audiences) - n_served,
        "n_browsers": sum(len(each.user_ids) for each in audiences[1:]),
        **special,
        "n_items": len(factors.item_ids),
        "n_unavailable_items": len(hidden),
        "n_recommendations": n_recommendations,
        "n_popular": n_popular,
        "n_similar": n_similar,
        "n_also_bought": n_also_bought,
    }


def _browsers(job: Job, standing: FittedModels) -> list[Audience]:
    """Engaged browsers, folded into the finished model; none where the audience is the buyers."""
    if job.settings.recommend.audience == "buyers":
        return []
    guests, params = job.folder.dataset("browser_events"), standing.params
    ids, seen = standing.history.folded_in(guests, params.weights, job.folder.as_of)
    if not len(ids):
        return []
    factors = params.als_model(job.settings).fold_in(standing.factors, ids, seen)
    model = Filled((factors, standing.ranker(RECENTLY_POPULAR))).hide(factors.hidden)
    return [Audience(ids, model, seen, None, LOOKED_AT, SIMILAR_TO_VIEW)]


def _scorer(job: Job, params: Params) -> Scorer | None:
    """The re-ranker that is published, fitted on the newest windows, the test's among them."""
    if not is_reranker(params.model):
        return None
    rows = pa.concat_tables([job.folder.table(name) for name in ("examples", "latest_examples")])
    cuts = pc.unique(rows["cut_at"]).sort(order="descending")[: job.settings.ranking.windows]
    newest = rows.filter(pc.is_in(rows["cut_at"], value_set=cuts))
    taught = fit_rerankers([newest], job.settings, [params.model]) or fit_rerankers([rows], job.settings)
    return taught[params.model]


def unusual(standing: FittedModels, hidden: NDArray[np.int64]) -> dict[str, int]:
    """How many buyers and items the model knows little of; each buyer among them has a list all the same.

    n_thin_users: one or two days with a purchase; n_users_items_gone: all they bought is unavailable;
    n_new_items: first seen within NEW_DAYS
    """
    facts = standing.candidates.facts
    is_here = ~np.isin(facts.bought.other, hidden)
    still = np.bincount(facts.bought.user, is_here, minlength=standing.history.shape[0])
    return {
        "n_thin_users": int((facts.users["user_trips"] <= FEW_TRIPS).sum()),
        "n_users_items_gone": int((still == 0).sum()),
        "n_new_items": int((facts.items["item_age"] < NEW_DAYS).sum()),
    }


def unavailable(job: Job, item_ids: pa.Array) -> NDArray[np.int64]:
    """Column numbers of the items that the shop says are not available; null is available."""
    if not job.folder.has("items"):
        return np.empty(0, np.int64)
    items = job.folder.table("items")
    gone = items.filter(pc.equal(items["available"], False))["item_id"].combine_chunks()
    return np.flatnonzero(pc.is_in(item_ids, value_set=gone).to_numpy(zero_copy_only=False))


def _write_popular(job: Job, history: History) -> int:
    """`popular_items`, and what filling up from them needs; returns how many rows of `popular_items`."""
    folder, lengths = job.folder, job.settings.recommend
    items = folder.optional("items")
    half_life = lengths.popular_half_life_days
    length_of_all = longest_popular(job.settings)
    lists = history.popular(items, half_life, lengths.popular_length, length_of_all)
    n_popular = folder.write("popular_items", lists)
    popular = folder.file("popular_items")
    excludes_repeats = job.settings.run.excludes_repeats
    folder.write("user_purchases", history.purchases_of(popular) if excludes_repeats else [])
    folder.write("user_categories", history.categories(items, popular, half_life, lengths.user_categories))
    folder.write("item_names", history.names(items))
    return n_popular


def _write_also_bought(job: Job, bought: sp.csr_matrix, item_ids: pa.Array, hidden: NDArray[np.int64]) -> int:
    """`also_bought`; returns how many rows."""
    lengths, baskets = job.settings.recommend, counted(bought)
    if n_left_out := bought.shape[0] - baskets.shape[0]:
        job.say(
            f"recommend: {n_left_out:,} buyers of more than {MOST_ITEMS:,} different items are not counted"
            " in also_bought"
        )
    pairs = also_bought(baskets, item_ids, hidden, lengths.also_bought_length, lengths.also_bought_min_buyers)
    return job.folder.write("also_bought", pairs)


def _n_served(job: Job) -> int:
    """How many users have a list: rows of rank 1."""
    ranks = pq.read_table(job.folder.file("recommendations"), columns=["rank"])["rank"]
    return int(pc.sum(pc.equal(ranks, 1)).as_py() or 0)
