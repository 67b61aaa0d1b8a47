"""Session lists judged: what `serving.recommend_from()` shows to a basket, tried on orders of the test.

At the newest cuts of the test, of each buyer's last order after it one item is hidden, drawn by the seed, and
a list of ten is made from the others. The item lists that it is made from are those that a night publishes,
made by the same code from what was known before the cut: nothing of the held-out orders is in them. Beside it
stands what a visitor would see otherwise, the ten most popular items of the shop. A list belongs to nobody,
so the mode of the night (`repeat_purchases`) does not matter. First-time buyers, on whom no model can be
measured, are in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.contract.datasets import DATASETS
from pipeline.evaluation import metrics
from pipeline.lists.also_bought import also_bought, baskets_of
from pipeline.lists.popular import item_names, popular_items
from pipeline.lists.similar import similar_items
from pipeline.models.als_factors import AlsFactors
from pipeline.ranking.fitted import FittedModels
from pipeline.runs import parquet
from pipeline.runs.job import Counts, Job
from pipeline.splits.folds import Fold
from pipeline.splits.history import History

LENGTH = 10
MOST_GIVEN = 100
"""Items that `recommend_from()` takes at most."""
MOST_ORDERS = 20_000
"""At one cut; of more, as many are drawn: the interval is narrow by then."""
NOBODY_HIDDEN = np.empty(0, np.int64)
NO_BASKET = "no buyer's last order in the test is of two items or more"


@dataclass(frozen=True)
class Orders:
    """The orders measured at one cut.

    hits: one row for each, of session_hits.sql: `user_id`, `is_first_time`, `is_hit`, `is_popular_hit`,
          `n_named`
    n_of_one_item: last orders of one item, of which nothing is left to make a list from
    """

    hits: pa.Table
    n_of_one_item: int


def session_lists(cuts: Sequence[Orders], seed: int) -> dict[str, Any]:
    """The document `session_lists`, of the orders of all cuts.

    Keys: `why`, why nothing is measured (empty where something is); `length` of the lists; `n_cuts`;
    `n_orders_of_one_item`, which are not measured because nothing is left to make a list from; `all` and
    `first_time` (buyers without a purchase before the cut, who are in `all` too), null where there are none.
    Each of the two has `n_orders`, `n_buyers` (different ones), `hit_rate_at_10` (the share of orders whose
    hidden item is in the list), `popular_hit_rate_at_10`, the paired `difference` between them with its
    bootstrap interval `ci_low` and `ci_high` (buyers are resampled), and `n_named`: of the ten items, how
    many go with a given one, on average; the others fill up.
    """
    hits = pa.concat_tables([orders.hits for orders in cuts])
    is_first_time = hits["is_first_time"].to_numpy()
    return {
        **not_judged("" if len(hits) else NO_BASKET),
        "n_cuts": len(cuts),
        "n_orders_of_one_item": sum(orders.n_of_one_item for orders in cuts),
        "all": _measured(hits, np.ones(len(hits), bool), seed),
        "first_time": _measured(hits, is_first_time, seed),
    }


def counts(document: Mapping[str, Any]) -> Counts:
    """For the receipt: orders measured, and the two hit rates. document: `session_lists`"""
    row = document["all"]
    if row is None:
        return {"n_session_orders": 0}
    return {
        "n_session_orders": row["n_orders"],
        "session_hit_rate_at_10": round(row["hit_rate_at_10"], 4),
        "popular_hit_rate_at_10": round(row["popular_hit_rate_at_10"], 4),
    }


def orders_at(job: Job, models: FittedModels, fold: Fold) -> Orders:
    """The orders of one cut of the test, and whether the hidden item is in their lists.

    models: those at the cut; the similar items come from their ALS
    """
    history = models.history
    history.show("later", *fold.later, since=fold.since, until=fold.until)
    most = {"most_given": MOST_GIVEN, "most_orders": MOST_ORDERS}
    history.keep("session_orders", "session_orders", {"seed": str(job.settings.run.seed), **most})
    history.keep("given", "session_given")
    with TemporaryDirectory(dir=job.folder.scratch()) as scratch:
        _show_lists(job, history, models.factors, Path(scratch))
        history.keep("session_lists", "session_lists", {"n": LENGTH})
        hits = history.table("session_hits", {"n": LENGTH})
    n_single = history.table("session_single_items")["n_orders"][0].as_py()
    return Orders(hits, n_single)


def not_judged(why: str) -> dict[str, Any]:
    """The document of a night in which nothing is measured, and why."""
    sizes = {"length": LENGTH, "n_cuts": 0, "n_orders_of_one_item": 0}
    return {"why": why, **sizes, "all": None, "first_time": None}


def _show_lists(job: Job, history: History, factors: AlsFactors, scratch: Path) -> None:
    """Let statements read the item lists at the cut, those of given items alone: no others are asked for."""
    lengths, items = job.settings.recommend, job.folder.optional("items")
    asked = history.columns("session_items")["item_row"].astype(np.int64)
    also = also_bought(
        baskets_of(history.purchases()),
        history.item_ids,
        NOBODY_HIDDEN,
        lengths.also_bought_length,
        lengths.also_bought_min_buyers,
        asked,
    )

    def show(name: str, rows: parquet.Rows) -> None:
        file = scratch / f"{name}.parquet"
        parquet.write(DATASETS[name], DATASETS[name].schema(job.folder.ids), rows, file)
        history.show(name, file)

    show("also_bought", also)
    show("similar_items", similar_items(factors, lengths.similar_length, asked))
    show("popular_items", popular_items(history, items, job.settings, is_judged=True))
    show("item_names", item_names(history, items))


def _measured(hits: pa.Table, is_in: np.ndarray, seed: int) -> dict[str, Any] | None:
    """The numbers of the orders `is_in`; None where there are none. hits: rows of session_hits.sql"""
    if not is_in.any():
        return None
    ours, popular = (hits[name].to_numpy()[is_in].astype(np.float64) for name in ("is_hit", "is_popular_hit"))
    owner = hits["user_id"].combine_chunks().dictionary_encode().indices.to_numpy()[is_in].astype(np.int64)
    difference, low, high = metrics.paired_interval(ours, popular, seed, owner)
    return {
        "n_orders": len(ours),
        "n_buyers": len(np.unique(owner)),
        "hit_rate_at_10": float(ours.mean()),
        "popular_hit_rate_at_10": float(popular.mean()),
        "difference": difference,
        "ci_low": low,
        "ci_high": high,
        "n_named": float(hits["n_named"].to_numpy()[is_in].mean()),
    }
