"""Cold items judged: what buyers bought after a cut of items that were new then, and whether it could be
foreseen.

At every cut of the test the cold items (`cold/items`) are ranked among themselves for each buyer who bought
one of them afterwards, by what was known before the cut. Recall at k is the share of these purchases that are
among the buyer's first k. Beside it stand the best sellers among the cold items of the buyer's favourite
categories, and what chance would find there and among all cold items, which is computed, not drawn. In the
published lists cold items compete with all others; here they do not, because an item that nobody bought has
no other way to be judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.cold.content import NONE
from pipeline.cold.items import COLD_DAYS, ColdItems, cold_items
from pipeline.cold.ranking import MOST_RANKED, ColdRanking
from pipeline.evaluation import metrics
from pipeline.models.top_n import TopN
from pipeline.runs.job import Counts, Job
from pipeline.splits.folds import Fold
from pipeline.splits.history import History

LENGTHS = (10, 50)
LISTS = ("content", "popular_in_categories", "random_in_categories", "random")
"""What is compared; `content` is what cold items are ranked by."""
NEVER_BOUGHT_LISTS = ("content", "random_in_categories", "random")
"""Of what nobody ever bought nothing is a best seller."""
NOT_RANKED = -2
"""The number of a cold item that is in no list."""
NO_ITEMS = "the shop has no table of items, so nothing is known of an item before somebody buys it"
NO_COLD_ITEMS = "every item that the shop's table has was bought long before the test"
NOTHING_BOUGHT = "no buyer bought an item in the test that was new then and that the shop's table had by then"


@dataclass(frozen=True)
class Found:
    """Held-out purchases of cold items, a row each, and which of LISTS had the item among its first k.

    user_ids: who bought, shape (n,)
    lists:    of each list, whether the item is among the first k, for each of LENGTHS, shape (n, 2);
              for lists by chance, how likely it is
    """

    user_ids: pa.Array
    lists: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class ColdCut:
    """What was measured at one cut.

    all_items, never_bought: of all cold items, and of those that nobody had bought, ranked by themselves
    n_items, n_never_bought: how many there were that could be shown
    n_unknown: purchases of new items that could not be shown: nothing was known of them yet
    """

    all_items: Found
    never_bought: Found
    n_items: int
    n_never_bought: int
    n_unknown: int


def cold_items_document(cuts: Sequence[ColdCut], seed: int) -> dict[str, Any]:
    """The document `cold_items`, of all cuts; none: the shop has no table of items.

    Keys: `why`, why nothing is measured (empty where something is); `cold_days`; `n_cuts`; `n_items` and
    `n_never_bought`, the mean of the cuts; `n_unknown`; `all` and `never_bought`, null where nothing was
    bought. Each of the two has `n_purchases`, `n_buyers`, `times_random` (recall at 10 over that of
    `random_in_categories`, null where that is 0), `against` (the paired `difference` of recall at 10 to
    `popular_in_categories` with `ci_low`, `ci_high`) and `lists`, a row for each of LISTS: `list`,
    `recall_at_10` with its bootstrap interval `ci_low` and `ci_high` (buyers are resampled), `recall_at_50`.
    Of `never_bought` nothing is popular: `against` is null, and the list has no row.
    """
    if not cuts:
        return not_measured(NO_ITEMS)
    of_all = _measured([cut.all_items for cut in cuts], seed)
    has_items = any(cut.n_items for cut in cuts)
    return {
        **not_measured("" if of_all else NOTHING_BOUGHT if has_items else NO_COLD_ITEMS),
        "n_cuts": len(cuts),
        "n_items": round(float(np.mean([cut.n_items for cut in cuts]))),
        "n_never_bought": round(float(np.mean([cut.n_never_bought for cut in cuts]))),
        "n_unknown": sum(cut.n_unknown for cut in cuts),
        "all": of_all,
        "never_bought": _measured([cut.never_bought for cut in cuts], seed, NEVER_BOUGHT_LISTS),
    }


def not_measured(why: str) -> dict[str, Any]:
    """The document of a night in which nothing is measured, and why."""
    counts = {"n_cuts": 0, "n_items": 0, "n_never_bought": 0, "n_unknown": 0}
    return {"why": why, "cold_days": COLD_DAYS, **counts, "all": None, "never_bought": None}


def counts(document: Mapping[str, Any]) -> Counts:
    """For the receipt: purchases of cold items that were measured, and recall at 10 of two lists."""
    row = document["all"]
    if row is None:
        return {"n_cold_purchases": 0}
    recall = {of["list"]: round(of["recall_at_10"], 4) for of in row["lists"]}
    return {
        "n_cold_purchases": row["n_purchases"],
        "cold_recall_at_10": recall["content"],
        "cold_random_recall_at_10": recall["random_in_categories"],
    }


def cold_before(job: Job, history: History, fold: Fold) -> ColdItems | None:
    """The cold items at a cut of the test, where `history` ends; None where the shop has no items."""
    items, embeddings = (job.folder.optional(name) for name in ("items", "item_embeddings"))
    return cold_items(history, items, embeddings, fold.cut_at, is_judged=True)


def cold_at(job: Job, history: History, cold: ColdItems, fold: Fold) -> ColdCut:
    """What was measured at one cut of the test. history: ends there; cold: as `cold_before` has them"""
    history.show("later", *fold.later, since=fold.since, until=fold.until)
    history.give("cold_items", pa.table({"item_id": cold.item_ids, "cold_row": np.arange(len(cold))}))
    rows = history.table("cold_held_out")
    n_unknown = rows["cold_row"].null_count
    rows = _sampled(rows.filter(rows["cold_row"].is_valid()), job)
    users, bought = (rows[name].to_numpy().astype(np.int64) for name in ("user_row", "cold_row"))
    is_never = ~cold.is_bought
    is_of_never = is_never[bought]
    number_of_never = np.cumsum(is_never) - 1
    return ColdCut(
        _found(history, cold, users, bought),
        _found(history, cold.only(is_never), users[is_of_never], number_of_never[bought[is_of_never]]),
        len(cold),
        int(is_never.sum()),
        n_unknown,
    )


def _sampled(rows: pa.Table, job: Job) -> pa.Table:
    """The rows of at most `ranking.most_users` users, drawn with the seed."""
    users, most = np.unique(rows["user_row"].to_numpy()), job.settings.ranking.most_users
    if len(users) <= most:
        return rows
    drawn = np.random.default_rng(job.settings.run.seed).choice(users, most, replace=False)
    return rows.filter(pa.array(np.isin(rows["user_row"].to_numpy(), drawn)))


def _found(history: History, cold: ColdItems, users: NDArray[np.int64], bought: NDArray[np.int64]) -> Found:
    """What the lists of `cold` had of the purchases `bought` (numbers in it) of `users` (rows, ascending)."""
    ranking = ColdRanking(history, cold.most_wanted(MOST_RANKED))
    rows, row_of = np.unique(users, return_inverse=True)
    ranked = np.full(len(cold), NOT_RANKED)
    ranked[np.isin(cold.rows, ranking.items.rows)] = np.arange(len(ranking.items))
    longest = max(LENGTHS)
    ours, popular = ranking.top_n(rows, longest), ranking.top_n_of_categories(rows, longest)
    favourites = ranking.favourites(rows)
    n_of_category = np.bincount(cold.categories[cold.categories != NONE], minlength=favourites.shape[1] - 1)
    n_in_favourites = favourites[:, :-1] @ n_of_category
    is_in_favourites = favourites[row_of, cold.categories[bought]]
    by_chance = np.where(is_in_favourites, 1.0 / np.maximum(n_in_favourites[row_of], 1), 0.0)
    lists = {
        "content": _among_first(ours, row_of, ranked[bought]),
        "popular_in_categories": _among_first(popular, row_of, ranked[bought]),
        "random_in_categories": _drawn(by_chance),
        "random": _drawn(np.full(len(bought), 1.0 / max(len(cold), 1))),
    }
    return Found(history.user_ids.take(pa.array(users)), lists)


def _among_first(top: TopN, row_of: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
    """Whether each item is among the first k of its user's list, for each of LENGTHS."""
    is_there = top.items[row_of] == items[:, None]
    return np.column_stack([is_there[:, :k].any(axis=1) for k in LENGTHS]).astype(np.float64)


def _drawn(chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """How likely an item is among k that are drawn, for each of LENGTHS. chance: to be the first"""
    return np.column_stack([np.minimum(k * chance, 1.0) for k in LENGTHS])


def _measured(parts: Sequence[Found], seed: int, names: Sequence[str] = LISTS) -> dict[str, Any] | None:
    """The numbers of the purchases of all cuts in the lists `names`; None where there are none."""
    user_ids = pa.concat_arrays([part.user_ids for part in parts])
    if not len(user_ids):
        return None
    owner = user_ids.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    found = {name: np.concatenate([part.lists[name] for part in parts]) for name in LISTS}
    rows = []
    for name, (at_10, at_50) in ((name, found[name].T) for name in names):
        low, high = metrics.interval(at_10, seed, owner)
        recall = {"recall_at_10": float(at_10.mean()), "recall_at_50": float(at_50.mean())}
        rows.append({"list": name, **recall, "ci_low": low, "ci_high": high})
    ours, popular, by_chance = (found[name][:, 0] for name in LISTS[:3])
    difference = metrics.paired_interval(ours, popular, seed, owner)
    against = dict(zip(("difference", "ci_low", "ci_high"), difference, strict=True))
    return {
        "n_purchases": len(owner),
        "n_buyers": len(np.unique(owner)),
        "times_random": float(ours.mean() / by_chance.mean()) if by_chance.any() else None,
        "against": against if "popular_in_categories" in names else None,
        "lists": rows,
    }
