"""Reads the RetailRocket dataset: `events.csv`, 2.76 million views, carts and purchases of 2015.

Columns: timestamp (epoch ms), visitorid, event (view, addtocart, transaction), itemid, transactionid.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pipeline import engine
from pipeline.config import Ids
from pipeline.errors import SourceError
from pipeline.loading import ids as id_types
from pipeline.loading.shop import Shop, days_to_shift, shifted
from pipeline.loading.table_file import TableFile, id_as, reading

COLUMNS = ("timestamp", "visitorid", "event", "itemid", "transactionid")
YEAR_10000_MS = 253_402_300_800_000
"""The year 10000, in ms since 1970."""

INVALID = f"""
    SELECT timestamp, event FROM {{source}}
    WHERE event IS NULL OR event NOT IN ('view', 'addtocart', 'transaction')
       OR coalesce(try_cast(timestamp AS BIGINT), -1) NOT BETWEEN 0 AND {YEAR_10000_MS}
    LIMIT 1
"""
LAST = "SELECT make_timestamp(max(CAST(timestamp AS BIGINT)) * 1000) FROM {source}"
EVENTS = """
    SELECT {customer} AS customer_id, {product} AS product_id,
           CASE event WHEN 'addtocart' THEN 'cart' WHEN 'transaction' THEN 'purchase' ELSE event END
               AS event_type,
           make_timestamp(CAST(timestamp AS BIGINT) * 1000) AS occurred_at,
           transactionid AS order_id, 1.0::DOUBLE AS quantity
    FROM {source}
"""


@contextmanager
def read(path: Path, now: datetime, ids: Ids, *, keep_dates: bool) -> Iterator[Shop]:
    """All its events, shifted by whole days so that they end within the 24 hours before `now`.

    keep_dates: do not shift

    Other columns are ignored. Raises SourceError for another file, naming an invalid row.
    """
    with engine.connect() as db:
        file = TableFile(db, path)
        last = _last(file)
        customer = id_types.common([file.id_types("visitorid")], ids.user)
        product = id_types.common([file.id_types("itemid")], ids.item)
        days = 0 if keep_dates or last is None else days_to_shift(last, now)
        query = EVENTS.format(
            source=file.source, customer=id_as("visitorid", customer), product=id_as("itemid", product)
        )
        yield Shop(customer, product, shifted(file.rows(query), days))


def _last(file: TableFile) -> datetime | None:
    """The time of the last event, after a check of every row."""
    file.require(COLUMNS)
    with reading(file.path):
        invalid = file.db.execute(INVALID.format(source=file.source)).fetchall()
        if not invalid:
            [(last,)] = file.db.execute(LAST.format(source=file.source)).fetchall()
            return last  # type: ignore[no-any-return]
    raise SourceError(
        f"{file.path} is not RetailRocket's events.csv",
        found=f"a row with timestamp {invalid[0][0]!r} and event {invalid[0][1]!r}",
        promised="timestamp in epoch ms; event one of view, addtocart, transaction",
        then="take events.csv of that dataset, or: python -m pipeline load events FILE",
    )
