"""Check a run's lists against their suites, with tables read from the run's events and catalogue.

The queries of these suites may read, beside the lists (`{batch}`):

    buyers      (user_id)             users who must have a list: all who pass the filters, less those for
                                      whom the settings leave nothing to recommend
    known_items (item_id, available)  every item of the events and of the shop's catalogue
    left_out    (user_id, item_id)    items that a user's list must not hold; empty when repeats are allowed
    purchasers  (user_id)             users who bought something: nobody of them is in a segment
    assigned_segments (segment)       segments that somebody is in
    new_items   (item_id)             items that lists may show as new in the shop
    places      (slots, from_rank)    how many of them a list may hold, and from which rank on; one row
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from pipeline import engine
from pipeline.cold.items import COLD_DAYS, KNOWN_DAYS
from pipeline.lists.popular import longest_popular
from pipeline.runs.job import Job
from pipeline.times import utc
from pipeline.validation.checks import Result, check
from pipeline.validation.suites import project_suite

LISTS = ("recommendations", "popular_items", "similar_items", "user_segments", "popular_in_segment")
SEGMENTS = {"assigned_segments": "user_segments"}
"""The dataset of which the table of segments holds the numbers."""
TABLES = ("buyers", "purchasers", *SEGMENTS, "known_items", "left_out", "new_items", "places")
NOTHING_MORE = "true AS available, NULL::TIMESTAMPTZ AS added_at"
"""What the gate reads of an item beside its id, of a shop without a table of items."""


@dataclass(frozen=True)
class Shop:
    """Tables and numbers for the gate, computed independently of the stages that made the lists.

    tables:  name -> Parquet file of each of TABLES, in the run's scratch folder
    n_shown: items that may be recommended to at least one user
    newest:  time of the newest event of any kind before as_of
    n_users: users with a list
    n_items: different items in the users' lists
    """

    tables: Mapping[str, Path]
    n_shown: int
    newest: datetime
    n_users: int
    n_items: int


def read_shop(job: Job) -> Shop:
    """From `events`, `purchaser_events`, `items` (where the shop has some) and `recommendations`."""
    folder, run = job.folder, job.settings.run
    with engine.connect(run.memory_limit_gb, run.threads, folder.scratch()) as db:
        engine.view(db, "events", folder.dataset("events"))
        engine.view(db, "history", folder.dataset("purchaser_events"))
        engine.view(db, "recommendations", folder.dataset("recommendations"))
        if items := folder.optional("items"):
            engine.view(db, "items", items)
        else:
            db.sql(f"SELECT item_id, {NOTHING_MORE} FROM events WHERE false").create_view("items")
        engine.keep(db, "user_rows", "user_rows", job.settings.filter.model_dump())
        engine.keep(db, "left_out", "left_out", {"is_exclude": run.excludes_repeats})
        lengths = job.settings.recommend
        days = {"days": lengths.new_items_days, "cold_days": COLD_DAYS, "known_days": KNOWN_DAYS}
        engine.keep(db, "new_items", "new_in_shop", {"as_of": folder.as_of, **days})
        slots, from_rank = lengths.new_items_slots, lengths.new_items_from_rank
        db.sql(f"SELECT {slots} AS slots, {from_rank} AS from_rank").create("places")
        db.sql("SELECT DISTINCT user_id FROM history").create("purchasers")
        for name, dataset in SEGMENTS.items():
            _keep_segments(db, name, folder.optional(dataset))
        for name in ("item_rows", "known_items", "shelf_items", "buyers"):
            engine.keep(db, name, name)
        tables = {name: folder.scratch() / f"{name}.parquet" for name in TABLES}
        for name, file in tables.items():
            db.table(name).write_parquet(str(file))
        queries: dict[str, dict[str, Any]] = {
            "shown_items": {},
            "list_counts": {},
            "newest_event": {"as_of": folder.as_of},
        }
        numbers: dict[str, Any] = {}
        for name, values in queries.items():
            numbers |= engine.rows(db, name, values).read_all().to_pylist()[0]
    return Shop(tables, numbers["n_shown"], utc(numbers["newest"]), numbers["n_users"], numbers["n_items"])


def _keep_segments(db: duckdb.DuckDBPyConnection, name: str, path: Path | None) -> None:
    """The numbers of the segments in a dataset; none where the run is of an earlier release, without it."""
    rows = engine.parquet(path) if path else "(SELECT 1 AS segment WHERE false)"
    db.sql(f"SELECT DISTINCT segment FROM {rows}").create(name)


def check_lists(job: Job, shop: Shop, rows: Mapping[str, int]) -> dict[str, Result]:
    """Check each list that has rows against the suite of its name; errors as `validation.checks.check`.

    rows: number of rows of each dataset of LISTS
    """
    lengths, run = job.settings.recommend, job.settings.run
    parameters = {
        "list_length": lengths.list_length,
        "popular_length": longest_popular(job.settings),
        "similar_length": lengths.similar_length,
        "min_distinct_items": min(job.settings.gate.min_distinct_items, lengths.list_length, shop.n_shown),
    }
    return {
        name: check(
            project_suite(name),
            job.folder.dataset(name),
            parameters,
            beside=shop.tables,
            memory_gb=run.memory_limit_gb,
        )
        for name in LISTS
        if rows[name]
    }
