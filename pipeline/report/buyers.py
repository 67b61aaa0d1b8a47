"""Choose ten buyers for the report: what they bought last, what is recommended to them, and why."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from pipeline import engine
from pipeline.report import words
from pipeline.runs.folder import RunFolder

N_BUYERS = 10
CLOSE_BY = {"similar_to_purchase": "close to", "also_bought_with": "bought by buyers of"}
"""Reasons that name a purchase, as the words before its name."""
LENGTH = 5
LONGEST = 80
"""Most characters of an item's name that are shown."""
NO_DETAILS = """
    SELECT CAST(NULL AS DATE) AS last_bought_on, CAST(NULL AS INTEGER) AS gap_days,
        CAST(NULL AS INTEGER) AS percent_off, CAST(NULL AS INTEGER) AS model_rank
    WHERE false
"""
"""A run of an earlier version has no such columns; its reasons are told without."""

Row = Mapping[str, Any]


def buyers(folder: RunFolder, ours: str) -> list[dict[str, Any]]:
    """Up to N_BUYERS buyers, spread over how often they buy, half of them with a hit in the test.

    ours: the model of `user_metrics` that holds the lists of this run

    Each has `id`, `about`, `test` (hits, of the first slots at all cuts; None: not measured), `is_hit`,
    `bought` (`name`, `at`), `gets` (`name`, `why`) and `without` (names: the beginning of the list without
    variety, up to the first item that is in it no more; empty where it has none).

    The same run gives the same buyers; empty before `recommend`.
    """
    if not (folder.has("recommendations") and folder.has("purchaser_events")):
        return []
    with engine.connect(spill=folder.scratch()) as db:
        engine.view(db, "purchaser_events", folder.dataset("purchaser_events"))
        lists = engine.parquet(folder.dataset("recommendations"))
        db.sql(f"SELECT * FROM {lists} UNION ALL BY NAME {NO_DETAILS}").create_view("recommendations")
        if names := folder.optional("item_names"):
            engine.view(db, "item_names", names)
        else:
            db.sql("SELECT item_id, '' AS name FROM recommendations WHERE false").create_view("item_names")
        if user_metrics := folder.optional("user_metrics"):
            engine.view(db, "user_metrics", user_metrics)
        else:
            empty = "SELECT user_id, '' AS model, 0.0 AS precision_at_3 FROM recommendations WHERE false"
            db.sql(empty).create_view("user_metrics")
        engine.keep(db, "report_buyers", "report_buyers", {"n_buyers": N_BUYERS, "model": ours})
        chosen = engine.rows(db, "report_chosen").read_all().to_pylist()
        bought = _by_user(engine.rows(db, "report_bought", {"length": LENGTH}).read_all().to_pylist())
        gets = _by_user(engine.rows(db, "report_gets", {"length": LENGTH}).read_all().to_pylist())
    return [_buyer(row, bought.get(row["user_id"], []), gets.get(row["user_id"], [])) for row in chosen]


def _by_user(rows: list[dict[str, Any]]) -> dict[Any, list[Row]]:
    by_user: dict[Any, list[Row]] = {}
    for row in rows:
        by_user.setdefault(row["user_id"], []).append(row)
    return by_user


def _buyer(row: Row, bought: list[Row], listed: list[Row]) -> dict[str, Any]:
    gets = [item for item in listed if item["rank"] <= LENGTH]
    own = {item["model_rank"]: item for item in listed}
    without = [own[rank] for rank in takewhile(own.__contains__, range(1, LENGTH + 1))]
    hit, n_slots = row["precision_at_3"], 3 * (row["n_lists"] or 0)
    return {
        "id": str(row["user_id"]),
        "about": f"bought {words.count(row['n_items'], 'different item')}"
        f" on {words.count(row['n_days'], 'day')}",
        "test": None if hit is None else f"{round(n_slots * hit)} of {n_slots}",
        "is_hit": bool(hit),
        "bought": [
            {"name": _item(item["item_id"], item["name"]), "at": words.short_date(item["bought_at"])}
            for item in bought
        ],
        "gets": [{"name": _item(item["item_id"], item["name"]), "why": _why(item)} for item in gets],
        "without": [_item(item["item_id"], item["name"]) for item in without],
    }


def _why(row: Row) -> str:
    """The reason in words, with what it is told with: a purchase, its day, a percentage."""
    reason = words.reason(row["reason"])
    if (last := row["last_bought_on"]) is not None:
        gap = {None: "", 1: " every day,"}.get(row["gap_days"], f" every {row['gap_days']} days,")
        return f"{reason},{gap} last on {last.day} {last:%b}"
    if (percent := row["percent_off"]) is not None:
        return f"{percent}{words.NBSP}% off, and they often buy reduced items"
    if row["because_item_id"] is None or row["because_item_id"] == row["item_id"]:
        return reason
    because = _item(row["because_item_id"], row["because_name"])
    if row["reason"] not in CLOSE_BY:
        return f"{reason}: “{because}”"
    another = "another " if because == _item(row["item_id"], row["name"]) else ""
    return f"{CLOSE_BY[row['reason']]} {another}“{because}”"


def _item(item: object, name: str | None) -> str:
    """An item's name, cut where it is too long; its id where the shop has none."""
    text = (name or "").strip()
    if not text:
        return f"item {item}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
