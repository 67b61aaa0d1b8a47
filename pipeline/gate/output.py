"""Check a run's lists against their suites, with tables read from the run's events and catalogue.

The queries of these suites may read, beside the lists (`{batch}`):

    buyers      (user_id)             users who must have a list: all who pass the filters, less those for
                                      whom the settings leave nothing to recommend
    known_items (item_id, available)  every item of the events and of the shop's catalogue
    left_out    (user_id, item_id)    items that a user's list must not hold; empty when repeats are allowed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import engine
from pipeline.lists.popular import longest_popular
from pipeline.runs.job import Job
from pipeline.times import utc
from pipeline.validation.checks import Result, check
from pipeline.validation.suites import project_suite

LISTS = ("recommendations", "popular_items", "similar_items")
TABLES = ("buyers", "known_items", "left_out")


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
            db.sql("SELECT item_id, true AS available FROM events WHERE false").create_view("items")
        engine.keep(db, "user_rows", "user_rows", job.settings.filter.model_dump())
        engine.keep(db, "left_out", "left_out", {"is_exclude": run.excludes_repeats})
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
