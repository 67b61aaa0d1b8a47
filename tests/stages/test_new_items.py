"""A product that the shop added this morning: where it is shown tonight, and that the gate agrees."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.contract.datasets import TIME
from pipeline.gate.output import LISTS, check_lists, read_shop
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from tests.shelf import day, give, whole
from tests.tastes import ITEMS, LEARNING, job_at, night_at, shop

NEW = {
    "new in even": (50, "item of today", "even", day(99.5)),
    "old in even": (51, "item of old", "even", day(10)),
    "new elsewhere": (52, "item of today", "elsewhere", day(99.5)),
    "later": (53, "item of tomorrow", "even", day(101)),
}
"""Items that nobody touched."""


def with_new(path: Path, slots: int = 1) -> Job:
    """The night of a shop whose table has the items of NEW, too."""
    places = {"new_items_slots": slots, "new_items_from_rank": 4, "list_length": 5}
    job = job_at(path, recommend=places)
    ids, names, categories, added = zip(*NEW.values(), strict=True)
    known = whole("items", ITEMS)
    more = pa.table(
        {
            **{name: pa.nulls(len(ids), known.schema.field(name).type) for name in known.column_names},
            "item_id": pa.array(ids),
            "name": pa.array(names),
            "category": pa.array(categories),
            "added_at": pa.array(added, TIME),
        }
    )
    items = pa.concat_tables([known, more])
    give(job.folder, purchaser_events=shop(), events=shop(), items=items, live={}, validation={"suites": []})
    for stage in LEARNING:
        run_stage(stage, job)
    return job


def test_a_product_of_this_morning_is_shown_tonight(tmp_path: Path) -> None:
    """To who buys of its category, below the first three, and with items of its kind on its own page."""
    job = with_new(tmp_path / "with")
    rows = job.folder.table("recommendations").to_pylist()
    shown = {(row["user_id"] % 2, row["rank"]) for row in rows if row["item_id"] == 50}
    assert shown == {(0, 4)}, "users 0, 2, 4, ... buy even items"
    assert {row["reason"] for row in rows if row["item_id"] == 50} == {"new_in_category"}
    assert not {row["item_id"] for row in rows} & {51, 52, 53}
    assert not [row for row in rows if row["reason"] == "new_in_category" and row["item_id"] != 50]
    similar = job.folder.table("similar_items").to_pylist()
    alike = [row["similar_item_id"] for row in similar if row["item_id"] == 50]
    assert sorted(alike[:9]) == [0, 2, 6, 8, 10, 12, 14, 16, 18], "all of its category but one that is gone"
    assert 53 not in {row["item_id"] for row in similar}
    assert 50 in job.folder.table("item_names")["item_id"].to_pylist()
    scores = [(row["user_id"], row["rank"], -row["score"]) for row in rows]
    assert scores == sorted(scores)
    assert [(user, score) for user, _, score in scores] == sorted((user, score) for user, _, score in scores)


def test_lists_without_places_are_those_of_a_shop_without_new_items(tmp_path: Path) -> None:
    """And of the lists with places the others stand in the same order."""
    without, places, none = (
        with_new(tmp_path / "without", slots=0).folder.table("recommendations"),
        with_new(tmp_path / "with").folder.table("recommendations"),
        night_at(tmp_path / "none", *LEARNING, recommend={"list_length": 5}).folder.table("recommendations"),
    )
    assert without.equals(none)
    old = [row for row in places.to_pylist() if row["reason"] != "new_in_category"]
    rank = {(row["user_id"], row["item_id"]): row["rank"] for row in without.to_pylist()}
    assert all(rank[row["user_id"], row["item_id"]] in (row["rank"], row["rank"] - 1) for row in old)


def test_the_gate_lets_lists_with_new_items_pass(tmp_path: Path) -> None:
    job = with_new(tmp_path / "with")
    read = read_shop(job)
    rows = {name: job.folder.rows(name) for name in LISTS}
    assert pq.read_table(read.tables["new_items"])["item_id"].to_pylist() == [50, 52]
    assert not [result.failed for result in check_lists(job, read, rows).values() if result.failed]
