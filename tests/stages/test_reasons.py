"""Every reason that recommend gives, rebuilt from the data in pandas: it is true, and no stronger one is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.lists.personal import DETAILS
from pipeline.models.params import Params
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from pipeline.splits.history import opened
from tests import tastes
from tests.shelf import NO_FACTORS, NO_FALLBACK, NO_SEGMENTS, day, events, give

N_ITEMS, LATEST = 48, 99.0


def shop(*, has_prices: bool) -> pa.Table:
    """60 users of three tastes buy some items again and again; every fourth looks for what is reduced.

    Every fifth item is never sold in full, and 3 % off is not reduced.
    """
    rng = np.random.default_rng(3)
    rows: list[tuple[Any, ...]] = []
    for user in range(60):
        liked = rng.permutation(
            [item for item in range(N_ITEMS) if item % 3 == user % 3 or rng.random() < 0.2]
        )
        for at in np.sort(rng.uniform(0, LATEST, int(rng.integers(4, 40)))):
            item = int(liked[min(int(rng.exponential(4)), len(liked) - 1)])
            is_reduced = rng.random() < (0.9 if user % 4 == 0 else 0.2) or item % 5 == 0
            off = (2.0, 2.59, 0.3, 1.0)[item % 4] if is_reduced else 0.0
            price = (10.0 - off, off or None) if has_prices else (None, None)
            rows.append((user, item, float(at), "purchase", None, 1.0, *price))
    return events(*rows)


def items(*, has_discounts: bool) -> pa.Table:
    return pa.table(
        {
            "item_id": pa.array(range(N_ITEMS)),
            "name": pa.array([f"item {n}" for n in range(N_ITEMS)]),
            "category": pa.array([f"category {n % 9}" if n % 8 else None for n in range(N_ITEMS)]),
            "price": pa.array([7.5] * N_ITEMS),
            "discount": pa.array(
                [(2.5, 15.0)[n % 2] if has_discounts and n % 3 == 0 else None for n in range(N_ITEMS)],
                pa.float64(),
            ),
            "available": pa.array([n != 4 for n in range(N_ITEMS)]),
        }
    )


def night(path: Path, mode: str, **parts: Any) -> Job:
    """A night that has made its lists by ALS."""
    job = tastes.job_at(
        path, run={"repeat_purchases": mode}, als={"factors": 4}, recommend={"list_length": 12}
    )
    params = Params.configured(job.settings).dump()
    give(
        job.folder,
        live={},
        fallback=NO_FALLBACK,
        model=NO_FACTORS,
        first_purchases=NO_SEGMENTS,
        best_params=params,
        **parts,
    )
    run_stage("recommend", job)
    return job


class Rebuilt:
    """What is true of a user and an item, from the events and the lists beside the recommendations."""

    def __init__(self, job: Job) -> None:
        tables = {name: job.folder.table(name).to_pandas() for name in ("purchaser_events", "also_bought")}
        self.bought = tables["purchaser_events"]
        self.pairs = tables["also_bought"].query("lift >= 2")
        self.is_bought_shown = not job.settings.run.excludes_repeats
        self.popular = set(
            job.folder.table("popular_items").to_pandas().query("category == 'all'")["item_id"]
        )
        self.names = job.folder.table("item_names").to_pandas().set_index("item_id")["category"].dropna()
        self.wished = job.folder.table("user_categories").to_pandas().query("rank <= 3")
        self.own = {user: set(rows["item_id"]) for user, rows in self.bought.groupby("user_id")}
        self.items = self._items(job)
        events = [job.folder.dataset("purchaser_events")]
        settings = job.settings
        with opened(events, job.folder.as_of, settings.filter, settings.run, job.folder.scratch()) as history:
            factors = Params.configured(settings).als_model(settings).fit(history)
        unit = factors.item_factors / np.linalg.norm(factors.item_factors, axis=1, keepdims=True)
        ids = factors.item_ids.to_pylist()
        self.cosine = pd.DataFrame(unit @ unit.T, index=ids, columns=ids)

    def _items(self, job: Job) -> pd.Series:
        """Percent off by item."""
        priced = self.bought.dropna(subset="price").fillna({"discount": 0.0})
        priced = priced.assign(reduction=priced["discount"] / (priced["price"] + priced["discount"]))
        self.often = {
            user
            for user, rows in priced.groupby("user_id")
            if len(rows) >= 10 and (rows["reduction"] >= 0.05).mean() >= 0.5
        }
        in_full = priced[priced["discount"] == 0].groupby("item_id")["price"].max()
        most = 1.1 * priced["item_id"].map(in_full)
        priced.loc[~(priced["price"] + priced["discount"] <= most), "reduction"] = 0.0
        late = priced[priced["occurred_at"] >= job.folder.as_of - pd.Timedelta(days=7)].groupby("item_id")[
            "reduction"
        ]
        off = late.quantile(0.5, interpolation="lower")[late.size() >= 3]
        if shop_items := job.folder.optional("items"):
            said = pd.read_parquet(shop_items).set_index("item_id")
            before = said["price"] + said["discount"]
            off = off.combine_first(
                (said["discount"] / before)[before <= 1.1 * in_full.reindex(before.index)]
            )
        return np.floor(100 * off[off >= 0.05] + 1e-9).astype(int)

    def reasons(self, user: int, item: int) -> list[tuple[Any, ...]]:
        """All that are true, the strongest first: reason, item that explains, last day, gap, percentage."""
        own, true = self.own[user], []
        if item in own:
            true.append(("bought_again", None, *self.purchases(user, item), None))
        if item in self.items and user in self.often:
            true.append(("on_discount", None, None, None, self.items[item]))
        pairs = self.pairs[(self.pairs["also_bought_item_id"] == item) & self.pairs["item_id"].isin(own)]
        if len(pairs):
            strength = pairs["support"] * np.log(pairs["lift"])
            true.append(("also_bought_with", pairs.loc[strength.idxmax(), "item_id"], None, None, None))
        near = self.cosine.loc[item, sorted(own)]
        if near.max() >= 0.9:
            true.append(("similar_to_purchase", near.idxmax(), None, None, None))
        category = self.names.get(item)
        if category in set(self.wished[self.wished["user_id"] == user]["category"]):
            rows = self.bought[self.bought["user_id"] == user]
            if (rows["item_id"].map(self.names) == category).sum() >= 3:
                true.append(("favourite_category", None, None, None, None))
        if item in self.popular:
            true.append(("recently_popular", None, None, None, None))
        if near.max() > 0:
            true.append(("similar_to_purchase", near.idxmax(), None, None, None))
        return [*true, (None, None, None, None, None)]

    def purchases(self, user: int, item: int) -> tuple[Any, Any]:
        """The last day, and the usual gap where there are three days and the gaps are much alike."""
        rows = self.bought[(self.bought["user_id"] == user) & (self.bought["item_id"] == item)]
        days = np.unique(rows["occurred_at"].dt.floor("D"))
        gaps = np.diff(days) / np.timedelta64(1, "D")
        is_usual = len(days) >= 3 and np.quantile(gaps, 0.75, method="inverted_cdf") <= 2 * np.quantile(
            gaps, 0.25, method="inverted_cdf"
        )
        gap = int(np.floor(np.median(gaps) + 0.5)) if is_usual else None
        return pd.Timestamp(days[-1]).date(), gap


def given(job: Job) -> list[tuple[tuple[int, int], tuple[Any, ...]]]:
    columns = ("reason", "because_item_id", *DETAILS)
    rows = job.folder.table("recommendations").to_pylist()
    return [((row["user_id"], row["item_id"]), tuple(row[name] for name in columns)) for row in rows]


@pytest.mark.parametrize("mode", ["exclude", "allow"])
@pytest.mark.parametrize("has_discounts", [True, False])
def test_the_strongest_true_reason_is_given(tmp_path: Path, mode: str, has_discounts: bool) -> None:
    job = night(
        tmp_path, mode, purchaser_events=shop(has_prices=True), items=items(has_discounts=has_discounts)
    )
    rebuilt = Rebuilt(job)
    met: Counter[str] = Counter()
    for (user, item), reason in given(job):
        assert reason == rebuilt.reasons(user, item)[0], (user, item)
        met[reason[0]] += 1
    expected = {"on_discount", "also_bought_with", "similar_to_purchase", "favourite_category"}
    assert set(met) >= expected | ({"bought_again"} if mode == "allow" else set())
    assert ("bought_again" in met) == (mode == "allow")


@pytest.mark.parametrize("has_items", [True, False])
def test_a_shop_without_prices_orders_and_items_gives_the_reasons_it_can(
    tmp_path: Path, has_items: bool
) -> None:
    """Without dated prices nobody is known to look for what is reduced, whatever the shop says of today."""
    parts = {"items": items(has_discounts=True)} if has_items else {}
    job = night(tmp_path, "allow", purchaser_events=shop(has_prices=False), **parts)
    rebuilt = Rebuilt(job)
    rows = given(job)
    assert [row for row in rows if row[1] != rebuilt.reasons(*row[0])[0]] == []
    met = {reason[0] for _, reason in rows}
    assert met >= {"bought_again", "also_bought_with", "similar_to_purchase"}
    assert ("favourite_category" in met) == has_items
    assert "on_discount" not in met


def test_the_day_of_a_purchase_is_the_shops_own(tmp_path: Path) -> None:
    """Noon of day 20 in UTC is the night of day 21 in Auckland."""
    job = tastes.job_at(tmp_path, run={"repeat_purchases": "allow"}, source={"timezone": "Pacific/Auckland"})
    params = {**Params.configured(job.settings).dump(), "model": "own_most_bought"}
    bought = events((1, 5, 20), (1, 6, 3), (2, 5, 4), (2, 7, 5))
    give(
        job.folder,
        live={},
        fallback=NO_FALLBACK,
        model=NO_FACTORS,
        first_purchases=NO_SEGMENTS,
        best_params=params,
        purchaser_events=bought,
    )
    run_stage("recommend", job)
    days = {row[0]: row[1][2] for row in given(job)}
    assert days[1, 5] == day(21).date()
