"""Session lists judged on a shop of baskets: against lists made item by item, and without a leak."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline import config
from pipeline.evaluation.session_lists import (
    NO_BASKET,
    NOBODY_HIDDEN,
    counts,
    orders_at,
    session_lists,
)
from pipeline.lists.also_bought import also_bought, baskets_of
from pipeline.lists.popular import popular_items
from pipeline.lists.similar import similar_items
from pipeline.models.als import AlsModel
from pipeline.models.params import Params
from pipeline.ranking.fitted import FittedModels
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits import folds
from pipeline.splits.history import opened
from tests.shelf import day, events, give

MakeJob = Callable[..., Job]
Rows = list[tuple[Any, ...]]
NUMBER = count()
DRAW = {"seed": "0", "most_given": 100, "most_orders": 20_000}
TEAS, CAKES, TOOLS = range(10, 30), range(30, 50), range(50, 70)
LAST = 100
"""The day after which nothing happens; the test is of the last 14 days."""


def orders(*baskets: tuple[int, float, list[int]], with_ids: bool = True) -> Rows:
    """Rows of events, each basket `(user, day, items)` an order."""
    return [
        (user, item, at, "purchase", f"{user} {at}" if with_ids else None)
        for user, at, items in baskets
        for item in items
    ]


def shop(with_ids: bool = True) -> Rows:
    """60 users who buy three items of one aisle every nine days; users 60 to 69 first do in the test."""
    rng = np.random.default_rng(3)
    baskets = []
    for user in range(70):
        first = 95.0 if user >= 60 else float(rng.uniform(0, 9))
        for at in np.arange(first, LAST, 9.0):
            aisle = (TEAS, CAKES, TOOLS)[user % 3]
            baskets.append((user, float(at), [int(item) for item in rng.choice(aisle, 3, replace=False)]))
    return orders(*baskets, with_ids=with_ids)


@contextmanager
def at_test(
    job: MakeJob, rows: Rows, method: str = "time", **more: pa.Table
) -> Iterator[tuple[Job, FittedModels]]:
    """The night and the models at the cut of its test, of a shop that the stage `split` has split."""
    split = config.changed(config.load(), "split", method=method, test_days=14)
    settings = config.changed(split, "als", factors=4)
    night = job(settings=settings, as_of=day(LAST), run_id=f"night{next(NUMBER)}")
    give(night.folder, purchaser_events=in_order(rows), **more)
    run_stage("split", night)
    folder, [fold] = night.folder, folds.tests(night.folder)
    with opened(fold.before, fold.cut_at, settings.filter, settings.run, folder.scratch()) as history:
        factors = AlsModel(settings.als, settings.weights, 0, 1).fit(history)
        params = Params.configured(settings)
        yield night, FittedModels(history, factors, params, settings, folder.optional("items"))


def document_of(night: Job, models: FittedModels) -> dict[str, Any]:
    """The document, of the one cut of the test."""
    [fold] = folds.tests(night.folder)
    return session_lists([orders_at(night, models, fold)], night.settings.run.seed)


def in_order(rows: Rows) -> pa.Table:
    return events(*sorted(rows, key=lambda row: (row[0], row[2], row[1])))


def judged(job: MakeJob, rows: Rows, method: str = "time", **more: pa.Table) -> dict[str, Any]:
    with at_test(job, rows, method, **more) as (night, models):
        return document_of(night, models)


def item_lists(batches: Iterable[pa.RecordBatch], name: str) -> dict[int, list[int]]:
    """Each item's list, by rank."""
    lists: dict[int, list[int]] = {}
    for batch in batches:
        for item, other in zip(batch["item_id"].to_pylist(), batch[name].to_pylist(), strict=True):
            lists.setdefault(item, []).append(other)
    return lists


def by_hand(given: list[int], kinds: list[dict[int, list[int]]], popular: list[int]) -> list[int]:
    """The ten items for a basket without categories, item by item."""
    shown: list[int] = []
    for lists in kinds:
        ranks: dict[int, list[int]] = {}
        for item in given:
            for rank, other in enumerate(lists.get(item, []), 1):
                ranks.setdefault(other, []).append(rank)
        best = sorted(ranks, key=lambda item: (-len(ranks[item]), sum(ranks[item]), item))
        shown += [item for item in best if item not in shown and item not in given]
    return (shown + [item for item in popular if item not in shown and item not in given])[:10]


def test_the_hit_rates_are_those_of_lists_made_item_by_item_from_the_published_lists_at_the_cut(
    job: MakeJob,
) -> None:
    """The lists of all items, as a night publishes them, though judging makes those of given items alone."""
    with at_test(job, shop()) as (night, models):
        document = document_of(night, models)
        history, lengths = models.history, night.settings.recommend
        baskets = baskets_of(history.purchases())
        also = also_bought(baskets, history.item_ids, NOBODY_HIDDEN, lengths.also_bought_length, 5)
        similar = similar_items(models.factors, lengths.similar_length)
        kinds = [item_lists(also, "also_bought_item_id"), item_lists(similar, "similar_item_id")]
        popular = popular_items(history, None, night.settings).read_all().to_pylist()
        best = [row["item_id"] for row in popular if row["category"] == "all"]
        drawn = history.rows("session_orders", DRAW).read_all().to_pylist()
    assert document["n_orders_of_one_item"] == 0
    for name, users in (("all", range(70)), ("first_time", range(60, 70))):
        hits, popular_hits = [], []
        for user in users:
            hidden, *given = [row["item_id"] for row in drawn if row["user_id"] == user]
            hits.append(hidden in by_hand(given, kinds, best))
            popular_hits.append(hidden in by_hand([], [], [item for item in best if item not in given]))
        assert document[name]["n_orders"] == len(users)
        assert document[name]["hit_rate_at_10"] == np.mean(hits)
        assert document[name]["popular_hit_rate_at_10"] == np.mean(popular_hits)
    assert counts(document) == {
        "n_session_orders": 70,
        "session_hit_rate_at_10": round(document["all"]["hit_rate_at_10"], 4),
        "popular_hit_rate_at_10": round(document["all"]["popular_hit_rate_at_10"], 4),
    }
    assert document["all"]["ci_low"] > 0, "who buys teas buys teas: the lists are better than popular items"


def test_what_is_bought_together_in_the_test_alone_is_in_no_list(job: MakeJob) -> None:
    """Everybody's last order holds item 90 with a tea. Before the test 90 was bought by two, with nothing."""
    rows = shop() + orders(*((user, 40.0, [90]) for user in (0, 1)))
    rows += orders(*((user, 99.5, [90, TEAS[user % 8]]) for user in range(60)))
    with at_test(job, rows) as (night, models):
        shown = orders_at(night, models, folds.tests(night.folder)[0]).hits.to_pylist()
        drawn = models.history.rows("session_orders", DRAW).read_all().to_pylist()
    hides_90 = {row["user_id"] for row in drawn if row["place"] == 1 and row["item_id"] == 90}
    assert 15 <= len(hides_90) <= 45
    assert not any(row["is_hit"] or row["is_popular_hit"] for row in shown if row["user_id"] in hides_90)
    assert len(shown) == 70


def test_other_events_of_the_test_change_nothing(job: MakeJob) -> None:
    """In an earlier order of the test each user buys the whole aisle: if lists saw it, they would differ."""
    more = orders(*((user, 90.0, [*TEAS, *CAKES[:4], 77]) for user in range(60)))
    more += [(user, item, 92.0, "view") for user in range(60) for item in TOOLS]
    rng = np.random.default_rng(8)
    last = orders(*((user, 99.0, rng.choice(TEAS, 3, replace=False).tolist()) for user in range(60)))
    plain = shop() + last
    assert judged(job, plain + more) == judged(job, plain)


def test_what_is_available_today_does_not_matter(job: MakeJob) -> None:
    """Categories do: the lists are filled up from them."""
    aisles = [*TEAS, *CAKES, *TOOLS]
    catalogue = {
        "item_id": pa.array(aisles),
        "name": pa.nulls(60, pa.string()),
        "category": [str(item // 20) for item in aisles],
        "price": pa.nulls(60, pa.float64()),
        "discount": pa.nulls(60, pa.float64()),
    }
    sold_out, on_sale = (
        judged(job, shop(), items=pa.table({**catalogue, "available": [is_on_sale] * 60}))
        for is_on_sale in (False, True)
    )
    assert sold_out == on_sale
    assert sold_out["all"]["hit_rate_at_10"] >= judged(job, shop())["all"]["hit_rate_at_10"]


def test_without_order_ids_the_purchases_of_one_moment_are_an_order(job: MakeJob) -> None:
    document = judged(job, shop(with_ids=False))
    assert document == judged(job, shop())


@pytest.mark.parametrize("method", ["random", "last_purchase"])
def test_other_splits_are_judged_too(job: MakeJob, method: str) -> None:
    """Rows at random leave parts of orders; of last orders all are held out."""
    document = judged(job, shop(), method)
    assert document["why"] == ""
    assert document["all"]["hit_rate_at_10"] > document["all"]["popular_hit_rate_at_10"]
    if method == "last_purchase":
        assert document["all"]["n_orders"] == 70


def test_where_nobody_buys_two_items_at_once_it_is_said(job: MakeJob) -> None:
    rows = [row for row in shop() if row[1] in (TEAS[0], CAKES[0], TOOLS[0])]
    document = judged(job, rows)
    assert document["why"] == NO_BASKET
    assert document["all"] is None
    assert document["first_time"] is None
    assert document["n_orders_of_one_item"] > 0
    assert counts(document) == {"n_session_orders": 0}


def test_a_shop_without_first_time_buyers(job: MakeJob) -> None:
    document = judged(job, [row for row in shop() if row[0] < 60])
    assert document["all"]["n_orders"] == 60
    assert document["first_time"] is None


def test_the_same_night_gives_the_same_numbers(job: MakeJob) -> None:
    assert judged(job, shop()) == judged(job, shop())
