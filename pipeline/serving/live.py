"""Read what is live now and what was published before, for the night that begins."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from psycopg import sql
from psycopg.rows import tuple_row

from pipeline.config import Settings
from pipeline.contract.datasets import DATASETS
from pipeline.databases.embedded import silent
from pipeline.serving import schema
from pipeline.serving.session import session

ENCODING = "SELECT current_setting('server_encoding') AS encoding"
SEARCH = ("searched_at", "n_trials", "precision_at_3", "repeat_purchases")
FETCHED = 50_000
"""Rows of the live publication's segments fetched at a time."""
FAR_AHEAD = datetime(9999, 1, 1, tzinfo=UTC)


def read_encoding(url: str, settings: Settings) -> str:
    """The encoding of the serving database, as PostgreSQL names it: UTF8, LATIN1, ... Raises Unreachable."""
    with session(url, settings, "nightshelf read encoding") as db, db.transaction(as_publisher=False):
        row = db.execute(ENCODING).fetchone()
    return str(row["encoding"]) if row else "UTF8"


def read_live(
    url: str, settings: Settings, *, as_of: datetime = FAR_AHEAD, say: Callable[[str], None] = silent
) -> dict[str, Any]:
    """The content of `live.json`; empty when nothing is published, or when there is no schema yet.

    Keys: version, run_id, as_of, published_at, repeat_purchases, precision_at_3, n_users, n_items,
    n_recommendations, params, fallback (what `evaluate` wrote of that name; None where an earlier release
    published it), ids (`{"user", "item"}`), last_search (None, or when, how many trials,
    its Precision@3 and its mode), recent (publications of today's mode that end at `as_of` or before,
    newest first, at most seven: version, as_of, published_at, precision_at_3, n_users, n_items, and
    measured_in, the window as report/trend.py describes it, None where an earlier release published it,
    and model, whose lists they were),
    n_refused_for_shrink (how many of the newest runs in a row were refused only because users or items had
    shrunk).

    A schema of an earlier release is upgraded. Raises ServingError when the schema is of another
    version or holds ids of other types than [ids] says, so that a night stops before hours of work;
    Unreachable.
    """
    with session(url, settings, "nightshelf read live") as db:
        info = schema.look(db)
        if info is None:
            return {}
        schema.check(info, settings)
        if info.version < schema.VERSION:
            schema.migrate(url, settings, say=say)
        with db.transaction():
            row = db.one("live_publication")
            values = {"repeat_purchases": settings.run.repeat_purchases, "as_of": as_of}
            recent = db.run("recent_publications", values).fetchall()
            refused = db.one("refused_in_a_row", values) or {}
    if row is None:
        return {}
    params = row["params"]
    search = {name: params.get(name) for name in SEARCH} if params.get("searched_at") else None
    return {
        **row,
        "ids": info.ids.model_dump(),
        "last_search": search,
        "recent": recent,
        "n_refused_for_shrink": refused["n_runs"],
    }


def read_segments(
    url: str, settings: Settings, live: Mapping[str, Any], as_of: datetime
) -> Generator[pa.RecordBatch, None, None]:
    """The segment of each user in the live publication: columns of `live_segments`, in no order.

    live:  what `read_live` returned
    as_of: end of this run's window; nothing comes of a live publication that ends later, which a run of an
           earlier time must not know
    """
    if not live or live["as_of"] > as_of:
        return
    schema = DATASETS["live_segments"].schema(settings.ids.model_dump())
    with session(url, settings, "nightshelf read segments") as db, db.transaction():
        table = sql.Identifier(db.names.storage, "user_segments")
        query = sql.SQL("SELECT user_id::text, segment FROM {} WHERE version = %(version)s").format(table)
        with db.connection.cursor("live_segments", row_factory=tuple_row) as rows:
            rows.execute(query, {"version": live["version"]})
            while fetched := rows.fetchmany(FETCHED):
                users, segments = zip(*fetched, strict=True)
                columns = pa.array(users, pa.string()), pa.array(segments, pa.int32())
                yield pa.RecordBatch.from_arrays(
                    [column.cast(field.type) for column, field in zip(columns, schema, strict=True)],
                    schema=schema,
                )
