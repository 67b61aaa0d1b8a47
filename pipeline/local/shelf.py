"""What the demo prints at its end: some users' lists as apps read them."""

from __future__ import annotations

from psycopg import sql

from pipeline.config import Settings
from pipeline.databases.connect import psycopg_connect
from pipeline.serving.tables import text_table

BUYERS = "SELECT DISTINCT user_id FROM {}.recommendations ORDER BY user_id LIMIT 2"
LIST = "SELECT rank, item_id, source, reason FROM {}.recommend({}, {})"
NAMES = "SELECT product_id, name, category FROM products WHERE product_id = ANY(%s)"
LENGTH = 5
UNKNOWN = {"integer": -1, "text": "nobody", "uuid": "00000000-0000-0000-0000-000000000000"}


def lists(serving_url: str, shop_url: str, settings: Settings) -> str:
    """The lists of two buyers and of an unknown user as text tables, each under the SELECT that reads it."""
    schema = settings.serving.schema_name
    with psycopg_connect(serving_url) as serving, psycopg_connect(shop_url, "source") as shop:
        name = sql.Identifier(schema)
        users = [row[0] for row in serving.execute(sql.SQL(BUYERS).format(name)).fetchall()]
        parts = []
        for user, who in [(user, "a buyer") for user in users] + [
            (UNKNOWN[settings.ids.user], "an unknown user")
        ]:
            query = sql.SQL(LIST).format(name, sql.Literal(user), sql.Literal(LENGTH))
            rows = serving.execute(query).fetchall()
            items = [item for _, item, _, _ in rows]
            names = {item: more for item, *more in shop.execute(NAMES, [items]).fetchall()}
            rows = [(*row, *names.get(row[1], ("", ""))) for row in rows]
            heads = ("rank", "item_id", "source", "reason", "name", "category")
            shown = f"SELECT rank, item_id, source, reason FROM {schema}.recommend({user!r}, {LENGTH});"
            parts.append(f"{who}: {shown}\n{text_table(heads, rows)}")
    return "\n\n".join(parts)
