"""Reads the RetailRocket dataset: `events.csv`, 2.76 million views, carts and purchases of 2015.

Columns: timestamp (epoch ms), visitorid, event (view, addtocart, transaction), itemid, transactionid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pipeline.config import Ids
from pipeline.loading import account, event_times, retailrocket_items
from pipeline.loading.ids import IdColumn, common
from pipeline.loading.progress import Say, silent
from pipeline.loading.shop import Shop, days_to_shift, shifted
from pipeline.loading.table_file import TableFile, opened
from pipeline.times import FIRST_OF_A_SHOP, utc

COLUMNS = ("timestamp", "visitorid", "event", "itemid", "transactionid")
INVALID = {
    "event": "coalesce(event NOT IN ('view', 'addtocart', 'transaction'), true)",
    "timestamp": "coalesce(try_cast(timestamp AS BIGINT) NOT BETWEEN {earliest} AND {latest}, true)",
}
"""Column -> SQL: whether a row's value is none of this dataset; times are in ms since 1970."""

LAST = "SELECT make_timestamp(max(CAST(timestamp AS BIGINT)) * 1000) FROM {source}"
EVENTS = """
    SELECT {customer} AS customer_id, {product} AS product_id,
           CASE event WHEN 'addtocart' THEN 'cart' WHEN 'transaction' THEN 'purchase' ELSE event END
               AS event_type,
           make_timestamp(CAST(timestamp AS BIGINT) * 1000) AS occurred_at,
           {order} AS order_id, 1.0::DOUBLE AS quantity,
           NULL::DOUBLE AS price, NULL::DOUBLE AS discount, NULL::DOUBLE AS rating
    FROM {source}
"""


@contextmanager
def read(
    path: Path,
    now: datetime,
    ids: Ids,
    say: Say = silent,
    *,
    properties: Sequence[Path] = (),
    keep_dates: bool,
) -> Iterator[Shop]:
    """All its events, shifted by whole days so that they end within the 24 hours before `now`.

    properties: files of the items' properties; without them the products are the ids in the events
    keep_dates: do not shift

    Other columns are ignored. Raises SourceError for another file, naming an invalid row.
    """
    with opened(path, *properties, say=say) as (file, *item_files):
        last = _last(file, now)
        visitor, item = IdColumn(file, "visitorid"), IdColumn(file, "itemid")
        order = IdColumn(file, "transactionid", is_label=True)
        retailrocket_items.check(item_files)
        items = [item.allowed, *(IdColumn(of_items, "itemid").allowed for of_items in item_files)]
        customer, product = common([visitor.allowed], ids.user), common(items, ids.item)
        columns = {
            "user_id": visitor.sql(customer),
            "item_id": item.sql(product),
            "event": "event",
            "timestamp": "timestamp",
            "order": order.sql("text"),
        }
        account.rows(file, columns)
        days = 0 if keep_dates or last is None else days_to_shift(last, now)
        query = EVENTS.format(
            source=file.source,
            customer=columns["user_id"],
            product=columns["item_id"],
            order=columns["order"],
        )
        if days:
            file.notes.append(
                f"all times are {days:,} days later than in the file, so that the last is of today;"
                " --keep-dates keeps them"
            )
        products = (
            retailrocket_items.products(item_files, file, product, last) if item_files and last else None
        )
        yield Shop(customer, product, shifted(file.rows(query), days), products, notes=file.notes)


def _last(file: TableFile, now: datetime) -> datetime | None:
    """The time of the last event, after a check of every row."""
    file.require(COLUMNS)
    latest = int((utc(now) + event_times.AHEAD).timestamp() * 1000)
    bounds = {"earliest": int(FIRST_OF_A_SHOP.timestamp() * 1000), "latest": latest}
    for column, condition in INVALID.items():
        file.refuse(
            column,
            condition.format(**bounds),
            "is not what RetailRocket's events.csv holds",
            "timestamp in ms since 1970; event one of view, addtocart, transaction",
            "take events.csv of that dataset, or: python -m pipeline load events FILE",
        )
    [(last,)] = file.fetch(LAST.format(source=file.source))
    return last  # type: ignore[no-any-return]
