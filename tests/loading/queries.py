"""A shop in files of its own, and the queries over them."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline import config, loading

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


TILL = """\
till;who;sku;when;n
1;7;A-1;31.01.2026 18:05:00;2
1;7;B-2;31.01.2026 18:05:00;1
2;9;A-1;01.02.2026 09:00:00;1
"""


STOCK = "sku,title,shelf\nA-1,Darjeeling,tea\nB-2,Plum,jam\n"


EVENTS = """\
-- What our till writes; a comment; with semicolons
WITH lines AS (
    SELECT * FROM read_csv('till.csv', delim = ';', types = {'when': 'VARCHAR'})
)
SELECT who AS user_id, sku AS item_id, CASE WHEN n > 0 THEN 'purchase' ELSE 'return' END AS event_type,
       strptime("when", '%d.%m.%Y %H:%M:%S') AS occurred_at, till AS order_id, n AS quantity, title AS note
FROM lines JOIN 'stock.csv' USING (sku)
ORDER BY till, sku;

/* the end; */ -- of it
"""


ITEMS = "FROM 'stock.csv' SELECT sku AS item_id, title AS name, shelf AS category"


USERS = "SELECT DISTINCT who AS user_id, 'regular' AS segment FROM 'till.csv'"


NO_SHOP = "SELECT 1 AS user_id, 2 AS item_id, 'view' AS event_type, TIMESTAMP '2026-01-01' AS occurred_at"


def column(database: Path, name: str, table: str = "events") -> list[Any]:
    with closing(sa.create_engine(f"sqlite:///{database}").raw_connection()) as db:
        return [value for (value,) in db.execute(f"SELECT {name} FROM {table} ORDER BY rowid")]


def load(folder: Path, database: Path, **files: Path) -> list[str]:
    said: list[str] = []
    options: dict[str, Any] = {"now": NOW, "say": said.append, "settings": config.load(), **files}
    loading.load("query", f"sqlite:///{database}", file=folder / "events.sql", **options)
    return said
