"""Compare the ids of the events with the shop's own tables: unknown ones, some alike, words that are no ids.

The queries of the suites `events`, `users` and `items` may read these tables beside their own dataset.
`<ids>` is `users` or `items`; ids are texts, also where the shop has numbers.

    unknown_<ids>     (id, n_events, n_purchases, alike, differs_in, unknown, severity)
                      bought with, or bought, and not in the shop's table; `unknown` (how many) and `severity`
                      (critical, warning or null) are the same in all rows
    alike_<ids>       (id, n_events, alike, is_alike_known, differs_in)
                      equal to `alike` but for case, accents, white space at the ends, Unicode normalisation
    suspicious_<ids>  (id, n_events, n_all)  words for "nothing", or for anybody
    unstorable        (name, value, n_bytes, why)  what the serving database cannot hold (`storable`)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from pipeline import engine
from pipeline.contract.datasets import ITEM, USER
from pipeline.contract.missing import BLANKS, WORDS
from pipeline.runs.job import Job
from pipeline.validation.storable import unstorable

KINDS = {"users": (USER, "met_users"), "items": (ITEM, "met_items")}
"""The shop's own tables -> the column of ids, and the statement that counts the ids of events."""
NEARLY_ALL = 0.9
"""The share of buyers, or of bought items, from which the shop's own table is taken to be the wrong one."""

MISSING = ("", *WORDS)
"""Ids that are none, in lower case."""

ANYBODY = ("0", "-1", "guest", "anonymous", "anon", "unknown", "visitor", "default")
"""Ids that may stand for people without an account. One that is a customer has no more events than others."""

TIMES = 3
"""How many times the events of an average id one of ANYBODY has, to be named."""


def compare(job: Job) -> tuple[dict[str, Path], dict[str, Any]]:
    """The tables for the suites (name -> Parquet file in the run's scratch folder), and the numbers.

    The numbers are those of `left_out` in the document `validation`: `n_events`, `n_without_user`,
    `n_without_item`, and for `users` and `items` each: `file` (what the shop's table is read from, or None),
    `n_ids`, `n_bought` (buyers, or bought items), `n_unknown` of these, `n_events_unknown`.
    """
    folder, run = job.folder, job.settings.run
    encoding = folder.document("serving")["encoding"] if folder.has("serving") else "UTF8"
    with engine.connect(run.memory_limit_gb, run.threads, folder.scratch()) as db:
        engine.view(db, "events", folder.dataset("events"))
        numbers: dict[str, Any] = engine.rows(db, "events_without_ids").read_all().to_pylist()[0]
        for kind, (column, met) in KINDS.items():
            engine.keep(db, met, met)
            db.table(met).create_view("met", replace=True)
            _show_known(db, folder.optional(kind), column)
            for table in ("shop_ids", "alike_ids"):
                db.execute(f"DROP TABLE IF EXISTS {table}")
                engine.keep(db, table, table, {"blanks": BLANKS})
            _keep_findings(db, kind, job.settings.gate.max_unknown)
            [counts] = engine.rows(db, "id_counts").read_all().to_pylist()
            numbers[kind] = {**counts, "file": job.file_of(kind) if folder.has(kind) else None}
        names = [f"{what}_{kind}" for kind in KINDS for what in ("unknown", "alike", "suspicious")]
        tables = {name: folder.scratch() / f"{name}.parquet" for name in (*names, "unstorable")}
        for name in names:
            db.table(name).write_parquet(str(tables[name]))
        _show_items(db, folder.optional("items"))
        texts = engine.rows(
            db, "published_texts", {"is_for_all": job.settings.recommend.audience == "engaged"}
        )
        pq.write_table(unstorable(texts, encoding), tables["unstorable"])
    return tables, numbers


def _show_known(db: duckdb.DuckDBPyConnection, file: Path | None, column: str) -> None:
    """Let statements read the ids of the shop's own table as `known`; empty where it has none."""
    if file is None:
        db.sql("SELECT '' AS id WHERE false").create_view("known", replace=True)
    else:
        db.sql(f"SELECT {column} AS id FROM {engine.parquet(file)}").create_view("known", replace=True)


def _show_items(db: duckdb.DuckDBPyConnection, file: Path | None) -> None:
    if file is None:
        nothing = "SELECT '' AS item_id, '' AS name, '' AS category, true AS available WHERE false"
        db.sql(nothing).create_view("items")
    else:
        engine.view(db, "items", file)


def _keep_findings(db: duckdb.DuckDBPyConnection, kind: str, max_unknown: float) -> None:
    """Store what the statements over `shop_ids` find among ids of this kind."""
    db.execute(f"CREATE TEMP TABLE alike_{kind} AS FROM alike_ids")
    shares = {"max_unknown": max_unknown, "nearly_all": NEARLY_ALL}
    engine.keep(db, f"unknown_{kind}", "unknown_ids", shares)
    words = {"missing": list(MISSING), "anybody": list(ANYBODY), "times": TIMES, "blanks": BLANKS}
    engine.keep(db, f"suspicious_{kind}", "suspicious_ids", words)
