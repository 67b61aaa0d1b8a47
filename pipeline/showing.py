"""Print what is served: some users' lists as apps read them, and the publications, as text tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from pipeline.config import Settings
from pipeline.databases import psycopg_connect
from pipeline.files import utc
from pipeline.serving.pointer import Hold, Stored

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


def publications_table(stored: Sequence[Stored], hold: Hold | None) -> str:
    """Publications and refusals, the newest first, the live one marked; below it the hold, if there is one.

    stored: oldest first
    """
    heads = ("", "version", "state", "as of", "published", "Precision@3", "mode", "users", "items", "run")
    rows = [
        (
            "->" if row.state == "live" else "",
            row.version,
            row.state,
            f"{utc(row.as_of):%Y-%m-%d %H:%M}",
            f"{utc(row.published_at):%Y-%m-%d %H:%M}",
            "" if row.precision_at_3 is None else f"{row.precision_at_3:.4f}",
            row.repeat_purchases,
            f"{row.n_users:,}",
            f"{row.n_items:,}",
            row.run_id,
        )
        for row in reversed(stored)
    ]
    lines = [text_table(heads, rows)] if rows else ["nothing was published yet"]
    if hold:
        since = f"{utc(hold.held_at):%Y-%m-%d %H:%M} by {hold.held_by}"
        lines.append(f"held since {since}: later nights are not put live; python -m pipeline release ends it")
    return "\n".join(lines)


def text_table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Headings, a rule and the rows in aligned columns; columns of numbers are right-aligned."""
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(heads), *cells]) for i in range(len(heads))]
    is_number = [
        bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(heads))
    ]
    lines = [list(heads), ["-" * width for width in widths], *cells]
    return "\n".join(
        "  "
        + "  ".join(
            c.rjust(w) if n else c.ljust(w) for c, w, n in zip(line, widths, is_number, strict=True)
        ).rstrip()
        for line in lines
    )
