"""The customers and products of a made-up shop: who prefers what, and how popular a product is when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.contract.datasets import TIME

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
"""The first of the DAYS of the year in which things happen."""
DAYS = 365
DAY_US = 86_400_000_000
N_REPEATS = 2
FEWEST_PRODUCTS, MOST_PRODUCTS = 40, 200_000
"""Products of a shop whose events say how many it has."""
LOOKS_DAYS = 14
"""Days for which they look at least who look around before they first buy."""
SHARE_OF_REDUCED = 0.1
CATEGORIES = (
    *("Tea", "Coffee", "Bread", "Cheese", "Fruit", "Vegetables", "Pasta", "Rice"),
    *("Sweets", "Juice", "Wine", "Fish", "Spices", "Nuts", "Oil", "Honey"),
    *("Soap", "Candles", "Paper", "Garden", "Toys", "Books", "Games", "Music"),
)
SEGMENTS = np.array(["families", "students", "gardeners", "seniors"])

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Booleans = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class World:
    """What does not change from day to day; product rows are sorted by cluster.

    cluster_starts: first product row of each cluster, and the end of the last: [n_clusters + 1]
    product_ids, appeal, born, rise, half_life, phase: by product row; half_life 0: never fades
    joined, activity, is_buyer: by customer row, in the order of joining
    tastes:  [n_customers, 2] clusters, the preferred one first
    repeat_customer, repeat_product, period, offset: one row for each product that a buyer buys repeatedly
    promotion_days: days at the end of the year on which `promoted` is promoted; 0: none
    look_first: share of the buyers who look around for weeks or months before they first buy
    """

    seed: int
    cluster_starts: Integers
    product_ids: Integers
    appeal: Floats
    born: Floats
    rise: Floats
    half_life: Floats
    phase: Floats
    joined: Integers
    activity: Floats
    is_buyer: Booleans
    tastes: Integers
    repeat_customer: Integers
    repeat_product: Integers
    period: Integers
    offset: Integers
    promotion_days: int
    look_first: float

    @classmethod
    def make(
        cls,
        n_events: int,
        seed: int,
        promotion_days: int = 0,
        look_first: float = 0.0,
        n_products: int = 0,
    ) -> World:
        """A shop of a size that suits `n_events`: 40 events a customer, 150 a product unless `n_products`."""
        rng = np.random.default_rng([seed, 0])
        n_products = n_products or int(np.clip(n_events // 150, FEWEST_PRODUCTS, MOST_PRODUCTS))
        n_customers = max(20, n_events // 40)
        n_clusters = int(np.clip(np.sqrt(n_products) / 2, 4, len(CATEGORIES)))
        starts = np.linspace(0, n_products, n_clusters + 1).astype(np.int64)
        is_lasting = rng.random(n_products) < 0.6
        is_lasting[starts[:-1]] = True
        tastes = rng.integers(0, n_clusters, (n_customers, 2))
        is_buyer = rng.random(n_customers) < 0.35
        appeal = rng.lognormal(0.0, 1.2, n_products)
        customer = np.repeat(np.flatnonzero(is_buyer), N_REPEATS)
        shares = np.where(is_lasting, appeal, 0.0)
        period = rng.integers(14, 61, len(customer))
        return cls(
            seed=seed,
            cluster_starts=starts,
            product_ids=rng.permutation(n_products) + 1,
            appeal=appeal,
            born=np.where(is_lasting, -300.0, rng.uniform(-30, DAYS, n_products)),
            rise=rng.uniform(5, 20, n_products),
            half_life=np.where(is_lasting, 0.0, rng.uniform(15, 60, n_products)),
            phase=rng.uniform(0, 2 * np.pi, n_products),
            joined=np.sort(np.where(rng.random(n_customers) < 0.4, 0, rng.integers(0, DAYS, n_customers))),
            activity=rng.lognormal(0.0, 1.0, n_customers),
            is_buyer=is_buyer,
            tastes=tastes,
            repeat_customer=customer,
            repeat_product=pick(rng, shares, starts, tastes[customer, 0]),
            period=period,
            offset=rng.integers(0, period),
            promotion_days=promotion_days,
            look_first=look_first,
        )

    @cached_property
    def buys_from(self) -> Integers:
        """The day from which each customer may buy; who looks first waits for LOOKS_DAYS or more."""
        rng = np.random.default_rng([self.seed, 6])
        is_looking = rng.random(len(self.joined)) < self.look_first
        waits = LOOKS_DAYS + rng.random(len(self.joined)) * np.maximum(DAYS - LOOKS_DAYS - self.joined, 0)
        return np.where(is_looking, self.joined + waits.astype(np.int64), self.joined)

    @property
    def promoted(self) -> int:
        """The product row of the promotion: the lasting product with most appeal."""
        return int(np.argmax(np.where(self.half_life == 0, self.appeal, 0.0)))

    def is_promotion(self, day: int) -> bool:
        """Whether the promotion is on."""
        return day >= DAYS - self.promotion_days

    def popularity(self, day: int) -> Floats:
        """Demand for each product on `day`, by product row: it rises from `born` on, then fades or stays."""
        age = day - self.born
        faded = np.maximum(age - self.rise, 0.0) / np.where(self.half_life > 0, self.half_life, np.inf)
        season = 1.0 + 0.5 * np.sin(2 * np.pi * day / DAYS + self.phase)
        return self.appeal * season * np.clip(age / self.rise, 0.0, 1.0) * 0.5**faded

    def prices(self, day: int) -> tuple[Floats, Floats]:
        """What a piece costs on `day`, and how much less than usual, by product row.

        In each week about one product in ten is reduced, by 10 to 40 %; otherwise it has its usual price.
        """
        usual = np.empty(len(self.product_ids))
        by_id = np.random.default_rng([self.seed, 2]).lognormal(1.5, 0.8, len(usual))
        usual[np.argsort(self.product_ids)] = np.round(by_id, 2)
        rng = np.random.default_rng([self.seed, 4, day // 7])
        is_reduced = rng.random(len(usual)) < SHARE_OF_REDUCED
        share = np.where(is_reduced, rng.uniform(0.1, 0.4, len(usual)), 0.0)
        price: Floats = np.round(usual * (1.0 - share), 2)
        return price, np.round(usual - price, 2)

    def products(self) -> Iterator[pa.RecordBatch]:
        """The rows of table `products`, by id: their prices are those of the last day.

        `added_at` is the day on which a product was born; null where that was before the second day.
        """
        rng = np.random.default_rng([self.seed, 5])
        count = len(self.product_ids)
        cluster = np.searchsorted(self.cluster_starts, np.arange(count), side="right") - 1
        order = np.argsort(self.product_ids)
        category = pa.array(CATEGORIES).take(pa.array(cluster[order]))
        ids = self.product_ids[order]
        price, discount = (amounts[order] for amounts in self.prices(DAYS - 1))
        is_promoted = (order == self.promoted) & (self.promotion_days > 0)
        born = np.floor(self.born[order]).astype(np.int64)
        added_at = pa.array(int(FIRST.timestamp()) * 1_000_000 + born * DAY_US, mask=born < 1).cast(TIME)
        yield pa.RecordBatch.from_pydict(
            {
                "product_id": ids,
                "name": [f"{kind} {number}" for kind, number in zip(category.to_pylist(), ids, strict=True)],
                "category": category,
                "price": price,
                "discount": discount,
                "available": (rng.random(count) < 0.97) | is_promoted,
                "added_at": added_at,
                "available_until": pa.nulls(count, TIME),
                "known_at": pa.nulls(count, TIME),
            }
        )

    def customers(self) -> Iterator[pa.RecordBatch]:
        """The rows of table `customers`; segments correlate with tastes, and one customer in ten has none."""
        rng = np.random.default_rng([self.seed, 3])
        count = len(self.joined)
        likely = self.tastes[:, 0] % len(SEGMENTS)
        segment = np.where(rng.random(count) < 0.8, likely, rng.integers(0, len(SEGMENTS), count))
        yield pa.RecordBatch.from_pydict(
            {
                "customer_id": np.arange(1, count + 1),
                "segment": pa.array(SEGMENTS).take(pa.array(segment, mask=rng.random(count) < 0.1)),
            }
        )


def pick(rng: np.random.Generator, shares: Floats, starts: Integers, cluster: Integers) -> Integers:
    """For each entry of `cluster`, a product row of that cluster, drawn in proportion to `shares`."""
    bounds = np.concatenate([[0.0], np.cumsum(shares)])
    low, high = bounds[starts[cluster]], bounds[starts[cluster + 1]]
    drawn = np.searchsorted(bounds, low + rng.random(len(cluster)) * (high - low), side="right") - 1
    rows: Integers = np.clip(drawn, starts[cluster], starts[cluster + 1] - 1)
    return rows
