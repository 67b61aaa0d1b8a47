"""Every suite of the project holds on good rows, and each of its expectations can refuse."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import ROOT
from pipeline.contract.datasets import DATASETS
from pipeline.validation.checks import Result, check, load_suite
from tests.validation import beside as beside_ids

SUITES = sorted((ROOT / "expectations").glob("*.json"))
TIME = datetime(2025, 12, 1, tzinfo=UTC)
PARAMETERS = {
    "as_of": datetime(2026, 1, 1, tzinfo=UTC),
    "window_start": datetime(2025, 1, 1, tzinfo=UTC),
    "list_length": 2,
    "popular_length": 2,
    "similar_length": 2,
    "min_distinct_items": 2,
}
BAD_IDS: beside_ids.Rows = {
    **{
        f"unknown_{ids}": [
            {"id": "7", "n_purchases": 1, "unknown": "1 of 1", "severity": severity}
            for severity in ("critical", "warning")
        ]
        for ids in ("users", "items")
    },
    **{
        f"alike_{ids}": [
            {"id": "a", "alike": "A", "differs_in": "case", "n_events": 1, "is_alike_known": is_known}
            for is_known in (True, False)
        ]
        for ids in ("users", "items")
    },
    **{f"suspicious_{ids}": [{"id": "null", "n_events": 1, "n_all": 2}] for ids in ("users", "items")},
    "duplicates": [
        {"user_id": 3, "item_id": 30, "event_type": "view", "occurred_at": TIME, "quantity": 1.0, "times": 2}
    ],
    "odd_values": [
        {"finding": finding, "severity": severity, "item_id": "10", "n_events": 3, "value": -1.0}
        for finding, severity in (
            *(("price", "warning"), ("discount", "warning"), ("rating", "warning"), ("rating", "critical")),
            *(("high_price", "warning"), ("price_of_line", "warning"), ("no_amount", "warning")),
        )
    ],
    "unstorable": [
        {"name": name, "value": "a", "n_bytes": 9_999, "why": "too long"} for name in ("user_id", "category")
    ],
}
BESIDE = {
    "buyers": {"user_id": [1, 2]},
    "purchasers": {"user_id": [1, 2]},
    "assigned_segments": {"segment": [1, 2]},
    "known_items": {"item_id": [10, 20, 30], "available": [True, True, False]},
    "listed_items": {"item_id": [10, 20, None]},
    "left_out": {"user_id": [1, 1, 2], "item_id": [40, 50, 20]},
    "new_items": {"item_id": [20]},
    "places": {"slots": [1], "from_rank": [4]},
}
CARRIED, NOTHING = (2.5, 0.0, 4.0), (None, None, None)
"""Price, discount and rating of an event; of a recommendation what its reason is told with."""

GOOD: dict[str, list[tuple[object, ...]]] = {
    "events": [
        (1, 10, "view", TIME, None, 1.0, *NOTHING),
        (1, 10, "purchase", TIME, "A", 2.0, *CARRIED),
        (1, 10, "purchase", TIME, "A", 2.0, *NOTHING),
    ],
    "items": [
        (10, "Jam", "food", 2.0, None, True, TIME, TIME, TIME),
        (20, None, None, None, None, None, TIME, None, None),
        (30, None, None, None, None, None, None, TIME, None),
    ],
    "users": [(1, "gold"), (2, None)],
    "item_embeddings": [
        (10, "default", [0.5, -1.0], TIME),
        (20, "default", [0.0, 2.0], None),
        (10, "text", [1.0], None),
    ],
    "recommendations": [
        (1, 1, 10, 0.5, None, None, *NOTHING, None),
        (1, 2, 20, -0.5, "bought_again", None, date(2026, 1, 1), 9, None, 2),
        (2, 1, 10, 0.1, "x", 20, None, None, 25, 1),
        (3, 1, 10, 0.1, None, None, *NOTHING, None),
        (3, 2, 20, 0.1, "new_in_category", None, *NOTHING, None),
    ],
    "popular_items": [("all", 1, 10, 3.0), ("all", 2, 20, 1.0), ("food", 1, 10, 3.0)],
    "similar_items": [(10, 1, 20, 0.9), (20, 1, 10, 0.9)],
    "user_segments": [(7, 2), (8, 1), (9, 2)],
    "popular_in_segment": [(1, 1, 10, 3.0), (1, 2, 20, 1.0), (2, 1, 10, 3.0)],
}
NAN = float("nan")
BAD: dict[str, list[tuple[object, ...]]] = {
    "events": [
        (None, None, None, None, None, None, *NOTHING),
        (1, 10, "refund", datetime(2026, 1, 1, tzinfo=UTC), None, 0.0, *NOTHING),
        (1, 10, "purchase", datetime(2024, 12, 31, tzinfo=UTC), None, NAN, *NOTHING),
        *[(3, 30, "view", TIME, None, 1.0, *CARRIED)] * 2,
    ],
    "items": [
        (None, None, "all", -1.0, None, None, TIME, TIME - timedelta(seconds=1), None),
        *[(10, None, None, NAN, None, None, None, None, None)] * 2,
    ],
    "users": [(None, None), (1, None), (1, None)],
    "item_embeddings": [
        (None, "text", None, None),
        *[(10, "text", [0.0, 0.0], None)] * 2,
        (20, "text", [1.0, NAN], None),
        (30, "text", [1.0, None], None),
        (20, "other", [], None),
        (40, "text", [1.0], None),
    ],
    "recommendations": [
        (None, None, None, None, None, None, *NOTHING, None),
        (1, 0, 10, -3.4e38, None, None, *NOTHING, None),
        (1, 3, 10, NAN, None, None, *NOTHING, None),
        (1, 3, 20, 1.0, None, None, *NOTHING, None),
        *[(3, 3, item, 1.0, None, None, *NOTHING, None) for item in (30, 40)],
        (1, 5, 40, 1.0, None, None, *NOTHING, 0),
        (4, 1, 10, 1.0, "new_in_category", None, *NOTHING, None),
        (4, 2, 20, 1.0, None, None, *NOTHING, None),
    ],
    "popular_items": [
        (None, None, None, None),
        ("all", 0, 10, NAN),
        ("all", 3, 10, 1.0),
        ("all", 3, 20, 1.0),
        ("tea", 2, 30, 1.0),
    ],
    "similar_items": [
        (None, None, None, None),
        *[(10, 0, 10, NAN), (10, 3, 20, 1.0), (10, 3, 20, 1.0)],
        (20, 2, 40, 1.0),
    ],
    "user_segments": [(None, None), (7, 0), (7, 3), (1, 1)],
    "popular_in_segment": [
        (None, None, None, None),
        (0, 0, 10, NAN),
        (1, 3, 10, 1.0),
        *[(1, 3, item, 1.0) for item in (10, 20)],
        (3, 2, 30, 1.0),
    ],
}
TABLE_AS_A_WHOLE = {
    *("expect_table_row_count_to_be_between", "expect_table_columns_to_match_set"),
    "expect_column_unique_value_count_to_be_between",
}


def checked(
    folder: Path,
    name: str,
    rows: list[tuple[object, ...]],
    extra: bool = False,
    of_ids: beside_ids.Rows = beside_ids.NOTHING,
) -> Result:
    schema = DATASETS[name].schema({"user": "integer", "item": "integer"})
    table = pa.table(
        [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)], names=schema.names
    )
    if extra:
        table = table.append_column("colour", pa.nulls(len(table), pa.string()))
    pq.write_table(table, folder / f"{name}.parquet")
    for other, columns in BESIDE.items():
        pq.write_table(pa.table(columns), folder / f"{other}.parquet")
    suite = load_suite(ROOT / "expectations" / f"{name}.json")
    beside = {other: folder / f"{other}.parquet" for other in BESIDE} | beside_ids.tables(folder, of_ids)
    return check(suite, folder / f"{name}.parquet", PARAMETERS, beside=beside)


def test_the_suites_are_those_tested_here() -> None:
    assert {path.stem for path in SUITES} == set(GOOD)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_good_rows_pass_without_a_warning(name: str, tmp_path: Path) -> None:
    result = checked(tmp_path, name, GOOD[name])
    assert result.failed == ()
    assert result.n_rows == len(GOOD[name])


@pytest.mark.parametrize("name", sorted(GOOD))
def test_each_expectation_on_rows_can_refuse(name: str, tmp_path: Path) -> None:
    result = checked(tmp_path, name, BAD[name], of_ids=BAD_IDS)
    suite = load_suite(ROOT / "expectations" / f"{name}.json")
    promised = {
        expectation.description
        for expectation in suite.expectations
        if expectation.type not in TABLE_AS_A_WHOLE
    }
    assert {failure.description for failure in result.failed} == promised
    assert all(failure.n_rows and failure.examples for failure in result.failed)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_an_empty_table_is_refused(name: str, tmp_path: Path) -> None:
    result = checked(tmp_path, name, [])
    assert (result.failed[0].severity, result.failed[0].observed) == ("critical", "0")


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_column_too_many_is_refused(name: str, tmp_path: Path) -> None:
    result = checked(tmp_path, name, GOOD[name], extra=True)
    assert [failure.description for failure in result.critical] == ["the columns are those of the contract"]
    assert "colour" in str(result.critical[0])
