"""The products of the RetailRocket dataset, from its files `item_properties_part1.csv` and `part2.csv`.

Columns: timestamp (epoch ms), itemid, property, value: 20 million rows, one for each value a property had
in some week. All but three kinds are hashed. What is kept of an item is its last value up to the last event:

    categoryid   the category
    available    1 where it can be bought, 0 where not
    790          the price, as n12345.000
    888          the longest text, which describes the item; its words are numbers, and a number has an n
                 before. The words, without such numbers, are the name: names that share words are alike

Rows are read through DuckDB, which spills; only the values of these properties are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import pyarrow as pa

from pipeline.config import IdType
from pipeline.contract.datasets import TIMES_OF_ITEMS
from pipeline.loading.ids import IdColumn
from pipeline.loading.table_file import TableFile
from pipeline.times import FIRST_OF_A_SHOP, utc

COLUMNS = ("timestamp", "itemid", "property", "value")
CATEGORY, AVAILABLE, PRICE, TEXT = "categoryid", "available", "790", "888"
NAME_LENGTH = 255
"""Characters of a name, at most: as many as every database holds."""

INVALID = (
    ("itemid", "contains(itemid, chr(0))", "an id without a NUL byte, which no database stores"),
    (
        "timestamp",
        "coalesce(try_cast(timestamp AS BIGINT) < {earliest}, true)",
        "a time in ms since 1970",
    ),
    (
        "value",
        f"property = '{AVAILABLE}' AND coalesce(value NOT IN ('0', '1'), true)",
        f"0 or 1, where the property is {AVAILABLE}",
    ),
    (
        "value",
        rf"property = '{PRICE}' AND coalesce(NOT regexp_full_match(value, 'n[0-9]+(\.[0-9]+)?'), true)",
        f"n and a number, such as n12345.000, where the property is {PRICE}",
    ),
    (
        "value",
        f"property IN ('{CATEGORY}', '{TEXT}') AND contains(value, chr(0))",
        "text without a NUL byte, which no database stores",
    ),
)
"""A column, SQL for a row whose value there is wrong, and what is right."""

KNOWN = f"""
    SELECT {{item}} AS product_id, property, value, CAST(timestamp AS BIGINT) AS set_at FROM {{source}}
    WHERE property IN ('{CATEGORY}', '{AVAILABLE}', '{PRICE}', '{TEXT}')
      AND CAST(timestamp AS BIGINT) <= {{last}}
"""
PRODUCTS = rf"""
    WITH known AS ({{known}}),
    newest AS (
        SELECT product_id, property, max_by(value, (set_at, value)) AS value
        FROM known GROUP BY product_id, property
    ),
    described AS (
        SELECT product_id,
               max(value) FILTER (property = '{TEXT}') AS text,
               max(value) FILTER (property = '{CATEGORY}') AS category,
               max(value) FILTER (property = '{PRICE}') AS price,
               max(value) FILTER (property = '{AVAILABLE}') AS available
        FROM newest GROUP BY product_id
    ),
    bought AS (SELECT DISTINCT {{item}} AS product_id FROM {{events}} WHERE {{item}} IS NOT NULL)
    SELECT product_id,
           nullif(left(trim(regexp_replace(text, 'n[0-9.]+\s*', '', 'g')), {NAME_LENGTH}), '') AS name,
           category,
           CAST(substr(price, 2) AS DOUBLE) AS price,
           NULL::DOUBLE AS discount,
           coalesce(available = '1', true) AS available,
           {", ".join(f"NULL::TIMESTAMP AS {name}" for name in TIMES_OF_ITEMS)}
    FROM described FULL JOIN bought USING (product_id)
    WHERE product_id IS NOT NULL
    ORDER BY product_id
"""


def check(files: Sequence[TableFile]) -> None:
    """Raise SourceError for a file with other columns, or a value that is none of this dataset."""
    earliest = int(FIRST_OF_A_SHOP.timestamp() * 1000)
    for file in files:
        file.require(COLUMNS)
        for column, condition, promised in INVALID:
            file.refuse(
                column,
                condition.format(earliest=earliest),
                "is not what RetailRocket's item_properties files hold",
                promised,
                "take item_properties_part1.csv and item_properties_part2.csv of that dataset",
            )


def products(
    files: Sequence[TableFile], events: TableFile, product: IdType, last: datetime
) -> Iterator[pa.RecordBatch]:
    """The columns of the table `products`, sorted by id: the items of `files` and of `events`.

    product: type of the ids
    last:    time of the last event; later values are not used
    """
    until = int(utc(last).timestamp() * 1000)
    known = (
        KNOWN.format(item=IdColumn(file, "itemid").sql(product), source=file.source, last=until)
        for file in files
    )
    query = PRODUCTS.format(
        known=" UNION ALL ".join(known), item=IdColumn(events, "itemid").sql(product), events=events.source
    )
    yield from events.rows(query)
