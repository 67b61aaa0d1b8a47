"""A run whose page can be checked by eye: twenty buyers of ten items, all that a report may show."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pyarrow as pa

from pipeline import config
from pipeline.contract.datasets import DATASETS
from pipeline.report import build
from pipeline.runs.files import write_json
from pipeline.runs.folder import RunFolder
from tests.shelf import NO_FALLBACK, day, events, give

BUYERS = range(1, 21)
CUT = day(86)
HITS = (2, 4, 6, 8, 10, 12, 14)
"""Buyers with one hit among the first three; 15 to 20 are not measured."""
NASTY = '<script>alert("x")</script> & <b>Tea</b>'
SPLIT = {"method": "time", "test_days": 14.0, "n_test_cuts": 1}
MEASURED_IN = {**SPLIT, "test_share": None, "window_days": 365}
PRECISION = {
    "published": 0.04,
    "ranker": 0.039,
    "als": 0.03,
    "item_neighbours": 0.032,
    "popular": 0.02,
    "recently_popular": 0.025,
    "own_most_bought": 0.0,
    "als_500_3_001": 0.015,
}
AGAINST = {
    "against": "best_rule",
    "model": "item_neighbours",
    "precision_at_3": 0.032,
    "difference": 0.008,
    "ci_low": 0.002,
    "ci_high": 0.014,
    "n_users": 14,
}
DECISION: dict[str, Any] = {
    "publish": True,
    "forced": False,
    "reasons": [],
    "warnings": [],
    "skipped": [{"rule": "shrink", "why": "nothing was published before"}],
    "precision": {"comparison": {"precision_at_3": 0.04, "published": "ranker", "against": [AGAINST]}},
}
REFUSED = {
    **DECISION,
    "publish": False,
    "reasons": ["`recommendations`: not true: rank is 1 or more (3 rows)"],
}
PUBLICATION = {"version": 7, "is_live": True, "n_users": 20, "n_items": 10}
LIVE = {
    "version": 6,
    "recent": [
        {
            "version": 6,
            "as_of": "2025-12-31T00:00:00+00:00",
            "precision_at_3": 0.037,
            "n_users": 20,
            "measured_in": MEASURED_IN,
        },
        {
            "version": 5,
            "as_of": "2025-12-30T00:00:00+00:00",
            "precision_at_3": 0.031,
            "n_users": 20,
            "measured_in": MEASURED_IN,
        },
    ],
}
PARAMS: dict[str, Any] = {
    "als": {"factors": 16, "alpha": 0.3},
    "weights": {"purchase": 5.0},
    "half_lives": {"own_most_bought": 60.0},
    "model": "ranker",
    "race": [
        {"model": "als", "n_users": 14, "precision_at_3": 0.042},
        {"model": "ranker", "n_users": 14, "precision_at_3": 0.041},
    ],
    "chosen": "ranker: als has 0.0420, which may be chance",
    "source": "searched",
    "why": "searched: there is no earlier search to go by",
    "ended_by": "trials",
    "n_trials": 9,
    "n_pruned": 1,
}
SESSIONS: dict[str, Any] = {
    "n_orders": 1200,
    "hit_rate_at_10": 0.0627,
    "popular_hit_rate_at_10": 0.0404,
    "difference": 0.0223,
    "ci_low": 0.0067,
    "ci_high": 0.0371,
    "n_named": 9.85,
}
SESSION_LISTS: dict[str, Any] = {
    "why": "",
    "length": 10,
    "n_orders_of_one_item": 244,
    "all": SESSIONS,
    "first_time": {**SESSIONS, "n_orders": 40, "hit_rate_at_10": 0.25, "ci_low": -0.1},
}
VALIDATION = {
    "success": True,
    "failed": [],
    "suites": [
        {
            "suite": "events",
            "n_rows": 60,
            "n_expectations": 14,
            "success": True,
            "failed": [
                {
                    "expectation": "quantity is above 0",
                    "severity": "warning",
                    "n_rows": 3,
                    "observed": "",
                    "examples": [{"user_id": "4242", "quantity": "0"}],
                }
            ],
        }
    ],
}


def metrics(precision: dict[str, float], *modes: str) -> pa.Table:
    """Rows of `metrics`: an interval of 0.01 to both sides, every other number 0.5."""
    rows = []
    for mode in modes:
        for model, value in precision.items():
            row: dict[str, Any] = dict.fromkeys(DATASETS["metrics"].columns, 0.5)
            row |= {name: 14 for name in row if name.startswith("n_")}
            row |= {"model": model, "repeat_purchases": mode, "precision_at_3": value}
            rows.append({**row, "ci_low": max(0.0, value - 0.01), "ci_high": value + 0.01})
    return pa.Table.from_pylist(rows)


def user_metrics() -> pa.Table:
    """Of the published lists: buyers 1 to 14, HITS with one of three."""
    zero = {name: 0.0 for name, kind in DATASETS["user_metrics"].columns.items() if kind == pa.float64()}
    rows = [
        {
            "model": "published",
            "cut_at": CUT,
            "user_id": user,
            "n_held_out": 1,
            **zero,
            "precision_at_3": (user in HITS) / 3,
        }
        for user in range(1, 15)
    ]
    types = DATASETS["user_metrics"].schema({"user": "integer", "item": "integer"})
    return pa.Table.from_pylist(rows, schema=types)


def segments() -> pa.Table:
    """Heavy and light buyers, by the published lists and two rules."""
    numbers = {"n_users": 14, "n_buyers": 14, "ci_low": 0.01, "ci_high": 0.06}
    rows = [
        {"kind": "activity", "segment": segment, "model": model, "precision_at_3": value, **numbers}
        for segment in ("heavy buyers", "light buyers")
        for model, value in (("item_neighbours", 0.03), ("popular", 0.02), ("published", 0.04))
    ]
    return pa.Table.from_pylist(rows)


def trials(*values: float | None, state: str = "complete") -> pa.Table:
    """Trials of one parameter that counts, `alpha`, and one that does not, `factors`."""
    return pa.table(
        {
            "trial": pa.array(range(len(values)), pa.int32()),
            "state": [state] * len(values),
            "precision_at_3": pa.array(values, pa.float64()),
            "params": [
                json.dumps({"alpha": 0.1 * value if value else 0.1, "factors": 16 + 7 * place % 5})
                for place, value in enumerate(values)
            ],
        }
    )


def purchases() -> pa.Table:
    """Buyer u bought on u days, of items 1 to 5, the last time on day 40."""
    rows = [(user, 1 + at % 5, float(40 - at)) for user in BUYERS for at in range(user)]
    return events(*sorted(rows, key=lambda row: (row[0], row[2])))


def recommendations() -> pa.Table:
    """Item 6 because of item 1, then item 7 because it is popular, then item 1 again."""
    rows = [
        {
            "user_id": user,
            "rank": rank,
            "item_id": item,
            "score": 1 / rank,
            "reason": reason,
            "because_item_id": of,
        }
        for user in BUYERS
        for rank, item, reason, of in (
            (1, 6, "similar_to_purchase", 1),
            (2, 7, "recently_popular", None),
            (3, 1, "bought_again", None),
        )
    ]
    return pa.Table.from_pylist(
        rows, DATASETS["recommendations"].schema({"user": "integer", "item": "integer"})
    )


def item_names() -> pa.Table:
    """Item 6 has a nasty name, item 1 a plain one; the others have none."""
    names = {1: "Assam", 6: NASTY}
    return pa.table(
        {
            "item_id": pa.array(range(1, 11)),
            "name": [names.get(item) for item in range(1, 11)],
            "category": pa.nulls(10, pa.string()),
        }
    )


COLD: dict[str, Any] = {
    "n_purchases": 400,
    "n_buyers": 300,
    "times_random": 12.0,
    "against": {"difference": 0.04, "ci_low": 0.02, "ci_high": 0.06},
    "lists": [
        {"list": name, "recall_at_10": recall, "ci_low": low, "ci_high": high, "recall_at_50": 3 * recall}
        for name, recall, low, high in (
            ("content", 0.06, 0.04, 0.08),
            ("popular_in_categories", 0.02, 0.01, 0.03),
            ("random_in_categories", 0.005, 0.004, 0.006),
            ("random", 0.001, 0.001, 0.001),
        )
    ],
}
OF_NEVER_BOUGHT = [row for row in COLD["lists"] if row["list"] != "popular_in_categories"]
COLD_ITEMS = {
    "why": "",
    "cold_days": 14.0,
    "n_cuts": 2,
    "n_items": 1200,
    "n_never_bought": 900,
    "n_unknown": 7,
    "all": COLD,
    "never_bought": {**COLD, "against": None, "lists": OF_NEVER_BOUGHT},
    "new_items": {
        "slots": 1,
        "days": 14.0,
        "from_rank": 11,
        "n_lists": 100,
        "n_with_new": 80,
        "n_bought": 2,
        "recall_at_20": 0.21,
        "recall_at_20_without": 0.214,
        "difference": -0.004,
        "ci_low": -0.009,
        "ci_high": 0.001,
    },
}

FIRST_PURCHASES: dict[str, Any] = {
    "why": "",
    "is_published": True,
    "n_cuts": 4,
    "n_people": 5_000,
    "n_segments": [8, 16, 16, 16],
    "has_attributes": False,
    "attributes": [],
    "newcomer_days": 28,
    "n_users": 400,
    "n_purchases": 450,
    "recall_at_10": 0.25,
    "recall_at_10_popular": 0.05,
    "difference": 0.2,
    "ci_low": 0.17,
    "ci_high": 0.23,
}

WHOLE: dict[str, Any] = {
    "live": LIVE,
    "validation": VALIDATION,
    "purchaser_events": purchases(),
    "split": SPLIT,
    "trials": trials(*(0.02 + 0.001 * i for i in range(9))),
    "best_params": PARAMS,
    "model": {"importance": {"als_rank": 0.6, "n_days": 0.4}},
    "metrics": metrics(PRECISION, "exclude", "allow"),
    "user_metrics": user_metrics(),
    "segment_metrics": segments(),
    "recommendations": recommendations(),
    "item_names": item_names(),
    "fallback": NO_FALLBACK,
    "session_lists": SESSION_LISTS,
    "cold_items": COLD_ITEMS,
    "first_purchases": FIRST_PURCHASES,
    "decision": DECISION,
}


def fill(folder: RunFolder, *, without: tuple[str, ...] = (), **instead: Any) -> RunFolder:
    """Give the run all of WHOLE, less or other than told; `recommend` has counted what it does."""
    parts = {name: part for name, part in {**WHOLE, **instead}.items() if name not in without}
    give(folder, **parts)
    if "recommendations" in parts:
        counts = {
            "rows_in": 90,
            "rows_out": 70,
            "n_users": 20,
            "n_thin_users": 2,
            "n_users_items_gone": 0,
            "n_new_items": 3,
        }
        path = folder.path / "receipts" / "recommend.json"
        receipt = {**folder.receipt("recommend"), "counts": counts, "seconds": 1.5, "peak_memory_mb": 300}
        write_json(path, receipt)
    return folder


def text(page: str) -> str:
    """What a reader sees: no style, no tags, each run of white space one space."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def page(folder: RunFolder, publication: dict[str, Any] | None = None) -> str:
    """The page of a run of config.toml's settings."""
    return build(folder, config.load(), publication).read_text(encoding="utf-8")


def section(page: str, name: str) -> str:
    """What a reader sees of one section."""
    [content] = re.findall(rf'<section[^>]* id="{name}">(.*?)</section>', page, re.S)
    return text(content)
