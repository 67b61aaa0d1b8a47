"""Names of a shop's schemas and roles in its serving database, filled into SQL files quoted by psycopg."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from psycopg import sql

from pipeline.config import ROOT, Ids, Serving

FOLDER = ROOT / "sql" / "serving"
COLUMN_TYPES = {"integer": "bigint", "text": "text", "uuid": "uuid"}
ROLES = ("owner", "publisher", "reader", "operator")
"""The owner of the views; who writes the tables under them; who reads; who blocks items and rolls back."""


@dataclass(frozen=True)
class Names:
    """Schemas and roles of one shop.

    schema:  where apps read
    storage: the tables under it; only the publisher writes there, and no reader sees it
    """

    schema: str
    storage: str
    owner: str
    publisher: str
    reader: str
    operator: str

    @classmethod
    def of(cls, serving: Serving) -> Names:
        """From `[serving]`."""
        roles = (f"{serving.role_prefix}_{role}" for role in ROLES)
        return cls(serving.schema_name, f"{serving.schema_name}_storage", *roles)

    def compose(self, text: str, ids: Ids | None = None) -> sql.Composed:
        """`text` with `{schema}`, `{storage}` and the roles (`{owner}`, `{reader}`, ...) filled in, quoted.

        With `ids` also `{user_id_type}`, `{item_id_type}` and, behind an item id to sort by,
        `{in_byte_order}`: texts then sort by their bytes, as DuckDB has them, whatever the database's
        collation.
        """
        parts: dict[str, sql.Composable] = {
            name: sql.Identifier(getattr(self, name)) for name in ("schema", "storage", *ROLES)
        }
        if ids is not None:
            parts["user_id_type"] = sql.SQL(COLUMN_TYPES[ids.user])  # type: ignore[arg-type]
            parts["item_id_type"] = sql.SQL(COLUMN_TYPES[ids.item])  # type: ignore[arg-type]
            parts["in_byte_order"] = sql.SQL('COLLATE "C"' if ids.item == "text" else "")
        return sql.SQL(text).format(**parts)  # type: ignore[arg-type]


@cache
def text_of(name: str) -> str:
    """The text of `sql/serving/statements/<name>.sql`."""
    return (FOLDER / "statements" / f"{name}.sql").read_text(encoding="utf-8")
