"""pipeline/loading/synthetic.py: the same for the same seed, with structure a model can find."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import SettingsError
from pipeline.loading import synthetic

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def shop(n_events: int, seed: int = 0, *, keep_dates: bool = False) -> tuple[pa.Table, pa.Table, pa.Table]:
    with synthetic.read(n_events, seed, NOW, keep_dates=keep_dates) as read:
        assert read.products is not None
        assert read.customers is not None
        return tuple(
            pa.Table.from_batches(list(part)) for part in (read.events, read.products, read.customers)
        )


@pytest.mark.parametrize("n_events", [1, 7, 1_000, 20_001])
def test_exactly_as_many_events_as_asked_for_in_the_order_of_time(n_events: int) -> None:
    events, products, customers = shop(n_events)
    assert events.num_rows == n_events
    times = events["occurred_at"].to_numpy()
    assert (np.diff(times) >= np.timedelta64(0)).all()
    last = events["occurred_at"][-1].as_py()
    assert NOW - timedelta(hours=24) < last <= NOW
    assert set(events["product_id"].to_pylist()) <= set(products["product_id"].to_pylist())
    assert set(events["customer_id"].to_pylist()) <= set(customers["customer_id"].to_pylist())


def test_the_seed_decides() -> None:
    assert shop(5_000, 1)[0].equals(shop(5_000, 1)[0])
    assert not shop(5_000, 1)[0].equals(shop(5_000, 2)[0])


def test_dates_are_kept_on_request() -> None:
    assert shop(1_000, keep_dates=True)[0]["occurred_at"][-1].as_py().year == 2025


def test_orders_belong_to_purchases_and_to_one_customer() -> None:
    frame = shop(20_000)[0].to_pandas()
    assert (frame["order_id"].notna() == (frame["event_type"] == "purchase")).all()
    assert (frame.dropna(subset="order_id").groupby("order_id")["customer_id"].nunique() == 1).all()


def test_a_product_has_its_price_and_in_some_weeks_is_reduced() -> None:
    """Only purchases carry a price. One of ten a week costs 10 to 40 % less, whoever buys how many of it.

    What `products` says is the price of the last day.
    """
    events, products, _ = shop(50_000)
    frame = events.to_pandas()
    assert frame["rating"].isna().all()
    assert (frame["price"].notna() == (frame["event_type"] == "purchase")).all()
    today = products.to_pandas()
    today["price_usual"] = today["price"] + today["discount"]
    bought = frame.dropna(subset="price").merge(today[["product_id", "price_usual"]], on="product_id")
    assert np.allclose(bought["price"] + bought["discount"], bought["price_usual"])
    share = bought["discount"] / bought["price_usual"]
    reduced = share[share > 0]
    assert 0.05 < len(reduced) / len(bought) < 0.15
    assert (reduced - 0.01 / bought["price_usual"]).max() <= 0.4
    assert (reduced + 0.01 / bought["price_usual"]).min() >= 0.1
    assert reduced.quantile(0.1) < 0.15 < 0.35 < reduced.quantile(0.9)
    assert 0.05 < (today["discount"] > 0).mean() < 0.15
    last = bought[bought["occurred_at"] >= bought["occurred_at"].max().normalize()]
    assert (last["price"] == last["product_id"].map(today.set_index("product_id")["price"])).all()
    week = (bought["occurred_at"] - bought["occurred_at"].min().normalize()).dt.days // 7
    assert (bought.groupby(["product_id", week])["price"].nunique() <= 2).all()


def test_there_is_something_to_find() -> None:
    """Tastes, browsers who never buy, buyers who come back, products that come and go."""
    events, products, _ = shop(100_000)
    frame = events.to_pandas().merge(products.to_pandas(), on="product_id")
    by_category = frame.groupby(["customer_id", "category"]).size()
    favourite = by_category.groupby("customer_id").max().sum() / len(frame)
    overall = frame["category"].value_counts(normalize=True).max()
    assert favourite > 2.5 * overall
    bought = frame[frame["event_type"] == "purchase"]
    assert bought["customer_id"].nunique() < 0.45 * frame["customer_id"].nunique()
    assert (bought.groupby(["customer_id", "product_id"]).size() >= 3).sum() > 200
    first = set(frame["product_id"][: len(frame) // 4])
    last = set(frame["product_id"][-len(frame) // 4 :])
    assert len(last - first) > 20
    assert len(first - last) > 10


def test_a_product_is_added_on_the_day_it_is_born() -> None:
    """In the days of the events, shifted as they are; what was there on the first day was always sold."""
    with synthetic.read(100_000, 1, NOW, keep_dates=True) as read:
        assert read.products is not None
        kept = pa.Table.from_batches(list(read.events)).to_pandas()
        products = pa.Table.from_batches(list(read.products)).to_pandas().set_index("product_id")
    added = products["added_at"].dropna()
    assert 0.25 < len(added) / len(products) < 0.45
    assert added.min() >= datetime(2025, 1, 2, tzinfo=UTC)
    assert (added == added.dt.normalize()).all()
    assert products[["available_until", "known_at"]].isna().all(axis=None)
    first = kept.groupby("product_id")["occurred_at"].min().reindex(added.index).dropna()
    assert len(first) > 100
    assert (first >= added[first.index]).all()
    assert ((first - added[first.index]).dt.days < 30).mean() > 0.9
    shifted, later, _ = shop(100_000, 1)
    by = shifted["occurred_at"][0].as_py() - kept["occurred_at"][0].to_pydatetime()
    assert by.days > 0
    moved = later.to_pandas().set_index("product_id")["added_at"].dropna()
    assert (moved - added == by).all()


@pytest.mark.parametrize(("n_events", "seed"), [(0, 0), (-5, 0), (10, -1)])
def test_nonsense_is_refused(n_events: int, seed: int) -> None:
    with pytest.raises(SettingsError):
        shop(n_events, seed)


def test_a_promotion_sells_one_best_seller_to_every_taste_in_the_last_days_alone() -> None:
    with synthetic.read(100_000, 1, NOW, keep_dates=True, promotion_days=14) as read:
        assert read.products is not None
        events = pa.Table.from_batches(list(read.events)).to_pandas()
        products = pa.Table.from_batches(list(read.products)).to_pandas()
    orders = events[events["event_type"] == "purchase"]
    is_promotion = orders["occurred_at"] >= datetime(2025, 12, 18, tzinfo=UTC)
    shares = orders[is_promotion]["product_id"].value_counts(normalize=True)
    before = orders[~is_promotion]["product_id"].value_counts(normalize=True)
    promoted = shares.index[0]
    assert 0.2 < shares[promoted] < 0.4
    assert shares[promoted] > 5 * before[promoted]
    assert promoted in before.index[:10], "it was a best seller before"
    assert products.set_index("product_id").loc[promoted, "available"]


def test_without_a_promotion_nothing_changes() -> None:
    with synthetic.read(5_000, 1, NOW, keep_dates=False, promotion_days=0) as read:
        assert pa.Table.from_batches(list(read.events)).equals(shop(5_000, 1)[0])


def test_a_promotion_is_no_longer_than_the_year() -> None:
    with (
        pytest.raises(SettingsError, match="made-up shop") as caught,
        synthetic.read(10, 1, NOW, keep_dates=False, promotion_days=366),
    ):
        pass
    assert "--promotion-days of 0 to 365" in str(caught.value)


def test_who_looks_first_looks_for_two_weeks_or_more_and_then_buys() -> None:
    with synthetic.read(100_000, 1, NOW, keep_dates=True, look_first=1.0) as read:
        events = pa.Table.from_batches(list(read.events)).to_pandas()
    is_purchase = events["event_type"] == "purchase"
    looks_from = events[~is_purchase].groupby("customer_id")["occurred_at"].min()
    buys_from = events[is_purchase].groupby("customer_id")["occurred_at"].min()
    waits = (buys_from - looks_from.loc[buys_from.index]).dt.days
    assert len(buys_from) > 300
    assert (waits >= 1).mean() > 0.8, "some come for the first time when they buy"
    assert waits.median() > 60


def test_where_nobody_looks_first_nothing_changes() -> None:
    with synthetic.read(5_000, 1, NOW, keep_dates=False, look_first=0.0) as read:
        assert pa.Table.from_batches(list(read.events)).equals(shop(5_000, 1)[0])


def test_a_share_is_no_more_than_one() -> None:
    with (
        pytest.raises(SettingsError, match="made-up shop") as caught,
        synthetic.read(10, 1, NOW, keep_dates=False, look_first=1.5),
    ):
        pass
    assert "--look-first of 0 to 1" in str(caught.value)


def test_a_shop_has_as_many_products_as_one_asks_for() -> None:
    with synthetic.read(5_000, 1, NOW, keep_dates=True, n_products=700) as read:
        assert read.products is not None
        events = pa.Table.from_batches(list(read.events))
        products = pa.Table.from_batches(list(read.products))
    assert (events.num_rows, products.num_rows) == (5_000, 700)
    assert set(events["product_id"].to_pylist()) <= set(products["product_id"].to_pylist())
    with (
        pytest.raises(SettingsError, match="made-up shop") as caught,
        synthetic.read(10, 1, NOW, keep_dates=False, n_products=39),
    ):
        pass
    assert "--products of at least 40" in str(caught.value)
