"""pipeline/validation/shop_ids.py: ids of the events beside those of the shop's own tables."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import Settings
from pipeline.runs.job import Job
from pipeline.validation.shop_ids import MISSING, compare
from tests import shelf

TEXT = {"user": "text", "item": "text"}


def text_events(*rows: tuple[Any, ...]) -> pa.Table:
    """Rows as of `shelf.events`, with text ids."""
    users, items = ([row[place] for row in rows] for place in (0, 1))
    table = shelf.events(*((1, 1, *row[2:]) for row in rows))
    for place, (name, ids) in enumerate((("user_id", users), ("item_id", items))):
        table = table.set_column(place, name, pa.array(ids, pa.string()))
    return table


def users(*ids: object) -> pa.Table:
    return pa.table({"user_id": pa.array(ids), "segment": pa.nulls(len(ids), pa.string())})


def items(*ids: object, category: str | None = None) -> pa.Table:
    nulls = {name: pa.nulls(len(ids), pa.float64()) for name in ("price", "discount")}
    return pa.table(
        {
            "item_id": pa.array(ids),
            "name": pa.nulls(len(ids), pa.string()),
            "category": pa.array([category] * len(ids), pa.string()),
            **nulls,
            "available": pa.nulls(len(ids), pa.bool_()),
        }
    )


@pytest.fixture
def texts(job: Callable[..., Job], make_settings: Callable[..., Settings]) -> Callable[..., Job]:
    """`texts(rows, users=..., gate={...})`: a run that comes to `validate`, of a shop with text ids."""

    def make(*rows: tuple[Any, ...], **parts: Any) -> Job:
        sections = {name: parts.pop(name) for name in ("gate", "recommend") if name in parts}
        new_job = job(settings=make_settings(ids=TEXT, **sections))
        shelf.give(new_job.folder, events=text_events(*rows), **parts)
        return new_job

    return make


def found(job: Job, table: str, *columns: str) -> list[tuple[Any, ...]]:
    tables, _ = compare(job)
    return shelf.pairs(pq.read_table(tables[table]), *columns)


def test_buyers_and_items_that_the_shop_does_not_have(texts: Callable[..., Job]) -> None:
    night = texts(
        ("ann", "A", 1), ("Bob", "B", 1), ("eve", "C", 1, "view"), users=users("ann", "bob"), items=items("A")
    )
    tables, numbers = compare(night)
    assert shelf.pairs(pq.read_table(tables["unknown_users"]), "id", "alike", "unknown", "severity") == [
        ("Bob", "bob", "1 of 2 (50.0 %)", "warning")
    ]
    assert shelf.pairs(pq.read_table(tables["unknown_items"]), "id", "alike", "unknown") == [
        ("B", None, "1 of 2 (50.0 %)")
    ]
    assert numbers == {
        "n_events": 3,
        "n_without_user": 0,
        "n_without_item": 0,
        "users": {
            "file": "sql/source/users.sql",
            "n_ids": 3,
            "n_bought": 2,
            "n_unknown": 1,
            "n_events_unknown": 2,
        },
        "items": {
            "file": "sql/source/items.sql",
            "n_ids": 3,
            "n_bought": 2,
            "n_unknown": 1,
            "n_events_unknown": 2,
        },
    }


@pytest.mark.parametrize(
    ("max_unknown", "n_known", "severity"),
    [(0.0, 9, "warning"), (0.1, 9, None), (0.0999, 9, "warning"), (1.0, 1, "critical"), (0.0, 1, "critical")],
)
def test_the_setting_warns_and_nearly_all_is_refused(
    texts: Callable[..., Job], max_unknown: float, n_known: int, severity: str | None
) -> None:
    """Of ten buyers one is unknown, or nine."""
    rows = [(f"u{n}", "A", 1) for n in range(10)]
    night = texts(*rows, users=users(*(f"u{n}" for n in range(n_known))), gate={"max_unknown": max_unknown})
    assert {row for (row,) in found(night, "unknown_users", "severity")} == {severity}


def test_without_tables_of_its_own_nothing_is_unknown_to_a_shop(texts: Callable[..., Job]) -> None:
    tables, numbers = compare(texts(("ann", "A", 1), ("bob", "B", 1)))
    assert all(pq.read_metadata(file).num_rows == 0 for file in tables.values())
    assert numbers["users"] == {
        "file": None,
        "n_ids": 2,
        "n_bought": 2,
        "n_unknown": 0,
        "n_events_unknown": 0,
    }


def test_a_run_may_lie_in_a_folder_of_any_name(texts: Callable[..., Job], tmp_path: Path) -> None:
    night = texts(("ann", "A", 1), ("Bob", "B", 1), users=users("ann", "bob"), items=items("A"))
    folder = tmp_path / """it's [1] shop=1? 100% *"""
    shutil.copytree(night.folder.path, folder)
    moved = replace(night, folder=replace(night.folder, path=folder))
    assert compare(moved)[1] == compare(night)[1]
    assert found(moved, "unknown_users", "id") == [("Bob",)]


def test_ids_of_events_that_differ_in_form_only(texts: Callable[..., Job]) -> None:
    night = texts(("user7", "A", 1), ("user7", "A", 2), ("User7", "a", 1), items=items("A", "a"))
    columns = ("id", "alike", "is_alike_known", "differs_in", "n_events")
    assert found(night, "alike_users", *columns) == [("User7", "user7", False, "upper and lower case", 1)]
    assert found(night, "alike_items", *columns) == [], "the catalogue has both"


def test_numbers_are_compared_as_numbers_are_written(job: Callable[..., Job]) -> None:
    night = job()
    shelf.give(night.folder, events=shelf.events((1, 10, 1), (2, 11, 1)), users=users(1), items=items(10, 11))
    tables, _ = compare(night)
    assert shelf.pairs(pq.read_table(tables["unknown_users"]), "id", "unknown") == [("2", "1 of 2 (50.0 %)")]
    assert pq.read_metadata(tables["unknown_items"]).num_rows == 0


@pytest.mark.parametrize("word", [word.upper() for word in MISSING])
def test_a_word_for_nothing_is_no_id(texts: Callable[..., Job], word: str) -> None:
    rows = [(f"u{n}", f"i{n}", 1) for n in range(9)]
    night = texts(*rows, (word, "i1", 1), ("u1", word, 1))
    assert found(night, "suspicious_users", "id", "n_events") == [(word, 1)]
    assert found(night, "suspicious_items", "id", "n_events") == [(word, 1)]


def test_anybody_is_one_with_far_more_events_than_others(job: Callable[..., Job]) -> None:
    """Customer 0 is one as any other, and whoever has no account where it buys more than anybody."""
    few = [(user, 10, 1) for user in range(9)]
    for n_more, n_named in ((2, 0), (20, 1)):
        night = job(run_id=f"night-{n_more}")
        shelf.give(night.folder, events=shelf.events(*few, *[(0, 10, 2)] * n_more))
        assert len(found(night, "suspicious_users", "id")) == n_named


def test_only_what_may_be_published_must_be_storable(texts: Callable[..., Job]) -> None:
    """A robot that only looks gets no list, unless `recommend.audience` gives it one."""
    long = "x" * 3_000
    rows = [("ann", "A", 1), (long, "A", 1, "view")]
    assert found(texts(*rows), "unstorable", "name") == []
    engaged = replace(texts(*rows, recommend={"audience": "engaged"}))
    assert found(engaged, "unstorable", "name", "n_bytes") == [("user_id", 3_000)]
    bought = texts((long, long, 1), items=items(long, "B", category=long))
    assert [row[0] for row in found(bought, "unstorable", "name")] == ["category", "item_id", "user_id"]


def test_the_encoding_is_that_of_the_serving_database(texts: Callable[..., Job]) -> None:
    night = texts(("Zoë", "A€", 1), serving={"encoding": "LATIN1"})
    [(name, why)] = found(night, "unstorable", "name", "why")
    assert name == "item_id"
    assert "'€'" in why
    assert "LATIN1" in why


def test_the_same_ids_give_the_same_tables(texts: Callable[..., Job]) -> None:
    rows = [(f"{'u' if n % 2 else 'U'}{n % 7}", f"i{n % 5}", n % 9) for n in range(200)]
    night = texts(*rows, users=users("u1", "u2"))
    first = {name: file.read_bytes() for name, file in compare(night)[0].items()}
    assert {name: file.read_bytes() for name, file in compare(night)[0].items()} == first
