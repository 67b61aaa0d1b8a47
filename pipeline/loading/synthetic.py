"""Generates the events of a made-up shop of any size: same seed, same events, in bounded memory.

The structure that a model can learn: customers prefer clusters of products (their categories), products
appear, peak and fade, some buyers buy the same product again at their own intervals, and most visitors
never buy. A session runs from views over the cart to an order. `made_up` holds customers and products.

A promotion, where one is asked for, sells one best seller to customers of every taste in the last days: what
happened before tells nothing of it, so that a model which knows tastes loses to "best sellers".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.contract.datasets import TIME
from pipeline.errors import SettingsError, shortened
from pipeline.loading.made_up import DAY_US, DAYS, FEWEST_PRODUCTS, FIRST, Integers, World, pick
from pipeline.loading.shop import Shop, days_to_shift, shifted

BATCH = 128 * 1024
MOST_EVENTS = 1_000_000_000
"""More customers than these make would not fit into the memory of most machines."""
VIEW, CART, PURCHASE = 0, 1, 2
SHARE_OF_REPEATS = 0.35
SHARE_OF_PROMOTED = 0.3
"""Sessions and repeat purchases on a day of the promotion that are about its product."""
NAMES = pa.array(["view", "cart", "purchase"])


@contextmanager
def read(
    n_events: int,
    seed: int,
    now: datetime,
    *,
    keep_dates: bool,
    promotion_days: int = 0,
    look_first: float = 0.0,
    n_products: int = 0,
) -> Iterator[Shop]:
    """`n_events` events over a year, in time order, the last within the 24 hours before `now`.

    keep_dates:     keep the dates of 2025 instead
    promotion_days: the last days, on which one best seller is promoted; 0: none
    look_first:     share of the buyers who look around for weeks or months before they first buy
    n_products:     how many the shop has; 0: as many as suit the events

    Raises SettingsError when `n_events` is below 1 or above MOST_EVENTS, `seed` is negative, the promotion
    is longer than the year, `look_first` is no share, or the products are fewer than FEWEST_PRODUCTS or more
    than MOST_EVENTS.
    """
    is_year = 0 <= promotion_days <= DAYS
    is_shop = n_products == 0 or FEWEST_PRODUCTS <= n_products <= MOST_EVENTS
    is_number = 1 <= n_events <= MOST_EVENTS and seed >= 0
    if not (is_number and is_year and 0 <= look_first <= 1 and is_shop):
        raise SettingsError(
            "a made-up shop needs events",
            found=shortened(
                f"--events {n_events} --seed {seed} --promotion-days {promotion_days}"
                f" --look-first {look_first:g} --products {n_products}"
            ),
            promised=f"--events of 1 to {MOST_EVENTS:,}, --seed of at least 0,"
            f" --promotion-days of 0 to {DAYS}, --look-first of 0 to 1,"
            f" --products of at least {FEWEST_PRODUCTS}",
            then="choose other numbers",
        )
    world = World.make(n_events, seed, promotion_days, look_first, n_products)
    days = 0 if keep_dates else days_to_shift(_last(world, n_events), now)
    events = shifted(_events(world, n_events), days)
    products = shifted(world.products(), days, "added_at")
    yield Shop("integer", "integer", events, products, world.customers())


def quotas(n_events: int) -> Integers:
    """Number of events of each day, [DAYS]: more at weekends and late in the year; the sum is `n_events`."""
    day = np.arange(DAYS)
    busy = 1.0 + 0.3 * np.isin((day + 2) % 7, (5, 6)) + 0.5 * day / DAYS
    counts: Integers = np.diff(
        np.floor(np.cumsum(busy) / busy.sum() * n_events + 1e-6).astype(np.int64), prepend=0
    )
    return counts


def _events(world: World, n_events: int) -> Iterator[pa.RecordBatch]:
    waiting: list[pa.RecordBatch] = []
    for day, quota in enumerate(quotas(n_events)):
        if quota:
            waiting.append(_day(world, day, int(quota)))
        if sum(batch.num_rows for batch in waiting) >= BATCH:
            yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
            waiting = []
    if waiting:
        yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()


def _last(world: World, n_events: int) -> datetime:
    """The time of the last event; days are generated independently of each other."""
    counts = quotas(n_events)
    day = int(np.flatnonzero(counts)[-1])
    last: datetime = _day(world, day, int(counts[day])).column("occurred_at")[-1].as_py()
    return last


def _day(world: World, day: int, quota: int) -> pa.RecordBatch:
    """The `quota` events of one day, in time order."""
    rng = np.random.default_rng([world.seed, 1, day])
    repeats = _repeats(world, day, int(quota * SHARE_OF_REPEATS / 2), rng)
    n_orders = len(repeats["kind"]) // 2
    sessions = _sessions(world, day, quota - len(repeats["kind"]), n_orders, rng)
    parts = {name: np.concatenate([repeats[name], sessions[name]]) for name in repeats}
    order = np.lexsort((parts["kind"], parts["customer"], parts["at"]))
    kind, customer, product, at, number = (
        parts[name][order] for name in ("kind", "customer", "product", "at", "order")
    )
    is_purchase = kind == PURCHASE
    quantity = np.where(is_purchase & (rng.random(quota) < 0.2), rng.integers(2, 5, quota), 1)
    orders = pa.array(day * 10_000_000 + number, mask=~is_purchase).cast(pa.string())
    first = int(FIRST.timestamp()) * 1_000_000 + day * DAY_US
    return pa.RecordBatch.from_pydict(
        {
            "customer_id": customer + 1,
            "product_id": world.product_ids[product],
            "event_type": NAMES.take(pa.array(kind)),
            "occurred_at": pa.array(first + at).cast(TIME),
            "order_id": orders,
            "quantity": quantity.astype(np.float64),
            **_prices(world, day, product, is_purchase),
        }
    )


def _prices(world: World, day: int, product: Integers, is_purchase: Any) -> dict[str, pa.Array]:
    """What each event carries: a purchase the price and discount of its product on `day`; none a rating."""
    price, discount = world.prices(day)
    is_other = ~is_purchase
    return {
        "price": pa.array(price[product], mask=is_other),
        "discount": pa.array(discount[product], mask=is_other),
        "rating": pa.nulls(len(product), pa.float64()),
    }


def _repeats(world: World, day: int, most: int, rng: np.random.Generator) -> dict[str, Any]:
    """At most `most` repeat purchases that are due on `day`: a cart and a purchase event each."""
    due = (day + world.offset) % world.period == 0
    due &= world.buys_from[world.repeat_customer] <= day
    rows = np.flatnonzero(due)
    rows = rng.permutation(rows[rng.random(len(rows)) < 0.8])[:most]
    product = world.repeat_product[rows]
    if world.is_promotion(day):
        product[_is_promoted(rng, len(rows))] = world.promoted
    at = _clock(rng, len(rows))
    pair = np.tile(np.arange(len(rows)), 2)
    return {
        "customer": world.repeat_customer[rows][pair],
        "product": product[pair],
        "kind": np.repeat([CART, PURCHASE], len(rows)),
        "at": np.concatenate([at, at + 60_000_000]),
        "order": pair,
    }


def _sessions(
    world: World, day: int, quota: int, first_order: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Sessions: a few views within one cluster; the product viewed last may go to the cart and be bought.

    The last session is cut off where the day's quota ends.
    """
    n = quota // 2 + 51
    customer, cluster = _visitors(world, day, n, rng)
    n_views = np.minimum(rng.geometric(0.4, n), 8)
    start = _clock(rng, n)
    visit = np.repeat(np.arange(n), n_views)
    position = np.arange(len(visit)) - np.repeat(np.cumsum(n_views) - n_views, n_views)
    product = pick(rng, world.popularity(day), world.cluster_starts, cluster[visit])
    if world.is_promotion(day):
        product[_is_promoted(rng, n)[visit]] = world.promoted
    viewed_last = product[np.cumsum(n_views) - 1]
    chance = rng.random(n)
    may_buy = world.is_buyer[customer] & (world.buys_from[customer] <= day)
    carts = np.flatnonzero(chance < np.where(may_buy, 0.35, 0.05))
    bought = np.flatnonzero((chance < 0.25) & may_buy)
    visits = np.concatenate([visit, carts, bought])
    parts = {
        "customer": customer[visits],
        "product": np.concatenate([product, viewed_last[carts], viewed_last[bought]]),
        "kind": np.repeat([VIEW, CART, PURCHASE], [len(visit), len(carts), len(bought)]),
        "at": start[visits]
        + 40_000_000 * np.concatenate([position, n_views[carts], n_views[bought] + 1])
        + rng.integers(0, 20_000_000, len(visits)),
        "order": first_order + visits,
    }
    kept = np.lexsort((parts["at"], visits))[:quota]
    return {name: values[kept] for name, values in parts.items()}


def _visitors(world: World, day: int, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """`n` customers who have joined by `day`, drawn by activity, and the cluster of each session."""
    n_joined = max(1, int(np.searchsorted(world.joined, day, side="right")))
    bounds = np.cumsum(world.activity[:n_joined])
    customer = np.minimum(np.searchsorted(bounds, rng.random(n) * bounds[-1], side="right"), n_joined - 1)
    mood = rng.random(n)
    any_cluster = rng.integers(0, len(world.cluster_starts) - 1, n)
    first, second = world.tastes[customer].T
    return customer, np.select([mood < 0.7, mood < 0.9], [first, second], any_cluster)


def _is_promoted(rng: np.random.Generator, n: int) -> Any:
    """Which of `n` sessions or purchases are about the product of the promotion."""
    return rng.random(n) < SHARE_OF_PROMOTED


def _clock(rng: np.random.Generator, n: int) -> Any:
    """`n` times in microseconds after midnight, mostly in the afternoon; a session ends the same day."""
    return (rng.beta(3, 2, n) * 85_000_000_000).astype(np.int64)
