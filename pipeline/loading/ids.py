"""Decides the type of a shop's ids: that of config.toml where the values allow it, else the strictest.

Texts count as whole numbers only where writing each number again gives the same text.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from pipeline.config import Ids, IdType

INTEGER = "0|-?[1-9][0-9]{0,18}"
UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def of_texts(db: duckdb.DuckDBPyConnection, source: str, column: str) -> set[IdType]:
    """The id types that every text in `column` of the SQL relation `source` allows; nulls are ignored.

    `00123`, `1.0` and numbers of 20 digits are text. Without any value every type is allowed.
    """
    [(is_integer, is_uuid)] = db.execute(
        f"""
        SELECT coalesce(
                   bool_and(regexp_full_match(id, '{INTEGER}') AND try_cast(id AS BIGINT) IS NOT NULL), true
               ),
               coalesce(bool_and(regexp_full_match(id, '{UUID}')), true)
        FROM (SELECT CAST({column} AS VARCHAR) AS id FROM {source}) WHERE id IS NOT NULL
        """
    ).fetchall()
    allowed: set[IdType] = {"text"}
    if is_integer:
        allowed.add("integer")
    if is_uuid:
        allowed.add("uuid")
    return allowed


def common(allowed: Sequence[set[IdType]], wanted: IdType) -> IdType:
    """`wanted` if every file allows it, else the strictest type that every file allows."""
    shared = set.intersection(*allowed)
    if wanted in shared:
        return wanted
    return "integer" if "integer" in shared else "uuid" if "uuid" in shared else "text"


def advice(user: IdType, item: IdType, ids: Ids) -> str:
    """What to write into config.toml where it names other id types than the shop has; else empty."""
    if (user, item) == (ids.user, ids.item):
        return ""
    return (
        "the ids of this shop are of other types than config.toml says; write there, before the night:\n"
        f'  [ids]\n  user = "{user}"\n  item = "{item}"'
    )
