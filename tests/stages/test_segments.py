"""Segments through a night: judged by evaluate, written by recommend, on the shop of two tastes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from tests import tastes
from tests.shelf import events, give

LOOKERS = range(100, 340)
"""They look at what users of their taste buy: even ones at even items, odd ones at odd ones."""
BUYING = range(100, 220)
"""Those of LOOKERS who buy for the first time later on, three or four a day."""
NO_SEGMENTS = pa.table({"user_id": pa.array([], pa.int64()), "segment": pa.array([], pa.int32())})


def shop() -> pa.Table:
    """The shop of two tastes, and people who look at five items in the first weeks; some buy others."""
    looks = [
        (user, (user % 2 + 2 * (user // 2 + step)) % 20, 20 + (user + step) % 20, "view")
        for user in LOOKERS
        for step in range(5)
    ]
    first = [
        (user, (user % 2 + 2 * (user // 2 + 6)) % 20, 99 - 0.3 * (user - BUYING.start)) for user in BUYING
    ]
    return pa.concat_tables([tastes.shop(), events(*looks, *first)])


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """As far as `recommend`; segments are lists of what two people bought."""
    lengths = {"list_length": 5, "also_bought_min_buyers": 2, "popular_length": 10}
    job = tastes.job_at(tmp_path_factory.mktemp("segments"), recommend=lengths)
    parts = {"items": tastes.ITEMS, "live": {}, "live_segments": NO_SEGMENTS, "validation": {"suites": []}}
    give(job.folder, events=shop(), **parts)
    for stage in ("filter_purchasers", *tastes.LEARNING):
        run_stage(stage, job)
    return job


def test_a_night_publishes_segments_that_foretell_first_purchases(night: Job) -> None:
    document = night.folder.document("first_purchases")
    assert document["is_published"]
    assert document["recall_at_10"] > document["recall_at_10_popular"]
    assert night.folder.receipt("evaluate")["counts"]["n_first_buyers"] == document["n_users"]


def test_each_segment_has_those_of_one_taste_and_what_they_can_buy(night: Job) -> None:
    """Item 4 is not available."""
    users = night.folder.table("user_segments").to_pylist()
    lists = night.folder.table("popular_in_segment").to_pylist()
    assert {row["user_id"] for row in users} == set(LOOKERS) - set(BUYING)
    assert night.folder.receipt("recommend")["counts"]["n_segments"] == len({row["segment"] for row in lists})
    tastes_of: dict[int, set[int]] = {}
    for row in users:
        tastes_of.setdefault(row["segment"], set()).add(row["user_id"] % 2)
    assert all(len(parities) == 1 for parities in tastes_of.values())
    assert {(row["segment"], row["item_id"] % 2) for row in lists} == {
        (segment, parity) for segment, parities in tastes_of.items() for parity in parities
    }
    assert 4 not in {row["item_id"] for row in lists}


def test_the_numbers_of_what_is_live_stay(night: Job) -> None:
    """As if the numbers had been the other way round on the night before."""
    users = night.folder.table("user_segments")
    n = max(users["segment"].to_pylist())
    turned = [n + 1 - number for number in users["segment"].to_pylist()]
    give(night.folder, live_segments=users.set_column(1, "segment", pa.array(turned, pa.int32())))
    run_stage("recommend", night)
    assert night.folder.table("user_segments")["segment"].to_pylist() == turned


def test_where_they_are_not_published_both_datasets_are_empty(night: Job) -> None:
    give(night.folder, first_purchases={**night.folder.document("first_purchases"), "is_published": False})
    run_stage("recommend", night)
    assert night.folder.rows("user_segments") == night.folder.rows("popular_in_segment") == 0


def test_a_shop_whose_events_are_purchases_has_none(tmp_path: Path) -> None:
    job = tastes.night_at(tmp_path)
    give(job.folder, events=tastes.shop())
    for stage in ("filter_purchasers", *tastes.LEARNING):
        run_stage(stage, job)
    document = job.folder.document("first_purchases")
    assert (document["n_people"], document["is_published"]) == (0, False)
    assert job.folder.rows("user_segments") == 0
