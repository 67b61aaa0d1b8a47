"""Who is kept, and the data that cannot carry a night."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from pipeline.errors import DataError
from pipeline.runs.job import Job
from pipeline.runs.run_stage import run_stage
from tests.shelf import events, give, pairs

USERS = pa.table({"user_id": pa.array([1, 2]), "segment": pa.array(["new", None])})


def kept(job: Job) -> list[tuple[object, ...]]:
    run_stage("filter_purchasers", job)
    return pairs(job.folder.table("purchaser_events"), "user_id", "item_id", "event_type")


def test_every_event_of_each_user_who_bought(job: Callable[..., Job]) -> None:
    night = job()
    shop = events((2, 5, 1), (1, 7, 0, "view"), (1, 5, 2), (3, 5, 0, "view"), (3, 5, 1, "cart"))
    give(night.folder, events=shop, validation={})
    assert kept(night) == [(1, 7, "view"), (1, 5, "purchase"), (2, 5, "purchase")]
    counts = night.folder.receipt("filter_purchasers")["counts"]
    assert (counts["rows_in"], counts["rows_out"], counts["n_users"], counts["n_browsers"]) == (5, 5, 2, 1)
    looks = pairs(night.folder.table("browser_events"), "user_id", "item_id", "event_type")
    assert looks == [(3, 5, "view"), (3, 5, "cart")]


def test_a_return_is_no_purchase(job: Callable[..., Job]) -> None:
    """3 only brought things back: no buyer. A missing quantity is 1."""
    night = job()
    rows = [
        (1, 5, 0),
        (1, 6, 0, "purchase", None, -1.0),
        (2, 6, 0, "purchase", None, None),
        (3, 5, 0, "purchase", None, 0.0),
    ]
    give(night.folder, events=events(*rows), validation={})
    assert kept(night) == [(1, 5, "purchase"), (2, 6, "purchase")]
    assert night.folder.receipt("filter_purchasers")["counts"]["n_returns"] == 2


def test_users_whom_the_shop_does_not_know_leave_training(job: Callable[..., Job]) -> None:
    night = job()
    give(night.folder, events=events((1, 5, 0), (2, 6, 0), (3, 5, 0)), users=USERS, validation={})
    assert {user for user, *_ in kept(night)} == {1, 2}
    counts = night.folder.receipt("filter_purchasers")["counts"]
    assert (counts["n_unknown_users"], counts["n_browsers"]) == (1, 0)
    assert (counts["n_unknown_buyers"], counts["n_events_of_unknown_users"]) == (1, 1)


def test_every_event_is_kept_or_counted_among_those_left_out(job: Callable[..., Job]) -> None:
    night = job()
    rows = [
        *[(1, 5, 0)] * 3,  # two duplicates
        (2, 6, 0),
        (2, 6, 0, "purchase", None, -1.0),
        (1, 6, 1, "view"),
        *[(3, 5, 0), (3, 5, 1, "view")],  # unknown
        *[(4, 5, day, "view") for day in range(4)],  # unknown too, and bought nothing
    ]
    give(night.folder, events=events(*rows), users=USERS, validation={})
    assert len(kept(night)) == 3
    counts = night.folder.receipt("filter_purchasers")["counts"]
    left_out = ("n_duplicates", "n_returns", "n_events_of_unknown_users", "n_events_of_browsers")
    assert [counts[name] for name in left_out] == [2, 1, 6, 0]
    assert (counts["n_unknown_users"], counts["n_unknown_buyers"]) == (2, 1)


def test_a_users_file_that_lacks_the_buyers_is_named(job: Callable[..., Job]) -> None:
    night = job()
    give(night.folder, events=events((1, 5, 0), (7, 6, 0), (8, 5, 0)), users=USERS, validation={})
    with pytest.raises(DataError, match=r"only one buyer whom sql/source/users\.sql has") as caught:
        run_stage("filter_purchasers", night)
    assert caught.value.found == "2 of 3 buyers of the window are not in it"
    assert "sql/source/users.sql" in caught.value.then


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([(1, 5, 0, "view"), (2, 6, 0, "cart")], "nobody bought"),
        ([(1, 5, 0, "purchase", None, 0.0)], "nobody bought"),
        ([(1, 5, 0), (1, 6, 1), (2, 7, 0, "view")], "only one buyer"),
        ([(1, 5, 0), (2, 5, 1)], "only one item"),
    ],
)
def test_too_little_to_learn_from(job: Callable[..., Job], rows: list[tuple[object, ...]], told: str) -> None:
    night = job()
    give(night.folder, events=events(*rows), validation={})
    with pytest.raises(DataError, match=told) as caught:
        run_stage("filter_purchasers", night)
    assert caught.value.found
    assert caught.value.then
    assert not night.folder.receipt("filter_purchasers")


def test_twice_on_the_same_input_is_the_same_bytes(job: Callable[..., Job]) -> None:
    night = job()
    give(night.folder, events=events(*((u % 7, u % 11, u % 13) for u in range(300))), validation={})
    run_stage("filter_purchasers", night)
    first = night.folder.file("purchaser_events").read_bytes()
    run_stage("filter_purchasers", night)
    assert night.folder.file("purchaser_events").read_bytes() == first
